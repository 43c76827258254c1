/*
 * The promises of what src/noise is made of: names, hashes, keys and ciphers. Known
 * answers for hashes were computed with Python's hmac and hashlib.
 */
#include "test_noise.h"

static void assert_hex(const uint8_t *bytes, size_t size, const char *hex)
{
    char found[257];
    assert_int_equal(size * 2, strlen(hex));
    assert_string_equal(sodium_bin2hex(found, sizeof found, bytes, size), hex);
}

/* first, first + 1, ... */
static const uint8_t *count_up(uint8_t first, uint8_t bytes[256])
{
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(first + i);
    return bytes;
}

/* ---- Names ------------------------------------------------------------------------- */

static void psk0_opens_the_first_message_and_psk3_ends_the_third(void **state)
{
    static const uint8_t messages[3][NOISE_TOKENS_MAX] = {
        {NOISE_PSK, NOISE_E},
        {NOISE_E, NOISE_EE, NOISE_S, NOISE_ES},
        {NOISE_S, NOISE_SE, NOISE_PSK},
    };
    struct noise_protocol p;
    assert_int_equal(noise_protocol_parse(SUITE_NAME, &p), 0);
    assert_string_equal(p.name, SUITE_NAME);
    assert_int_equal(p.cipher, NOISE_CHACHAPOLY);
    assert_int_equal(p.psk_count, 2);
    assert_int_equal(p.message_count, 3);
    assert_false(p.initiator_static_known || p.responder_static_known);
    assert_memory_equal(p.tokens, messages, sizeof messages);
}

static void the_patterns_are_those_of_section_7_5(void **state)
{
    static const char *const words[] = {
        [NOISE_E] = " e",   [NOISE_S] = " s",   [NOISE_EE] = " ee",   [NOISE_ES] = " es",
        [NOISE_SE] = " se", [NOISE_SS] = " ss", [NOISE_PSK] = " psk",
    };
    static const char *const patterns[][2] = {
        {"NN", "-> e <- e ee"},
        {"NK", "<- s ... -> e es <- e ee"},
        {"KK", "-> s <- s ... -> e es ss <- e ee se"},
        {"IK", "<- s ... -> e es s ss <- e ee se"},
        {"XX", "-> e <- e ee s es -> s se"},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char name[64], found[128] = "";
        struct noise_protocol p;
        snprintf(name, sizeof name, "Noise_%s_25519_AESGCM_BLAKE2b", patterns[i][0]);
        assert_int_equal(noise_protocol_parse(name, &p), 0);
        assert_int_equal(p.cipher, NOISE_AESGCM);
        strcat(found, p.initiator_static_known ? "-> s " : "");
        strcat(found, p.responder_static_known ? "<- s ... " : "");
        for (unsigned m = 0; m < p.message_count; m++) {
            strcat(found, m == 0 ? "->" : m % 2 == 0 ? " ->" : " <-");
            for (const uint8_t *token = p.tokens[m]; *token != NOISE_END; token++)
                strcat(found, words[*token]);
        }
        assert_string_equal(found, patterns[i][1]);
    }
}

static void a_name_outside_the_table_is_refused(void **state)
{
    static const char *const names[] = {
        "",
        "Noise",
        "Noise_",
        "Noise_XX",
        "noise_XX_25519_ChaChaPoly_BLAKE2b",
        "Noise_XN_25519_ChaChaPoly_BLAKE2b",
        "Noise_XX_448_ChaChaPoly_BLAKE2b",
        "Noise_XX_25519_ChaChaPoly_BLAKE2s",
        "Noise_XX_25519_ChaChaPoly_BLAKE2b ",
        "Noise_XX_25519_AESGCM_SHA256",
        "Noise_XXX_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk4_25519_ChaChaPoly_BLAKE2b",
        "Noise_NNpsk3_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk0+_25519_ChaChaPoly_BLAKE2b",
        "Noise_XX+psk0_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk0psk3_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk0+psk0_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXpsk3+psk0_25519_ChaChaPoly_BLAKE2b",
        "Noise_XXfallback_25519_ChaChaPoly_BLAKE2b",
    };
    char long_name[1000];
    struct noise_protocol p;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(noise_protocol_parse(names[i], &p), TACIT_EINVAL);
    memset(long_name, 'x', sizeof long_name);
    memcpy(long_name, "Noise_XX", 8);
    long_name[sizeof long_name - 1] = '\0';
    assert_int_equal(noise_protocol_parse(long_name, &p), TACIT_EINVAL);
}

