/*
 * Payloads that ask for something, by their front: calls in all the ways that they come,
 * and what OTP's behaviours do for anybody. What follows the front is left to the walk,
 * which is told what must stand at the end: a list that goes on behind its last element
 * would have other arguments than those that were judged.
 */
#ifndef TACIT_GUARD_REQUESTS_H
#define TACIT_GUARD_REQUESTS_H

#include "guard/control.h"

/* A function, and how many arguments it is given. */
struct tacit_guard_call {
    const struct tacit_guard_text *module, *function;
    uint32_t arity;
};

/* A request to spawn. */
struct tacit_guard_spawn {
    struct tacit_guard_reference request;
    struct tacit_guard_pid from, leader;
    struct tacit_guard_call call; /* as the control has it */
};

/* Its parts; false: they are not what they should be. */
bool tacit_guard_read_spawn(const struct tacit_guard_control *c,
                            const struct tacit_guard_walk *w,
                            struct tacit_guard_spawn *ret);

enum tacit_guard_spawns {
    TACIT_GUARD_SPAWNS_FUNCTION, /* itself */
    TACIT_GUARD_SPAWNS_CALL,     /* by erpc: of the function in the arguments */
    TACIT_GUARD_SPAWNS_FUN,
    TACIT_GUARD_SPAWNS_OTHER, /* arguments that no node sends, or not to be seen yet */
};

/* What the arguments of a spawn make of it; *call is then the function that is meant. */
enum tacit_guard_spawns tacit_guard_read_arguments(const struct tacit_guard_spawn *spawn,
                                                   struct tacit_guard_walk *w,
                                                   struct tacit_reader *payload,
                                                   struct tacit_guard_call *call);

enum tacit_guard_rex {
    TACIT_GUARD_REX_CALL,
    TACIT_GUARD_REX_FEATURES, /* the question whether erpc is there */
    TACIT_GUARD_REX_OTHER,
};

/* What a message asks of rex. */
enum tacit_guard_rex tacit_guard_read_rex(struct tacit_guard_walk *w,
                                          struct tacit_reader *payload,
                                          struct tacit_guard_call *call);

/* Whether a message asks net_kernel for nothing but whether the link is up. */
bool tacit_guard_is_auth(const struct tacit_guard_walk *w,
                         const struct tacit_reader *payload);

/*
 * Whether it is one that OTP's behaviours obey: of sys, of a supervisor, or as of a
 * parent that exits. So is one that cannot be seen whole enough to tell.
 */
bool tacit_guard_is_system(const struct tacit_guard_walk *w,
                           const struct tacit_reader *payload);

#endif
