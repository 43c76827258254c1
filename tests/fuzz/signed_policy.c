/* Signed policies: the bytes as they stand, and as a body that an authority has signed,
 * which a configuration is then loaded with. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#include "policy/signed.h"

static const struct tacit_secret seed = {{1}};

struct disk {
    char conf[512];
    const char *policy;
    size_t len;
};

static int read_disk(void *context, const char *path, enum tacit_file_kind kind,
                     char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    static const char mesh[] = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
    static const char identity[] = "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
    const char *key = strcmp(path, "i") == 0 ? identity : mesh;
    const struct disk *d = context;
    const char *from = kind == TACIT_FILE_SECRET     ? key
                       : strcmp(path, "conf") == 0   ? d->conf
                       : strcmp(path, "signed") == 0 ? d->policy
                                                     : NULL;
    size_t len = from == d->policy ? d->len : from != NULL ? strlen(from) : 0;
    strcpy(fault->text, "not there, or too long");
    if (from == NULL || len > cap)
        return from == NULL ? TACIT_EABSENT : TACIT_ESYSTEM;
    memcpy(buf, from, len);
    *ret_len = len;
    return TACIT_OK;
}

/* Whatever it says, it speaks for no node but those of the authority's names. */
static void load(const char *text, size_t len)
{
    struct disk disk = {.policy = text, .len = len};
    struct tacit_files files = {&disk, read_disk};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    const struct tacit_peer *peer;
    uint8_t key[TACIT_KEY_BYTES];
    char key_text[TACIT_KEY_TEXT];
    tacit_authority_key(&seed, key);
    tacit_key_to_text(key, key_text);
    snprintf(disk.conf, sizeof disk.conf,
             "[mesh]\nkey-file = k\n[host]\nidentity = i\n[authority a]\n"
             "public-key = %s\nnames = *@a.net\npolicy = signed\n",
             key_text);
    if (tacit_policy_load("conf", &files, 1 << 1, &policy, &fault) != TACIT_OK) {
        MUST(memchr(fault.text, '\0', sizeof fault.text) > (void *)fault.text);
        return;
    }
    /* What does not load by itself is left out, and said. */
    bool counts = tacit_policy_signed(policy, 0)->serial > 0;
    MUST(counts || (tacit_policy_notice(policy, 0) != NULL &&
                    tacit_policy_peer(policy, 0) == NULL));
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++)
        MUST(strcmp(strchr(peer->glob, '@'), "@a.net") == 0 && peer->pair_key == NULL);
    MUST(tacit_policy_plain(policy, 0) == NULL && tacit_policy_signed(policy, 1) == NULL);
    tacit_policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_signed_rules rules;
    char text[4096];
    size_t size;
    if (tacit_policy_open((const char *)bytes, len, key, &rules) == TACIT_OK)
        MUST(rules.header.serial > 0 && rules.len < len);
    if (tacit_sign(TACIT_SIGNED_POLICY, &seed, (const char *)bytes, len, text,
                   sizeof text, &size) == TACIT_OK &&
        tacit_policy_open(text, size, key, &rules) == TACIT_OK) {
        MUST(rules.text >= text && rules.text + rules.len == text + size);
        load(text, size);
    }
    return 0;
}
