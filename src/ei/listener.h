/*
 * A C node that is called: at its own addresses, or at its host's door. Everything goes
 * on inside cnode_accept: nobody is let in while nobody waits for him.
 */
#ifndef TACIT_EI_LISTENER_H
#define TACIT_EI_LISTENER_H

#include "door/place.h"
#include "ei/link.h"
#include "gate/pending.h"

struct cnode_caller; /* one who is not let in yet */

struct cnode_listener {
    struct cnode *node;
    struct cnode_rules *rules; /* that say where */
    atomic_bool closing;       /* who waits in it is to go */
    pthread_mutex_t accepting;
    int fd; /* what ei has: readable where there is something to accept */
    size_t count;
    int sockets[TACIT_LISTEN_MAX];
    int64_t paused_until; /* ms; its sockets are not accepted from: descriptors ran out */
    struct tacit_place place; /* at the host's door, if it has one */
    int door;                 /* the connection to it, or -1 */
    struct tacit_pending pending;
    struct cnode_caller *callers; /* a list */
};

/* Listens on [host] listen, or registers at [host] door. */
int cnode_listen(struct cnode *node, struct cnode_listener **ret_listener);

/* The next peer that is let in. TACIT_ETIMEOUT. */
int cnode_accept(struct cnode_listener *s, int64_t deadline,
                 struct cnode_link **ret_link);

void cnode_listener_free(struct cnode_listener *s);

/* In a process that was forked off: closes the descriptors. NULL is allowed. */
void cnode_listener_abandon(struct cnode_listener *s);

/* --- for listener.c and door.c */

/* Takes over a connection that was accepted age_ms ago; first as cnode_link_answer. */
void cnode_take_caller(struct cnode_listener *s, int fd, const struct tacit_address *peer,
                       int64_t age_ms, const uint8_t *first);

/* Descriptors ran out: makes room, and accepts no more for a moment. */
void cnode_starve(struct cnode_listener *s);

/* Registers, waiting for the answer. */
int cnode_place_start(struct cnode_listener *s);
/* Does what is due, and reads where the door has said something. */
void cnode_place_step(struct cnode_listener *s, bool readable);
/* The door hears what sources the node knows, where that was not told yet. */
void cnode_place_tell(struct cnode_listener *s);
void cnode_place_leave(struct cnode_listener *s);

#endif
