/* The promises of src/channel's rekey: fresh keys for a channel that is in use. */
#include "test_record.h"

#include "channel/rekey.h"

static struct noise_keypair identity[2]; /* of a, of b */
static struct tacit_rekey_keys keys[2];

/* Records on their way, sealed in this order. */
struct wire {
    struct {
        uint8_t bytes[TACIT_REKEY_RECORD_MAX + 100];
        size_t len;
    } at[8];
    size_t first, count;
};

static struct wire from_a, from_b;

static struct tacit_channel *side(int s)
{
    return s == 0 ? &ends.a : &ends.b;
}

static struct wire *wire_of(int s)
{
    return s == 0 ? &from_a : &from_b;
}

static void begin(enum tacit_suite suite)
{
    open_ends(suite);
    memset(&from_a, 0, sizeof from_a);
    memset(&from_b, 0, sizeof from_b);
    for (int s = 0; s < 2; s++) {
        noise_keypair_generate(&identity[s]);
        keys[s].identity = &identity[s];
        keys[s].peer_key = identity[1 - s].public_key;
        memset(keys[s].pair_key.bytes, 7, TACIT_KEY_BYTES);
    }
}

static void offer(int s)
{
    struct wire *w = wire_of(s);
    assert_true(w->count < COUNT(w->at));
    assert_int_equal(tacit_rekey_offer(side(s), &keys[s], w->at[w->count].bytes,
                                       sizeof w->at[0].bytes, &w->at[w->count].len),
                     0);
    w->count++;
}

/* A record of data, marked with the generation that its key is of. */
static void say(int s)
{
    struct wire *w = wire_of(s);
    struct iovec iov = {.iov_base = data, .iov_len = 20};
    assert_true(w->count < COUNT(w->at));
    assert_int_equal(tacit_channel_seal(side(s), TACIT_RECORD_DATA, &iov, 1,
                                        w->at[w->count].bytes, sizeof w->at[0].bytes,
                                        &w->at[w->count].len),
                     0);
    w->count++;
}

static bool waiting(int s)
{
    return wire_of(s)->first < wire_of(s)->count;
}

/* The next record of s arrives, and is answered: data must be what was said. */
static int arrive(int s)
{
    struct wire *w = wire_of(s), *back = wire_of(1 - s);
    enum tacit_record_type type;
    uint8_t *bytes = w->at[w->first].bytes;
    size_t len;
    int error = tacit_channel_open(side(1 - s), bytes, w->at[w->first].len,
                                   bytes + TACIT_RECORD_HEADER, &len, &type);
    w->first++;
    if (error)
        return error;
    if (type == TACIT_RECORD_DATA) {
        assert_int_equal(len, 20);
        assert_memory_equal(bytes + TACIT_RECORD_HEADER, data, len);
        return 0;
    }
    assert_int_equal(type, TACIT_RECORD_REKEY);
    assert_true(back->count < COUNT(back->at));
    error = tacit_rekey_take(side(1 - s), &keys[1 - s], bytes + TACIT_RECORD_HEADER, len,
                             back->at[back->count].bytes, sizeof back->at[0].bytes, &len);
    if (!error && len > 0) {
        back->at[back->count].len = len;
        back->count++;
    }
    return error;
}

static void settle(void)
{
    while (waiting(0) || waiting(1))
        for (int s = 0; s < 2; s++)
            if (waiting(s))
                assert_int_equal(arrive(s), 0);
}

