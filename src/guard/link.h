/*
 * What is kept of a link; and a message of it, read to its payload, whichever side sends
 * it. For guard.c and out.c, which judge and watch.
 */
#ifndef TACIT_GUARD_LINK_H
#define TACIT_GUARD_LINK_H

#include "guard/answer.h"
#include "guard/fragments.h"

/* How far a rate has been used: until then (us) what was sent would have taken. */
struct tacit_guard_rate {
    bool used;
    int64_t until;
};

struct tacit_guard_link {
    uint64_t flags;
    struct tacit_guard_rules rules;
    uint32_t peer_creation;
    struct tacit_guard_named named;
    struct tacit_guard_mirror mirror, own_mirror; /* the peer's atom cache, and ours */
    struct tacit_guard_fragments fragments, own_fragments;
    struct tacit_guard_shown shown;
    struct tacit_guard_calls calls;
    struct tacit_guard_rate messages, bytes;
    struct tacit_guard_made before, answer;
};

/* A message that is judged: its parts, as they are found. */
struct tacit_guard_message {
    const uint8_t *bytes;
    size_t len;
    struct tacit_guard_frame frame;
    struct tacit_reader header; /* of the atoms that it names */
    struct tacit_guard_refs refs;
    struct tacit_guard_control control;
    struct tacit_guard_walk walk;
    struct tacit_reader payload;
    bool over; /* the rates */
};

/*
 * From the header on, where the frame's cursor stands, to the payload's beginning. The
 * walk and the mirror are the sender's.
 */
enum tacit_guard_reason tacit_guard_read_message(struct tacit_guard_link *link,
                                                 struct tacit_guard_mirror *mirror,
                                                 struct tacit_guard_message *m);

#endif
