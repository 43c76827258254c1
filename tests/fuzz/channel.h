/*
 * What the targets that drive channels share: randomness that an input repeats, two
 * identities, and bytes of the input to choose by.
 */
#ifndef TACIT_FUZZ_CHANNEL_H
#define TACIT_FUZZ_CHANNEL_H

#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "channel/handshake.h"
#include "channel/rekey.h"

enum {
    FUZZ_SUITES = 3,
};

/* The same for every run of an input: a broken promise is found again. */
static uint64_t fuzz_draws;

static void fuzz_random(void *buf, size_t size)
{
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    memcpy(seed, &fuzz_draws, sizeof fuzz_draws);
    fuzz_draws++;
    randombytes_buf_deterministic(buf, size, seed);
}

static const char *fuzz_random_name(void)
{
    return "fuzz";
}

static uint32_t fuzz_random_number(void)
{
    uint32_t number;
    fuzz_random(&number, sizeof number);
    return number;
}

static struct randombytes_implementation fuzz_randomness = {
    .implementation_name = fuzz_random_name,
    .random = fuzz_random_number,
    .buf = fuzz_random,
};

/* To be called with each input first. */
static inline void fuzz_begin(void)
{
    static int started = -1;
    if (started < 0) {
        MUST(randombytes_set_implementation(&fuzz_randomness) == 0);
        started = sodium_init();
        MUST(started >= 0);
    }
    fuzz_draws = 0;
}

/* One of the suites that run here. */
static inline enum tacit_suite fuzz_suite(unsigned choice)
{
    int suite = (int)(choice % FUZZ_SUITES) + 1;
    return tacit_suites_available() & 1u << suite ? (enum tacit_suite)suite
                                                  : TACIT_SUITE_CHACHA20_POLY1305;
}

/* Overwrites some of the bytes by what the input says; whether any is another now. */
static inline bool fuzz_patch(struct tacit_reader *in, uint8_t *bytes, size_t len)
{
    uint8_t before[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    MUST(len <= sizeof before);
    memcpy(before, bytes, len);
    for (unsigned n = tacit_get_u8(in) % 4; n > 0 && len > 0; n--) {
        size_t at = tacit_get_u16(in) % len;
        bytes[at] = tacit_get_u8(in);
    }
    return memcmp(before, bytes, len) != 0;
}

#endif
