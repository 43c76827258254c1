/*
 * How long it takes to load a tacit.conf and to decide, for 10 to 10,000 peers: whole
 * names, names of whole hosts, patterns, and the holders of certificates in 100 groups.
 * Prints one line a kind and size, tab-separated; asserts nothing.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/signed.h"
#include "tacit/suite.h"

enum {
    GROUPS = 100,
    DECISIONS = 200000,
};

static const struct {
    const char *kind, *name;
} kinds[] = {
    {"whole names", "app"},
    {"whole hosts", "*"},
    {"patterns", "a*"},
};

static char *conf;
static size_t conf_len;

static int read_memory(void *context, const char *path, enum tacit_file_kind kind,
                       char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const char *key = strcmp(path, "i.key") == 0
                          ? "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
                          : "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    bool is_conf = strcmp(path, "conf") == 0;
    *ret_len = is_conf ? conf_len : strlen(key);
    memcpy(buf, is_conf ? conf : key, *ret_len);
    return *ret_len <= cap ? 0 : TACIT_ESPACE;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(const char *text)
{
    size_t len = strlen(text);
    memcpy(conf + conf_len, text, len + 1);
    conf_len += len;
}

static void key_of(unsigned i, uint8_t key[TACIT_KEY_BYTES])
{
    memset(key, 0, TACIT_KEY_BYTES);
    key[0] = 2;
    key[1] = (uint8_t)i;
    key[2] = (uint8_t)(i >> 8);
}

static void compose(const char *name, unsigned peers, const char *authority)
{
    char text[512], key_text[TACIT_KEY_TEXT];
    uint8_t key[TACIT_KEY_BYTES];
    conf_len = 0;
    add("[mesh]\nkey-file = m.key\n[host]\nidentity = i.key\n");
    snprintf(text, sizeof text, "[authority a]\npublic-key = %s\nnames = *@*\n",
             authority);
    add(text);
    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(text, sizeof text, "[group g%u]\nfrom = 10.%u.0.0/16\n", i, i);
        add(text);
    }
    for (unsigned i = 0; i < peers; i++) {
        snprintf(text, sizeof text, "[peer %s@db%u.example.net]\n", name, i);
        add(text);
        key_of(i, key);
        tacit_key_to_text(key, key_text);
        snprintf(text, sizeof text, "public-key = %s\nfrom = 10.0.0.0/8\n", key_text);
        add(text);
    }
}

/* Microseconds a decision, about names spread over all peers, or about a certificate's.
 */
static double decide(const struct tacit_policy *policy, unsigned peers,
                     const struct tacit_certificate *certificate)
{
    struct tacit_address address = {.family = 4, .bytes = {10, GROUPS - 1, 0, 1}};
    struct tacit_decision decision;
    unsigned allowed = 0;
    double start = now();
    for (unsigned i = 0; i < DECISIONS; i++) {
        char name[64] = "app@new.example.org";
        uint8_t key[TACIT_KEY_BYTES];
        unsigned n = i * 7919u % peers;
        key_of(n, key);
        if (certificate == NULL)
            snprintf(name, sizeof name, "app@db%u.example.net", n);
        struct tacit_question q = {
            .name = name,
            .public_key = certificate != NULL ? certificate->public_key : key,
            .address = &address,
            .inbound = true,
            .now = 1,
            .certificate = certificate};
        allowed += tacit_policy_decide(policy, &q, &decision) == 0;
    }
    if (allowed != DECISIONS)
        fprintf(stderr, "policy_bench: %u of %d allowed\n", allowed, DECISIONS);
    return (now() - start) / DECISIONS * 1e6;
}

int main(void)
{
    static const unsigned sizes[] = {10, 100, 1000, 10000};
    struct tacit_files files = {NULL, read_memory};
    struct tacit_secret seed = {{7}};
    struct tacit_certificate certificate = {.not_after = 2000000000};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    char authority[TACIT_KEY_TEXT];
    if (sodium_init() < 0 || (conf = malloc(TACIT_CONF_MAX)) == NULL)
        return 1;
    tacit_authority_key(&seed, certificate.authority);
    tacit_key_to_text(certificate.authority, authority);
    key_of(0xffff, certificate.public_key);
    tacit_certificate_add_name(&certificate, "*@new.example.org");
    tacit_certificate_add_group(&certificate, "g99");
    puts("kind\tpeers\tload ms\tdecision us\tby certificate us");
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            compose(kinds[k].name, sizes[s], authority);
            double start = now();
            if (tacit_policy_load("conf", &files, 1 << TACIT_SUITE_CHACHA20_POLY1305,
                                  &policy, &fault) != 0) {
                fprintf(stderr, "policy_bench: %s\n", fault.text);
                return 1;
            }
            double load = (now() - start) * 1e3;
            printf("%s\t%u\t%.1f\t%.2f\t%.2f\n", kinds[k].kind, sizes[s], load,
                   decide(policy, sizes[s], NULL),
                   decide(policy, sizes[s], &certificate));
            tacit_policy_free(policy);
        }
    }
    free(conf);
    return 0;
}
