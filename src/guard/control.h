/*
 * Control messages: which there are, of what parts, and whether a payload follows, as
 * erts_net_message takes them (erts/emulator/beam/dist.c). What is none of these would
 * end the link there, and does here.
 */
#ifndef TACIT_GUARD_CONTROL_H
#define TACIT_GUARD_CONTROL_H

#include "guard/value.h"

enum {
    TACIT_GUARD_PARTS = 7, /* behind the number; a later one means nothing */
};

/* What a control asks for, whatever its number: with a token, a payload, or neither. */
enum tacit_guard_asked {
    TACIT_GUARD_NOTHING, /* an answer to what this node did: it passes */
    TACIT_GUARD_LINK,
    TACIT_GUARD_SEND_PID,
    TACIT_GUARD_SEND_NAME,
    TACIT_GUARD_SEND_ALIAS,
    TACIT_GUARD_EXIT2,
    TACIT_GUARD_GROUP_LEADER,
    TACIT_GUARD_MONITOR,
    TACIT_GUARD_DEMONITOR,
    TACIT_GUARD_MONITOR_EXIT,
    TACIT_GUARD_SPAWN_REQUEST,
    TACIT_GUARD_SPAWN_REPLY,
};

struct tacit_guard_part {
    const uint8_t *at;
    size_t len;
};

struct tacit_guard_control {
    enum tacit_guard_asked asked;
    bool payload; /* a term follows */
    uint32_t number;
    uint32_t parts; /* as many as there are of these */
    struct tacit_guard_part part[TACIT_GUARD_PARTS];
    unsigned to; /* which part the receiver is */
};

/*
 * Reads a control from the cursor on, which stands behind it then. The walk counts what
 * is in it; of what this node sends, it finds the pids.
 */
enum tacit_guard_reason tacit_guard_control(struct tacit_guard_control *c,
                                            struct tacit_guard_walk *w,
                                            struct tacit_reader *r);

/* A cursor over that part. */
static inline struct tacit_reader tacit_guard_part(const struct tacit_guard_control *c,
                                                   unsigned part)
{
    return (struct tacit_reader){.at = c->part[part].at,
                                 .end = c->part[part].at + c->part[part].len};
}

#endif
