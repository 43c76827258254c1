/*
 * carrier: the linked-in driver, Erlang's distribution controller. Sockets on one side,
 * the emulator's ports on the other, a channel between them.
 *
 *     shared.c    what all ports share: policy, replay guard, counters, last refusals
 *     rules.c     who may be which node, and whether a live link still may
 *     reload.c    a configuration that is read while the node runs
 *     conn.c      a socket on which a handshake runs, in either role
 *     asker.c     one who asks for the names of nodes
 *     listen.c    the sockets that are listened on
 *     listener.c  the port that listens: accept, strangers, limits, deadlines; listener.h
 *                 names the files that it is made of
 *     link.c      the port of one link: dial, take over, end
 *     keys.c      fresh keys for a live link
 *     output.c    messages from the emulator -> records -> socket
 *     input.c     socket -> records -> messages to the emulator
 *     term.c      messages to processes
 *     inet.c      what dashboards ask inet ports
 *     control.c   commands from erlang/src/tacit_drv.erl; info.c answers with terms
 *     driver.c    the driver's entry: every callback, sent to listener or link
 *
 * Calls channel, policy, ruling, files, socket and door's pure parts. Runs inside
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

#include <erl_driver.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/handshake.h"
#include "channel/rekey.h"
#include "channel/replay.h"
#include "door/pending.h"
#include "policy/policy.h"
#include "ruling/ruling.h"
#include "socket/socket.h"

enum {
    ACCEPT_BATCH = 32,        /* sockets accepted in one callback */
    FLUSH_DEADLINE_MS = 3000, /* what a closing port may take to send its queue */
    BUSY_HIGH = 256 * 1024,   /* queued bytes that make a port busy */
    BUSY_LOW = 64 * 1024,     /* and no longer so */
    TURN_MAX = 256 * 1024,    /* bytes sealed before others on the scheduler run */
    EVENTS_BURST = 50,        /* log lines about peers, at once */
    EVENT_EVERY_MS = 500,     /* and one more each such time */
    REFUSALS_MAX = 64,        /* last refusals remembered, one a name */
    REASON_MAX = 256,
};

/* --- shared.c --------------------------------------------------------------------- */

/* A private key in use by somebody: a configuration, or links that were made with it. */
struct identity {
    atomic_uint count;
    struct noise_keypair *pair; /* in locked memory, read-only */
};

/* A policy in use by somebody. */
struct policy_ref {
    atomic_uint count;
    struct identity
        *identity; /* the policy's own: shared with others that have the same */
    struct tacit_policy *policy;
};

/* Why a link to or from a name did not come up, or ended. */
struct refusal {
    char name[TACIT_NAME_MAX + 1];
    char reason[32];       /* an atom's text */
    char text[REASON_MAX]; /* for people */
    uint64_t time;         /* seconds since 1970 */
    bool inbound;
};

struct counters {
    atomic_uint_least64_t accepted;   /* sockets */
    atomic_uint_least64_t pending;    /* of them, handshake not done: goes up and down */
    atomic_uint_least64_t strangers;  /* of them, without a valid first message */
    atomic_uint_least64_t replays;    /* first messages seen before or out of time */
    atomic_uint_least64_t refused;    /* authenticated, but not allowed */
    atomic_uint_least64_t evicted;    /* to make room */
    atomic_uint_least64_t handshakes; /* completed, in either role */
    atomic_uint_least64_t exchanges;  /* first messages answered: X25519 was computed */
};

extern struct counters carrier_counters;

int shared_init(void);
void shared_finish(void);

/* Loads the configuration and puts it in place of the one before. */
int shared_load(const char *path, struct tacit_fault *fault);

/* Reads a configuration; it is not in force yet. On any thread. */
int shared_read(const char *path, struct policy_ref **ret_ref, struct tacit_fault *fault);

/* The configuration that a reload has read. Takes ref over, NULL for none. */
void shared_offer(struct policy_ref *ref);
/* The offered one, or NULL; give it back with policy_release. */
struct policy_ref *shared_candidate(void);
/* Puts the offered one in force; false: there is none. */
bool shared_adopt(void);

/* The policy in force; NULL before the first load. Give it back with policy_release. */
struct policy_ref *shared_policy(void);
void policy_release(struct policy_ref *ref);

/* The replay guard, under its lock. */
int shared_replay_check(const uint8_t ephemeral[NOISE_DHLEN], uint64_t time);

/* Remembers why a link with name failed; the oldest is forgotten. */
void shared_note_refusal(const char *name, bool inbound, const char *reason,
                         const char *text);
bool shared_last_refusal(const char *name, struct refusal *ret_refusal);

/* The keys that this host revoked by itself: count fingerprints; takes hashes over. */
void shared_revoke(uint8_t *hashes, size_t count);
bool shared_is_revoked(const uint8_t key[NOISE_DHLEN]);

/* This node's place at the host's door, for tacit:info/0. */
struct door_status {
    char path[TACIT_DOOR_PATH_MAX + 1]; /* of the door's socket; "": it needs none */
    char state[16];                     /* none, registered, lost, refused */
    char text[REASON_MAX];              /* for people: what is wrong */
};

