/*
 * What ei has as a context: the number of a connection, of a listener, or of one that is
 * being made. A number and no pointer, for a thread may close a connection that others
 * are using. And it is of no use in a process that was forked off: two that seal under
 * one key, with the same counters, would undo the cipher.
 */
#ifndef TACIT_EI_CONTEXT_H
#define TACIT_EI_CONTEXT_H

#include "ei/listener.h"

struct cnode_context {
    struct cnode *node;
    struct cnode_link *link;         /* once there is one */
    struct cnode_listener *listener; /* or it listens */
    /* context.c's: */
    struct cnode_context *next;
    uintptr_t number;
    unsigned process;
    unsigned users;
    bool closing;
};

/* A new one, for ei; it takes the link over, where there is one. NULL: no memory. */
void *cnode_context_new(struct cnode *node, struct cnode_link *link);

/* That of ei's number, for one call: the caller leaves it. NULL, with this thread's fault
 * text: it was closed, or is another process's. */
struct cnode_context *cnode_context_enter(void *ei);
void cnode_context_leave(struct cnode_context *context);

/*
 * Closes and frees it; threads that wait in it are woken, and have left before. In a
 * process that was forked off only the descriptors are closed: the other process's peer
 * notices nothing.
 */
void cnode_context_close(void *ei);

#endif
