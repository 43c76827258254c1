/*
 * A message of the distribution, without the four bytes of its length: which form it has,
 * by the flags that both nodes agreed on, and the header with the atoms that it names.
 * As erts_prepare_dist_ext reads them (erts/emulator/beam/external.c).
 */
#ifndef TACIT_GUARD_FRAME_H
#define TACIT_GUARD_FRAME_H

#include "base/cursor.h"
#include "guard/mirror.h"

/* Flags of the distribution that say how messages look. */
#define TACIT_GUARD_FLAG_CACHE (UINT64_C(1) << 13)     /* DIST_HDR_ATOM_CACHE */
#define TACIT_GUARD_FLAG_FRAGMENTS (UINT64_C(1) << 23) /* FRAGMENTS */
#define TACIT_GUARD_FLAG_RECORDS (UINT64_C(1) << 38)   /* NATIVE_RECORDS */

enum {
    TACIT_GUARD_REFS_MAX = 255, /* atoms that a header names */
};

enum tacit_guard_form {
    TACIT_GUARD_TICK,
    TACIT_GUARD_PASS_THROUGH, /* control and payload, each with its version */
    TACIT_GUARD_WHOLE,
    TACIT_GUARD_FIRST_PIECE,
    TACIT_GUARD_NEXT_PIECE, /* no header: bytes of the payload */
};

struct tacit_guard_frame {
    enum tacit_guard_form form;
    uint64_t sequence, number; /* of pieces: which message, and how many with this one */
    struct tacit_reader rest;  /* the header, or what follows where there is none */
};

/* The atoms that a message names by their place in its header. */
struct tacit_guard_refs {
    unsigned number;
    bool filled; /* it brought a new text for a slot: it must reach the emulator */
    struct tacit_guard_text *texts[TACIT_GUARD_REFS_MAX];
};

/* The form of this message. 0, or TACIT_GUARD_FORM. */
enum tacit_guard_reason tacit_guard_frame(struct tacit_guard_frame *frame, uint64_t flags,
                                          const uint8_t *bytes, size_t len);

/*
 * Reads a header from the cursor on, and fills its slots in the mirror. On 0 the cursor
 * stands at the control; otherwise the link is to be cut.
 */
enum tacit_guard_reason tacit_guard_header(struct tacit_guard_refs *refs, uint64_t flags,
                                           struct tacit_guard_mirror *mirror,
                                           struct tacit_guard_texts *texts,
                                           struct tacit_reader *r);

#endif
