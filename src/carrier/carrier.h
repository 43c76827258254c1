/*
 * carrier: the linked-in driver, Erlang's distribution controller. Sockets on one side,
 * the emulator's ports on the other, a channel between them.
 *
 *     driver.c    the driver's entry: every callback, sent to listener or link
 *     control.c   commands from erlang/src/tacit_drv.erl; info.c answers with terms
 *     inet.c      what dashboards ask inet ports
 *     tell.c      messages to processes
 *     shared.c    what all ports share: policy, counters, last refusals, admission, clock
 *     reload.c    a configuration that is read, on a thread of its own
 *     listener.c  the port that listens: accept, limits, deadlines; listener.h
 *     registration.c  its place at the host's door, in place of sockets of its own
 *     incoming.c  a connection from either, until it is a link or gone
 *     conn.c      a socket on which a handshake runs, and what its session asks
 *     link.c      one link: how it comes to be, its port's callbacks, its end
 *     review.c    whether a live link still may be, and fresh keys for it
 *     due.c       the links that the rules allow up to a moment only
 *     output.c    messages from the emulator -> records -> socket
 *     input.c     socket -> records -> messages to the emulator
 *
 * Calls session, channel, policy, gate, files, socket and door's pure parts. Runs inside
 * production nodes: no callback blocks, each does a bounded amount of work, and each
 * allocation is checked.
 *
 * Locks: ERL_DRV_FLAG_USE_PORT_LOCKING, so a port's state needs none; struct
 * carrier_shared has its own. After driver_exit(), or -1 from driver_output*(), the
 * port's state is gone: functions that may do so return enum link_result and the caller
 * touches nothing more.
 */
#ifndef TACIT_CARRIER_H
#define TACIT_CARRIER_H

#include "base/release.h"
#include "conn.h"
#include "due.h"
#include "incoming.h"
#include "input.h"
#include "keys.h"
#include "link.h"
#include "listener.h"
#include "output.h"
#include "registration.h"
#include "reload.h"
#include "shared.h"
#include "socket/socket.h"
#include "tell.h"

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

/* What a port is: neither before its first command; the one that all ask stays so. */
struct carrier_port {
    ErlDrvPort port;
    struct listener *listener;
    struct link *link;
};

/* The answers: control.c, info.c, inet.c. */
ErlDrvSSizeT carrier_control(struct carrier_port *p, unsigned command, const uint8_t *buf,
                             size_t len, char **rbuf, size_t rlen);
ErlDrvSSizeT carrier_call(struct carrier_port *p, unsigned command, char *buf, size_t len,
                          char **rbuf, size_t rlen);
/* Answers one of inet's own requests for a link; -1: not one that is answered. */
ErlDrvSSizeT inet_control(const struct link *l, unsigned request, const uint8_t *buf,
                          size_t len, char **rbuf, size_t rlen);

#endif
