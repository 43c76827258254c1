/*
 * The port that listens, taken apart: what its files share, and nobody else.
 *
 *     listener.c      its sockets, its timer
 *     registration.c  its place at the host's door, in place of sockets of its own
 *     passed.c        what that door says, and the sockets that it passes
 *     incoming.c      a connection from either, until it is a link or gone
 *     tell.c          what its owner and the acceptor are told
 */
#ifndef TACIT_CARRIER_LISTENER_H
#define TACIT_CARRIER_LISTENER_H

#include "carrier.h"
#include "door/protocol.h"
#include "gate/bucket.h"

enum {
    DOOR_START_MS = 5000,  /* how long a node that starts waits for its door */
    DOOR_TAKEN_MS = 1500,  /* and for its own name, which it may just have given up */
    DOOR_ANSWER_MS = 5000, /* what the door may take to answer */
    DOOR_RETRY_MS = 100,   /* then twice that, and so on */
    DOOR_RETRY_MAX_MS = 2000,
};

enum registration_state {
    REGISTRATION_NONE,    /* the node listens itself */
    REGISTRATION_WAITING, /* for the next attempt */
    REGISTRATION_ASKED,
    REGISTRATION_DONE,
    REGISTRATION_FAILED, /* the node does not start */
};

/* A node's place at its host's door. */
struct registration {
    enum registration_state state;
    char path[TACIT_DOOR_PATH_MAX + 1];
    int fd;
    bool reading, used; /* selected now; or ever */
    bool started;       /* it was registered once: from now on it only tries again */
    uint32_t creation;  /* the same over all restarts of the door */
    ErlDrvTime since;   /* when it first tried */
    ErlDrvTime at;      /* WAITING: of the next attempt; ASKED: when time is up */
    ErlDrvTime wait;    /* before the attempt after that */
    struct tacit_door_input in;
    int passed; /* the descriptor that came with the frame that is coming in, or -1 */
    bool short_of_descriptors; /* it came without one, for which this node is to blame */
    char fault[REASON_MAX];    /* the last that was told */
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
/* What the door answered: it registered the node, or refused to. */
void registration_done(struct listener *l);
void registration_refused(struct listener *l, const struct tacit_door_refused *refusal);
/* The door is gone, or not to be understood. */
void registration_lose(struct listener *l, const char *fault);

/* --- passed.c */

/* Reads once from the door; false: no more now, or the connection is gone. */
bool passed_read(struct listener *l);

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
