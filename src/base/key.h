/* Keys as text, and the fingerprints of public ones. */
#ifndef TACIT_BASE_KEY_H
#define TACIT_BASE_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"

enum {
    TACIT_KEY_TEXT = 45, /* base64 of 32 bytes, with its zero */
    TACIT_FINGERPRINT_BYTES = 32,
    TACIT_FINGERPRINT_TEXT = 44, /* of a fingerprint, with its zero */
};

/* 32 bytes as base64, and back. Decoding is strict: 44 characters, canonical. */
void tacit_key_to_text(const uint8_t key[TACIT_KEY_BYTES], char ret_text[TACIT_KEY_TEXT]);
int tacit_key_from_text(const char *text, uint8_t ret_key[TACIT_KEY_BYTES]);

/* The fingerprint of a public key: base64url, unpadded, of its BLAKE2b-256. */
void tacit_fingerprint(const uint8_t public_key[TACIT_KEY_BYTES],
                       char ret_text[TACIT_FINGERPRINT_TEXT]);

/* The same as bytes, and from text: TACIT_EFORMAT. */
void tacit_fingerprint_bytes(const uint8_t public_key[TACIT_KEY_BYTES],
                             uint8_t ret_hash[TACIT_FINGERPRINT_BYTES]);
int tacit_fingerprint_from_text(const char *text,
                                uint8_t ret_hash[TACIT_FINGERPRINT_BYTES]);

/*
 * Exactly size bytes from base64 of this libsodium's variant, in their one spelling.
 * TACIT_EFORMAT.
 */
int tacit_base64(const char *text, size_t text_len, int variant, uint8_t *out,
                 size_t size);

#endif
