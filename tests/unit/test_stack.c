/*
 * What a channel leaves on the stack: everything runs on one that is the test's own,
 * which is looked through afterwards. Part of src/channel's and src/policy's promises.
 */
#include "test_channel.h"

#include <pthread.h>

#include "channel/rekey.h"
#include "policy/signed.h"

enum {
    STACK_SIZE = 256 * 1024,
    PART = 16, /* so much of a secret in one piece is too much */
};

static _Alignas(4096) uint8_t stack[STACK_SIZE];

static struct pair pair;

/* Secrets as they were, and what they are. */
static struct {
    uint8_t bytes[NOISE_HASHLEN];
    size_t len;
    const char *what;
} secrets[32];
static size_t secret_count;

static void note(const char *what, const void *bytes, size_t len)
{
    assert_true(secret_count < COUNT(secrets) && len <= NOISE_HASHLEN);
    assert_false(sodium_is_zero(bytes, len));
    memcpy(secrets[secret_count].bytes, bytes, len);
    secrets[secret_count].len = len;
    secrets[secret_count++].what = what;
}

static bool on_stack(const uint8_t *bytes, size_t len)
{
    for (size_t part = 0; part + PART <= len; part += PART)
        for (size_t i = 0; i + PART <= STACK_SIZE; i++)
            if (memcmp(stack + i, bytes + part, PART) == 0)
                return true;
    return false;
}

static void look(void)
{
    for (size_t i = 0; i < secret_count; i++)
        if (on_stack(secrets[i].bytes, secrets[i].len))
            fail_msg("%s is on the stack", secrets[i].what);
}

