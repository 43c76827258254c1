/*
 * channel: one secure channel between two identities. Handshake (this header), records
 * (record.h), fresh keys (rekey.h), suites (suite.h), payloads (payload.h).
 *
 * No sockets, no Erlang, no rules: what drives it moves the bytes, and says how it
 * goes on where it pauses (tacit_handshake_answer). Calls noise, base and libsodium.
 * session drives handshakes; records are sealed and opened by what has the channel.
 * PROTOCOL.md in this folder describes everything that goes over the wire.
 *
 * The handshake is Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b, each message behind a
 * 16-bit length:
 *
 *     -> psk0, e           what is wanted, which suites
 *     <- e, ee, s, es      who answers, the suite picked
 *     -> s, se, psk3       who asks
 */
#ifndef TACIT_CHANNEL_HANDSHAKE_H
#define TACIT_CHANNEL_HANDSHAKE_H

#include "channel/payload.h"
#include "channel/record.h"
#include "noise/noise.h"

struct tacit_channel_config {
    enum noise_role role;
    const struct noise_keypair *identity; /* must outlive the handshake */
    /* Responder: who answers where the door is wanted; NULL: nobody, as to a stranger. */
    const struct noise_keypair *door_identity;
    const struct tacit_secret *mesh_keys; /* likewise; the first seals, all open */
    size_t mesh_key_count;
    unsigned
        hidden_keys; /* mask of those that the peer is not shown: tacit_mesh_hidden */
    unsigned suites; /* mask of those allowed; the rest is not used */
    const char *own_name; /* of this node; a bare host if own_dynamic */
    bool own_dynamic;
    const char *wanted;      /* initiator: the node to reach; "": its host's door */
    const char *certificate; /* of identity, to be shown; must outlive it, too */
    size_t certificate_len;  /* 0: none; at most TACIT_CLAIM_CERTIFICATE_MAX */
    uint64_t now;            /* seconds since 1970 */
    /* Gives the pair key that belongs to the peer's public key; 32 zero bytes where none
     * is. Asked once at most, with this context; NULL: there are none. */
    void (*pair_key)(const void *context, const uint8_t public_key[NOISE_DHLEN],
                     struct tacit_secret *ret_key);
    const void *context;
};

enum tacit_handshake_state {
    TACIT_HANDSHAKE_WAIT_1,    /* responder */
    TACIT_HANDSHAKE_ASK_FIRST, /* is this first message to be answered? */
    TACIT_HANDSHAKE_WAIT_3,
    TACIT_HANDSHAKE_WAIT_2,   /* initiator */
    TACIT_HANDSHAKE_ASK_PEER, /* either: the peer proved its key. May it be that node? */
    TACIT_HANDSHAKE_DONE,
    TACIT_HANDSHAKE_FAILED,
};

/*
 * The door's half of a first message: opens it under one of the mesh keys, without an
 * identity and without any X25519. TACIT_EAUTH: under none of them. What it says is then
 * to be judged (gate/admission.h); who answers it opens it again.
 */
int tacit_first_open(const struct tacit_secret *mesh_keys, size_t mesh_key_count,
                     const uint8_t msg[TACIT_MESSAGE_1], struct tacit_first *ret_first,
                     uint8_t ret_ephemeral[NOISE_DHLEN]);

/* One handshake in progress. It holds keys: finish it or wipe it. */
struct tacit_handshake {
    struct tacit_channel_config config;
    struct noise_handshake noise;
    enum tacit_handshake_state state;
    bool directory;           /* the door is wanted: a link of directory.h, of no node */
    struct tacit_first first; /* responder, from ASK_FIRST on; its e is noise.re */
    struct tacit_claim peer;  /* from ASK_PEER on; name and suite agreed once DONE */
    char peer_certificate[TACIT_CLAIM_CERTIFICATE_MAX]; /* the claim's */
    uint8_t peer_key[NOISE_DHLEN];
    unsigned mesh_key; /* index of the one in use */
    size_t in_len, out_len, out_sent;
    uint8_t in[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    uint8_t out[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
};

/* Starts a handshake; an initiator's first message is then ready to be sent. */
int tacit_handshake_init(struct tacit_handshake *hs,
                         const struct tacit_channel_config *config);

/* How many bytes it takes next, at most; 0 while it asks, is done or has failed. */
size_t tacit_handshake_wants(const struct tacit_handshake *hs);

/*
 * Takes bytes from the peer, however they are cut; *ret_used says how many. Never takes
 * one past a message that asks, nor past the handshake. After an error it has failed for
 * good. For a responder any error before it has something to send means: a stranger, stay
 * silent.
 */
int tacit_handshake_feed(struct tacit_handshake *hs, const uint8_t *in, size_t len,
                         size_t *ret_used);

/*
 * Goes on where it asks; verdict: 0, or an error. ASK_FIRST: an error ends it, and the
 * sender hears nothing. ASK_PEER, of an initiator: an error ends it, so that the wrong
 * side never sees who asks; of a responder: there is a channel either way, to say why not
 * inside the seal. TACIT_ESTATE: it asks nothing.
 */
int tacit_handshake_answer(struct tacit_handshake *hs, int verdict);

/* Bytes to be sent, still owned by hs; tell it how many were. */
size_t tacit_handshake_output(const struct tacit_handshake *hs,
                              const uint8_t **ret_bytes);
void tacit_handshake_sent(struct tacit_handshake *hs, size_t len);

/*
 * Makes the channel of a handshake that is DONE, and wipes the handshake's secrets; peer
 * and peer_key stay readable.
 */
int tacit_handshake_finish(struct tacit_handshake *hs, struct tacit_channel *ret_channel);

/* Wipes the secrets, and what was still to be sent; safe to call twice. */
void tacit_handshake_wipe(struct tacit_handshake *hs);

#endif
