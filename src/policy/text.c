/* Keys and fingerprints as text, and the text of faults. */
#include "policy/policy-internal.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tacit_key_to_text(const uint8_t key[TACIT_KEY_BYTES], char ret_text[TACIT_KEY_TEXT])
{
    sodium_bin2base64(ret_text, TACIT_KEY_TEXT, key, TACIT_KEY_BYTES,
                      sodium_base64_VARIANT_ORIGINAL);
}

int policy_base64(const char *text, size_t text_len, int variant, uint8_t *out,
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
              policy_base64(text, TACIT_KEY_TEXT - 1, sodium_base64_VARIANT_ORIGINAL, key,
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
        policy_base64(text, TACIT_FINGERPRINT_TEXT - 1,
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

/* How many bytes of base64 alphabet text starts with. */
static size_t base64_run(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] != '\0' && text[n] != '=' &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                  text[n]) != NULL)
        n++;
    return n;
}

const char *policy_quote(struct policy_quoted *quoted, const char *text, size_t len)
{
    static const char hidden[] = "(a key, not shown)", more[] = "...";
    char *out = quoted->text, *end = out + sizeof quoted->text - sizeof more;
    for (size_t i = 0; i < len;) {
        /* A key in the wrong place must not reach a log: 32 bytes make 43 characters. */
        size_t run = base64_run(text + i, len - i);
        if (run == TACIT_KEY_TEXT - 2) {
            if (sizeof hidden > (size_t)(end - out))
                break;
            memcpy(out, hidden, sizeof hidden - 1);
            out += sizeof hidden - 1;
            i += run;
            i += i < len && text[i] == '=';
            continue;
        }
        size_t plain = run > 0 ? run : 1;
        for (; plain > 0 && end - out > 4; plain--, i++) {
            unsigned char c = (unsigned char)text[i];
            out += snprintf(out, 5, c >= 32 && c <= 126 ? "%c" : "\\x%02x", c);
        }
        if (plain > 0) {
            memcpy(out, more, sizeof more);
            return quoted->text;
        }
    }
    *out = '\0';
    return quoted->text;
}

int policy_fault(struct tacit_fault *fault, const char *path, unsigned line,
                 const char *format, ...)
{
    enum {
        PATH_SHOWN = 200
    };
    char at[16] = "", reason[TACIT_FAULT_MAX];
    size_t len = strlen(path);
    /* The reason must fit behind a long path: then the path's end is what tells. */
    const char *shown = len > PATH_SHOWN ? path + len - PATH_SHOWN : path;
    if (line > 0)
        snprintf(at, sizeof at, ":%u", line);

    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);

    size_t used = (size_t)snprintf(fault->text, sizeof fault->text,
                                   "%s%s%s: ", shown == path ? "" : "...", shown, at);
    snprintf(fault->text + used, sizeof fault->text - used, "%s", reason);
    return TACIT_ECONFIG;
}