void shared_set_door(const char *path, const char *state, const char *text);
void shared_door(struct door_status *ret_status);

uint64_t wall_clock(void); /* seconds since 1970 */
ErlDrvTime monotonic_ms(void);

/* --- rules.c ---------------------------------------------------------------------- */

/*
 * Whether the policy allows the peer, who proved to hold key, at address. 0, or an error
 * with *ret_ruling filled.
 */
int rule_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                 const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                 bool inbound, struct ruling *ret_ruling);

/* The same for one who asks for the directory and proved to hold key. */
int rule_on_asker(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                  const struct tacit_address *address, struct ruling *ret_ruling);

/* The fingerprint of the key that the policy has for a node; false: it has none. */
bool rule_fingerprint(const struct tacit_policy *policy, const char *name,
                      char ret_text[TACIT_FINGERPRINT_TEXT]);

enum {
    PAIR_MARK = 16,
};

/* A mark by which a pair key is known again; that of zeros where the peer has none. */
void pair_key_mark(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                   uint8_t ret_mark[PAIR_MARK]);

/* --- reload.c --------------------------------------------------------------------- */

struct carrier_port;

/*
 * Starts to read the configuration at path on a thread of the emulator's; reload_done is
 * called when it is there. The caller then gets {tacit_loaded, Port, Text}; Text is
 * empty, and the configuration offered, where it has no fault.
 */
int reload_start(struct carrier_port *p, const char *path);
void reload_done(struct carrier_port *p, void *job);

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
 * errno or TACIT's error in *ret_error; fd is then still open.
 */
struct conn *conn_new(int fd, enum noise_role role, const char *own_name,
                      bool own_dynamic, const char *wanted, int *ret_error);

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

/* --- term.c ----------------------------------------------------------------------- */

enum {
    TERM_MAX = 40,
};

/* A term in the emulator's own notation. Zero it; texts must outlive the sending. */
struct term {
    ErlDrvTermData data[TERM_MAX];
    size_t size;
};

void term_atom(struct term *t, const char *name);
void term_port(struct term *t, ErlDrvPort port);
void term_binary(struct term *t, const char *text);
void term_list(struct term *t, const uint8_t *bytes, size_t len);
void term_tuple(struct term *t, unsigned arity); /* of what was put before */
void term_to_owner(struct term *t, ErlDrvPort port);
void term_send(struct term *t, ErlDrvPort port, ErlDrvTermData pid);

/* --- listen.c --------------------------------------------------------------------- */

