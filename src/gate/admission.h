/*
 * Whether a first message that opened is answered. It is a stranger's, though it opened,
 * if it was seen before or is out of time; and holders of the mesh key have X25519
 * computed for them so often and no more, each source and all together. The last quarter
 * is kept for sources that an allowed peer came from lately, which have a limit of their
 * own: a stranger cannot use it up, nor one of them all of the quarter. PROTOCOL.md,
 * "Replay".
 */
#ifndef TACIT_GATE_ADMISSION_H
#define TACIT_GATE_ADMISSION_H

#include "base/address.h"
#include "gate/bucket.h"
#include "gate/clock.h"
#include "gate/replay.h"

enum {
    /* Buckets: sources that share one share its tokens, and their places in memory. */
    TACIT_ADMISSION_SOURCES = TACIT_REPLAY_SOURCES,
    TACIT_ADMISSION_KNOWN = 256, /* sources remembered, */
    TACIT_ADMISSION_WAYS = 4, /* each in one of so many places: it takes the oldest's */
    TACIT_ADMISSION_REFUSED = 64,  /* and the last that were refused */
    TACIT_ADMISSION_NEWS_MAX = 64, /* words of one list */
};

/* A source that an allowed peer came from; source 0: a free place. */
struct tacit_known {
    uint64_t source;
    uint64_t turn; /* when it was last said to be known */
};

/* Zero it to start, but for the rates. One lock of the caller's guards it. */
struct tacit_admission {
    struct tacit_rate all, source;
    struct tacit_replay replay;
    struct tacit_bucket all_bucket, source_buckets[TACIT_ADMISSION_SOURCES];
    struct tacit_bucket known_buckets[TACIT_ADMISSION_KNOWN];
    struct tacit_known known[TACIT_ADMISSION_KNOWN];
    uint64_t refused[TACIT_ADMISSION_REFUSED],
        refusals;  /* the last ones; how many so far */
    uint64_t turn; /* counts what is said of sources */
    bool keyed;
    uint8_t hash_key[16];
};

/* What another one, a door's, was told of the sources that are known. Zero it to start.
 */
struct tacit_admission_told {
    bool begun;
    struct tacit_known known[TACIT_ADMISSION_KNOWN];
    uint64_t refusals;
    uint64_t turn; /* the other's, when all had been told */
};

/* What it is told next: these are known, or known again; or known no more. */
struct tacit_admission_news {
    size_t count;
    uint64_t sources[TACIT_ADMISSION_NEWS_MAX];
    bool known[TACIT_ADMISSION_NEWS_MAX];
};

/* Of one that computes X25519 for all that it lets pass, or passes them to who does.
 */
extern const struct tacit_rate tacit_admission_all, tacit_admission_source;

/*
 * Whether X25519 may be computed for this source now (ms of a monotonic clock): 0, or
 * TACIT_ELIMIT.
 */
int tacit_admission_spend(struct tacit_admission *g, const struct tacit_address *source,
                          int64_t ms);

/*
 * A first message of that time (seconds since 1970): 0, TACIT_EREPLAY, TACIT_ETIME (then
 * *ret_skew is by how many seconds the sender's clock is ahead), TACIT_ELIMIT or
 * TACIT_ENOMEM. One that is let pass is remembered; so is one over the limit or too far
 * ahead, but apart, so that a crowd cannot push others' out of the memory. One that was
 * seen before takes no token.
 */
int tacit_admission_first(struct tacit_admission *g, const struct tacit_address *source,
                          const uint8_t ephemeral[NOISE_DHLEN], uint64_t time,
                          const struct tacit_now *now, int *ret_skew);

/* One of our own is sent: it would be a stranger's if it came back. */
void tacit_admission_own(struct tacit_admission *g, const uint8_t ephemeral[NOISE_DHLEN],
                         uint64_t time, const struct tacit_now *now);

/*
 * A peer that the policy allows came from that source (tacit_pending_source); or one that
 * it refuses, or has cut.
 */
void tacit_admission_known(struct tacit_admission *g, uint64_t source);
void tacit_admission_forget(struct tacit_admission *g, uint64_t source);
bool tacit_admission_knows(struct tacit_admission *g, uint64_t source);
/* How many sources are known. */
size_t tacit_admission_count(const struct tacit_admission *g);

/*
 * What was not told yet, which is told by that; false: nothing. A list may be full, and
 * leave some for the next. Who hears all lists, in turn, knows what this one knows; and
 * knows no more whom this one refused, whichever other said that he is known.
 */
bool tacit_admission_news(const struct tacit_admission *g,
                          struct tacit_admission_told *told,
                          struct tacit_admission_news *ret_news);

/* Frees what it remembers. */
void tacit_admission_free(struct tacit_admission *g);

#endif
