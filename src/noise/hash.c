/* BLAKE2b-512, HMAC and HKDF: sections 4.3 and 12.8, RFC 2104, RFC 5869. */
#include "internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum {
    BLOCKLEN = 128, /* of BLAKE2b */
};

void noise__hash(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len,
                 uint8_t out[NOISE_HASHLEN])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, NOISE_HASHLEN);
    crypto_generichash_update(&state, a, a_len);
    crypto_generichash_update(&state, b, b_len);
    crypto_generichash_final(&state, out, NOISE_HASHLEN);
    tacit_wipe(&state, sizeof state);
}

/* HASH((key ^ pad) || a || b), one of the two rounds of HMAC. */
static void hmac_round(const uint8_t key[BLOCKLEN], uint8_t pad, const uint8_t *a,
                       size_t a_len, const uint8_t *b, size_t b_len,
                       uint8_t out[NOISE_HASHLEN])
{
    crypto_generichash_state state;
    uint8_t block[BLOCKLEN];
    for (size_t i = 0; i < BLOCKLEN; i++)
        block[i] = key[i] ^ pad;
    crypto_generichash_init(&state, NULL, 0, NOISE_HASHLEN);
    crypto_generichash_update(&state, block, BLOCKLEN);
    crypto_generichash_update(&state, a, a_len);
    crypto_generichash_update(&state, b, b_len);
    crypto_generichash_final(&state, out, NOISE_HASHLEN);
    tacit_wipe(&state, sizeof state);
    tacit_wipe(block, sizeof block);
}

/*
 * HMAC over a || b. Noise asks for the real HMAC with this hash; BLAKE2b's own keyed mode
 * would be another function. out may be a.
 */
static void hmac_parts(const uint8_t *key, size_t key_len, const uint8_t *a, size_t a_len,
                       const uint8_t *b, size_t b_len, uint8_t out[NOISE_HASHLEN])
{
    uint8_t block[BLOCKLEN] = {0}, inner[NOISE_HASHLEN];
    assert(key_len <= BLOCKLEN);
    if (key_len > 0)
        memcpy(block, key, key_len);
    hmac_round(block, 0x36, a, a_len, b, b_len, inner);
    hmac_round(block, 0x5c, inner, sizeof inner, NULL, 0, out);
    tacit_wipe(block, sizeof block);
    tacit_wipe(inner, sizeof inner);
    tacit_wipe_stack();
}

void noise_hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t data_len,
                uint8_t out[NOISE_HASHLEN])
{
    hmac_parts(key, key_len, data, data_len, NULL, 0, out);
}

void noise_hkdf(const uint8_t ck[NOISE_HASHLEN], const uint8_t *ikm, size_t ikm_len,
                unsigned count, uint8_t out[][NOISE_HASHLEN])
{
    uint8_t temp_key[NOISE_HASHLEN];
    noise_hmac(ck, NOISE_HASHLEN, ikm, ikm_len, temp_key);
    for (unsigned i = 0; i < count; i++) {
        const uint8_t number = (uint8_t)(i + 1);
        hmac_parts(temp_key, sizeof temp_key, i > 0 ? out[i - 1] : NULL,
                   i > 0 ? NOISE_HASHLEN : 0, &number, 1, out[i]);
    }
    tacit_wipe(temp_key, sizeof temp_key);
}

void noise_expand(const uint8_t prk[NOISE_HASHLEN], const uint8_t *info, size_t info_len,
                  uint8_t *out, size_t out_len)
{
    static const uint8_t first = 1;
    uint8_t block[NOISE_HASHLEN];
    assert(out_len <= NOISE_HASHLEN);
    hmac_parts(prk, NOISE_HASHLEN, info, info_len, &first, 1, block);
    memcpy(out, block, out_len);
    tacit_wipe(block, sizeof block);
}
