/*
 * One link of a C node, and the C node that it belongs to. Functions return 0 or one of
 * TACIT's errors; the text that explains it is told by fault.h.
 *
 * One thread may read a link while another writes to it; further ones wait their turn.
 * Only cnode_link_free wants the link for itself.
 */
#ifndef TACIT_EI_LINK_H
#define TACIT_EI_LINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "ei/rules.h"
#include "ei/wire.h"
#include "gate/admission.h"
#include "policy/revoked.h"
#include "session/keys.h"
#include "session/review.h"
#include "session/session.h"
#include "session/stream.h"

enum {
    LINK_STATUS = 32, /* of a status that is shown, with its zero */
    LINK_OUT = TACIT_RECORD_MAX + 8 * (TACIT_RECORD_HEADER + 256 + TACIT_TAG_MAX),
    LINK_RAW = 2 * TACIT_RECORD_MAX,
    LINK_SETUP_MS = 10000, /* what a stranger has until its handshake is over */
};

/* A C node: its name and rules. */
struct cnode {
    atomic_uint users; /* the user's cnode, and each of its links and listeners */
    char name[TACIT_NAME_MAX + 1];
    uint32_t creation;
    pthread_mutex_t lock;         /* guards what follows */
    struct cnode_rules *rules;    /* in force */
    struct tacit_revoked revoked; /* what the host's nodes revoked, as last read */
    struct tacit_admission admission;
    struct tacit_clock clock;
    bool has_door;             /* it listens at its host's door, */
    struct tacit_key_ids door; /* which opens these mesh keys; none: it has not told */

    atomic_uint generation;     /* of the rules in force; read without the lock */
    pthread_mutex_t links_lock; /* before any other; guards the list */
    struct cnode_link *links;   /* whose peers have proved who they are */
};

/* name: of the C node. Held once by the caller; the last release frees it. */
int cnode_new(const char *conf, const char *name, struct cnode **ret_node);
struct cnode *cnode_hold(struct cnode *node);
void cnode_release(struct cnode *node);
/* Whether a first message from source is answered; remembers it. source is NULL for one
 * of our own. */
int cnode_admission_first(struct cnode *node, const struct tacit_address *source,
                          const uint8_t ephemeral[NOISE_DHLEN], uint64_t time);
/* A peer that the rules allow came from there, or one that they do not. */
void cnode_admission_known(struct cnode *node, const struct tacit_address *peer,
                           bool known);
/* tacit_admission_news of a struct cnode, under its lock. */
bool cnode_admission_news(void *node, struct tacit_admission_told *told,
                          struct tacit_admission_news *ret_news);
/* What time it is: gate/clock.h. */
struct tacit_now cnode_now(struct cnode *node);
void cnode_signed(struct cnode *node, const struct tacit_now *now, uint64_t time);

/* The door's mesh keys; NULL: it has no door. Which of its own it shows to no peer. */
void cnode_set_door_keys(struct cnode *node, const struct tacit_key_ids *key_ids);
unsigned cnode_hidden_keys(struct cnode *node, const struct tacit_policy *policy);

/* Puts *list in force, and gives back the one before. */
void cnode_set_revoked(struct cnode *node, struct tacit_revoked *list);
/*
 * Whether this host has revoked the key by itself. Where its list cannot be read now,
 * what was read last holds, and this thread's fault text says why.
 */
bool cnode_is_revoked(struct cnode *node, const struct tacit_policy *policy,
                      const uint8_t key[NOISE_DHLEN]);

/* What only the link's reader touches. A stranger has no memory for records yet. */
struct cnode_input {
    size_t start, end; /* of the bytes in raw that are not opened yet */
    bool held;         /* the last of them is in the socket, too */
    bool control;      /* a record came that is no data */
    struct tacit_stream stream;
    uint8_t *message;  /* a length and a message, as ei reads them; the stream's memory */
    size_t len, given; /* of the whole message, its length included; given to ei */
    uint8_t *raw;      /* LINK_RAW bytes */
};

struct cnode_link {
    struct cnode *node;
    unsigned process;                   /* that made it */
    struct cnode_link *next, *previous; /* of the node's */
    struct cnode_rules *rules;          /* that it was made under */
    int fd;
    bool inbound;
    char wanted[TACIT_NAME_MAX + 1]; /* the node dialled */
    struct tacit_address address;    /* of the peer */
    struct tacit_session *session;   /* locked memory; NULL once there is a channel */
    enum tacit_session_event event;  /* answering: what that has come to */
    struct tacit_claim peer;
    char certificate[TACIT_CLAIM_CERTIFICATE_MAX]; /* the claim's */
    uint8_t peer_key[NOISE_DHLEN];
    uint8_t pair_key_id[TACIT_PAIR_KEY_ID]; /* of the pair key that the handshake used */
    bool silent, first_seen; /* a stranger; one whose first message verified */
    /* Of Erlang's own handshake, until it is over: */
    bool up;
    int64_t setup_until;
    unsigned greetings;       /* of the peer's messages */
    char status[LINK_STATUS]; /* what the peer answered: "ok", "alive", ... */

