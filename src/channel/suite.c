#include "suite.h"

#include <endian.h>
#include <string.h>

enum {
    NONCE_MAX = 32,
};

static const struct {
    const char *name;
    size_t tag;
} suites[TACIT_SUITE_LAST + 1] = {
    [0] = {"none", 0},
    [TACIT_SUITE_CHACHA20_POLY1305] = {"chacha20-poly1305",
                                       crypto_aead_chacha20poly1305_ietf_ABYTES},
    [TACIT_SUITE_AES_256_GCM] = {"aes-256-gcm", crypto_aead_aes256gcm_ABYTES},
    [TACIT_SUITE_AEGIS_256] = {"aegis-256", 32},
};

const char *tacit_suite_name(int suite)
{
    return suite < 0 || suite > TACIT_SUITE_LAST ? "unknown" : suites[suite].name;
}

size_t tacit_suite_tag(enum tacit_suite suite)
{
    return suites[suite].tag;
}

unsigned tacit_suites_available(void)
{
    unsigned mask = 1u << TACIT_SUITE_CHACHA20_POLY1305;
    if (crypto_aead_aes256gcm_is_available()) {
        mask |= 1u << TACIT_SUITE_AES_256_GCM;
#ifdef TACIT_HAVE_AEGIS
        mask |= 1u << TACIT_SUITE_AEGIS_256;
#endif
    }
    return mask;
}

int tacit_suite_best(unsigned mask)
{
    for (int suite = TACIT_SUITE_LAST; suite > 0; suite--)
        if (mask & 1u << suite)
            return suite;
    return 0;
}

void tacit_seal_key_init(struct tacit_seal_key *k, enum tacit_suite suite,
                         const struct tacit_secret *key)
{
    k->suite = suite;
    if (suite == TACIT_SUITE_AES_256_GCM)
        crypto_aead_aes256gcm_beforenm(&k->aes, key->bytes);
    else
        k->key = *key;
}

/* The counter in the nonce's last eight bytes, zeros before it. */
static const uint8_t *make_nonce(enum tacit_suite suite, uint64_t counter,
                                 uint8_t nonce[NONCE_MAX])
{
    size_t size = suite == TACIT_SUITE_AEGIS_256 ? 32 : 12;
    uint64_t bytes = suite == TACIT_SUITE_CHACHA20_POLY1305
                         ? htole64(counter) /* as Noise has it */
                         : htobe64(counter);
    memset(nonce, 0, NONCE_MAX);
    memcpy(nonce + size - sizeof bytes, &bytes, sizeof bytes);
    return nonce;
}

void tacit_seal(const struct tacit_seal_key *k, uint64_t counter, const uint8_t *ad,
                size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t space[NONCE_MAX];
    const uint8_t *nonce = make_nonce(k->suite, counter, space);
    switch (k->suite) {
    case TACIT_SUITE_AES_256_GCM:
        crypto_aead_aes256gcm_encrypt_afternm(out, NULL, in, len, ad, ad_len, NULL, nonce,
                                              &k->aes);
        break;
#ifdef TACIT_HAVE_AEGIS
    case TACIT_SUITE_AEGIS_256:
        crypto_aead_aegis256_encrypt(out, NULL, in, len, ad, ad_len, NULL, nonce,
                                     k->key.bytes);
        break;
#endif
    default:
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, ad_len, NULL,
                                                  nonce, k->key.bytes);
    }
}

int tacit_unseal(const struct tacit_seal_key *k, uint64_t counter, const uint8_t *ad,
                 size_t ad_len, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t space[NONCE_MAX];
    const uint8_t *nonce = make_nonce(k->suite, counter, space);
    int failed;
    switch (k->suite) {
    case TACIT_SUITE_AES_256_GCM:
        failed = crypto_aead_aes256gcm_decrypt_afternm(out, NULL, NULL, in, len, ad,
                                                       ad_len, nonce, &k->aes);
        break;
#ifdef TACIT_HAVE_AEGIS
    case TACIT_SUITE_AEGIS_256:
        failed = crypto_aead_aegis256_decrypt(out, NULL, NULL, in, len, ad, ad_len, nonce,
                                              k->key.bytes);
        break;
#endif
    default:
        failed = crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, ad,
                                                           ad_len, nonce, k->key.bytes);
    }
    return failed ? TACIT_EAUTH : TACIT_OK;
}