/* Both are at rest in this generation, on the same keys, and on none of `before`. */
static void assert_fresh(uint32_t generation, const struct ends *before)
{
    for (int s = 0; s < 2; s++) {
        assert_int_equal(side(s)->generation, generation);
        assert_int_equal(side(s)->rekey.state, TACIT_REKEY_NONE);
        assert_true(
            sodium_is_zero((const uint8_t *)&side(s)->rekey, sizeof side(s)->rekey));
        assert_memory_not_equal(&side(s)->send.key, &before->a.send.key,
                                sizeof side(s)->send.key);
        assert_memory_not_equal(&side(s)->send.key, &before->b.send.key,
                                sizeof side(s)->send.key);
        assert_memory_not_equal(side(s)->root, before->a.root, NOISE_HASHLEN);
        assert_memory_equal(&side(s)->send.key, &side(1 - s)->receive.key,
                            sizeof side(s)->send.key);
        assert_int_equal(side(s)->send.counter, side(1 - s)->receive.counter);
    }
    assert_memory_equal(ends.a.root, ends.b.root, NOISE_HASHLEN);
    assert_memory_equal(ends.a.h, ends.b.h, NOISE_HASHLEN);
}

/* ---- One offer -----------------------------------------------------------------------
 */

static void offers(enum tacit_suite suite)
{
    for (int s = 0; s < 2; s++)
        for (uint32_t generation = 1; generation <= 3; generation++) {
            struct ends before;
            if (generation == 1)
                begin(suite);
            before = ends;
            from_a.first = from_a.count = from_b.first = from_b.count = 0;
            offer(s);
            settle();
            assert_fresh(generation, &before);
            for (int t = 0; t < 2; t++)
                say(t);
            settle();
        }
}

static void either_side_may_offer_fresh_keys_again_and_again(void **state)
{
    each_suite(offers);
}

static void data_crosses(enum tacit_suite suite)
{
    begin(suite);
    struct ends before = ends;
    /* Offer, accept and switch, with data of both sides before and behind each. */
    say(0), say(1), offer(0), say(0), say(1);
    assert_int_equal(arrive(0), 0);
    assert_int_equal(arrive(0), 0); /* the offer: b sends accept */
    say(1), say(0);
    while (waiting(1))
        assert_int_equal(arrive(1), 0); /* a sends switch */
    say(0), say(1);
    assert_int_equal(ends.b.rekey.state, TACIT_REKEY_ACCEPTED);
    settle();
    assert_fresh(1, &before);
}

static void what_either_side_says_at_any_step_arrives(void **state)
{
    each_suite(data_crosses);
}

/* ---- Any order -----------------------------------------------------------------------
 */

/*
 * A walk through what may happen, in an order that bits decide: a record of either side
 * arrives, either speaks, either offers. Everything arrives, and in the end both agree.
 */
static void walk(enum tacit_suite suite, uint32_t seed)
{
    uint8_t choices[64], key[randombytes_SEEDBYTES] = {0};
    memcpy(key, &seed, sizeof seed);
    randombytes_buf_deterministic(choices, sizeof choices, key);
    begin(suite);
    for (size_t i = 0; i < sizeof choices; i++) {
        int s = choices[i] & 1;
        struct wire *w = wire_of(s);
        bool room = w->count < COUNT(w->at) - 3;
        switch (choices[i] >> 1 & 3) {
        case 0:
            if (room)
                say(s);
            break;
        case 1:
            if (room && side(s)->rekey.state == TACIT_REKEY_NONE)
                offer(s);
            break;
        default:
            if (waiting(s) && wire_of(1 - s)->count < COUNT(w->at))
                assert_int_equal(arrive(s), 0);
        }
        for (int t = 0; t < 2; t++)
            if (!waiting(t))
                wire_of(t)->first = wire_of(t)->count = 0;
    }
    while (waiting(0) || waiting(1)) {
        int s = waiting(0) ? 0 : 1;
        if (!waiting(1 - s))
            wire_of(1 - s)->first = wire_of(1 - s)->count = 0;
        assert_int_equal(arrive(s), 0);
    }
    assert_int_equal(ends.a.generation, ends.b.generation);
    assert_int_equal(ends.a.rekey.state, TACIT_REKEY_NONE);
    assert_int_equal(ends.b.rekey.state, TACIT_REKEY_NONE);
    assert_memory_equal(ends.a.root, ends.b.root, NOISE_HASHLEN);
}

static void offers_that_cross_in_any_order_lose_nothing(void **state)
{
    for (uint32_t seed = 0; seed < 1000; seed++)
        walk(TACIT_SUITE_CHACHA20_POLY1305, seed);
}

