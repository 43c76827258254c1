/*
 * A node's function called from the command line, by a hidden node that is gone when the
 * call is over: `tacit call` and `tacit eval`. On libtacit_ei.
 *
 * What it is called there: tacit-call@HOST, HOST being this host's own in node names, or
 * one of a few more of the kind where that is taken; so calls leave no new atom behind.
 */
#ifndef TACIT_CLI_REMOTE_H
#define TACIT_CLI_REMOTE_H

#include <ei.h>
#include <stdint.h>

#include "policy/policy.h"

struct remote {
    const struct tacit_policy *policy;
    const char *node;   /* that is called */
    const char *as;     /* the name to call as; NULL: one of the usual ones */
    const char *cookie; /* NULL: that of ~/.erlang.cookie */
    int64_t deadline;   /* of wire.h: for all of it */
    ei_cnode self;
    int fd;
};

/* Connects. CLI_OK, or CLI_NO_LINK or CLI_FAILED with the reason printed. */
int remote_open(struct remote *r);

/*
 * Calls a function of the module tacit_call there with texts, at most three. CLI_OK:
 * *ret_text is what it returns, printed by Erlang, to be freed; CLI_EXCEPTION: how it
 * failed. CLI_NO_LINK: the reason is printed.
 */
int remote_call(struct remote *r, const char *function, const char *const *texts,
                int count, char **ret_text);

/* Ends the link, and waits until it is over there, too. */
void remote_close(struct remote *r);

#endif