/* Twice what one configuration names: while another comes in force, both are open. */
struct listen_set {
    size_t count;
    struct {
        int fd;
        struct tacit_address address;
    } at[2 * TACIT_LISTEN_MAX];
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
/* Also listens on what the offered configuration names, or says why that cannot be. */
int listener_try(struct listener *l, char text[TACIT_FAULT_MAX]);
/* Listens on what the configuration in force names, and on nothing else. */
void listener_settle(struct listener *l);
void listener_stop(struct listener *l);
/* What the door knows the node's life by; 0: it has no door. */
uint32_t listener_creation(const struct listener *l);
/* The host's first address, for #net_address{}; NULL: it has interfaces only. */
const struct tacit_address *listener_address(const struct listener *l);

/* --- keys.c: identities --------------------------------------------------------------
 */

/* A copy of the pair; NULL: no memory. */
struct identity *identity_new(const struct noise_keypair *pair);
struct identity *identity_hold(struct identity *identity);
void identity_release(struct identity *identity); /* NULL is allowed */

/* --- link.c, keys.c, output.c, input.c
 * ---------------------------------------------------- */

enum link_state {
    LINK_CONNECTING, /* TCP */
    LINK_HANDSHAKE,  /* Noise */
    LINK_PASSIVE,    /* the distribution handshake: one message a request */
    LINK_ACTIVE,     /* a distribution link */
};

/* Whether a link's state still exists after a call. */
enum link_fate {
    LINK_LIVES,
    LINK_GONE,
};

struct link_input {
    uint8_t *buffer;   /* bytes as read; NULL while there are none */
    size_t start, end; /* the part of it not yet opened */
    unsigned exact;    /* so many more records are read one by one */
    uint8_t *plain;    /* an opened record's data not yet consumed, in buffer */
    size_t plain_len;
    uint8_t header[4]; /* a message's length, as it comes in */
    size_t header_len;
    ErlDrvBinary *message; /* a message that crosses records */
    size_t message_len, message_got;
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
    bool gathering;     /* small messages wait for the zero timer */
    bool busy;
    bool flushing;     /* the port is closing */
    bool pumping;      /* buffered input waits for the zero timer */
    bool resting;      /* TURN_MAX was sealed: busy until the zero timer */
    bool passed_first; /* ACTIVE: a record of the peer opened */
    bool initiator;
    int doomed; /* an error that ends the link at the next chance */
    char doom_text[REASON_MAX];
    char doom_reason[32];
    ErlDrvTime deadline; /* 0: none */
    struct conn *conn;   /* while the handshake runs */
    struct tacit_channel *channel;
    struct identity *identity;       /* that the handshake was made with */
    struct tacit_rekey_limits rekey; /* when fresh keys are due */
    ErlDrvTime keys_since;           /* us */
    bool used;                       /* since then: more than ticks has crossed */
    struct tacit_claim peer;
    uint8_t peer_key[NOISE_DHLEN];
    uint8_t mesh_mark[TACIT_MESH_MARK]; /* of the mesh key that the handshake used */
    uint8_t pair_mark[PAIR_MARK];       /* of the pair key that the handshake used */
    char line[RULING_LINE];             /* of the configuration, that allows the link */
    uint8_t visibility;                 /* enum tacit_visibility: what the rule wants, */
    uint8_t seen;                       /* and what the distribution handshake said */
    struct tacit_address peer_address, local_address;
    size_t max_message;
    uint64_t since;                            /* seconds since 1970 */
    uint64_t received_records;                 /* that opened: the only sign of life */
    uint64_t received_bytes, sent_bytes;       /* on the wire */
    uint64_t received_messages, sent_messages; /* ticks included */
    ErlDrvTime last_output;                    /* us */
    size_t turn_bytes;                         /* sealed since others could run */
    struct link_input input;
    struct link_output output;
};

/* A link for a socket whose handshake is done; takes c over. NULL: no memory. */
struct link *link_take(struct conn *c);
/* Makes a taken link live on its new port. */
void link_adopt(struct link *l, ErlDrvPort port);
/* Dials. The result is sent to the owner: {tacit_up, Port, Name} or {tacit_down, ...}. */
int link_connect(ErlDrvPort port, const char *own_name, bool own_dynamic,
                 const char *wanted, const struct tacit_address *address,
                 unsigned timeout_ms, struct link **ret_link);

/*
 * Whether the rules in force still allow the link: if not, the peer is told and the link
 * doomed. Called when a link comes to be and after each reload.
 */
void link_review(struct link *l);

/* Whether the rule wants what the peer has been seen to be; "" or why it is refused. */
const char *link_visibility_fault(const struct link *l);

void link_ready_read(struct link *l);
void link_ready_write(struct link *l);
void link_timeout(struct link *l);
void link_flush(struct link *l);
void link_stop(struct link *l);
void link_emergency_close(struct link *l);

/* Marks the link to be ended from its next timeout; text may be NULL. */
void link_doom(struct link *l, int error, const char *reason, const char *text);
/* Arms the one timer for whatever comes first. */
void link_arm(struct link *l);
void link_select(struct link *l, bool read, bool write);
/* Tells the peer why, in a sealed record, as far as the socket takes it now. */
void link_send_close(struct link *l, enum tacit_close reason, const char *text);

/* When fresh keys are due is as the policy says. */
void link_set_limits(struct link *l, const struct tacit_policy *policy);
/* Queues an offer of fresh keys where they are due at `now` (us): true if it did so. */
bool link_refresh_keys(struct link *l, ErlDrvTime now);
/* Takes the data of a record of type rekey and queues the answer, if there is one. */
int link_take_rekey(struct link *l, const uint8_t *data, size_t size);

/* One message of the emulator's, or of dist_util's; size 0 is a tick. */
void link_output(struct link *l, const ErlIOVec *message);
void link_tick(struct link *l);
/* Seals what is gathered and sends it. */
void link_flush_output(struct link *l);
/* Seals what is gathered: for a record that the channel is to seal behind it. */
void link_seal_gathered(struct link *l);
/* Takes a sealed record along with what link_flush_output sends. */
void link_queue_record(struct link *l, const uint8_t *record, size_t len);
/* Sends what was queued so outside of the emulator's own output. */
void link_send_now(struct link *l);
/* Sends queued records. */
void link_send_queue(struct link *l);
/* The zero timer: what was gathered is sent, a gathering that came to rest ends. */
void link_turn(struct link *l);
size_t link_pending(const struct link *l);
void link_free_output(struct link *l);

/* Delivers what was read already, then reads what is there and delivers that. */
enum link_fate link_read(struct link *l);
void link_free_input(struct link *l);

/* --- control.c, inet.c, info.c ---------------------------------------------------- */

/* What a port is: neither before its first command. */
struct carrier_port {
    ErlDrvPort port;
    struct listener *listener;
    struct link *link;
    ErlDrvTermData reloader; /* who asked for the reload that runs */
};

ErlDrvSSizeT carrier_control(struct carrier_port *p, unsigned command, const uint8_t *buf,
                             size_t len, char **rbuf, size_t rlen);
ErlDrvSSizeT carrier_call(struct carrier_port *p, unsigned command, char *buf, size_t len,
                          char **rbuf, size_t rlen);
/* Answers one of inet's own requests for a link; -1: not one that is answered. */
ErlDrvSSizeT inet_control(const struct link *l, unsigned request, const uint8_t *buf,
                          size_t len, char **rbuf, size_t rlen);

#endif