static void crossing(enum tacit_suite suite)
{
    begin(suite);
    struct ends before = ends;
    offer(1), offer(0);
    assert_int_equal(arrive(1), 0); /* the initiator goes on with its own */
    assert_int_equal(from_a.count, 1);
    assert_true(ends.a.rekey.ignored);
    settle();
    assert_fresh(1, &before);
    assert_int_equal(from_a.count, 2); /* offer, switch */
    assert_int_equal(from_b.count, 2); /* offer, accept */
}

static void of_offers_that_cross_the_initiators_counts(void **state)
{
    each_suite(crossing);
}

/* ---- What does not belong ------------------------------------------------------------
 */

enum {
    OFFER = 1,
    ACCEPT = 2,
    SWITCH = 3,
};

/* A record's data, as b would get it; the message is an offer's own. */
static int give(uint8_t subtype, uint32_t generation, size_t len)
{
    uint8_t bytes[5 + 100] = {subtype, (uint8_t)(generation >> 24),
                              (uint8_t)(generation >> 16), (uint8_t)(generation >> 8),
                              (uint8_t)generation};
    uint8_t out[TACIT_REKEY_RECORD_MAX];
    size_t ret;
    memset(bytes + 5, 9, sizeof bytes - 5);
    return tacit_rekey_take(&ends.b, &keys[1], bytes, len, out, sizeof out, &ret);
}

static void a_record_that_is_not_expected_is_an_error(void **state)
{
    const size_t full = 5 + TACIT_REKEY_MESSAGE;
    for (unsigned subtype = 0; subtype < 256; subtype++)
        for (size_t len = 0; len <= full + 1; len++) {
            begin(TACIT_SUITE_CHACHA20_POLY1305);
            int error = give((uint8_t)subtype, 1, len);
            /* An offer of the right size is looked into, and does not open. */
            bool opened = subtype == OFFER && len == full;
            assert_int_equal(error, opened ? TACIT_EAUTH : TACIT_EFORMAT);
            assert_int_equal(ends.b.generation, 0);
        }
    /* The next generation, and no other. */
    for (uint32_t generation = 0; generation < 5; generation++) {
        begin(TACIT_SUITE_CHACHA20_POLY1305);
        assert_int_equal(give(OFFER, generation, full),
                         generation == 1 ? TACIT_EAUTH : TACIT_EFORMAT);
        assert_int_equal(give(SWITCH, generation, 5), TACIT_EFORMAT);
        assert_int_equal(give(ACCEPT, generation, full), TACIT_EFORMAT);
    }
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    ends.b.generation = UINT32_MAX; /* there is no next one */
    assert_int_equal(give(OFFER, 0, full), TACIT_EFORMAT);
    uint8_t out[TACIT_REKEY_RECORD_MAX];
    size_t len;
    assert_int_equal(tacit_rekey_offer(&ends.b, &keys[1], out, sizeof out, &len),
                     TACIT_ESTATE);
}

static void a_record_out_of_turn_is_an_error(void **state)
{
    const size_t full = 5 + TACIT_REKEY_MESSAGE;
    /* While b waits for the answer to its offer: */
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    offer(1);
    assert_int_equal(give(SWITCH, 0, 5), TACIT_EFORMAT);
    assert_int_equal(give(ACCEPT, 1, full), TACIT_EAUTH);
    /* and while it waits for the switch, an offer, and a second one of a's. */
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    offer(0);
    assert_int_equal(arrive(0), 0);
    assert_int_equal(give(OFFER, 2, full), TACIT_EFORMAT);
    assert_int_equal(give(OFFER, 1, full), TACIT_EFORMAT);
    assert_int_equal(give(ACCEPT, 2, full), TACIT_EFORMAT);
    assert_int_equal(give(SWITCH, 2, 5), TACIT_EFORMAT);
    assert_int_equal(give(SWITCH, 1, 5), 0);
    assert_int_equal(give(SWITCH, 1, 5), TACIT_EFORMAT);
    /* The initiator lets one crossing offer pass, not two. */
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    offer(1), offer(0);
    from_b.at[1] = from_b.at[0];
    assert_int_equal(arrive(1), 0);
    uint8_t again[5 + TACIT_REKEY_MESSAGE] = {OFFER, 0, 0, 0, 1}, out[100];
    size_t len;
    assert_int_equal(
        tacit_rekey_take(&ends.a, &keys[0], again, sizeof again, out, sizeof out, &len),
        TACIT_EFORMAT);
}

