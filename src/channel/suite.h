/*
 * The ciphers under the records: one key, a 64-bit counter as nonce, associated data.
 * PROTOCOL.md, "Suites", fixes each one's nonce and tag.
 */
#ifndef TACIT_CHANNEL_SUITE_H
#define TACIT_CHANNEL_SUITE_H

#include <sodium.h>
#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "tacit/error.h"
#include "tacit/suite.h"

/* One direction's key, ready for use. Only suite.c looks inside. */
struct tacit_seal_key {
    enum tacit_suite suite;
    union {
        crypto_aead_aes256gcm_state aes; /* the expanded key */
        struct tacit_secret key;
    };
};

/* The mask of suites that this machine and this libsodium can run. */
unsigned tacit_suites_available(void);

/* The best suite of a mask; 0 where it has none. */
int tacit_suite_best(unsigned mask);

/* Bytes that sealing adds. */
size_t tacit_suite_tag(enum tacit_suite suite);

/* Expands key for suite, which must be available. */
void tacit_seal_key_init(struct tacit_seal_key *k, enum tacit_suite suite,
                         const struct tacit_secret *key);

/* Seals len bytes of in into out (len + tag bytes); out may equal in. Cannot fail. */
void tacit_seal(const struct tacit_seal_key *k, uint64_t counter, const uint8_t *ad,
                size_t ad_len, const uint8_t *in, size_t len, uint8_t *out);

/*
 * Opens len bytes (tag included) of in into out (len - tag bytes); out may equal in.
 * TACIT_EAUTH: the seal does not hold, and out's contents mean nothing.
 */
int tacit_unseal(const struct tacit_seal_key *k, uint64_t counter, const uint8_t *ad,
                 size_t ad_len, const uint8_t *in, size_t len, uint8_t *out);

#endif