    pthread_mutex_t reading, writing; /* held for one message; reading first */
    struct cnode_input in;            /* under reading */

    pthread_mutex_t lock;          /* never held while waiting; guards what follows */
    struct tacit_channel *channel; /* locked memory */
    atomic_int failed;             /* for good; read without the lock, too */
    char why[RULING_TEXT + 64];
    struct ruling ruling; /* by the rules of the generation `reviewed` */
    unsigned reviewed;
    unsigned dropped; /* the generation that does not allow it any more; 0: none */
    uint8_t seen;     /* enum tacit_visibility: what the peer has said that it is */
    struct tacit_link_keys keys;
    size_t out_at, out_end;
    uint8_t *out; /* LINK_OUT bytes: sealed, not sent yet; where raw ends */
};

/* A link over a connected socket, which it takes over. NULL: no memory; fd is open. */
struct cnode_link *cnode_link_new(struct cnode *node, int fd);

/* link.c: dials wanted: the whole of Tacit's handshake. */
int cnode_link_dial(struct cnode_link *l, const char *wanted, int64_t deadline);

/* --- answer.c: of one that dialled us; nothing waits here */

enum cnode_step {
    CNODE_READ,  /* wait until there is something to read */
    CNODE_WRITE, /* wait until it can be written */
    CNODE_UP,    /* the peer is let in: there is a channel */
    CNODE_GONE,  /* it ended */
};

/*
 * Starts the handshake with the peer at address. first is what was read elsewhere: a
 * first message behind its length (TACIT_DOOR_FIRST bytes), or NULL.
 */
int cnode_link_answer(struct cnode_link *l, const struct tacit_address *address,
                      const uint8_t *first);

/* Goes on as far as it can. A stranger is read from until its time is over. */
enum cnode_step cnode_link_step(struct cnode_link *l);

/* --- link.c, for answer.c */

/* Starts the handshake; what it has come to. */
enum tacit_session_event cnode_link_start(struct cnode_link *l, enum noise_role role);
/* Answers what the session asks, if it asks anything; what that comes to. */
enum tacit_session_event cnode_link_decide(struct cnode_link *l,
                                           enum tacit_session_event event);
/* The peer may come: makes the channel. The session's secrets are not needed any more. */
int cnode_link_begin(struct cnode_link *l);

/* Another thread that waits for the link sees that it has failed. */
void cnode_link_wake(struct cnode_link *l);

/* Tells the peer why it ends, as far as it listens, and marks the link as failed. */
void cnode_link_close(struct cnode_link *l, enum tacit_close reason, const char *text);

/* The link is of no more use: error and text are told to who uses it; the first
 * counts. Returns error. */
int cnode_link_fail(struct cnode_link *l, int error, const char *text);

/* Tells this thread's fault text of an error that using the link gave. */
void cnode_link_explain(struct cnode_link *l, int error);

/* Ends it: with a close, waiting for the peer's end, where it is still up. */
void cnode_link_free(struct cnode_link *l);

/* In a process that was forked off: closes the descriptor, forgets the keys. NULL is
 * allowed. */
void cnode_link_abandon(struct cnode_link *l);

/* cnode.c: which process this is, of those that were forked off one another; it is one.
 */
unsigned cnode_process(void);
void cnode_forked(void);

/* --- write.c */

/* One message or more, whole, its length in front. After TACIT_ETIMEOUT in the middle of
 * one the link has failed. */
int cnode_link_write(struct cnode_link *l, const struct iovec *iov, int count,
                     int64_t deadline);

/* Sends what is sealed, as far as it goes without waiting. */
int cnode_link_flush_some(struct cnode_link *l);

/* More than a tick is to cross: ends the link where an exchange of fresh keys does not.
 */
int cnode_link_check_keys(struct cnode_link *l);

/* Fresh keys: offers them where they are due; takes the data of a record of type rekey,
 * or says why not. Both with the lock held. */
int cnode_link_refresh(struct cnode_link *l);
int cnode_link_take_rekey(struct cnode_link *l, const uint8_t *data, size_t len,
                          const char **ret_why);

/* --- read.c */

/*
 * At most *len bytes of the stream of messages; only of such as are there whole, so that
 * who runs out of time in the middle of one loses nothing and may ask again. 0: the
 * link has ended, and everything was given.
 */
int cnode_link_read(struct cnode_link *l, char *buf, size_t *len, int64_t deadline);

/* --- greet.c: the peer's part of Erlang's handshake */

/* What the peer said of itself, before ei reads it: 0, or it was refused. */
int cnode_link_greeted(struct cnode_link *l, const uint8_t *message, size_t len);
/* The peer ended it without a word: why, by how far it had come. */
void cnode_link_dismissed(struct cnode_link *l, char *text, size_t cap);

#endif
