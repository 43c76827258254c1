/* Messages to processes. */
#ifndef TACIT_CARRIER_TELL_H
#define TACIT_CARRIER_TELL_H

#include "conn.h"

struct listener;

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

/* --- of the port that listens ------------------------------------------------------ */

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
