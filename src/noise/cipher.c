/* The cipher state of section 5.1 over the cipher functions of section 12. */
#include "internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    NONCELEN = 12, /* 4 zero bytes and the counter */
};

static_assert(crypto_aead_chacha20poly1305_IETF_NPUBBYTES == NONCELEN, "nonce");
static_assert(crypto_aead_aes256gcm_NPUBBYTES == NONCELEN, "nonce");
static_assert(crypto_aead_chacha20poly1305_IETF_ABYTES == NOISE_TAGLEN, "tag");
static_assert(crypto_aead_aes256gcm_ABYTES == NOISE_TAGLEN, "tag");

bool noise_cipher_available(enum noise_cipher_kind kind)
{
    return kind == NOISE_CHACHAPOLY ||
           (kind == NOISE_AESGCM && crypto_aead_aes256gcm_is_available() == 1);
}

void noise__cipher_init(struct noise_cipher *c, enum noise_cipher_kind kind,
                        const uint8_t key[NOISE_HASHLEN])
{
    c->kind = kind;
    c->has_key = true;
    c->nonce = 0;
    memcpy(c->key.bytes, key, sizeof c->key.bytes);
}

size_t noise__seal_len(const struct noise_cipher *c)
{
    return c->has_key ? NOISE_TAGLEN : 0;
}

/* ChaChaPoly counts in little-endian order, AESGCM in big-endian (sections 12.3, 12.4).
 */
static void write_nonce(const struct noise_cipher *c, uint8_t nonce[NONCELEN])
{
    memset(nonce, 0, NONCELEN);
    for (unsigned i = 0; i < 8; i++) {
        unsigned at = c->kind == NOISE_AESGCM ? 11 - i : 4 + i;
        nonce[at] = (uint8_t)(c->nonce >> (8 * i));
    }
}

/* Whether the cipher can seal or open one more message. */
static int check(const struct noise_cipher *c)
{
    if (!noise_cipher_available(c->kind))
        return TACIT_ESUITE;
    /* Section 5.1: 2^64 - 1 is reserved. */
    return c->nonce == UINT64_MAX ? TACIT_ELIMIT : 0;
}

static void copy(uint8_t *out, const uint8_t *in, size_t len)
{
    if (len > 0)
        memmove(out, in, len);
}

int noise_cipher_encrypt(struct noise_cipher *c, const uint8_t *ad, size_t ad_len,
                         const uint8_t *in, size_t in_len, uint8_t *out)
{
    uint8_t nonce[NONCELEN];
    if (!c->has_key) {
        copy(out, in, in_len);
        return 0;
    }
    int error = check(c);
    if (error != 0)
        return error;
    write_nonce(c, nonce);
    if (c->kind == NOISE_AESGCM)
        crypto_aead_aes256gcm_encrypt(out, NULL, in, in_len, ad, ad_len, NULL, nonce,
                                      c->key.bytes);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, in_len, ad, ad_len, NULL,
                                                  nonce, c->key.bytes);
    c->nonce++;
    return 0;
}

int noise_cipher_decrypt(struct noise_cipher *c, const uint8_t *ad, size_t ad_len,
                         const uint8_t *in, size_t in_len, uint8_t *out)
{
    uint8_t nonce[NONCELEN];
    int failed;
    if (!c->has_key) {
        copy(out, in, in_len);
        return 0;
    }
    int error = check(c);
    if (error != 0)
        return error;
    if (in_len < NOISE_TAGLEN)
        return TACIT_EFORMAT;
    write_nonce(c, nonce);
    if (c->kind == NOISE_AESGCM)
        failed = crypto_aead_aes256gcm_decrypt(out, NULL, NULL, in, in_len, ad, ad_len,
                                               nonce, c->key.bytes);
    else
        failed = crypto_aead_chacha20poly1305_ietf_decrypt(
            out, NULL, NULL, in, in_len, ad, ad_len, nonce, c->key.bytes);
    if (failed != 0) {
        /* The nonce stays, as section 5.1 says; nothing of the message does. */
        tacit_wipe(out, in_len - NOISE_TAGLEN);
        return TACIT_EAUTH;
    }
    c->nonce++;
    return 0;
}