static void an_offer_cannot_be_made_twice_nor_during_an_exchange(void **state)
{
    uint8_t out[TACIT_REKEY_RECORD_MAX];
    size_t len;
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    assert_int_equal(tacit_rekey_offer(&ends.a, &keys[0], out, 10, &len), TACIT_ESPACE);
    assert_true(sodium_is_zero((const uint8_t *)&ends.a.rekey, sizeof ends.a.rekey));
    offer(0);
    assert_int_equal(tacit_rekey_offer(&ends.a, &keys[0], out, sizeof out, &len),
                     TACIT_ESTATE);
    assert_int_equal(arrive(0), 0);
    assert_int_equal(tacit_rekey_offer(&ends.b, &keys[1], out, sizeof out, &len),
                     TACIT_ESTATE);
    settle();
    offer(1);
}

static void a_record_repeated_is_refused_under_old_and_new_keys(void **state)
{
    static const int order[] = {0, 1, 0}; /* who sends offer, accept, switch */
    for (int step = 0; step < 3; step++) {
        begin(TACIT_SUITE_CHACHA20_POLY1305);
        offer(0);
        for (int i = 0; i <= step; i++) {
            struct wire copy = *wire_of(order[i]);
            assert_int_equal(arrive(order[i]), 0);
            if (i == step) {
                *wire_of(order[i]) = copy;
                assert_int_equal(arrive(order[i]), TACIT_EAUTH);
            }
        }
        assert_dead_channel(side(1 - order[step]));
        assert_true(sodium_is_zero(side(1 - order[step])->root, NOISE_HASHLEN));
    }
}

/* ---- What the keys are made of -------------------------------------------------------
 */

static int whole(void)
{
    int error = 0;
    offer(0);
    while (!error && (waiting(0) || waiting(1)))
        error = arrive(waiting(0) ? 0 : 1);
    return error;
}

static void who_lacks_one_of_the_secrets_gets_no_fresh_keys(void **state)
{
    struct noise_keypair other;
    noise_keypair_generate(&other);
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    assert_int_equal(whole(), 0);
    /* Only the record keys are known: */
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    keys[0].identity = &other; /* not the static key of the offering side, */
    assert_int_equal(whole(), TACIT_EAUTH);
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    keys[1].identity = &other; /* nor of the accepting one, */
    assert_int_equal(whole(), TACIT_EAUTH);
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    keys[1].pair_key.bytes[31] ^= 1; /* nor the pair key, */
    assert_int_equal(whole(), TACIT_EAUTH);
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    ends.b.root[0] ^= 1; /* nor the root, */
    assert_int_equal(whole(), TACIT_EAUTH);
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    ends.b.h[0] ^= 1; /* nor what was said before. */
    assert_int_equal(whole(), TACIT_EAUTH);
    assert_int_equal(ends.a.generation + ends.b.generation, 0);
}

static bool holds(const void *memory, size_t size, const uint8_t secret[32])
{
    const uint8_t *bytes = memory;
    for (size_t i = 0; i + 32 <= size; i++)
        if (memcmp(bytes + i, secret, 32) == 0)
            return true;
    return false;
}

