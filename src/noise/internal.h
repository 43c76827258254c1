/*
 * What the files of this room share and nobody else may call: the hash of parts, the
 * Diffie-Hellman function and the symmetric state of section 5.2.
 */
#ifndef TACIT_NOISE_INTERNAL_H
#define TACIT_NOISE_INTERNAL_H

#include "noise.h"

/* HASH(a || b); out may be a. */
void noise__hash(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
                 uint8_t out[NOISE_HASHLEN]);

/*
 * DH() of section 4.1. TACIT_EKEY where the result is all zeros. On an error out holds
 * nothing.
 */
int noise__dh(const struct noise_keypair *pair, const uint8_t public_key[NOISE_DHLEN],
              uint8_t out[NOISE_DHLEN]);

/* InitializeKey() of section 5.1, with the first 32 bytes of an output of HKDF. */
void noise__cipher_init(struct noise_cipher *c, enum noise_cipher_kind kind,
                        const uint8_t key[NOISE_HASHLEN]);

/* How many bytes a seal adds at this moment: 16, or 0 before there is a key. */
size_t noise__seal_len(const struct noise_cipher *c);

/* Section 5.2, by the names it uses. They work on the handshake's cipher, ck and h. */
void noise__initialize_symmetric(struct noise_handshake *hs);
void noise__mix_hash(struct noise_handshake *hs, const uint8_t *data, size_t data_len);
void noise__mix_key(struct noise_handshake *hs, const uint8_t ikm[NOISE_DHLEN]);
void noise__mix_key_and_hash(struct noise_handshake *hs, const struct tacit_secret *psk);
int noise__encrypt_and_hash(struct noise_handshake *hs, const uint8_t *in, size_t in_len,
                            uint8_t *out);
int noise__decrypt_and_hash(struct noise_handshake *hs, const uint8_t *in, size_t in_len,
                            uint8_t *out);
void noise__split(struct noise_handshake *hs, struct noise_cipher *ret_initiator,
                  struct noise_cipher *ret_responder);

#endif
