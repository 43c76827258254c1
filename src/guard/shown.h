/*
 * Pids of this node that its messages have shown a peer: to these alone the peer may
 * send, unless its role says more. There are two generations: when the younger is full,
 * the older is forgotten, and the younger takes its place. One that is asked for is young
 * again.
 */
#ifndef TACIT_GUARD_SHOWN_H
#define TACIT_GUARD_SHOWN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TACIT_GUARD_SHOWN_MOST = 1 << 16, /* pids of a generation */
};

/* Zero it to start. */
struct tacit_guard_shown {
    struct tacit_guard_generation {
        uint64_t *pids; /* 0: free */
        uint32_t size, number;
    } young, old;
};

/* A pid's number and serial as one value. */
void tacit_guard_show(struct tacit_guard_shown *s, uint64_t pid);
bool tacit_guard_was_shown(struct tacit_guard_shown *s, uint64_t pid);
void tacit_guard_shown_free(struct tacit_guard_shown *s);

#endif