static void
the_channel_never_keeps_the_private_key_nor_what_it_no_longer_needs(void **state)
{
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    uint8_t old_send[32], old_receive[32], old_root[NOISE_HASHLEN], ephemeral[32];
    memcpy(old_send, ends.a.send.key.key.bytes, 32);
    memcpy(old_receive, ends.a.receive.key.key.bytes, 32);
    memcpy(old_root, ends.a.root, NOISE_HASHLEN);
    assert_true(holds(&ends.a, sizeof ends.a, old_send));
    offer(0);
    memcpy(ephemeral, ends.a.rekey.noise.e.private_key.bytes, 32);
    assert_true(holds(&ends.a, sizeof ends.a, ephemeral));
    assert_false(holds(&ends.a, sizeof ends.a, identity[0].private_key.bytes));
    assert_int_equal(arrive(0), 0);
    assert_false(holds(&ends.b, sizeof ends.b, identity[1].private_key.bytes));
    assert_false(holds(&ends.b, sizeof ends.b, old_receive)); /* b sends under new */
    assert_false(holds(&ends.b, sizeof ends.b, old_root));
    assert_true(holds(&ends.b, sizeof ends.b, old_send)); /* what a sends until then */
    settle();
    for (int s = 0; s < 2; s++) {
        assert_false(holds(side(s), sizeof ends.a, old_send));
        assert_false(holds(side(s), sizeof ends.a, old_receive));
        assert_false(holds(side(s), sizeof ends.a, old_root));
        assert_false(holds(side(s), sizeof ends.a, ephemeral));
        assert_false(holds(side(s), sizeof ends.a, identity[s].private_key.bytes));
    }
    /* An offer that is dropped for the other side's goes, too. */
    offer(1), offer(0);
    memcpy(ephemeral, ends.b.rekey.noise.e.private_key.bytes, 32);
    assert_int_equal(arrive(0), 0);
    assert_false(holds(&ends.b, sizeof ends.b, ephemeral));
}

/* ---- When ----------------------------------------------------------------------------
 */

static void fresh_keys_are_due_by_time_bytes_or_records_of_either_direction(void **state)
{
    const struct tacit_rekey_limits limits = {120, 1 << 20, 1000};
    struct tacit_channel *a = &ends.a, *b = &ends.b;
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    assert_false(tacit_rekey_due(a, &limits, 0));
    assert_false(tacit_rekey_due(a, &limits, 119));
    assert_true(tacit_rekey_due(a, &limits, 120));
    assert_false(tacit_rekey_due(b, &limits, 120)); /* the initiator comes first */
    assert_true(tacit_rekey_due(b, &limits, 135));
    a->send.counter = b->receive.counter = 999;
    assert_false(tacit_rekey_due(a, &limits, 0));
    a->send.counter = b->receive.counter = 1000;
    assert_true(tacit_rekey_due(a, &limits, 0));
    assert_false(tacit_rekey_due(b, &limits, 0)); /* the sender comes first */
    b->receive.counter = 1125;
    assert_true(tacit_rekey_due(b, &limits, 0));
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    b->send.bytes = (1 << 20) - 1;
    assert_false(tacit_rekey_due(b, &limits, 0));
    b->send.bytes = a->receive.bytes = 1 << 20;
    assert_true(tacit_rekey_due(b, &limits, 0));
    assert_false(tacit_rekey_due(a, &limits, 0));
    a->receive.bytes = UINT64_C(1) << 38;
    assert_true(tacit_rekey_due(a, &limits, 0));
    offer(0);
    assert_false(tacit_rekey_due(a, &limits, UINT64_MAX)); /* one is under way */
    b->generation = UINT32_MAX;
    assert_false(tacit_rekey_due(b, &limits, UINT64_MAX)); /* there is no next one */
}

