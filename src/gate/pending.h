/*
 * Connections whose peer has yet to show who it is: how long each may take, and which one
 * goes when there are too many. For those who accept from the open network, the door or a
 * node that is its own. No I/O, no clock: times are the caller's, in milliseconds of a
 * monotonic clock.
 *
 * A flood must not lock a newcomer out. So the one that goes is the oldest of the
 * heaviest source; and while slots or descriptors run short, strangers get less time.
 * Who showed a first message stays, as long as such take half of the slots at the most:
 * holders of the mesh key must not lock a newcomer out, either.
 */
#ifndef TACIT_GATE_PENDING_H
#define TACIT_GATE_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum {
    TACIT_PENDING_MAX = 1024,          /* of one table */
    TACIT_PENDING_DEADLINE_MS = 10000, /* from the accept to a whole handshake */
    TACIT_PENDING_PRESSURE_MS = 1000,  /* to a first message, when slots run short */
    TACIT_PENDING_PAUSE_MS = 200,      /* of accepting, when descriptors ran out */
    TACIT_PENDING_BUCKETS = 4096,
};

/* One of them; part of what the caller keeps of the connection. */
struct tacit_pending_entry {
    int64_t accepted;
    bool first_seen;       /* a valid first message came: the caller sets it */
    uint64_t narrow, wide; /* the source: IPv4 /32 in both; IPv6 /64 and /48 */
    struct tacit_pending_entry *next, *previous;
};

/* The source that an address is of, never 0: IPv4 /32, IPv6 /64. */
uint64_t tacit_pending_source(const struct tacit_address *peer);

/* Zero it to start. */
struct tacit_pending {
    struct tacit_pending_entry *oldest, *newest; /* by the time of their accept */
    size_t count;
    bool starved; /* descriptors ran out */
    int64_t starved_until;
    uint16_t narrow[TACIT_PENDING_BUCKETS], wide[TACIT_PENDING_BUCKETS];
};

/* Adds a connection accepted at this time from this address. */
void tacit_pending_add(struct tacit_pending *p, struct tacit_pending_entry *e,
                       const struct tacit_address *peer, int64_t accepted);
void tacit_pending_remove(struct tacit_pending *p, struct tacit_pending_entry *e);

/* Which one is to go to make room, or NULL where there is none. */
struct tacit_pending_entry *tacit_pending_victim(const struct tacit_pending *p);

/* Descriptors ran out now. */
void tacit_pending_starve(struct tacit_pending *p, int64_t now);

/* When this one's time is over. */
int64_t tacit_pending_deadline(const struct tacit_pending *p,
                               const struct tacit_pending_entry *e, int64_t now);

/* How long until the next one's time may be over, at least 0; -1: there is none. */
int64_t tacit_pending_wait(const struct tacit_pending *p, int64_t now);

#endif