/* ---- Hashes ------------------------------------------------------------------------ */

static void hmac_is_the_real_hmac_with_a_block_of_128_bytes(void **state)
{
    uint8_t key[256], data[256], out[NOISE_HASHLEN];
    count_up(0, key);
    count_up(0, data);
    noise_hmac(NULL, 0, NULL, 0, out);
    assert_hex(out, 64,
               "198cd2006f66ff83fbbd913f78aca2251caf4f19fe9475aade8cf2091b99a684"
               "66775177424f58286886cbae8229644cec747237d4b721735485e17372fdf59c");
    noise_hmac(key, 32, (const uint8_t *)"Hi There", 8, out);
    assert_hex(out, 64,
               "b699f0e8348652a21dfa9a0ee29997a767c6b5dfd799eea9f0563fbd8801a0db"
               "547035a629a86db3c51b5b0469ae2e1e1080ebffa3bdd0e355286b3e7ab63984");
    noise_hmac(key, 64, data, 200, out);
    assert_hex(out, 64,
               "1946eada75baf91211d29fddc60f4d1114824763b4dd0be397b379b17136839d"
               "11948cc1f5603b91457899d411287443d95410385c027e04c3c42478c4e2eec7");
    noise_hmac(key, 128, data, 129, out);
    assert_hex(out, 64,
               "69b0e2c5b7c1f8b8abbe095dda01aed214a81fc3e4b21af5a1b299d4e120a5a8"
               "4a30eac168837ddde43b26c464a92d049e52bd4dc76dedbc44bc6dee67889d84");
}

/* The third output depends on the first two. */
static void hkdf_gives_the_specifications_outputs(void **state)
{
    static const char *const third[] = {
        "04b8c4c52ce13627641b08975a41e9491d376310c2ef4ea61dd82b7878e1c0c5"
        "6f9dc7ba4b0735b193d668dab5ed620adcd02ac3478de900f29ff30ca033ae99",
        "202c39b406cd6f59773be2a8428dee395904b7e208c594f300fad70fd23c2782"
        "eb7088899b9d66b14ee584cc34faa376b867460a90efc71675242aed9adfbfed",
        "a074b223e46738b2193c1f9fdc8057e27d1f9bec699bbd6010785c5efc34c24d"
        "81c7d6c9d3b92ac0ceef32faba04703ba488da1c8ab877b5191d62968f9e40e8",
    };
    uint8_t ck[256], ikm[256], out[3][NOISE_HASHLEN], two[3][NOISE_HASHLEN] = {{0}};
    static const uint8_t untouched[NOISE_HASHLEN];
    count_up(1, ck);
    count_up(100, ikm);
    for (unsigned i = 0; i < 3; i++) {
        noise_hkdf(ck, ikm, 32 * i, 3, out);
        assert_hex(out[2], 64, third[i]);
        noise_hkdf(ck, ikm, 32 * i, 2, two);
        assert_memory_equal(two, out, 128);
        assert_memory_equal(two[2], untouched, 64);
    }
}

static void expand_is_rfc_5869s(void **state)
{
    static const char *const full =
        "05c7e8f1dd1c7eee9b5f232fdc433caef6aae5ec98a8b22e62b0df9e3febc3bc"
        "22ef30e9199e090f875613f3ef73b6b49f4f5b108d1360a796b566e1fdd957bb";
    uint8_t prk[256], info[256], out[64], half[32];
    count_up(7, prk);
    count_up(0, info);
    noise_expand(prk, (const uint8_t *)"tacit record v1", 15, out, sizeof out);
    assert_hex(out, sizeof out, full);
    noise_expand(prk, (const uint8_t *)"tacit record v1", 15, half, sizeof half);
    assert_memory_equal(half, out, sizeof half);
    noise_expand(prk, info, 256, out, sizeof out);
    assert_hex(out, sizeof out,
               "e9357b43b7dfeb5644aa57d57494d6c17aaae5dc7bc94107c0cc6a57c3a36767"
               "9e68bdb7cef8b0b0e9d21c0d08ff2457470b384f7e63833e3e5587f4b4447c7c");
}

