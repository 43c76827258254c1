/* A socket on which a handshake runs, in either role. */
#ifndef TACIT_CARRIER_CONN_H
#define TACIT_CARRIER_CONN_H

#include "gate/pending.h"
#include "session/session.h"
#include "shared.h"

struct requester; /* incoming.c: one who asks for names */

/* A socket on which a handshake runs. Belongs to a listener, then to a link. */
struct conn {
    int fd;
    struct tacit_address peer_address;
    struct policy_ref *policy;
    struct tacit_session session;
    enum tacit_session_event event; /* what that has come to */
    char own_name[TACIT_NAME_MAX + 1];
    char wanted[TACIT_NAME_MAX + 1]; /* dialling: a node, or "@HOST" for its door */
    bool own_dynamic; /* own_name is a host's: the node's name is to come */
    bool silent;      /* nothing is said any more: read, discard, until the deadline */
    struct requester *requester; /* answering: NULL, or it asks for names */
    int skew; /* seconds the peer's clock is off, where that was the reason */
    struct tacit_pending_entry pending; /* of a listener */
};

enum conn_state {
    CONN_READ,  /* wait until there is something to read */
    CONN_WRITE, /* wait until it can be written */
    CONN_OVER,  /* event says how it went, and all that was to be said is sent */
};

/*
 * For one that dialled us from that address: its handshake is under way. NULL: *ret_error
 * says why, and fd is still open; else the conn has taken it over.
 */
struct conn *conn_answer(int fd, const struct tacit_address *peer, const char *own_name,
                         int *ret_error);

/* The same for one that we dial; conn_start begins its handshake. */
struct conn *conn_dial(int fd, const struct tacit_address *peer, const char *own_name,
                       bool own_dynamic, const char *wanted, int *ret_error);
void conn_start(struct conn *c);

/* Takes bytes that were read elsewhere, and says what they ask for. */
void conn_feed(struct conn *c, const uint8_t *bytes, size_t len);

/* Reads and writes as far as it goes without waiting. */
enum conn_state conn_advance(struct conn *c);

/* Wipes and frees; does not close fd. NULL is allowed. */
void conn_free(struct conn *c);

#endif
