/* A channel's two ends without a handshake: what the programs that test records share. */
#ifndef TACIT_TEST_RECORD_H
#define TACIT_TEST_RECORD_H

#include "test_channel.h"

/* Two ends of an established channel, and a place for a record. */
struct ends {
    struct tacit_channel a, b;
    uint8_t record[TACIT_RECORD_MAX + 64], plain[TACIT_RECORD_MAX + 64];
    size_t len;
};

static struct ends ends;
static struct tacit_secret split[2];
static uint8_t hash[NOISE_HASHLEN];
static uint8_t data[TACIT_RECORD_MAX];

static inline void open_ends(enum tacit_suite suite)
{
    memset(split[0].bytes, 1, TACIT_KEY_BYTES);
    memset(split[1].bytes, 2, TACIT_KEY_BYTES);
    memset(hash, 3, sizeof hash);
    tacit_channel_init(&ends.a, NOISE_INITIATOR, suite, split, hash);
    tacit_channel_init(&ends.b, NOISE_RESPONDER, suite, split, hash);
}

/* The test, once a suite. */
static inline void each_suite(void (*test)(enum tacit_suite suite))
{
    for (int suite = 1; suite <= TACIT_SUITE_LAST; suite++)
        if (tacit_suites_available() & 1u << suite) {
            open_ends((enum tacit_suite)suite);
            test((enum tacit_suite)suite);
        }
}

static inline int seal(struct tacit_channel *ch, enum tacit_record_type type, size_t len)
{
    struct iovec iov = {.iov_base = data, .iov_len = len};
    return tacit_channel_seal(ch, type, &iov, 1, ends.record, sizeof ends.record,
                              &ends.len);
}

static inline int open_record(struct tacit_channel *ch, size_t *ret_len)
{
    enum tacit_record_type type;
    int error = tacit_channel_open(ch, ends.record, ends.len, ends.plain, ret_len, &type);
    if (!error)
        assert_int_equal(type, TACIT_RECORD_DATA);
    return error;
}

/* A channel that failed: nothing opens, nothing is sealed, no key is left. */
static inline void assert_dead_channel(struct tacit_channel *ch)
{
    struct tacit_channel wiped;
    size_t len;
    memset(&wiped, 0, sizeof wiped);
    wiped.failed = true;
    assert_memory_equal(&ch->send.key, &wiped.send.key, sizeof wiped.send.key);
    assert_memory_equal(&ch->receive.key, &wiped.receive.key, sizeof wiped.receive.key);
    assert_true(ch->failed);
    assert_int_equal(open_record(ch, &len), TACIT_ESTATE);
    assert_int_equal(seal(ch, TACIT_RECORD_DATA, 1), TACIT_ESTATE);
}

#endif
