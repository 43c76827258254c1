/* The envelope of what an authority signs. */
#include "policy/policy-internal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
    SIGNATURE_TEXT = 88, /* base64 of 64 bytes */
};

static const struct {
    const char *title;
    const char *context; /* what is signed begins with it, and its zero */
} kinds[] = {
    [TACIT_SIGNED_CERTIFICATE] = {"tacit certificate 1\n", "Tacit certificate 1"},
    [TACIT_SIGNED_POLICY] = {"tacit policy 1\n", "Tacit policy 1"},
};

/* Ed25519ph over context, its zero, body. */
static void hash(crypto_sign_state *state, enum tacit_signed_kind kind, const char *body,
                 size_t len)
{
    const char *context = kinds[kind].context;
    crypto_sign_init(state);
    crypto_sign_update(state, (const uint8_t *)context, strlen(context) + 1);
    crypto_sign_update(state, (const uint8_t *)body, len);
}

void tacit_authority_key(const struct tacit_secret *seed,
                         uint8_t ret_key[TACIT_KEY_BYTES])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(ret_key, secret, seed->bytes);
    tacit_wipe(secret, sizeof secret);
}

int tacit_sign(enum tacit_signed_kind kind, const struct tacit_secret *seed,
               const char *body, size_t len, char *out, size_t cap, size_t *ret_len)
{
    uint8_t key[TACIT_KEY_BYTES], secret[crypto_sign_SECRETKEYBYTES],
        signature[crypto_sign_BYTES];
    char key_text[TACIT_KEY_TEXT], signature_text[SIGNATURE_TEXT + 1];
    crypto_sign_state state;
    crypto_sign_seed_keypair(key, secret, seed->bytes);
    hash(&state, kind, body, len);
    crypto_sign_final_create(&state, signature, NULL, secret);
    tacit_wipe(secret, sizeof secret);
    tacit_key_to_text(key, key_text);
    sodium_bin2base64(signature_text, sizeof signature_text, signature, sizeof signature,
                      sodium_base64_VARIANT_ORIGINAL);
    int n = snprintf(out, cap, "%sauthority = %s\nsignature = %s\n\n", kinds[kind].title,
                     key_text, signature_text);
    if (n < 0 || (size_t)n > cap || len > cap - (size_t)n)
        return TACIT_ESPACE;
    memcpy(out + n, body, len);
    *ret_len = (size_t)n + len;
    return 0;
}

/* Takes the given words off the front. */
static bool take(const char **at, size_t *left, const char *words)
{
    size_t len = strlen(words);
    if (*left < len || memcmp(*at, words, len) != 0)
        return false;
    *at += len;
    *left -= len;
    return true;
}

/* Takes base64 of exactly size bytes, in its one spelling. */
static bool take_base64(const char **at, size_t *left, uint8_t *out, size_t size)
{
    size_t text_len = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL) - 1;
    if (*left < text_len ||
        tacit_base64(*at, text_len, sodium_base64_VARIANT_ORIGINAL, out, size) != 0)
        return false;
    *at += text_len;
    *left -= text_len;
    return true;
}

int policy_envelope_read(enum tacit_signed_kind kind, const char *text, size_t len,
                         struct policy_envelope *ret_envelope)
{
    struct policy_envelope e;
    if (!take(&text, &len, kinds[kind].title) || !take(&text, &len, "authority = ") ||
        !take_base64(&text, &len, e.authority, sizeof e.authority) ||
        !take(&text, &len, "\nsignature = ") ||
        !take_base64(&text, &len, e.signature, sizeof e.signature) ||
        !take(&text, &len, "\n\n"))
        return TACIT_EFORMAT;
    e.body = text;
    e.len = len;
    *ret_envelope = e;
    return 0;
}

int tacit_signed_open(enum tacit_signed_kind kind, const char *text, size_t len,
                      uint8_t ret_authority[TACIT_KEY_BYTES], const char **ret_body,
                      size_t *ret_len)
{
    struct policy_envelope e;
    crypto_sign_state state;
    int error = policy_envelope_read(kind, text, len, &e);
    if (error != 0)
        return error;
    hash(&state, kind, e.body, e.len);
    if (crypto_sign_final_verify(&state, e.signature, e.authority) != 0)
        return TACIT_EAUTH;
    memcpy(ret_authority, e.authority, sizeof e.authority);
    *ret_body = e.body;
    *ret_len = e.len;
    return 0;
}
