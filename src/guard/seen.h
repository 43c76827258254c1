/*
 * A set of 64-bit values that only grows, to an end that is set: incarnations of nodes
 * that a link has named, funs M:F/A. The values are keyed hashes, so that no peer can
 * make two things one.
 */
#ifndef TACIT_GUARD_SEEN_H
#define TACIT_GUARD_SEEN_H

#include <stdbool.h>
#include <stdint.h>

/* Zero it to start, but for most. */
struct tacit_guard_seen {
    uint64_t *values; /* 0: free */
    uint32_t size, number, most;
};

enum tacit_guard_sight {
    TACIT_GUARD_SEEN_BEFORE,
    TACIT_GUARD_SEEN_NEW,
    TACIT_GUARD_SEEN_FULL,   /* and it was not seen before */
    TACIT_GUARD_SEEN_MEMORY, /* there is none */
};

enum tacit_guard_sight tacit_guard_see(struct tacit_guard_seen *s, uint64_t value);
void tacit_guard_seen_free(struct tacit_guard_seen *s);

#endif
