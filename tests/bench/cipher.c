/*
 * What the ciphers under the records cost by themselves: libsodium's own functions on
 * bodies of one record, in processor seconds a GB. One line a suite: name, seal, open.
 */
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY ((size_t)65000)
#define GIGABYTE 1e9

/* One record's body there (seal) and back (open), in place. */
typedef void seal_fn(uint8_t *body, uint8_t *sealed);
typedef int open_fn(uint8_t *body, const uint8_t *sealed);

static const uint8_t key[32] = {1};
static const uint8_t nonce[32] = {2};
static const uint8_t ad[2] = {3};
static crypto_aead_aes256gcm_state aes;

static void seal_aes(uint8_t *body, uint8_t *sealed)
{
    crypto_aead_aes256gcm_encrypt_afternm(sealed, NULL, body, BODY, ad, sizeof ad, NULL,
                                          nonce, &aes);
}

static int open_aes(uint8_t *body, const uint8_t *sealed)
{
    return crypto_aead_aes256gcm_decrypt_afternm(body, NULL, NULL, sealed,
                                                 BODY + crypto_aead_aes256gcm_ABYTES, ad,
                                                 sizeof ad, nonce, &aes);
}

static void seal_chacha(uint8_t *body, uint8_t *sealed)
{
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, body, BODY, ad, sizeof ad,
                                              NULL, nonce, key);
}

static int open_chacha(uint8_t *body, const uint8_t *sealed)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(
        body, NULL, NULL, sealed, BODY + crypto_aead_chacha20poly1305_ietf_ABYTES, ad,
        sizeof ad, nonce, key);
}

#ifdef crypto_aead_aegis256_KEYBYTES
static void seal_aegis(uint8_t *body, uint8_t *sealed)
{
    crypto_aead_aegis256_encrypt(sealed, NULL, body, BODY, ad, sizeof ad, NULL, nonce,
                                 key);
}

static int open_aegis(uint8_t *body, const uint8_t *sealed)
{
    return crypto_aead_aegis256_decrypt(body, NULL, NULL, sealed,
                                        BODY + crypto_aead_aegis256_ABYTES, ad, sizeof ad,
                                        nonce, key);
}
#endif

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Megabytes are enough to know a gigabyte's time. */
static void measure(const char *name, long megabytes, seal_fn *seal, open_fn *open)
{
    static uint8_t body[BODY], sealed[BODY + 64];
    long records = megabytes * 1000000 / (long)BODY;
    double per_gb = GIGABYTE / ((double)records * (double)BODY);
    seal(body, sealed);
    double start = cpu_seconds();
    for (long i = 0; i < records; i++)
        seal(body, sealed);
    double half = cpu_seconds();
    for (long i = 0; i < records; i++) {
        if (open(body, sealed) != 0)
            abort();
    }
    printf("%s %.4f %.4f\n", name, (half - start) * per_gb,
           (cpu_seconds() - half) * per_gb);
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return 1;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(sodium_version_string());
        return 0;
    }
    if (argc != 2 || atol(argv[1]) <= 0) {
        fputs("usage: bench-cipher MEGABYTES | --version\n", stderr);
        return 2;
    }
    long megabytes = atol(argv[1]);
#ifdef crypto_aead_aegis256_KEYBYTES
    measure("aegis-256", megabytes, seal_aegis, open_aegis);
#endif
    if (crypto_aead_aes256gcm_is_available()) {
        crypto_aead_aes256gcm_beforenm(&aes, key);
        measure("aes-256-gcm", megabytes, seal_aes, open_aes);
    }
    measure("chacha20-poly1305", megabytes, seal_chacha, open_chacha);
    return 0;
}
