/*
 * The decision: whether a role allows what a control message asks for. A payload is read
 * as far as its front says which function is called, or that a process is asked for what
 * OTP's behaviours do for anybody; the rest is the walk's.
 */
#ifndef TACIT_GUARD_JUDGE_H
#define TACIT_GUARD_JUDGE_H

#include "guard/calls.h"
#include "guard/control.h"
#include "guard/role.h"
#include "guard/shown.h"

/* What a refusal was about, for the log; and what a role would have to say. */
enum tacit_guard_operation {
    TACIT_GUARD_OP_NONE,
    TACIT_GUARD_OP_SEND,  /* name: the receiver's; also where it is monitored */
    TACIT_GUARD_OP_PID,   /* a send to, or a monitor of, a pid not shown */
    TACIT_GUARD_OP_CALL,  /* name, function, arity */
    TACIT_GUARD_OP_SPAWN, /* the same */
    TACIT_GUARD_OP_SPAWN_FUN,
    TACIT_GUARD_OP_LINK,
    TACIT_GUARD_OP_EXIT,
    TACIT_GUARD_OP_GROUP_LEADER,
    TACIT_GUARD_OP_FUNS,
    TACIT_GUARD_OP_SYSTEM,
    TACIT_GUARD_OP_CALLS, /* too many at once */
    TACIT_GUARD_OP_RATE,
    TACIT_GUARD_OPS,
};

/* The word that stands for it in a role: "send", "call", ...; "pids", "calls", "excess".
 */
const char *tacit_guard_operation_word(enum tacit_guard_operation operation);

/* Whom and what a decision is about. */
struct tacit_guard_rules {
    const struct tacit_role *role;
    const struct tacit_guard_text *own, *peer; /* names of both nodes */
    uint32_t creation;                         /* this node's */
    struct tacit_guard_shown *shown;
    struct tacit_guard_calls *calls;
};

struct tacit_guard_ruling {
    bool refused;
    bool funs; /* they may be in the payload */
    enum tacit_guard_operation operation;
    const struct tacit_guard_text *name, *function; /* or NULL */
    uint32_t arity;
    const char *error; /* what the caller of a refused spawn is told */
};

enum {
    TACIT_GUARD_OPERATION_MAX = 360, /* bytes of its text, with its zero */
};

/* What was refused, as a role would say it: "call os:cmd/1", "send ingest", "link". */
void tacit_guard_operation_text(const struct tacit_guard_ruling *ruling,
                                char text[TACIT_GUARD_OPERATION_MAX]);

/* Whether it is one that can be refused; the others answer what this node did. */
bool tacit_guard_may_refuse(const struct tacit_guard_control *c);

/*
 * Decides about a control. Of a payload, the cursor stands at its beginning; then behind
 * what was read, and the walk is set to what is left. 0, or why the link is to be cut.
 */
enum tacit_guard_reason tacit_guard_judge(const struct tacit_guard_rules *rules,
                                          const struct tacit_guard_control *c,
                                          struct tacit_guard_walk *w,
                                          struct tacit_reader *payload,
                                          struct tacit_guard_ruling *ret);

#endif
