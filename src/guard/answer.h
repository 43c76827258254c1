/*
 * What a guard says in place of the emulator: answers to what was refused, such that the
 * peer's caller sees what it would of a name that nobody has; and what is delivered in
 * place of a message. They are messages of their own with their atoms as text: no slot of
 * a cache changes, so they may stand anywhere.
 */
#ifndef TACIT_GUARD_ANSWER_H
#define TACIT_GUARD_ANSWER_H

#include "guard/judge.h"

/* Bytes that are made; they stay until the next. Zero it to start. */
struct tacit_guard_made {
    uint8_t *bytes;
    size_t len, size;
};

void tacit_guard_made_free(struct tacit_guard_made *m);

/* Starts again, and gives memory back that was for something large. */
void tacit_guard_made_clear(struct tacit_guard_made *m);

/*
 * The answer to a refused control. Its length may be 0: to sends, and to what never says
 * anything, there is none. false: no memory.
 */
bool tacit_guard_answer(struct tacit_guard_made *m, const struct tacit_guard_control *c,
                        const struct tacit_guard_ruling *ruling,
                        const struct tacit_guard_walk *w, uint64_t flags);

/*
 * A message that does nothing, with this header, so that the slots that it fills are
 * filled: a send to the name `undefined`, which nobody can have. peer, creation: who says
 * so.
 */
bool tacit_guard_nothing(struct tacit_guard_made *m, const uint8_t *header, size_t len,
                         const struct tacit_guard_text *peer, uint32_t creation);

/*
 * A request to spawn with other options: what comes before them in the frame, which
 * begins there, and they. What follows them is still the frame's. words: of heap that the
 * process may have, at the most; 0: no limit.
 */
bool tacit_guard_options(struct tacit_guard_made *m, const uint8_t *frame,
                         const struct tacit_guard_control *c,
                         const struct tacit_guard_walk *w, uint64_t words);

#endif
