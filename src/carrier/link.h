/* One link: the port of a channel with a peer. */
#ifndef TACIT_CARRIER_LINK_H
#define TACIT_CARRIER_LINK_H

#include "conn.h"
#include "due.h"
#include "session/keys.h"
#include "session/review.h"
#include "session/stream.h"

enum link_state {
    LINK_CONNECTING, /* TCP */
    LINK_CONNECTED,  /* until the owner says that it is this one of several */
    LINK_HANDSHAKE,  /* Noise */
    LINK_PASSIVE,    /* the distribution handshake: one message a request */
    LINK_ACTIVE,     /* a distribution link */
};

/* Whether a link's state still exists after a call. */
enum link_result {
    LINK_LIVES,
    LINK_GONE,
};

struct link_input {
    uint8_t *buffer;   /* bytes as read; NULL while there are none */
    size_t size;       /* of the buffer */
    size_t start, end; /* the part of it not yet opened */
    bool much;         /* the last read brought more than a small buffer takes */
    unsigned exact;    /* so many more records are read one by one */
    struct tacit_stream stream;
    ErlDrvBinary *message; /* its memory */
};

struct link_output {
    ErlDrvBinary *batch; /* sealed records; behind them room for a header, then data */
    size_t sealed, data_len;
};

struct link {
    ErlDrvPort port;
    int fd;
    enum link_state state;
    bool selected_read, selected_write;
    bool wants_message; /* PASSIVE: the owner waits for one */
    bool batching;      /* small messages wait for the zero timer */
    bool busy;
    bool flushing;     /* the port is closing */
    bool read_pending; /* buffered input waits for the zero timer */
    bool throttled;    /* TURN_MAX was sealed: busy until the zero timer */
    bool passed_first; /* ACTIVE: a record of the peer opened */
    bool initiator;
    bool setting_up; /* counted as such by shared_setup_enter */
    bool new_name;   /* the peer's name was none that the node knew */
    int failed;      /* an error that ends the link at the next chance */
    char failed_text[REASON_MAX];
    char failed_reason[32];
    ErlDrvTime deadline; /* 0: none */
    struct conn *conn;   /* while the handshake runs */
    struct tacit_channel *channel;
    struct identity *identity; /* that the handshake was made with */
    struct tacit_link_keys keys;
    struct tacit_claim peer;
    char *certificate; /* the claim's; NULL: it has none */
    uint8_t peer_key[NOISE_DHLEN];
    uint8_t mesh_key_id[TACIT_KEY_ID];      /* of the mesh key that the handshake used */
    uint8_t pair_key_id[TACIT_PAIR_KEY_ID]; /* of the pair key that the handshake used */
    char line[RULING_LINE]; /* of the configuration, that allows the link */
    struct due due;         /* when to ask about it again */
    uint8_t visibility;     /* enum tacit_visibility: what the rule wants, */
    uint8_t seen;           /* and what the distribution handshake said */
    struct tacit_address peer_address, local_address;
    size_t max_message;
    ErlDrvTime since;                          /* ms */
    uint64_t received_records;                 /* that opened: the only sign of life */
    uint64_t received_bytes, sent_bytes;       /* on the wire */
    uint64_t received_messages, sent_messages; /* ticks included */
    ErlDrvTime last_output;                    /* us */
    size_t turn_bytes;                         /* sealed since others could run */
    size_t unsealed; /* bytes at the end of the port's queue: not records yet */
    struct link_input input;
    struct link_output output;
};

/* --- how it comes to be ------------------------------------------------------------ */

/* A link for a socket whose handshake is done; takes c over. NULL: no memory. */
struct link *link_take(struct conn *c);
/* Makes a taken link live on its new port. */
void link_adopt(struct link *l, ErlDrvPort port);
/* Connects. The result is sent to the owner: {tacit_connected, Port} or {tacit_down,
 * ...}. */
int link_connect(ErlDrvPort port, const char *own_name, bool own_dynamic,
                 const char *wanted, const struct tacit_address *address,
                 unsigned timeout_ms, struct link **ret_link);
/* TCP's connect has ended, well or not. */
void link_connected(struct link *l);
/* Starts the handshake: {tacit_up, Port, Name, Fingerprint} or {tacit_down, ...}. */
void link_proceed(struct link *l, unsigned timeout_ms);
/* The handshake goes on as far as it can. */
void link_handshake(struct link *l);

/* --- whether it may go on ---------------------------------------------------------- */

/*
 * Whether the rules in force still allow the link: if not, the peer is told and the link
 * failed. Called when a link comes to be and after each reload.
 */
void link_review(struct link *l);
/* Whether the rule wants what the peer has been seen to be; "" or why it is refused. */
const char *link_visibility_fault(const struct link *l);

/* --- its callbacks and its end ----------------------------------------------------- */

void link_ready_read(struct link *l);
void link_ready_write(struct link *l);
void link_timeout(struct link *l);
void link_flush(struct link *l);
void link_stop(struct link *l);
void link_emergency_close(const struct link *l);

/* Marks the link to be ended from its next timeout. */
void link_fail(struct link *l, int error, const char *reason, const char *text);
void link_no_memory(struct link *l);
/* The distribution handshake is over, or the link is: it is set up no more. */
void link_set_up(struct link *l, bool is_active);
/* Tells the peer what it did wrong, and fails the link. */
void link_protocol_error(struct link *l, const char *text);
/* Arms the one timer for whatever comes first. */
void link_arm(struct link *l);
void link_select(struct link *l, bool read, bool write);
/* Tells the peer why, in a sealed record, as far as the socket takes it now. */
void link_send_close(struct link *l, enum tacit_close reason, const char *text);

#endif
