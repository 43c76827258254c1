/* A configuration and its key files in memory, for the programs that test src/policy. */
#ifndef TACIT_TEST_CONF_H
#define TACIT_TEST_CONF_H

#include "test_unit.h"

#include "policy/policy.h"
#include "tacit/suite.h"

/* Keys in files: secrets of these tests only. */
#define SECRET_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define SECRET_B "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define SECRET_C "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SECRET_D "CgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define SECRET_E "CwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define LOW_ORDER "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* Public keys of peers. */
#define KEY_1 "b+fA7Xhf+H65cOclGie4gM+OqZYfsimYcE4cH51DDHc="
#define KEY_2 "slLs2unfuxuQLwDmV9hL8+3H6+DUKp+kbO+JVJBuQxo="
#define KEY_3 "aZPp9qR/kMwqeMLXxXHU0PRW5lozustvyrWB+TuEBRc="

#define MESH "[mesh]\nkey-file = mesh.key\n"
#define HOST "[host]\nidentity = id.key\n"
#define BASE MESH HOST /* four lines */
#define PEER(name, key) "[peer " name "]\npublic-key = " key "\n"

/* Any 32 bytes do for an authority where no signature is looked at. */
#define CA_1 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define CA_2 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
#define CA_3 "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ="

#define CAS                                                     \
    "[authority one]\npublic-key = " CA_1 "\nnames = *@*.net\n" \
    "[authority two]\npublic-key = " CA_2 "\nnames = *@h, app@*.org\nnames = b*@*.com\n"
#define WORK CAS "[group work]\n"

struct memory_file {
    const char *path, *text;
    size_t size; /* 0: as long as the string */
};

struct memory {
    struct memory_file files[12];
    unsigned secret_reads, plain_reads;
};

enum {
    ALL_SUITES = 1 << TACIT_SUITE_CHACHA20_POLY1305 | 1 << TACIT_SUITE_AES_256_GCM |
                 1 << TACIT_SUITE_AEGIS_256,
};

/* What there is to be read; the last fault; what this machine can run. */
extern struct memory memory;
extern struct tacit_fault fault;
extern unsigned machine_suites;

/* The read of struct tacit_files, whose context is a struct memory. */
int read_memory(void *context, const char *path, enum tacit_file_kind kind, char *buf,
                size_t cap, size_t *ret_len, struct tacit_fault *ret_fault);

/* /c/tacit.conf with its key files; size 0: as long as the string. */
void prepare(const char *conf, size_t size);
/* Adds a file, or puts it in another's place. */
void set_file(const char *path, const char *text, size_t size);
/* Loads what was prepared. */
int load(struct tacit_policy **ret_policy);
struct tacit_policy *must_load(const char *conf);
void assert_fault(const char *conf, size_t size, const char *expected);

/* A key from its text; the last four stay. */
const uint8_t *key(const char *text);
/* Asks for a decision about an inbound link. */
int ask(const struct tacit_policy *p, const char *name, bool dynamic,
        const uint8_t *public_key, const struct tacit_peer **ret_peer);

#endif