/* ---- Keys -------------------------------------------------------------------------- */

static void a_low_order_public_key_is_refused(void **state)
{
    struct noise_keypair pair;
    uint8_t key[32], out[32];
    static const uint8_t nothing[32];
    noise_keypair_generate(&pair);
    for (size_t i = 0; i < sizeof low_order / sizeof *low_order; i++) {
        from_hex(low_order[i], key);
        assert_false(noise_public_key_ok(key));
        memset(out, 1, sizeof out);
        assert_int_equal(noise__dh(&pair, key, out), TACIT_EKEY);
        assert_memory_equal(out, nothing, sizeof out);
    }
}

static void a_public_key_that_is_not_canonical_is_refused(void **state)
{
    struct noise_keypair pair;
    uint8_t key[32];
    /* The prime itself up to 2^255 - 1; and just below -1, which is fine. */
    from_hex(low_order[4], key);
    for (unsigned i = 0xed; i <= 0xff; i++) {
        key[0] = (uint8_t)i;
        assert_false(noise_public_key_ok(key));
    }
    key[0] = 0xeb;
    assert_true(noise_public_key_ok(key));
    /* X25519 ignores the highest bit: the same key would have two forms. */
    noise_keypair_generate(&pair);
    assert_true(noise_public_key_ok(pair.public_key));
    pair.public_key[31] |= 0x80;
    assert_false(noise_public_key_ok(pair.public_key));
}

