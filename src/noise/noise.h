/*
 * noise: the Noise Protocol Framework, revision 34, on libsodium. Bytes in, bytes out.
 *
 * Holds the pattern table, the symmetric state and the handshake, for 25519, ChaChaPoly
 * and AESGCM, BLAKE2b. Does no I/O and allocates nothing. Calls base and libsodium only;
 * the channel calls it, and the vector checker. The program calls sodium_init() first.
 *
 * Section numbers in comments are those of the specification.
 */
#ifndef TACIT_NOISE_H
#define TACIT_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "tacit/error.h"

enum {
    NOISE_DHLEN = 32,
    NOISE_HASHLEN = 64, /* BLAKE2b */
    NOISE_TAGLEN = 16,
    NOISE_MESSAGE_MAX = 65535,
    NOISE_NAME_MAX = 255,
    NOISE_MESSAGES_MAX = 4, /* messages of the longest pattern of the table */
    NOISE_TOKENS_MAX = 8,   /* tokens of one message, psk tokens included */
};

enum noise_role {
    NOISE_INITIATOR,
    NOISE_RESPONDER,
};

enum noise_cipher_kind {
    NOISE_CHACHAPOLY,
    NOISE_AESGCM,
};

/* Section 7.1: what a message does, in order. */
enum noise_token {
    NOISE_END,
    NOISE_E,
    NOISE_S,
    NOISE_EE,
    NOISE_ES,
    NOISE_SE,
    NOISE_SS,
    NOISE_PSK,
};

/* A protocol name taken apart (section 8): the messages with psk tokens in place. */
struct noise_protocol {
    char name[NOISE_NAME_MAX + 1];
    enum noise_cipher_kind cipher;
    bool initiator_static_known; /* a pre-message "-> s" */
    bool responder_static_known; /* a pre-message "<- s" */
    unsigned psk_count;          /* psk tokens in all */
    unsigned message_count;
    uint8_t tokens[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX]; /* each ends with NOISE_END */
};

struct noise_keypair {
    struct tacit_secret private_key;
    uint8_t public_key[NOISE_DHLEN];
};

/* Section 5.1. */
struct noise_cipher {
    enum noise_cipher_kind kind;
    bool has_key;
    uint64_t nonce;
    struct tacit_secret key;
};

struct noise_handshake;

/*
 * Gives the pre-shared key for the handshake's index-th psk token (0 for the first). It
 * is called in the middle of a message: what earlier tokens revealed (hs->rs) is known,
 * the payload is not. Returns 0, or an error that ends the handshake.
 */
typedef int noise_psk_fn(void *context, const struct noise_handshake *hs, unsigned index,
                         struct tacit_secret *ret_psk);

/* Sections 5.2 and 5.3. Read its fields freely; change them through functions only. */
struct noise_handshake {
    const struct noise_protocol *protocol;
    enum noise_role role;
    struct noise_cipher cipher;
    uint8_t ck[NOISE_HASHLEN]; /* chaining key: secret */
    uint8_t h[NOISE_HASHLEN];  /* handshake hash */
    struct noise_keypair s, e;
    uint8_t rs[NOISE_DHLEN], re[NOISE_DHLEN];
    bool has_s, has_e, has_rs, has_re;
    unsigned message; /* index of the next message */
    unsigned psk;     /* index of the next psk token */
    noise_psk_fn *psk_fn;
    void *psk_context;
    bool failed; /* nothing more can be read or written */
};

/*
 * Takes a name such as "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b" apart. Patterns NN,
 * NK, KK, IK, XX with any psk modifiers. TACIT_EINVAL: not a name of the table.
 */
int noise_protocol_parse(const char *name, struct noise_protocol *ret_protocol);

/* Makes a new key pair from random bytes. */
void noise_keypair_generate(struct noise_keypair *ret_pair);

/* Computes the public key that belongs to private_key. TACIT_EKEY: it has none. */
int noise_keypair_from_private(const struct tacit_secret *private_key,
                               struct noise_keypair *ret_pair);

/* Whether a public key is canonical (below 2^255 - 19) and not of low order. */
bool noise_public_key_ok(const uint8_t key[NOISE_DHLEN]);

