/*
 * The port that listens, taken apart: what its files share, and nobody else.
 *
 *     listener.c      its sockets, its timer
 *     registration.c  its place at the host's door, in place of sockets of its own
 *     incoming.c      a connection from either, until it is a link or gone
 *     tell.c          what its owner and the acceptor are told
 */
#ifndef TACIT_CARRIER_LISTENER_H
#define TACIT_CARRIER_LISTENER_H

#include "carrier.h"
#include "door/place.h"
#include "gate/bucket.h"

/* A node's place at its host's door, and the connection to it. */
struct registration {
    struct tacit_place place;
    int fd;             /* -1: none */
    bool reading, used; /* selected now; or ever */
    bool told;          /* the owner was told that it is registered */
    uint32_t creation;  /* the same over all restarts of the door */
};

/* Sockets that a configuration wants which is not in force yet. */
struct trial {
    bool on;
    uint64_t reload;
    ErlDrvTermData process; /* that tries it */
    ErlDrvMonitor monitor;
};

struct listener {
    ErlDrvPort port;
    char own_name[TACIT_NAME_MAX + 1];
    struct policy_ref *policy; /* the one whose addresses are listened on */
    struct listen_set sockets;
    struct trial trial;
    bool accepting, paused;
    ErlDrvTermData acceptor;
    struct tacit_lines lines; /* a holder of the mesh key cannot fill the log */
    struct tacit_pending pending;
    struct registration registration;
};

/* --- listener.c */

/* driver_select() on its port. */
void listener_select(struct listener *l, int fd, int mode, bool on);
/* Descriptors ran out: makes room, and accepts no more for a moment. */
void listener_starve(struct listener *l);

/* --- registration.c */

/* Registers with the policy's door, if it has one; the owner is told how it goes. */
void registration_start(struct listener *l);
/* The policy is another: moves to its door, or to none. */
void registration_settle(struct listener *l);
void registration_accept(struct listener *l); /* the acceptor is there */
void registration_ready(struct listener *l);
void registration_timeout(struct listener *l, ErlDrvTime now);
/* How long until registration_timeout has something to do; -1: nothing. */
ErlDrvTime registration_wait(const struct listener *l, ErlDrvTime now);
void registration_stop(struct listener *l);

/* --- incoming.c */

/*
 * Takes over a connection that was accepted at this time. first is what was read of it
 * elsewhere: a first message behind its length (TACIT_DOOR_FIRST bytes), or NULL.
 */
void incoming_take(struct listener *l, int fd, const struct tacit_address *peer,
                   ErlDrvTime accepted, const uint8_t *first);
/* Goes on with the one whose socket this is. */
void incoming_ready(struct listener *l, int fd);
/* Ends those whose time is over. */
void incoming_timeout(struct listener *l, ErlDrvTime now);
/* Makes room: ends the one that tacit_pending_victim names. */
void incoming_evict(struct listener *l);
void incoming_stop(struct listener *l);

/* --- tell.c */

/* {tacit_event, Port, Reason, Name, Fingerprint, Address, Line, Text}: for the log. */
void tell_event(struct listener *l, const struct conn *c, const char *reason,
                const char *text);
/* {tacit_accept, Port, LinkPort, Name, Dynamic} */
void tell_accept(struct listener *l, ErlDrvPort port, const struct tacit_claim *peer);
/*
 * {tacit_door, Port, What, Text}: registered, failed (the node is not to start), lost,
 * refused or keys (the door opens other mesh keys now). To the owner until the first
 * registered, then to the acceptor.
 */
void tell_door(struct listener *l, const char *what, const char *text);

#endif
