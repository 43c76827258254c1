/*
 * Messages that come in pieces: those of several senders interleave, each piece counts
 * down by one. The emulator allocates by the first piece's word, and stores by the number
 * of each later one before it looks whether that was due: so nothing passes that is not
 * the next piece of an open message, and no more is open than the limits say.
 */
#ifndef TACIT_GUARD_FRAGMENTS_H
#define TACIT_GUARD_FRAGMENTS_H

#include "guard/walk.h"

enum {
    TACIT_GUARD_CHAINS = 16,
    /* No node makes pieces smaller than this, but for the last. */
    TACIT_GUARD_PIECE_LEAST = 60000,
};

/* An open message. */
struct tacit_guard_sequence {
    struct tacit_guard_sequence *next;
    uint64_t id, number, bytes; /* the last piece that came; bytes of all so far */
    bool refused;               /* none of it is delivered, nor walked */
    bool no_funs;               /* for its caller: there may be none in it */
    struct tacit_guard_walk walk;
    struct tacit_guard_carry carry;
    struct tacit_guard_refs refs; /* last: only as much of it as there are */
};

/* Zero it to start. */
struct tacit_guard_fragments {
    struct tacit_guard_sequence *chains[TACIT_GUARD_CHAINS];
    uint32_t open;
    uint64_t bytes; /* of all that are open */
    bool own;       /* this node's: it has no limits */
};

/*
 * A first piece of len bytes. On 0 the message is open, with a walk that the caller is to
 * set off; its atoms are held, unless it is refused.
 */
enum tacit_guard_reason tacit_guard_fragments_open(
    struct tacit_guard_fragments *f, struct tacit_guard_named *named,
    const struct tacit_guard_frame *frame, size_t len,
    const struct tacit_guard_refs *refs, bool refused, struct tacit_guard_sequence **ret);

/* A later piece of len bytes, as the frame says. On 0, *ret is its message. */
enum tacit_guard_reason tacit_guard_fragments_next(struct tacit_guard_fragments *f,
                                                   struct tacit_guard_named *named,
                                                   const struct tacit_guard_frame *frame,
                                                   size_t len,
                                                   struct tacit_guard_sequence **ret);

/* Walks so many bytes of the message, unless it is refused. */
enum tacit_guard_reason tacit_guard_fragments_walk(struct tacit_guard_sequence *s,
                                                   const uint8_t *bytes, size_t len);

/*
 * Behind all bytes of a piece. With the last piece the message is forgotten, and must
 * have come to its end.
 */
enum tacit_guard_reason tacit_guard_fragments_end(struct tacit_guard_fragments *f,
                                                  const struct tacit_guard_named *named,
                                                  struct tacit_guard_sequence *s);

void tacit_guard_fragments_free(struct tacit_guard_fragments *f);

#endif
