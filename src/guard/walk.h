/*
 * Terms in the external format, as they come: whole, or cut anywhere. Each must be well
 * formed as the emulator's decoder wants it, and is counted for what it would make there:
 * words of heap as decoded_size has them (erts/emulator/beam/external.c), atoms,
 * identifiers, funs. Nothing is nested here: terms that are still to come are a number.
 * What binaries, strings and integers hold is passed over, not read.
 *
 * Stricter than the decoder: atoms by their index in the receiver's table (73, 75) and
 * terms that only the sender itself is to decode (121) are refused, as are floats in text
 * (99) and references without a length (101), which no node sends. What the walk lets
 * pass and the decoder does not, it answers by ending the link itself: keys that are
 * twice in one map, and identifiers of the receiver's own that it can never have had.
 */
#ifndef TACIT_GUARD_WALK_H
#define TACIT_GUARD_WALK_H

#include "guard/frame.h"
#include "guard/seen.h"
#include "guard/shown.h"

enum {
    /* The longest that is read in one piece: `fun M:F/A` with two atoms of full length.
     */
    TACIT_GUARD_ITEM_MAX = 1 + 2 * (3 + TACIT_GUARD_TEXT_MAX) + 2,
};

/* What a link has named so far. */
struct tacit_guard_named {
    struct tacit_guard_limits limits;
    struct tacit_guard_texts texts;
    struct tacit_guard_seen nodes, funs;
};

/* What terms would make where they are decoded. */
struct tacit_guard_counts {
    uint64_t terms, words, atoms; /* atoms: how often one is named, also as a node */
    uint64_t pids, ports, references;
    uint64_t funs, externals; /* funs with code; funs M:F/A */
};

/* What one of the last two terms of a walk must be, where anything is asked of it. */
enum tacit_guard_end {
    TACIT_GUARD_END_ANY,
    TACIT_GUARD_END_NIL,    /* []: the end of a list whose length was judged */
    TACIT_GUARD_END_LEADER, /* an atom, or a pid of the peer's */
};

/*
 * A walk. todo: terms that are to come; as the caller sets it. most: no more than so many
 * can come, as the bytes are only so many.
 */
struct tacit_guard_walk {
    struct tacit_guard_named *named;
    const struct tacit_guard_refs *refs;
    uint64_t flags, most, todo;
    uint64_t skip;  /* bytes that are passed over */
    uint64_t atoms; /* of the terms to come, the next that must be atoms */
    struct tacit_guard_counts counts;
    enum tacit_guard_end ends[2];        /* of the last term, and of the one before it */
    const struct tacit_guard_text *peer; /* the peer's name, for END_LEADER */
    /* Of what this node sends: its name, and where its pids are kept. NULL: the peer's.
     */
    const struct tacit_guard_text *own;
    struct tacit_guard_shown *shown;
};

/* What is left of a piece: an item that the cut went through. */
struct tacit_guard_carry {
    uint16_t len;
    uint8_t bytes[TACIT_GUARD_ITEM_MAX];
};

/* A walk over so many terms, of so many bytes at the most. The rest stays the caller's.
 */
static inline struct tacit_guard_walk
tacit_guard_walk(struct tacit_guard_named *named, const struct tacit_guard_refs *refs,
                 uint64_t flags, uint64_t terms, uint64_t most)
{
    return (struct tacit_guard_walk){
        .named = named, .refs = refs, .flags = flags, .most = most, .todo = terms};
}

/* The terms, whole, from the cursor on; it ends behind them. */
enum tacit_guard_reason tacit_guard_walk_terms(struct tacit_guard_walk *w,
                                               struct tacit_reader *r);

/* The next piece of them. */
enum tacit_guard_reason tacit_guard_walk_piece(struct tacit_guard_walk *w,
                                               struct tacit_guard_carry *carry,
                                               const uint8_t *bytes, size_t len);

/* Whether all of them have come. */
bool tacit_guard_walk_over(const struct tacit_guard_walk *w);

/* Starts it within these limits. Those who ask stay the caller's. */
void tacit_guard_named_init(struct tacit_guard_named *named,
                            const struct tacit_guard_limits *limits,
                            const struct tacit_guard_asks *asks);
void tacit_guard_named_free(struct tacit_guard_named *named);

#endif
