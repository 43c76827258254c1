/* tacit.conf, and key files: the bytes are both. */
#include "fuzz.h"

#include <string.h>

#include "policy/policy.h"

enum {
    SUITES = 1 << 1 | 1 << 2 | 1 << 3,
};

struct input {
    const uint8_t *bytes;
    size_t len;
    unsigned secrets; /* read so far */
};

static int read_bytes(void *context, const char *path, enum tacit_file_kind kind,
                      char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    static const char mesh[] = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
    static const char other[] = "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
    struct input *in = context;
    const char *name = strrchr(path, '/');
    bool good = kind == TACIT_FILE_SECRET && name != NULL && strcmp(name, "/key") == 0;
    /* The mesh key is read first; no other may be the same. */
    const char *key = in->secrets == 0 ? mesh : other;
    in->secrets += good;
    const void *from = good ? (const void *)key : in->bytes;
    size_t len = good ? sizeof mesh - 1 : in->len;
    strcpy(fault->text, "too long");
    if (len > cap)
        return TACIT_ESYSTEM;
    memcpy(buf, from, len);
    *ret_len = len;
    return TACIT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input in = {bytes, len, 0};
    struct tacit_files files = {&in, read_bytes};
    struct tacit_policy *policy = NULL;
    struct tacit_fault fault;
    struct tacit_address address;
    char text[256] = {0};
    int error = tacit_policy_load("/c/tacit.conf", &files, SUITES, &policy, &fault);
    MUST((error == TACIT_OK) == (policy != NULL));
    MUST(error == TACIT_OK ||
         memchr(fault.text, '\0', sizeof fault.text) > (void *)fault.text);
    tacit_policy_free(policy);
    policy = NULL;
    in.secrets = 0;
    if (tacit_policy_load_door("/c/tacit.conf", &files, SUITES, &policy, &fault) ==
        TACIT_OK)
        MUST(tacit_policy_door(policy) != NULL);
    tacit_policy_free(policy);
    memcpy(text, bytes, len < sizeof text - 1 ? len : sizeof text - 1);
    if (tacit_address_from_text(text, &address) == TACIT_OK) {
        char back[TACIT_ADDRESS_TEXT];
        struct tacit_address again;
        tacit_address_to_text(&address, back);
        MUST(tacit_address_from_text(back, &again) == TACIT_OK);
        MUST(memcmp(&address, &again, sizeof address) == 0);
    }
    return 0;
}