/* Somebody who has the present keys would read on for as long as he holds it back. */
static void an_exchange_is_overdue_after_the_limits_seconds_and_30_at_least(void **state)
{
    const struct tacit_rekey_limits slow = {120, 1 << 20, 1000},
                                    fast = {1, 1 << 20, 1000};
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    for (int s = 0; s < 2; s++)
        assert_false(tacit_rekey_overdue(side(s), &fast, UINT64_MAX)); /* there is none */
    offer(0);
    assert_false(tacit_rekey_overdue(&ends.a, &slow, 119));
    assert_true(tacit_rekey_overdue(&ends.a, &slow, 120));
    assert_false(tacit_rekey_overdue(&ends.a, &fast, 29));
    assert_true(tacit_rekey_overdue(&ends.a, &fast, 30));
    assert_false(tacit_rekey_overdue(&ends.b, &fast, 30));
    assert_int_equal(arrive(0), 0); /* the offer: b waits for the switch */
    assert_true(tacit_rekey_overdue(&ends.b, &fast, 30));
    assert_int_equal(arrive(1), 0);
    assert_false(tacit_rekey_overdue(&ends.a, &fast, UINT64_MAX));
    assert_int_equal(arrive(0), 0);
    assert_false(tacit_rekey_overdue(&ends.b, &fast, UINT64_MAX));
}

static void an_offer_is_early_before_the_least_that_limits_can_be(void **state)
{
    static const uint8_t offers[] = {1, 0, 0, 0, 1}, accepts[] = {2, 0, 0, 0, 1};
    struct tacit_channel *ch = &ends.a;
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    assert_true(tacit_rekey_is_early(ch, offers, sizeof offers));
    assert_false(tacit_rekey_is_early(ch, accepts, sizeof accepts));
    assert_false(tacit_rekey_is_early(ch, offers, 0));
    ch->send.bytes = ch->receive.bytes = (1 << 20) - 1;
    ch->send.counter = ch->receive.counter = 999;
    assert_true(tacit_rekey_is_early(ch, offers, sizeof offers));
    for (int i = 0; i < 4; i++) {
        struct tacit_channel used = *ch;
        struct tacit_direction *d = i < 2 ? &used.send : &used.receive;
        d->bytes += i % 2 == 0;
        d->counter += i % 2 != 0;
        assert_false(tacit_rekey_is_early(&used, offers, sizeof offers));
    }
}

static void keys_at_their_last_record_are_exchanged_and_go_on(void **state)
{
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    const uint64_t last = UINT64_C(1) << 32;
    ends.a.send.counter = ends.b.receive.counter = last - 2; /* offer, switch */
    ends.b.send.bytes = ends.a.receive.bytes = (UINT64_C(1) << 38) - 100; /* accept */
    struct ends before = ends;
    assert_int_equal(whole(), 0);
    assert_fresh(1, &before);
    assert_int_equal(ends.a.send.counter, 0);
    assert_int_equal(ends.b.send.bytes, 0);
    say(0);
    assert_int_equal(arrive(0), 0);
    /* One record too late: the exchange cannot be ended, and the keys are worn. */
    begin(TACIT_SUITE_CHACHA20_POLY1305);
    ends.a.send.counter = ends.b.receive.counter = last - 1;
    assert_int_equal(whole(), TACIT_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(either_side_may_offer_fresh_keys_again_and_again),
        cmocka_unit_test(what_either_side_says_at_any_step_arrives),
        cmocka_unit_test(offers_that_cross_in_any_order_lose_nothing),
        cmocka_unit_test(of_offers_that_cross_the_initiators_counts),
        cmocka_unit_test(a_record_that_is_not_expected_is_an_error),
        cmocka_unit_test(a_record_out_of_turn_is_an_error),
        cmocka_unit_test(an_offer_cannot_be_made_twice_nor_during_an_exchange),
        cmocka_unit_test(a_record_repeated_is_refused_under_old_and_new_keys),
        cmocka_unit_test(who_lacks_one_of_the_secrets_gets_no_fresh_keys),
        cmocka_unit_test(
            the_channel_never_keeps_the_private_key_nor_what_it_no_longer_needs),
        cmocka_unit_test(fresh_keys_are_due_by_time_bytes_or_records_of_either_direction),
        cmocka_unit_test(an_exchange_is_overdue_after_the_limits_seconds_and_30_at_least),
        cmocka_unit_test(an_offer_is_early_before_the_least_that_limits_can_be),
        cmocka_unit_test(keys_at_their_last_record_are_exchanged_and_go_on),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("rekey", tests, NULL, NULL);
}
