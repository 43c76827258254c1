/* Certificates: the bytes as they stand, and as a body that an authority has signed. */
#include "fuzz.h"

#include <string.h>

#include "policy/signed.h"

/* What an authority signs without a look at it still has one spelling. */
static void as_body(const char *bytes, size_t len)
{
    static const struct tacit_secret seed = {{1}};
    char text[2 * TACIT_CERTIFICATE_MAX], again[TACIT_CERTIFICATE_MAX];
    struct tacit_certificate c;
    size_t size, again_len;
    if (tacit_sign(TACIT_SIGNED_CERTIFICATE, &seed, bytes, len, text, sizeof text,
                   &size) != TACIT_OK)
        return;
    if (tacit_certificate_read(text, size, &c) != TACIT_OK)
        return;
    MUST(c.name_count > 0 && c.not_before < c.not_after);
    for (size_t i = 0; i < c.name_count; i++)
        MUST(tacit_glob_ok(tacit_certificate_name(&c, i)));
    MUST(tacit_certificate_name(&c, c.name_count) == NULL);
    MUST(tacit_certificate_group(&c, c.group_count) == NULL);
    MUST(tacit_certificate_sign(&c, &seed, again, &again_len) == TACIT_OK);
    MUST(again_len == size && memcmp(again, text, size) == 0);
    /* Signed as it is, it is no policy. */
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_signed_rules rules;
    MUST(tacit_policy_open(text, size, key, &rules) != TACIT_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    const char *text = (const char *)bytes;
    struct tacit_certificate c;
    if (tacit_certificate_read(text, len, &c) == TACIT_OK)
        MUST(len <= TACIT_CERTIFICATE_MAX && c.name_count > 0);
    as_body(text, len);
    return 0;
}
