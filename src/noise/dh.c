/* The DH functions of section 12.1 (25519), stricter than it where it leaves a choice. */
#include "internal.h"

#include <sodium.h>

/* 2^255 - 19, little-endian as all of these. */
static const uint8_t field_prime[NOISE_DHLEN] = {
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
};

/* The points of order 1, 2, 4 and 8, of the curve and its twist, in canonical form. */
static const uint8_t low_order[][NOISE_DHLEN] = {
    {0},
    {1},
    {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3,
     0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32,
     0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
    {0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1,
     0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c,
     0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

bool noise_public_key_ok(const uint8_t key[NOISE_DHLEN])
{
    if (sodium_compare(key, field_prime, NOISE_DHLEN) >= 0)
        return false;
    for (size_t i = 0; i < sizeof low_order / sizeof *low_order; i++) {
        if (sodium_memcmp(key, low_order[i], NOISE_DHLEN) == 0)
            return false;
    }
    return true;
}

void noise_keypair_generate(struct noise_keypair *ret_pair)
{
    randombytes_buf(ret_pair->private_key.bytes, sizeof ret_pair->private_key.bytes);
    crypto_scalarmult_base(ret_pair->public_key, ret_pair->private_key.bytes);
    tacit_wipe_stack();
}

int noise_keypair_from_private(const struct tacit_secret *private_key,
                               struct noise_keypair *ret_pair)
{
    uint8_t public_key[NOISE_DHLEN];
    int failed = crypto_scalarmult_base(public_key, private_key->bytes);
    tacit_wipe_stack();
    if (failed || !noise_public_key_ok(public_key))
        return TACIT_EKEY;
    ret_pair->private_key = *private_key;
    for (size_t i = 0; i < NOISE_DHLEN; i++)
        ret_pair->public_key[i] = public_key[i];
    return 0;
}

int noise__dh(const struct noise_keypair *pair, const uint8_t public_key[NOISE_DHLEN],
              uint8_t out[NOISE_DHLEN])
{
    /* libsodium fails where the result is all zeros. */
    int failed = crypto_scalarmult(out, pair->private_key.bytes, public_key);
    tacit_wipe_stack();
    if (failed) {
        tacit_wipe(out, NOISE_DHLEN);
        return TACIT_EKEY;
    }
    return 0;
}