/* Whether this machine can run the cipher (AESGCM needs the processor's AES). */
bool noise_cipher_available(enum noise_cipher_kind kind);

/*
 * Initialize() of section 5.3. protocol must outlive hs. s is the own static key pair, or
 * NULL where the pattern has none; rs the peer's static key where a pre-message has it,
 * else NULL; psk_fn may be NULL where the pattern has no psk. TACIT_EINVAL: a key too
 * many or too few; TACIT_EKEY: rs is not a key; TACIT_ESUITE: no such cipher on this
 * machine. After an error the handshake has failed.
 */
int noise_handshake_init(struct noise_handshake *hs,
                         const struct noise_protocol *protocol, enum noise_role role,
                         const uint8_t *prologue, size_t prologue_len,
                         const struct noise_keypair *s, const uint8_t *rs,
                         noise_psk_fn *psk_fn, void *psk_context);

/* For test vectors only: the ephemeral key pair to use instead of a fresh one. */
void noise_handshake_set_ephemeral(struct noise_handshake *hs,
                                   const struct noise_keypair *e);

/* Whether the next message is this side's to write. */
bool noise_handshake_must_write(const struct noise_handshake *hs);

/* Whether all messages were exchanged: noise_handshake_split is next. */
bool noise_handshake_done(const struct noise_handshake *hs);

/*
 * WriteMessage() of section 5.3: at most 65535 bytes to out, which is apart from payload.
 * An ephemeral key is made here, not earlier. After an error (a call out of turn is one)
 * the handshake has failed for good and its secrets are wiped.
 */
int noise_handshake_write(struct noise_handshake *hs, const uint8_t *payload,
                          size_t payload_len, uint8_t *out, size_t out_cap,
                          size_t *ret_len);

/*
 * ReadMessage() of section 5.3: decrypts msg into payload (payload_cap bytes; msg_len is
 * always enough). After an error the handshake has failed for good, its secrets are wiped
 * and payload holds nothing of the message.
 */
int noise_handshake_read(struct noise_handshake *hs, const uint8_t *msg, size_t msg_len,
                         uint8_t *payload, size_t payload_cap, size_t *ret_len);

/*
 * Split() of section 5.2: the cipher this side sends with and the one it receives with.
 * Wipes every secret of the handshake; h and the public keys stay. TACIT_ESTATE, and
 * nothing changes: not done yet, or split before.
 */
int noise_handshake_split(struct noise_handshake *hs, struct noise_cipher *ret_send,
                          struct noise_cipher *ret_receive);

/*
 * Wipes every secret of a handshake, and ends it; safe to call twice, and on zeroed
 * memory. The public keys and h stay.
 */
void noise_handshake_wipe(struct noise_handshake *hs);

/*
 * EncryptWithAd() / DecryptWithAd() of section 5.1; out may equal in. out holds in_len +
 * 16 / - 16 (in_len, while there is no key). TACIT_ELIMIT: the nonces are used up;
 * TACIT_EAUTH, TACIT_EFORMAT: does not open, out holds nothing of it and the nonce stays.
 */
int noise_cipher_encrypt(struct noise_cipher *c, const uint8_t *ad, size_t ad_len,
                         const uint8_t *in, size_t in_len, uint8_t *out);
int noise_cipher_decrypt(struct noise_cipher *c, const uint8_t *ad, size_t ad_len,
                         const uint8_t *in, size_t in_len, uint8_t *out);

/* HMAC-BLAKE2b with the block of 128 bytes (section 4.3). key_len at most 128. */
void noise_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                uint8_t out[NOISE_HASHLEN]);

/*
 * HKDF of section 4.3: ck is the key, ikm the input (0, 32 or 64 bytes); count outputs (2
 * or 3) of 64 bytes each.
 */
void noise_hkdf(const uint8_t ck[NOISE_HASHLEN], const uint8_t *ikm, size_t ikm_len,
                unsigned count, uint8_t out[][NOISE_HASHLEN]);

/*
 * HKDF-Expand of RFC 5869 with HMAC-BLAKE2b: out_len (at most 64) bytes for info (at most
 * 256 bytes).
 */
void noise_expand(const uint8_t prk[NOISE_HASHLEN], const uint8_t *info, size_t info_len,
                  uint8_t *out, size_t out_len);

#endif
