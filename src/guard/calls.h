/*
 * Calls of a peer that are under way, by the reference that each request has. So many may
 * be at a time.
 */
#ifndef TACIT_GUARD_CALLS_H
#define TACIT_GUARD_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero it to start, but for most and the key of its hash. */
struct tacit_guard_calls {
    uint64_t *values; /* hashes of references; 0: free */
    uint32_t size, number, most;
    const uint8_t *key;
};

/* Another one, of a reference's creation and words. false: too many, no
 * memory, or one of that reference is under way. */
bool tacit_guard_call_begins(struct tacit_guard_calls *c, const uint8_t *reference,
                             size_t len);
/* It is over, if it is one of them. */
void tacit_guard_call_ends(struct tacit_guard_calls *c, const uint8_t *reference,
                           size_t len);
void tacit_guard_calls_free(struct tacit_guard_calls *c);

#endif
