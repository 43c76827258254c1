/*
 * Items of terms: a term's head, with all that is not a term of its own. Each is checked
 * and counted as walk.h says.
 */
#ifndef TACIT_GUARD_ITEM_H
#define TACIT_GUARD_ITEM_H

#include "guard/walk.h"

/*
 * The item that begins there. Its length; 0 where its end has not come yet (then nothing
 * was counted); or less, with a reason.
 */
ptrdiff_t tacit_guard_item(struct tacit_guard_walk *w, const uint8_t *at,
                           const uint8_t *end, enum tacit_guard_reason *ret_reason);

/*
 * The length of what parts of controls nearly always are, of so many bytes at the most:
 * an atom that the header has, or a pid of an incarnation that was named last. It is
 * counted. 0: it is something else, and nothing was.
 */
size_t tacit_guard_item_known(struct tacit_guard_walk *w, const uint8_t *at, size_t size);

/* As far as there are whole items; *at is where the next one begins. */
enum tacit_guard_reason tacit_guard_items(struct tacit_guard_walk *w, const uint8_t **at,
                                          const uint8_t *end);

#endif