/* Section 6.1 of RFC 7748. */
static void keys_are_those_of_rfc_7748(void **state)
{
    static const char *const private_keys[] = {
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    };
    static const char *const public_keys[] = {
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    };
    struct noise_keypair pairs[2];
    uint8_t out[32];
    for (unsigned i = 0; i < 2; i++) {
        struct tacit_secret key;
        from_hex(private_keys[i], key.bytes);
        assert_int_equal(noise_keypair_from_private(&key, &pairs[i]), 0);
        assert_hex(pairs[i].public_key, 32, public_keys[i]);
        assert_memory_equal(pairs[i].private_key.bytes, key.bytes, sizeof key.bytes);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(noise__dh(&pairs[i], pairs[!i].public_key, out), 0);
        assert_hex(out, 32,
                   "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    }
}

static void every_generated_key_is_another(void **state)
{
    struct noise_keypair a, b, again;
    noise_keypair_generate(&a);
    noise_keypair_generate(&b);
    assert_memory_not_equal(a.private_key.bytes, b.private_key.bytes, 32);
    assert_memory_not_equal(a.public_key, b.public_key, 32);
    assert_int_equal(noise_keypair_from_private(&a.private_key, &again), 0);
    assert_memory_equal(again.public_key, a.public_key, 32);
}

/* ---- Ciphers ----------------------------------------------------------------------- */

static const enum noise_cipher_kind kinds[] = {NOISE_CHACHAPOLY, NOISE_AESGCM};

static struct noise_cipher keyed(enum noise_cipher_kind kind, uint64_t nonce)
{
    uint8_t key[256];
    struct noise_cipher c;
    noise__cipher_init(&c, kind, count_up(9, key));
    c.nonce = nonce;
    return c;
}

static void the_nonce_counts_in_each_ciphers_byte_order(void **state)
{
    static const uint8_t little[12] = {0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1};
    static const uint8_t big[12] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t out[20], expected[20];
    struct noise_cipher c = keyed(NOISE_CHACHAPOLY, 0x0102030405060708);
    assert_int_equal(noise_cipher_encrypt(&c, big, 3, little, 4, out), 0);
    crypto_aead_chacha20poly1305_ietf_encrypt(expected, NULL, little, 4, big, 3, NULL,
                                              little, c.key.bytes);
    assert_memory_equal(out, expected, sizeof out);
    if (!noise_cipher_available(NOISE_AESGCM))
        return;
    c = keyed(NOISE_AESGCM, 0x0102030405060708);
    assert_int_equal(noise_cipher_encrypt(&c, big, 3, little, 4, out), 0);
    crypto_aead_aes256gcm_encrypt(expected, NULL, little, 4, big, 3, NULL, big,
                                  c.key.bytes);
    assert_memory_equal(out, expected, sizeof out);
    assert_int_equal(c.nonce, 0x0102030405060709);
}

static void the_last_nonce_is_never_used(void **state)
{
    uint8_t in[32] = {0}, out[48];
    struct noise_cipher c = keyed(NOISE_CHACHAPOLY, UINT64_MAX - 1);
    assert_int_equal(noise_cipher_encrypt(&c, NULL, 0, in, sizeof in, out), 0);
    assert_int_equal(c.nonce, UINT64_MAX);
    assert_int_equal(noise_cipher_encrypt(&c, NULL, 0, in, sizeof in, out), TACIT_ELIMIT);
    assert_int_equal(noise_cipher_decrypt(&c, NULL, 0, out, 48, in), TACIT_ELIMIT);
    assert_int_equal(c.nonce, UINT64_MAX);
}

static void a_seal_altered_anywhere_does_not_open_and_leaves_nothing(void **state)
{
    static const uint8_t nothing[8];
    for (unsigned k = 0; k < 2; k++) {
        if (!noise_cipher_available(kinds[k]))
            continue;
        struct noise_cipher seal = keyed(kinds[k], 5), open = keyed(kinds[k], 5);
        uint8_t sealed[24], plain[8];
        assert_int_equal(noise_cipher_encrypt(&seal, (const uint8_t *)"ad", 2,
                                              (const uint8_t *)"eight by", 8, sealed),
                         0);
        for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
            memset(plain, 1, sizeof plain);
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(noise_cipher_decrypt(&open, (const uint8_t *)"ad", 2, sealed,
                                                  sizeof sealed, plain),
                             TACIT_EAUTH);
            assert_memory_equal(plain, nothing, sizeof plain);
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t len = 0; len < sizeof sealed; len++)
            assert_int_not_equal(
                noise_cipher_decrypt(&open, (const uint8_t *)"ad", 2, sealed, len, plain),
                0);
        assert_int_equal(noise_cipher_decrypt(&open, (const uint8_t *)"aD", 2, sealed,
                                              sizeof sealed, plain),
                         TACIT_EAUTH);
        /* After all that the nonce still is the one it waits for; and in place works. */
        assert_int_equal(open.nonce, 5);
        assert_int_equal(noise_cipher_decrypt(&open, (const uint8_t *)"ad", 2, sealed,
                                              sizeof sealed, sealed),
                         0);
        assert_memory_equal(sealed, "eight by", 8);
    }
}

static void sealing_in_place_gives_the_same_bytes(void **state)
{
    for (unsigned k = 0; k < 2; k++) {
        if (!noise_cipher_available(kinds[k]))
            continue;
        struct noise_cipher a = keyed(kinds[k], 1), b = keyed(kinds[k], 1);
        uint8_t apart[1000 + 16], inside[1000 + 16] = {0};
        static const uint8_t in[1000];
        assert_int_equal(noise_cipher_encrypt(&a, NULL, 0, in, 1000, apart), 0);
        assert_int_equal(noise_cipher_encrypt(&b, NULL, 0, inside, 1000, inside), 0);
        assert_memory_equal(apart, inside, sizeof apart);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(psk0_opens_the_first_message_and_psk3_ends_the_third),
        cmocka_unit_test(the_patterns_are_those_of_section_7_5),
        cmocka_unit_test(a_name_outside_the_table_is_refused),
        cmocka_unit_test(hmac_is_the_real_hmac_with_a_block_of_128_bytes),
        cmocka_unit_test(hkdf_gives_the_specifications_outputs),
        cmocka_unit_test(expand_is_rfc_5869s),
        cmocka_unit_test(a_low_order_public_key_is_refused),
        cmocka_unit_test(a_public_key_that_is_not_canonical_is_refused),
        cmocka_unit_test(keys_are_those_of_rfc_7748),
        cmocka_unit_test(every_generated_key_is_another),
        cmocka_unit_test(the_nonce_counts_in_each_ciphers_byte_order),
        cmocka_unit_test(the_last_nonce_is_never_used),
        cmocka_unit_test(a_seal_altered_anywhere_does_not_open_and_leaves_nothing),
        cmocka_unit_test(sealing_in_place_gives_the_same_bytes),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
