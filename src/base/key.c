#include "base/key.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "tacit/error.h"

void tacit_key_to_text(const uint8_t key[TACIT_KEY_BYTES], char ret_text[TACIT_KEY_TEXT])
{
    sodium_bin2base64(ret_text, TACIT_KEY_TEXT, key, TACIT_KEY_BYTES,
                      sodium_base64_VARIANT_ORIGINAL);
}

int tacit_base64(const char *text, size_t text_len, int variant, uint8_t *out,
                 size_t size)
{
    size_t len = 0;
    /* libsodium refuses wrong padding and bits left over: each value has one spelling.
     * But it takes a byte with its top bit set for the one without it. */
    for (size_t i = 0; i < text_len; i++) {
        if ((unsigned char)text[i] > 126)
            return TACIT_EFORMAT;
    }
    bool ok =
        sodium_base642bin(out, size, text, text_len, NULL, &len, NULL, variant) == 0;
    return ok && len == size ? 0 : TACIT_EFORMAT;
}

int tacit_key_from_text(const char *text, uint8_t ret_key[TACIT_KEY_BYTES])
{
    uint8_t key[TACIT_KEY_BYTES];
    bool ok = strnlen(text, TACIT_KEY_TEXT) == TACIT_KEY_TEXT - 1 &&
              tacit_base64(text, TACIT_KEY_TEXT - 1, sodium_base64_VARIANT_ORIGINAL, key,
                           sizeof key) == 0;
    if (ok)
        memcpy(ret_key, key, sizeof key);
    tacit_wipe(key, sizeof key);
    return ok ? 0 : TACIT_EFORMAT;
}

void tacit_fingerprint_bytes(const uint8_t public_key[TACIT_KEY_BYTES],
                             uint8_t ret_hash[TACIT_FINGERPRINT_BYTES])
{
    crypto_generichash(ret_hash, TACIT_FINGERPRINT_BYTES, public_key, TACIT_KEY_BYTES,
                       NULL, 0);
}

int tacit_fingerprint_from_text(const char *text,
                                uint8_t ret_hash[TACIT_FINGERPRINT_BYTES])
{
    uint8_t hash[TACIT_FINGERPRINT_BYTES];
    if (strnlen(text, TACIT_FINGERPRINT_TEXT) != TACIT_FINGERPRINT_TEXT - 1 ||
        tacit_base64(text, TACIT_FINGERPRINT_TEXT - 1,
                     sodium_base64_VARIANT_URLSAFE_NO_PADDING, hash, sizeof hash) != 0)
        return TACIT_EFORMAT;
    memcpy(ret_hash, hash, sizeof hash);
    return 0;
}

void tacit_fingerprint(const uint8_t public_key[TACIT_KEY_BYTES],
                       char ret_text[TACIT_FINGERPRINT_TEXT])
{
    uint8_t hash[TACIT_FINGERPRINT_BYTES];
    tacit_fingerprint_bytes(public_key, hash);
    sodium_bin2base64(ret_text, TACIT_FINGERPRINT_TEXT, hash, sizeof hash,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}
