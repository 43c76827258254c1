/*
 * A link's atom cache: what the emulator has in each slot, as the peer filled it. A slot
 * is known by the text's id, as pointers would take twice the room on each idle link.
 */
#ifndef TACIT_GUARD_MIRROR_H
#define TACIT_GUARD_MIRROR_H

#include "guard/texts.h"

enum {
    TACIT_GUARD_SLOTS = 2048,
};

/* Zero it to start. */
struct tacit_guard_mirror {
    uint32_t slots[TACIT_GUARD_SLOTS]; /* id + 1; 0: never filled */
};

/* What is in the slot; NULL: it was never filled. */
static inline struct tacit_guard_text *
tacit_guard_mirror_get(const struct tacit_guard_mirror *m,
                       const struct tacit_guard_texts *texts, uint32_t slot)
{
    return m->slots[slot] > 0 ? texts->all[m->slots[slot] - 1] : NULL;
}

/* Fills it: the text is held, the one before is not any more. */
void tacit_guard_mirror_set(struct tacit_guard_mirror *m, struct tacit_guard_texts *texts,
                            uint32_t slot, struct tacit_guard_text *text);

#endif
