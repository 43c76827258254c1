/*
 * session: a link under the rules. What channel and policy make together, once for all
 * who move the bytes: a node's driver, a C node, the door's directory, the command.
 *
 *     session.c   one handshake, in either role, under one configuration
 *     review.c    whether a live link may go on; review.h
 *     keys.c      when its keys are to be fresh ones; keys.h
 *     ruling.c    what the policy's answer about a peer means on a channel; ruling.h
 *
 * Pure: bytes, times and a policy in, events and bytes out. It never acts, logs,
 * allocates or calls up: where it needs to know what its caller alone does (was this
 * first message seen before? is the key revoked here?), it says so by an event, and goes
 * on with the answer. Calls channel, policy, gate and base; carrier, ei, door and cli
 * call it.
 */
#ifndef TACIT_SESSION_H
#define TACIT_SESSION_H

#include "channel/handshake.h"
#include "gate/clock.h"
#include "session/ruling.h"

/* What a session has come to. After each: send what tacit_session_output gives. */
enum tacit_session_event {
    TACIT_SESSION_MORE,  /* feed it what comes */
    TACIT_SESSION_FIRST, /* responder: tacit_session_first goes on, with first and e */
    TACIT_SESSION_PEER,  /* tacit_session_peer goes on, with the peer and its key */
    TACIT_SESSION_UP,    /* the peer may come: tacit_session_take gives the channel */
    TACIT_SESSION_DIRECTORY, /* the same, for names to be asked (channel/directory.h) */
    TACIT_SESSION_REFUSED,   /* it may not: why is in ruling, and sealed in the output */
    TACIT_SESSION_SILENT,    /* a stranger: not a byte more, and no sign; see error */
    TACIT_SESSION_FAILED,    /* it is over; see error */
};

struct tacit_session_config {
    enum noise_role role;
    const struct tacit_policy *policy; /* the snapshot; must outlive the session */
    const char *own_name; /* of this node; a bare host if own_dynamic; "": the door */
    bool own_dynamic;
    bool gives_names;     /* to peers that ask for one */
    const char *wanted;   /* initiator: a node, or "@HOST": the door of that host */
    unsigned hidden_keys; /* mesh keys that the peer is not shown: tacit_mesh_hidden */
    uint64_t now;         /* seconds since 1970 */
};

/*
 * One handshake. It holds keys: it lives in memory for secrets, stays where it is, and is
 * wiped when done. The texts of its config must outlive it.
 */
struct tacit_session {
    struct tacit_handshake handshake; /* to be read: first, peer, peer_key, directory */
    const struct tacit_policy *policy;
    const struct tacit_peer *door; /* initiator: the line that knows the door wanted */
    const char *own_name;
    const char *wanted; /* as in the config; responder: by the peer, from FIRST on */
    bool gives_names;
    bool first_seen;      /* responder: the first message was no stranger's */
    struct ruling ruling; /* once it was decided on the peer */
    int error;            /* why, after SILENT and FAILED */
    size_t close_len, close_sent;
    uint8_t close[TACIT_RECORD_HEADER + 512];
};

/* Starts it; an initiator's first message is then in the output. MORE or FAILED. */
enum tacit_session_event tacit_session_start(struct tacit_session *s,
                                             const struct tacit_session_config *config);

/* How many bytes it takes next, at most: none is taken that is the channel's. */
size_t tacit_session_wants(const struct tacit_session *s);

/* Takes bytes of the peer's, however they are cut; *ret_used says how many. */
enum tacit_session_event tacit_session_feed(struct tacit_session *s, const uint8_t *in,
                                            size_t len, size_t *ret_used);

/* The first message's e, by which it is known again, at FIRST; our own, once started. */
const uint8_t *tacit_session_ephemeral(const struct tacit_session *s);

/*
 * After FIRST: what admission says of the first message (gate/admission.h): 0, or its
 * error. TACIT_ELIMIT: it is no stranger's, but one too many. MORE, SILENT or FAILED.
 */
enum tacit_session_event tacit_session_first(struct tacit_session *s, int admission);

/*
 * After PEER: it came from address; revoked: this host has revoked its key by itself.
 * Then UP, DIRECTORY, or why not in s->ruling: REFUSED for a responder, FAILED with
 * TACIT_EREFUSED for an initiator, which has not said yet who asks. Where the ruling has
 * a signed_at, it counts: tacit_clock_signed.
 */
enum tacit_session_event tacit_session_peer(struct tacit_session *s,
                                            const struct tacit_address *address,
                                            const struct tacit_now *now, bool revoked);

/* Responder, after UP or DIRECTORY and before the channel was taken: it may not come for
 * another reason. REFUSED or FAILED. */
enum tacit_session_event tacit_session_refuse(struct tacit_session *s,
                                              enum tacit_close reason, const char *text);

/* The connection ended, or its time did: FAILED with that error. */
enum tacit_session_event tacit_session_fail(struct tacit_session *s, int error);

/* Bytes to be sent, owned by s; tell it how many were. */
size_t tacit_session_output(const struct tacit_session *s, const uint8_t **ret_bytes);
void tacit_session_sent(struct tacit_session *s, size_t len);

/* After UP or DIRECTORY: makes the channel. What is in the output comes before it. */
int tacit_session_take(struct tacit_session *s, struct tacit_channel *ret_channel);

/* The key ID of the mesh key that the handshake is made under. */
void tacit_session_mesh_key(const struct tacit_session *s, uint8_t ret_id[TACIT_KEY_ID]);

/* Wipes the secrets, and what was still to be sent; what was learnt stays readable. */
void tacit_session_wipe(struct tacit_session *s);

#endif
