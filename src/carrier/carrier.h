/*
 * carrier: the linked-in driver, Erlang's distribution controller. Sockets on one side,
 * the emulator's ports on the other, a channel between them.
 *
 *     shared.c    what all ports share: policy, counters, last refusals
 *     guard.c     which first messages are answered, and what time it is
 *     rules.c     who may be which node, and whether a live link still may
 *     reload.c    a configuration that is read, on a thread of its own; newest.c: with a
 *                 signed policy that a peer has sent
 *     due.c       the links that the rules allow up to a moment only
 *     conn.c      a socket on which a handshake runs, and what its session asks
 *     asker.c     one who asks for the names of nodes
 *     listen.c    the sockets that are listened on
 *     listener.c  the port that listens: accept, strangers, limits, deadlines; listener.h
 *                 names the files that it is made of
 *     dial.c      how a link comes to be: dial, take over
 *     link.c      the port of one link: its callbacks, its end
 *     keys.c      fresh keys for a live link
 *     output.c    messages from the emulator -> records; send.c: -> socket
 *     input.c     socket -> records; deliver.c: -> messages to the emulator
 *     term.c      messages to processes
 *     inet.c      what dashboards ask inet ports
 *     control.c   commands from erlang/src/tacit_drv.erl, and control_*.c, which answer
 *                 them; info.c answers with terms
 *     driver.c    the driver's entry: every callback, sent to listener or link
 *
 * Calls session, channel, policy, gate, files, socket and door's pure parts. Runs inside
 * production nodes: no callback blocks, each does a bounded amount of work, and each
 * allocation is checked.
 *
 * Locks: ERL_DRV_FLAG_USE_PORT_LOCKING, so a port's state needs none; struct
 * carrier_shared has its own. After driver_exit(), or -1 from driver_output*(), the
 * port's state is gone: functions that may do so return enum link_fate and the caller
 * touches nothing more.
 */
#ifndef TACIT_CARRIER_H
#define TACIT_CARRIER_H

#include "base/release.h"
#include "conn.h"
#include "link.h"
#include "shared.h"
#include "socket/socket.h"

enum {
    ACCEPT_BATCH = 32,        /* sockets accepted in one callback */
    FLUSH_DEADLINE_MS = 3000, /* what a closing port may take to send its queue */
    BUSY_HIGH = 256 * 1024,   /* queued bytes that make a port busy */
    BUSY_LOW = 64 * 1024,     /* and no longer so */
    TURN_MAX = 256 * 1024,    /* bytes sealed before others on the scheduler run */
    RECORD_COST = 256,        /* what opening a record takes: as so many bytes, */
    MESSAGE_COST = 1024,      /* and what the emulator takes to receive a message */
    REFUSALS_MAX = 64,        /* last refusals remembered, one a name */
};

/* --- term.c ----------------------------------------------------------------------- */

enum {
    TERM_MAX = 40,
};

/* A term in the emulator's own notation. Zero it; texts must outlive the sending. */
struct term {
    ErlDrvTermData data[TERM_MAX];
    size_t size;
};

/* Put one more term behind those that are there. */
void term_atom(struct term *t, const char *name);
void term_port(struct term *t, ErlDrvPort port);
void term_unsigned(struct term *t, uint64_t value);
void term_binary(struct term *t, const char *text);
void term_list(struct term *t, const uint8_t *bytes, size_t len);
void term_tuple(struct term *t, unsigned arity); /* of what was put before */
void term_to_owner(struct term *t, ErlDrvPort port);
void term_send(struct term *t, ErlDrvPort port, ErlDrvTermData pid);

/* --- listen.c --------------------------------------------------------------------- */

enum {
    /* Twice what one configuration names: while another comes in force, both are open. */
    LISTEN_SET_MAX = 2 * TACIT_LISTEN_MAX,
};

struct listen_set {
    size_t count;
    struct {
        int fd;
        struct tacit_address address;
    } at[LISTEN_SET_MAX];
};

/* Opens what the policy names and the set has not; on an error it is as before. */
int listen_set_open(struct listen_set *set, const struct tacit_policy *policy,
                    char text[TACIT_FAULT_MAX]);
/* Whether the policy names the address. */
bool listen_set_wanted(const struct tacit_address *address,
                       const struct tacit_policy *policy);

/* --- listener.c ------------------------------------------------------------------- */

struct listener;

/*
 * Starts to listen on every address of the policy; text gets the reason on failure. Where
 * the policy has a door, starts to register there instead: the owner is told as tell_door
 * says (listener.h), within DOOR_START_MS and DOOR_ANSWER_MS, that it is registered, or
 * why it is not and never will be.
 */
int listener_start(ErlDrvPort port, const char *own_name, struct listener **ret_listener,
                   char text[TACIT_FAULT_MAX]);
/* From now on links are announced to pid, as {tacit_accept, Port, LinkPort, Name,
 * Dynamic}. */
void listener_accept(struct listener *l, ErlDrvTermData pid);
void listener_ready(struct listener *l, int fd);
void listener_timeout(struct listener *l);
/*
 * Also listens on what that reload offers, or says why that cannot be: until whoever
 * tries it, the calling process, settles it, or is no more.
 */
int listener_try(struct listener *l, uint64_t reload, char text[TACIT_FAULT_MAX]);
/* What the calling process tried is over: listens on what the configuration in force
 * names, and on nothing else. */
void listener_settle(struct listener *l);
void listener_process_exit(struct listener *l, const ErlDrvMonitor *monitor);
void listener_stop(struct listener *l);
/* Gives up the addresses, or the name at the door: see on_emergency_close (driver.c). */
void listener_emergency_close(const struct listener *l);
/* What the door knows the node's life by; 0: it has no door. */
uint32_t listener_creation(const struct listener *l);
/* The host's first address, for #net_address{}; NULL: it has interfaces only. */
const struct tacit_address *listener_address(const struct listener *l);

/* --- control.c, inet.c, info.c ---------------------------------------------------- */

/* What a port is: neither before its first command; the one that all ask stays so. */
struct carrier_port {
    ErlDrvPort port;
    struct listener *listener;
    struct link *link;
};

ErlDrvSSizeT carrier_control(struct carrier_port *p, unsigned command, const uint8_t *buf,
                             size_t len, char **rbuf, size_t rlen);
ErlDrvSSizeT carrier_call(struct carrier_port *p, unsigned command, char *buf, size_t len,
                          char **rbuf, size_t rlen);
/* Answers one of inet's own requests for a link; -1: not one that is answered. */
ErlDrvSSizeT inet_control(const struct link *l, unsigned request, const uint8_t *buf,
                          size_t len, char **rbuf, size_t rlen);

#endif
