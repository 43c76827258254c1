/*
 * The command as the initiator of a channel: one connection, and what is said on it, all
 * within a deadline. names.c and trial.c call it.
 */
#ifndef TACIT_CLI_CLIENT_H
#define TACIT_CLI_CLIENT_H

#include "ei/wire.h"
#include "session/stream.h"

enum {
    CLIENT_MESSAGE_MAX = 1024, /* bytes of a distribution message, with its length */
};

/* It holds keys, so it lives in locked memory. */
struct client {
    struct tacit_channel channel;
    struct tacit_session session;
    int fd;
    bool open;               /* there are records: the channel is up */
    int64_t deadline;        /* of wire.h */
    enum tacit_close reason; /* why the peer closed, after TACIT_ECLOSED */
    char text[TACIT_CLOSE_TEXT_MAX + 1];
    struct tacit_stream stream;
    uint8_t record[TACIT_RECORD_MAX];
};

/* NULL: no lockable memory. */
struct client *client_new(void);

/* Ends the connection, where there is one: with a close, where there is a channel. */
void client_close(struct client *c);
void client_free(struct client *c);

/* Takes a connection over, and sets the deadline for all that follows on it: ms from now.
 */
void client_take(struct client *c, int fd, unsigned ms);

/*
 * Runs the handshake as own_name until the peer has shown its key: nothing but a first
 * message was said so far. wanted is a node, or "@HOST" for its door, whom no name is
 * told. An error: c->session tells how far it came.
 */
int client_handshake(struct client *c, const struct tacit_policy *policy,
                     const char *own_name, const char *wanted);

/*
 * Goes on, where the rules allow the peer at address; revoked: this host has revoked its
 * key. TACIT_EREFUSED: they do not, and c->session.ruling says why.
 */
int client_proceed(struct client *c, const struct tacit_address *address, bool revoked);

/* Bytes as they are. TACIT_ETRUNCATED, TACIT_ETIMEOUT. */
int client_send(struct client *c, const uint8_t *bytes, size_t len);

/* The next record as it came, whole, in c->record. */
int client_receive(struct client *c, size_t *ret_len);

/* One distribution message behind its length, in a record of its own. TACIT_ESPACE. */
int client_send_message(struct client *c, const uint8_t *message, size_t len);

/*
 * The next distribution message but ticks. TACIT_ECLOSED: the peer closed, c->reason and
 * c->text say why; TACIT_ESPACE: it is longer than cap.
 */
int client_receive_message(struct client *c, uint8_t *message, size_t cap,
                           size_t *ret_len);

#endif