/* Runs it on the stack, and looks for every secret noted by then. */
static void run(void *(*function)(void *))
{
    pthread_attr_t attributes;
    pthread_t thread;
    memset(stack, 0, sizeof stack);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, sizeof stack), 0);
    assert_int_equal(pthread_create(&thread, &attributes, function, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    assert_false(sodium_is_zero(stack, sizeof stack));
    look();
}

static uint8_t record[TACIT_RECORD_MAX];
static size_t record_len;
static int failed; /* cmocka's own jumps are not for another thread */

static int start(void **state)
{
    secret_count = 0;
    failed = 0;
    pair_make(&pair);
    randombytes_buf(pair.i.mesh_keys[0].bytes, TACIT_KEY_BYTES);
    randombytes_buf(pair.i.pair_key.bytes, TACIT_KEY_BYTES);
    pair.r.mesh_keys[0] = pair.i.mesh_keys[0];
    pair.r.pair_key = pair.i.pair_key;
    note("the initiator's private key", pair.i.identity.private_key.bytes, 32);
    note("the responder's private key", pair.r.identity.private_key.bytes, 32);
    note("the mesh key", pair.i.mesh_keys[0].bytes, 32);
    note("the pair key", pair.i.pair_key.bytes, 32);
    return 0;
}

static void note_channel(void)
{
    const struct tacit_channel *i = &pair.i.channel;
    note("the root", i->root, sizeof i->root);
    if (i->suite != TACIT_SUITE_AES_256_GCM) {
        note("a key to send", i->send.key.key.bytes, 32);
        note("a key to receive", i->receive.key.key.bytes, 32);
    } else { /* its first round keys are the key itself */
        note("a key to send", &i->send.key.aes, 32);
        note("a key to receive", &i->receive.key.aes, 32);
    }
}

static void *first_message(void *arg)
{
    failed |= side_start(&pair.i, NOISE_INITIATOR);
    failed |= side_start(&pair.r, NOISE_RESPONDER);
    return arg;
}

static void *second_message(void *arg)
{
    failed |= carry(&pair.i, &pair.r, ANY_SIZE);
    return arg;
}

static void *third_message(void *arg)
{
    failed |= carry(&pair.r, &pair.i, ANY_SIZE);
    failed |= carry(&pair.i, &pair.r, ANY_SIZE);
    return arg;
}

static void *finish(void *arg)
{
    failed |= tacit_handshake_finish(&pair.i.hs, &pair.i.channel);
    failed |= tacit_handshake_finish(&pair.r.hs, &pair.r.channel);
    return arg;
}

/* Noise's last two keys: a copy of the handshake gives them away. */
static void note_split(void)
{
    static struct noise_handshake copy;
    static struct noise_cipher send, receive;
    copy = pair.i.hs.noise;
    assert_int_equal(noise_handshake_split(&copy, &send, &receive), 0);
    note("a key of Split()", send.key.bytes, 32);
    note("the other key of Split()", receive.key.bytes, 32);
}

static void shake_hands(void)
{
    run(first_message);
    note("the initiator's ephemeral key", pair.i.hs.noise.e.private_key.bytes, 32);
    run(second_message);
    note("the responder's ephemeral key", pair.r.hs.noise.e.private_key.bytes, 32);
    run(third_message);
    assert_int_equal(failed, 0);
    note_split();
    run(finish);
    assert_int_equal(failed, 0);
    note_channel();
    look();
}

static void a_handshake_leaves_no_secret_on_the_stack(void **state)
{
    shake_hands();
}

static void *records(void *arg)
{
    static uint8_t data[1000], plain[TACIT_RECORD_MAX];
    struct iovec iov = {.iov_base = data, .iov_len = sizeof data};
    enum tacit_record_type type;
    size_t len;
    failed |= tacit_channel_seal(&pair.i.channel, TACIT_RECORD_DATA, &iov, 1, record,
                                 sizeof record, &record_len);
    failed |= tacit_channel_open(&pair.r.channel, record, record_len, plain, &len, &type);
    failed |= tacit_channel_seal_close(&pair.r.channel, TACIT_CLOSE_DONE, "", record,
                                       sizeof record, &record_len);
    failed |= tacit_channel_open(&pair.i.channel, record, record_len, plain, &len, &type);
    return arg;
}

static void nor_do_records(void **state)
{
    for (unsigned suite = 1; suite <= TACIT_SUITE_LAST; suite++) {
        /* AES-256-GCM of libsodium's leaves its round keys: SECURITY.md says so. */
        if (!(tacit_suites_available() & 1u << suite) || suite == TACIT_SUITE_AES_256_GCM)
            continue;
        start(state);
        pair.i.suites = 1u << suite;
        shake_hands();
        assert_int_equal(pair.i.channel.suite, suite);
        run(records);
        assert_int_equal(failed, 0);
    }
}

static struct tacit_rekey_keys keys_of(const struct side *s, const struct side *peer)
{
    return (struct tacit_rekey_keys){.identity = &s->identity,
                                     .peer_key = peer->identity.public_key,
                                     .pair_key = s->pair_key};
}

static struct tacit_rekey_keys keys_i, keys_r;
static uint8_t opened[TACIT_RECORD_MAX];

/* The record arrives at s, which answers with the next one. */
static void arrive(struct side *s, const struct tacit_rekey_keys *keys)
{
    enum tacit_record_type type;
    size_t len = 0;
    failed |= tacit_channel_open(&s->channel, record, record_len, opened, &len, &type);
    failed |= tacit_rekey_take(&s->channel, keys, opened, len, record, sizeof record,
                               &record_len);
}

static void *offer(void *arg)
{
    failed |=
        tacit_rekey_offer(&pair.i.channel, &keys_i, record, sizeof record, &record_len);
    return arg;
}

static void *take_offer(void *arg)
{
    arrive(&pair.r, &keys_r);
    return arg;
}

static void *take_accept(void *arg)
{
    arrive(&pair.i, &keys_i);
    return arg;
}

static void *take_switch(void *arg)
{
    arrive(&pair.r, &keys_r);
    return arg;
}

static void nor_do_fresh_keys(void **state)
{
    shake_hands();
    keys_i = keys_of(&pair.i, &pair.r);
    keys_r = keys_of(&pair.r, &pair.i);
    run(offer);
    note("an offer's ephemeral key", pair.i.channel.rekey.noise.e.private_key.bytes, 32);
    run(take_offer);
    note("the next root", pair.r.channel.root, NOISE_HASHLEN);
    look();
    run(take_accept);
    note_channel();
    look();
    run(take_switch);
    assert_int_equal(failed, 0);
    assert_int_equal(pair.r.channel.generation, 1);
}

/* There is no room for the answer. */
static void *take_offer_in_vain(void *arg)
{
    enum tacit_record_type type;
    size_t len = 0;
    failed |=
        tacit_channel_open(&pair.r.channel, record, record_len, opened, &len, &type);
    if (!failed)
        failed =
            tacit_rekey_take(&pair.r.channel, &keys_r, opened, len, record, 10, &len);
    return arg;
}

static void nor_does_an_offer_that_cannot_be_answered(void **state)
{
    shake_hands();
    keys_i = keys_of(&pair.i, &pair.r);
    keys_r = keys_of(&pair.r, &pair.i);
    run(offer);
    run(take_offer_in_vain);
    assert_int_equal(failed, TACIT_ESPACE);
}

static struct tacit_secret seed;

static void *sign(void *arg)
{
    static char text[1000];
    uint8_t key[TACIT_KEY_BYTES];
    tacit_authority_key(&seed, key);
    failed |=
        tacit_sign(TACIT_SIGNED_POLICY, &seed, "body", 4, text, sizeof text, &record_len);
    return arg;
}

static void nor_does_signing(void **state)
{
    randombytes_buf(seed.bytes, sizeof seed.bytes);
    note("the authority's key", seed.bytes, sizeof seed.bytes);
    run(sign);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_handshake_leaves_no_secret_on_the_stack, start),
        cmocka_unit_test_setup(nor_do_records, start),
        cmocka_unit_test_setup(nor_do_fresh_keys, start),
        cmocka_unit_test_setup(nor_does_an_offer_that_cannot_be_answered, start),
        cmocka_unit_test_setup(nor_does_signing, start),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
