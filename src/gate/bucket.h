/*
 * gate: what those ask who accept from the open network asks, so that strangers cost
 * nothing and a crowd keeps no friend out. Pure: no I/O, no clock (times are the
 * caller's), tables of a fixed size. Calls base, noise's types and libsodium; carrier,
 * door and ei call it.
 *
 *     bucket.h   how often something may happen: log lines, handshakes, rekeys
 *     pending.h  connections that have shown nothing yet: how long, and who goes first
 *     replay.h   first messages that were seen before
 *     admission.h whether a first message is answered: the last two limits together
 *     setups.h   links of peers that have a key, and have yet to show the cookie
 */
#ifndef TACIT_GATE_BUCKET_H
#define TACIT_GATE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* How often: at once, and then a second. */
struct tacit_rate {
    uint32_t burst, a_second;
};

/* A token bucket. Zero it to start: it is full then. */
struct tacit_bucket {
    bool used;
    int64_t at; /* us: when it would have been empty at this rate */
};

/* How many tokens it holds, at most burst. now: ms of a monotonic clock, of any sign. */
uint32_t tacit_bucket_left(const struct tacit_bucket *b, struct tacit_rate rate,
                           int64_t now);

/* Takes one; false: there is none. */
bool tacit_bucket_take(struct tacit_bucket *b, struct tacit_rate rate, int64_t now);

/* Gives one back that was taken. */
void tacit_bucket_give(struct tacit_bucket *b, struct tacit_rate rate);

/* Offers of fresh keys that come early (channel/rekey.h): of one link. */
extern const struct tacit_rate tacit_early_offers;

/* Log lines that others cause. Zero it to start. */
struct tacit_lines {
    struct tacit_bucket bucket;
    uint64_t left_out; /* since the last that was allowed */
};

/* Whether another line may be written; then *ret_left_out were not since the last. */
bool tacit_lines_allow(struct tacit_lines *l, int64_t now, uint64_t *ret_left_out);

#endif
