/* What both programs that test src/noise use. */
#ifndef TACIT_TEST_NOISE_H
#define TACIT_TEST_NOISE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "noise/internal.h"

/* The protocol of the channel. */
#define SUITE_NAME "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b"

/* Public keys whose shared secret with anybody is zero. */
static const char *const low_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static inline void from_hex(const char *hex, uint8_t key[32])
{
    assert_int_equal(sodium_hex2bin(key, 32, hex, 64, NULL, NULL, NULL), 0);
}

#endif
