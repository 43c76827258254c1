/* A socket on which a handshake runs, in either role. */
#ifndef TACIT_CARRIER_CONN_H
#define TACIT_CARRIER_CONN_H

#include "gate/pending.h"
#include "shared.h"

/* --- conn.c ----------------------------------------------------------------------- */

struct asker;

/* A socket on which a handshake runs. Belongs to a listener, then to a link. */
struct conn {
    int fd;
    struct tacit_address peer_address;
    struct policy_ref *policy;
    struct tacit_handshake handshake;
    char own_name[TACIT_NAME_MAX + 1];
    char wanted[TACIT_NAME_MAX + 1];
    bool own_dynamic;              /* own_name is a host's: the node's name is to come */
    bool silent;                   /* a stranger: read and discard until the deadline */
    struct asker *asker;           /* answering: one who asks for the names of nodes */
    const struct tacit_peer *door; /* dialling: the line that knows the door wanted */
    struct ruling ruling;          /* once it was decided on the peer */
    int skew; /* seconds the peer's clock is off, where that was the reason */
    struct tacit_pending_entry pending; /* of a listener */
};

enum conn_state {
    CONN_READ,   /* wait until there is something to read */
    CONN_WRITE,  /* wait until it can be written */
    CONN_DONE,   /* the handshake is over: see its verdict */
    CONN_FAILED, /* *ret_error says why */
};

/*
 * Takes over fd. wanted is a node's name, or "@HOST" for that host's door. NULL with
 * errno or TACIT's error in *ret_error; fd is then still open. A responder's handshake
 * is under way, an initiator's waits for conn_start.
 */
struct conn *conn_new(int fd, enum noise_role role, const char *own_name,
                      bool own_dynamic, const char *wanted, int *ret_error);

/* Makes the first message. */
int conn_start(struct conn *c);

/* Reads and writes as far as it goes without waiting. */
enum conn_state conn_advance(struct conn *c, int *ret_error);

/* Wipes and frees; does not close fd. */
void conn_free(struct conn *c);

/* --- asker.c ---------------------------------------------------------------------- */

/* The handshake of c is done, and the directory is wanted: goes on with the question. */
int asker_start(struct conn *c);
/* Reads the question as far as it is there, and answers it with the one name. */
enum conn_state asker_advance(struct conn *c, const char *name, int *ret_error);
void asker_free(struct asker *a); /* NULL is allowed */

#endif
