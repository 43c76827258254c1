/*
 * The replay guard: first messages that were seen lately. A message that verifies, but
 * was seen before or is too old or too far ahead, is a stranger's. PROTOCOL.md, "Replay".
 */
#ifndef TACIT_GATE_REPLAY_H
#define TACIT_GATE_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "noise/noise.h"
#include "tacit/error.h"

enum {
    TACIT_REPLAY_WINDOW = 600, /* seconds that two clocks may differ */
    TACIT_REPLAY_MAX = 8192,   /* first messages remembered at most */
};

struct tacit_replay_entry {
    uint64_t time; /* of the message; 0 marks a free slot */
    uint8_t ephemeral[NOISE_DHLEN];
};

/* Zero it to start. One lock of the caller's guards it. */
struct tacit_replay {
    struct tacit_replay_entry *slots; /* open addressing; a power of two of them */
    size_t slot_count, used;
    uint64_t floor; /* messages up to this time are refused: some were forgotten */
    uint8_t hash_key[16];
};

/*
 * Remembers a first message. 0: it is new. TACIT_EREPLAY: seen before; TACIT_ETIME:
 * outside the window, or older than what was forgotten; TACIT_ENOMEM. Times in seconds.
 */
int tacit_replay_check(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, uint64_t now);

/* The same, but remembers nothing. */
int tacit_replay_judge(const struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, uint64_t now);

/* Frees what it remembers. */
void tacit_replay_free(struct tacit_replay *r);

#endif
