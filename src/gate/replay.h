/*
 * The replay memory: first messages that were seen lately. A message that verifies, but
 * was seen before or is not of this time, is a stranger's. PROTOCOL.md, "Replay".
 *
 * The memory is bounded, and any holder of the mesh key can fill it. What is forgotten
 * could come again, so its time is refused from then on: only what lies behind the band
 * around now is ever forgotten. What lies ahead of it will be of this time one day: it is
 * not forgotten, but let in only while it takes few of the places. So the band stays
 * open.
 *
 * One that was refused is new when it comes again, and may be of this time then: so the
 * last of these are remembered, too, apart from the others. A crowd of them pushes out
 * nothing but each other.
 */
#ifndef TACIT_GATE_REPLAY_H
#define TACIT_GATE_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "gate/clock.h"
#include "noise/noise.h"
#include "tacit/error.h"

enum {
    TACIT_REPLAY_WINDOW = 600, /* seconds that two clocks may differ */
    TACIT_REPLAY_BAND = 15,    /* seconds around now whose messages are never forgotten */
    TACIT_REPLAY_MAX = 49152,  /* first messages remembered at most */
    TACIT_REPLAY_AHEAD = 4096, /* of them, ahead of the band */
    TACIT_REPLAY_REFUSED =
        32768, /* refused ones; a later one takes an earlier one's place */
    TACIT_REPLAY_SOURCES =
        1024, /* counted apart: half of all, a quarter of those ahead */
};

struct tacit_replay_entry {
    uint64_t mark; /* a keyed hash of the ephemeral key */
    uint64_t time; /* of the message; 0 marks a free slot */
    uint16_t source;
};

/* What a source has of the places. */
struct tacit_replay_share {
    uint32_t count, ahead;
};

/* Zero it to start. One lock of the caller's guards it. */
struct tacit_replay {
    struct tacit_replay_entry *slots; /* open addressing; a power of two of them */
    uint64_t *refused; /* marks, by themselves; NULL before the first; 0: free */
    size_t slot_count, used;
    uint64_t floor;   /* messages up to this time are refused: some were forgotten */
    uint64_t full_at; /* wall: nothing could be forgotten */
    uint64_t tidy_at; /* wall: what is out of the window was dropped, and all counted */
    uint32_t ahead;   /* of those that are remembered, when they came or were counted */
    struct tacit_replay_share shares[TACIT_REPLAY_SOURCES + 1]; /* the last: our own */
    uint8_t hash_key[16];
};

/*
 * Remembers a first message from that source (below TACIT_REPLAY_SOURCES). 0: it is new.
 * TACIT_EREPLAY: seen before, or refused; TACIT_ETIME: outside the window, from before
 * the memory began, as old as what was forgotten, or one too many ahead of now;
 * TACIT_ELIMIT: its source has too many; TACIT_ENOMEM.
 */
int tacit_replay_check(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, const struct tacit_now *now, uint16_t source);

/* The same, but remembers nothing, and no place is needed. */
int tacit_replay_decide(const struct tacit_replay *r,
                        const uint8_t ephemeral[NOISE_DHLEN], uint64_t time,
                        const struct tacit_now *now);

/*
 * Remembers one that was refused, if there is memory: tacit_replay_decide says
 * TACIT_EREPLAY of it from now on.
 */
void tacit_replay_refuse(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN]);

/* Remembers one of our own, if there is a place for it: a message that comes back. */
void tacit_replay_own(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                      uint64_t time, const struct tacit_now *now);

/* Frees what it remembers. */
void tacit_replay_free(struct tacit_replay *r);

#endif
