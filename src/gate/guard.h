/*
 * Whether a first message that opened is answered. It is a stranger's, though it opened,
 * if it was seen before or is out of time; and holders of the mesh key have X25519
 * computed for them so often and no more, each source and all together. The last quarter
 * is kept for sources that an allowed peer came from lately. PROTOCOL.md, "Replay".
 */
#ifndef TACIT_GATE_GUARD_H
#define TACIT_GATE_GUARD_H

#include "gate/bucket.h"
#include "gate/replay.h"
#include "policy/policy.h"

enum {
    TACIT_GUARD_SOURCES = 1024, /* buckets: sources that share one share its tokens */
    TACIT_GUARD_KNOWN = 256, /* sources remembered; a newer one takes another's place */
};

/* Zero it to start, but for the rates. One lock of the caller's guards it. */
struct tacit_guard {
    struct tacit_rate all, source;
    struct tacit_replay replay;
    struct tacit_bucket all_bucket, source_buckets[TACIT_GUARD_SOURCES];
    uint64_t known[TACIT_GUARD_KNOWN]; /* 0: free */
    bool keyed;
    uint8_t hash_key[16];
};

/* Of a guard that computes X25519 for all that it lets pass. */
extern const struct tacit_rate tacit_guard_all, tacit_guard_source;

/*
 * Whether the first message is new and of this time: 0, TACIT_EREPLAY, TACIT_ETIME (then
 * *ret_skew is by how many seconds the sender's clock is ahead) or TACIT_ENOMEM. It is
 * remembered. time, wall: seconds since 1970.
 */
int tacit_guard_fresh(struct tacit_guard *g, const uint8_t ephemeral[NOISE_DHLEN],
                      uint64_t time, uint64_t wall, int *ret_skew);

/*
 * Whether X25519 may be computed for this source now (ms of a monotonic clock): 0, or
 * TACIT_ELIMIT.
 */
int tacit_guard_spend(struct tacit_guard *g, const struct tacit_address *source,
                      int64_t now);

/*
 * Both, for who does both: a message over the limit is not remembered, so that a crowd
 * cannot push others' out of the memory; one that was seen before takes no token.
 */
int tacit_guard_first(struct tacit_guard *g, const struct tacit_address *source,
                      const uint8_t ephemeral[NOISE_DHLEN], uint64_t time, uint64_t wall,
                      int64_t now, int *ret_skew);

/* A peer that the policy allows came from there. */
void tacit_guard_known(struct tacit_guard *g, const struct tacit_address *source);

/* Frees what it remembers. */
void tacit_guard_free(struct tacit_guard *g);

#endif
