/*
 * What all of the room share: why a link is cut, how much it may ask for, and what the
 * caller is asked.
 */
#ifndef TACIT_GUARD_REASON_H
#define TACIT_GUARD_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a link is cut. 0: it is not. */
enum tacit_guard_reason {
    TACIT_GUARD_FINE = 0,
    TACIT_GUARD_MEMORY,    /* there is none */
    TACIT_GUARD_FORM,      /* no form of a message that was agreed on */
    TACIT_GUARD_HEADER,    /* its atoms end too early, or name a slot never filled */
    TACIT_GUARD_ATOM,      /* no text of an atom's */
    TACIT_GUARD_TAG,       /* a term of no kind that nodes send each other */
    TACIT_GUARD_TERM,      /* one that is not well formed */
    TACIT_GUARD_TRUNCATED, /* one that ends too early */
    TACIT_GUARD_TRAILING,  /* bytes behind the last one */
    TACIT_GUARD_FRAGMENT,  /* a piece that is not the next one of its message */
    TACIT_GUARD_PIECES,    /* more pieces, bytes or messages in pieces than may be open */
    TACIT_GUARD_WORDS,     /* more heap than a message may take */
    TACIT_GUARD_ATOM_BUDGET, /* more new atoms than its key may make */
    TACIT_GUARD_NODES,       /* more incarnations of nodes than one link may name */
    TACIT_GUARD_FUNS,        /* more funs M:F/A */
    TACIT_GUARD_CONTROL,     /* no control message, or one that its sender may not send */
    TACIT_GUARD_ARGUMENTS,   /* a call's, other than those that it was judged by */
    TACIT_GUARD_LATE_FUN,    /* a refused one, when a part of its message has gone */
    TACIT_GUARD_RATE,        /* more messages or bytes a second than its role allows */
    TACIT_GUARD_REASONS,
};

/* In words, for the log and the peer. */
const char *tacit_guard_reason_text(enum tacit_guard_reason reason);

/* What the caller is asked; context is its own. */
struct tacit_guard_asks {
    void *context;
    /* Whether the emulator has an atom of this text, UTF-8, already. */
    bool (*atom_exists)(void *context, const uint8_t *text, size_t len);
    /* Another atom, or fun M:F/A, that was not there: whether its key may make it. */
    bool (*spend_atom)(void *context);
};

/* How much a link may ask for. Zeros mean none, not any. */
struct tacit_guard_limits {
    uint64_t bytes;  /* of a message, and of all open ones in pieces together */
    uint64_t words;  /* of heap, a message */
    uint32_t pieces; /* messages in pieces that are open at a time */
    uint32_t nodes;  /* incarnations named, in a link's life */
    uint32_t funs;   /* of funs M:F/A, in a link's life */
};

#endif
