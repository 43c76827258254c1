/*
 * Terms that are read for what they say: controls, and the fronts of payloads that a rule
 * is about. Each function reads one from the cursor on, where it is of that kind; false:
 * it is not, or ends too early, and the link or the message is not to be trusted. What is
 * passed over is walked, and counted by the walk.
 */
#ifndef TACIT_GUARD_VALUE_H
#define TACIT_GUARD_VALUE_H

#include "guard/walk.h"

enum tacit_guard_kind {
    TACIT_GUARD_KIND_OTHER,
    TACIT_GUARD_KIND_ATOM,
    TACIT_GUARD_KIND_INTEGER,
    TACIT_GUARD_KIND_PID,
    TACIT_GUARD_KIND_REFERENCE,
    TACIT_GUARD_KIND_TUPLE,
    TACIT_GUARD_KIND_LIST,
};

struct tacit_guard_pid {
    const struct tacit_guard_text *node;
    uint32_t number, serial, creation;
};

/* The creation and words of a reference, as they stand: what tells it from others. */
struct tacit_guard_reference {
    const struct tacit_guard_text *node;
    const uint8_t *bytes;
    size_t len;
};

/* What the next term is; other where there is none. */
enum tacit_guard_kind tacit_guard_kind(const struct tacit_reader *r);

/* A tuple's head: its elements follow. */
bool tacit_guard_get_tuple(struct tacit_reader *r, uint32_t *ret_arity);
/*
 * A list's head: its elements follow, then its tail if *ret_tail. Of a string of bytes,
 * which has neither, only the head is read: its bytes are the walk's to pass over.
 */
bool tacit_guard_get_list(struct tacit_guard_walk *w, struct tacit_reader *r,
                          uint32_t *ret_len, bool *ret_tail);
/* An integer from 0 to 2^31 - 1. */
bool tacit_guard_get_integer(struct tacit_reader *r, uint32_t *ret);
bool tacit_guard_get_atom(const struct tacit_guard_walk *w, struct tacit_reader *r,
                          struct tacit_guard_text **ret);
bool tacit_guard_get_pid(const struct tacit_guard_walk *w, struct tacit_reader *r,
                         struct tacit_guard_pid *ret);
bool tacit_guard_get_reference(const struct tacit_guard_walk *w, struct tacit_reader *r,
                               struct tacit_guard_reference *ret);
/* Any term, which ends there. */
bool tacit_guard_pass(struct tacit_guard_walk *w, struct tacit_reader *r);

#endif
