/* The promises of src/session/keys.c: two ends of a link whose keys grow old. */
#include "test_conf.h"

#include <sodium.h>
#include <string.h>

#include "session/keys.h"

enum {
    SECOND = 1000000, /* us */
};

struct end {
    _Alignas(16) struct tacit_channel channel;
    struct tacit_link_keys keys;
    struct noise_keypair identity;
    struct tacit_rekey_keys lent;
};

static struct end a, b; /* a is the initiator */
static uint8_t record[TACIT_REKEY_RECORD_MAX], data[TACIT_REKEY_RECORD_MAX];
static size_t record_len, data_len;

static int setup(void **state)
{
    struct tacit_policy *policy =
        must_load(MESH "rekey-seconds = 120\nrekey-records = 1000\n" HOST);
    struct tacit_secret split[2] = {{{1}}, {{2}}};
    uint8_t h[NOISE_HASHLEN] = {3};
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    for (int i = 0; i < 2; i++) {
        struct end *e = i == 0 ? &a : &b, *other = i == 0 ? &b : &a;
        noise_keypair_generate(&e->identity);
        e->lent = (struct tacit_rekey_keys){.identity = &e->identity,
                                            .peer_key = other->identity.public_key};
        tacit_channel_init(&e->channel, i == 0 ? NOISE_INITIATOR : NOISE_RESPONDER,
                           TACIT_SUITE_CHACHA20_POLY1305, split, h);
        tacit_keys_begin(&e->keys, policy, 0);
    }
    tacit_policy_free(policy);
    return 0;
}

/* The record sealed last arrives at an end: its data, opened. */
static void arrive(struct end *e)
{
    enum tacit_record_type type;
    assert_int_equal(
        tacit_channel_open(&e->channel, record, record_len, data, &data_len, &type), 0);
    assert_int_equal(type, TACIT_RECORD_REKEY);
}

static void offer(struct end *e, int64_t now)
{
    assert_int_equal(tacit_keys_offer(&e->keys, &e->channel, &e->lent, now, record,
                                      sizeof record, &record_len),
                     0);
}

static void take(struct end *e, int64_t now)
{
    arrive(e);
    assert_int_equal(tacit_keys_take(&e->keys, &e->channel, &e->lent, now, data, data_len,
                                     record, sizeof record, &record_len),
                     0);
}

static void idle_keys_are_never_old(void **state)
{
    assert_false(tacit_keys_due(&a.keys, &a.channel, (int64_t)100000 * SECOND));
}

static void used_keys_are_due_by_the_policys_seconds(void **state)
{
    a.keys.used = true;
    assert_false(tacit_keys_due(&a.keys, &a.channel, (int64_t)119 * SECOND));
    assert_true(tacit_keys_due(&a.keys, &a.channel, (int64_t)120 * SECOND));
}

static void a_new_policy_says_again_when(void **state)
{
    struct tacit_policy *policy = must_load(MESH "rekey-seconds = 3600\n" HOST);
    a.keys.used = true;
    tacit_keys_limit(&a.keys, policy);
    tacit_policy_free(policy);
    assert_false(tacit_keys_due(&a.keys, &a.channel, (int64_t)3599 * SECOND));
    assert_true(tacit_keys_due(&a.keys, &a.channel, (int64_t)3600 * SECOND));
}

static void an_exchange_makes_them_young_and_unused_on_both_sides(void **state)
{
    const int64_t late = (int64_t)500 * SECOND;
    a.keys.used = b.keys.used = true;
    assert_false(tacit_keys_changing(&a.channel));
    offer(&a, late);
    assert_true(tacit_keys_changing(&a.channel));
    take(&b, late + 1); /* accepts */
    take(&a, late + 2); /* switches */
    take(&b, late + 3);
    assert_int_equal(record_len, 0);
    for (int i = 0; i < 2; i++) {
        struct end *e = i == 0 ? &a : &b;
        assert_false(tacit_keys_changing(&e->channel));
        assert_int_equal(e->channel.generation, 1);
        assert_false(e->keys.used);
        assert_in_range(e->keys.since, late + 1, late + 3);
    }
}

static void an_offer_without_an_answer_is_overdue_by_the_same_seconds(void **state)
{
    offer(&a, (int64_t)50 * SECOND);
    assert_false(tacit_keys_overdue(&a.keys, &a.channel, (int64_t)169 * SECOND));
    assert_true(tacit_keys_overdue(&a.keys, &a.channel, (int64_t)170 * SECOND));
    assert_false(tacit_keys_overdue(&b.keys, &b.channel, (int64_t)170 * SECOND));
    take(&b, (int64_t)60 * SECOND); /* its step begins here */
    assert_false(tacit_keys_overdue(&b.keys, &b.channel, (int64_t)179 * SECOND));
    assert_true(tacit_keys_overdue(&b.keys, &b.channel, (int64_t)180 * SECOND));
}

/* A peer that offers again and again has five X25519 computed each time. */
static void early_offers_are_taken_ten_times_and_then_once_a_second(void **state)
{
    offer(&a, 0);
    arrive(&b);
    for (int i = 0; i < 10; i++)
        assert_false(tacit_keys_refuse(&b.keys, &b.channel, data, data_len, 0));
    assert_true(tacit_keys_refuse(&b.keys, &b.channel, data, data_len, 0));
    assert_false(tacit_keys_refuse(&b.keys, &b.channel, data, data_len, SECOND));
    assert_true(tacit_keys_refuse(&b.keys, &b.channel, data, data_len, SECOND));
}

static void what_was_not_expected_changes_nothing(void **state)
{
    static const uint8_t nonsense[] = {9, 9, 9};
    struct tacit_link_keys before = a.keys;
    assert_int_equal(tacit_keys_take(&a.keys, &a.channel, &a.lent, 7, nonsense,
                                     sizeof nonsense, record, sizeof record, &record_len),
                     TACIT_EFORMAT);
    assert_memory_equal(&a.keys, &before, sizeof before);
}

#define PROMISE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PROMISE(idle_keys_are_never_old),
        PROMISE(used_keys_are_due_by_the_policys_seconds),
        PROMISE(a_new_policy_says_again_when),
        PROMISE(an_exchange_makes_them_young_and_unused_on_both_sides),
        PROMISE(an_offer_without_an_answer_is_overdue_by_the_same_seconds),
        PROMISE(early_offers_are_taken_ten_times_and_then_once_a_second),
        PROMISE(what_was_not_expected_changes_nothing),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
