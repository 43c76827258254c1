/* The promises of src/policy: what a configuration may say, and what it decides. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/policy.h"
#include "tacit/suite.h"

/* ---- Files in memory --------------------------------------------------------------- */

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

struct memory_file {
    const char *path, *text;
    size_t size; /* 0: as long as the string */
};

struct memory {
    struct memory_file files[12];
    unsigned secret_reads, plain_reads;
};

static int read_memory(void *context, const char *path, bool secret, char *buf,
                       size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    struct memory *m = context;
    for (size_t i = 0; i < COUNT(m->files) && m->files[i].path != NULL; i++) {
        const struct memory_file *f = &m->files[i];
        size_t size = f->size > 0 ? f->size : strlen(f->text);
        if (strcmp(f->path, path) != 0)
            continue;
        assert_true(size <= cap);
        memcpy(buf, f->text, size);
        *ret_len = size;
        m->secret_reads += secret;
        m->plain_reads += !secret;
        return 0;
    }
    snprintf(fault->text, sizeof fault->text, "%s: not there", path);
    return TACIT_ESYSTEM;
}

static struct memory memory;
static struct tacit_fault fault;

enum {
    ALL_SUITES = 1 << TACIT_SUITE_CHACHA20_POLY1305 | 1 << TACIT_SUITE_AES_256_GCM |
                 1 << TACIT_SUITE_AEGIS_256,
};
static unsigned machine_suites = ALL_SUITES;

static void prepare(const char *conf, size_t size)
{
    memory = (struct memory){.files = {{"/c/tacit.conf", conf, size},
                                       {"/c/mesh.key", SECRET_A "\n", 0},
                                       {"/c/id.key", SECRET_B "\n", 0},
                                       {"/c/p1.key", SECRET_C "\n", 0},
                                       {"/c/p2.key", SECRET_D "\n", 0},
                                       {"/abs/p1.key", SECRET_C, 0}}};
}

static void set_file(const char *path, const char *text, size_t size)
{
    size_t i = 0;
    while (memory.files[i].path != NULL && strcmp(memory.files[i].path, path) != 0)
        i++;
    memory.files[i] = (struct memory_file){path, text, size};
}

static int load(struct tacit_policy **ret_policy)
{
    struct tacit_files files = {&memory, read_memory};
    memset(&fault, 'x', sizeof fault);
    return tacit_policy_load("/c/tacit.conf", &files, machine_suites, ret_policy, &fault);
}

static struct tacit_policy *must_load(const char *conf)
{
    struct tacit_policy *policy = NULL;
    prepare(conf, 0);
    if (load(&policy) != 0)
        fail_msg("%s\n%s", fault.text, conf);
    return policy;
}

static void assert_fault(const char *conf, size_t size, const char *expected)
{
    struct tacit_policy *untouched = (struct tacit_policy *)&memory, *policy = untouched;
    prepare(conf, size);
    if (load(&policy) == 0)
        fail_msg("accepted:\n%s", conf);
    assert_string_equal(fault.text, expected);
    assert_ptr_equal(policy, untouched);
}

static const uint8_t *key(const char *text)
{
    static uint8_t keys[4][TACIT_KEY_BYTES];
    static unsigned next;
    uint8_t *bytes = keys[next++ % 4];
    assert_int_equal(tacit_key_from_text(text, bytes), 0);
    return bytes;
}

static int ask(const struct tacit_policy *p, const char *name, bool dynamic,
               const uint8_t *public_key, const struct tacit_peer **ret_peer)
{
    struct tacit_question question = {
        .name = name, .dynamic = dynamic, .public_key = public_key, .inbound = true};
    struct tacit_decision decision;
    int error = tacit_policy_decide(p, &question, &decision);
    *ret_peer = decision.peer;
    return error;
}

/* ---- What a configuration holds ---------------------------------------------------- */

static void the_smallest_configuration_loads_with_the_defaults(void **state)
{
    const struct tacit_address *listen;
    const struct tacit_secret *mesh;
    struct tacit_policy *p = must_load(BASE);
    assert_string_equal(tacit_policy_path(p), "/c/tacit.conf");
    assert_int_equal(tacit_policy_mesh_keys(p, &mesh), 1);
    assert_memory_equal(mesh->bytes, key(SECRET_A), TACIT_KEY_BYTES);
    assert_int_equal(tacit_policy_listen(p, &listen), 0);
    assert_null(tacit_policy_source(p, 4));
    assert_null(tacit_policy_source(p, 6));
    assert_int_equal(tacit_policy_suites(p), 1 << 1 | 1 << 2 | 1 << 3);
    assert_int_equal(tacit_policy_max_message(p), 256 << 20);
    assert_int_equal(tacit_policy_rekey_seconds(p), 120);
    assert_int_equal(tacit_policy_rekey_bytes(p), UINT64_C(1) << 36);
    assert_int_equal(tacit_policy_rekey_records(p), 1 << 30);
    assert_null(tacit_policy_peer(p, 0));
    assert_null(tacit_policy_plain(p, 0));
    tacit_policy_free(p);
}

static void a_door_and_its_users_arrive(void **state)
{
    const struct tacit_interface *interfaces;
    struct tacit_policy *p = must_load(
        BASE "door = run/door.sock\nlisten = eth0.7, 192.0.2.1, wg0:77\n"
             "door-users = rabbitmq: rabbit@h , rabbit-*@h\ndoor-users = 1000:x@h\n"
             "legacy-epmd = no\ndoor-identity = not-read-by-a-node\n");
    assert_string_equal(tacit_policy_door(p), "/c/run/door.sock");
    assert_int_equal(tacit_policy_interfaces(p, &interfaces), 2);
    assert_string_equal(interfaces[0].name, "eth0.7");
    assert_int_equal(interfaces[0].port, 4370);
    assert_string_equal(interfaces[1].name, "wg0");
    assert_int_equal(interfaces[1].port, 77);
    assert_false(tacit_policy_legacy_epmd(p));
    assert_null(tacit_policy_door_identity(p));
    assert_string_equal(tacit_policy_door_user(p, 1)->glob, "rabbit-*@h");
    assert_null(tacit_policy_door_user(p, 3));
    assert_true(tacit_policy_door_allows(p, "rabbitmq", 99, "rabbit-2@h"));
    assert_false(tacit_policy_door_allows(p, "rabbitmq", 99, "x@h"));
    assert_true(tacit_policy_door_allows(p, "", 1000, "x@h"));
    assert_false(tacit_policy_door_allows(p, "", 0, "x@h"));
    tacit_policy_free(p);
    p = must_load(BASE "door-users = *: *@h\n");
    assert_null(tacit_policy_door(p));
    assert_true(tacit_policy_legacy_epmd(p));
    assert_true(tacit_policy_door_allows(p, "", 5, "x@h"));
    tacit_policy_free(p);
}

static void the_door_reads_its_own_identity_and_no_node_s(void **state)
{
    struct tacit_files files = {&memory, read_memory};
    uint8_t public_key[TACIT_KEY_BYTES];
    struct tacit_policy *p = NULL;
    prepare(MESH "[host]\nidentity = gone.key\ndoor = /d\ndoor-identity = id.key\n" PEER(
                "x@y", KEY_1) "pair-key = gone-too.key\n",
            0);
    assert_int_equal(
        tacit_policy_load_door("/c/tacit.conf", &files, machine_suites, &p, &fault), 0);
    assert_int_equal(memory.secret_reads, 2);
    assert_null(tacit_policy_identity(p));
    crypto_scalarmult_base(public_key, key(SECRET_B));
    assert_memory_equal(tacit_policy_door_identity(p)->public_key, public_key,
                        TACIT_KEY_BYTES);
    tacit_policy_free(p);
    prepare(BASE, 0);
    assert_int_equal(
        tacit_policy_load_door("/c/tacit.conf", &files, machine_suites, &p, &fault),
        TACIT_ECONFIG);
    assert_string_equal(fault.text, "/c/tacit.conf: [host] has no door, expected 'door = "
                                    "PATH' for secure-epmd");
    /* A node that is its own door answers for itself. */
    p = must_load(BASE "door-identity = p1.key\n");
    crypto_scalarmult_base(public_key, key(SECRET_C));
    assert_memory_equal(tacit_policy_door_identity(p)->public_key, public_key,
                        TACIT_KEY_BYTES);
    tacit_policy_free(p);
}

static void suites_that_this_machine_cannot_run_are_left_out_or_refused(void **state)
{
    struct tacit_policy *p = NULL;
    machine_suites = 1 << TACIT_SUITE_CHACHA20_POLY1305;
    p = must_load(MESH HOST);
    assert_int_equal(tacit_policy_suites(p), 1 << TACIT_SUITE_CHACHA20_POLY1305);
    tacit_policy_free(p);
    p = must_load(MESH "suites = aes-256-gcm, chacha20-poly1305\n" HOST);
    assert_int_equal(tacit_policy_suites(p), 1 << TACIT_SUITE_CHACHA20_POLY1305);
    tacit_policy_free(p);
    prepare(MESH "suites = aegis-256\n" HOST, 0);
    assert_int_equal(load(&p), TACIT_ECONFIG);
    assert_string_equal(fault.text, "/c/tacit.conf:3: suites: got 'aegis-256', expected "
                                    "one at least that this machine can run");
    machine_suites = ALL_SUITES;
}

static void the_identity_is_the_key_pair_of_its_file(void **state)
{
    uint8_t public_key[TACIT_KEY_BYTES];
    struct tacit_policy *p = must_load(BASE);
    const struct noise_keypair *pair = tacit_policy_identity(p);
    crypto_scalarmult_base(public_key, key(SECRET_B));
    assert_memory_equal(pair->private_key.bytes, key(SECRET_B), TACIT_KEY_BYTES);
    assert_memory_equal(pair->public_key, public_key, TACIT_KEY_BYTES);
    tacit_policy_free(p);
}

static void every_value_arrives(void **state)
{
    const struct tacit_address *listen;
    char text[TACIT_ADDRESS_TEXT];
    struct tacit_policy *p =
        must_load("; a comment\n# another\n\n" MESH
                  "suites = aes-256-gcm , chacha20-poly1305\n" HOST
                  "listen = 192.0.2.10:99,[2001:db8::10] ; a comment behind\n"
                  "  source = 2001:db8::10, 192.0.2.10\n\tmax-message=64K\r\n"
                  "[ plain ] ; and here [too]\nnode = a@b\nnode = *@c\n"
                  "[ peer  x@y ]\npublic-key = " KEY_1 "\npair-key = /abs/p1.key\n"
                  "endpoint = y.example.net:77");
    assert_int_equal(tacit_policy_listen(p, &listen), 2);
    tacit_address_to_text(&listen[0], text);
    assert_string_equal(text, "192.0.2.10:99");
    tacit_address_to_text(&listen[1], text);
    assert_string_equal(text, "[2001:db8::10]:4370");
    tacit_address_to_text(tacit_policy_source(p, 4), text);
    assert_string_equal(text, "192.0.2.10");
    tacit_address_to_text(tacit_policy_source(p, 6), text);
    assert_string_equal(text, "2001:db8::10");
    assert_null(tacit_policy_source(p, 5));
    assert_int_equal(tacit_policy_suites(p),
                     1 << TACIT_SUITE_AES_256_GCM | 1 << TACIT_SUITE_CHACHA20_POLY1305);
    assert_int_equal(tacit_policy_max_message(p), 65536);
    assert_string_equal(tacit_policy_plain(p, 0), "a@b");
    assert_string_equal(tacit_policy_plain(p, 1), "*@c");
    assert_null(tacit_policy_plain(p, 2));

    const struct tacit_peer *peer = tacit_policy_peer(p, 0);
    assert_string_equal(peer->glob, "x@y");
    assert_int_equal(peer->rule.line, 15);
    assert_memory_equal(peer->public_key, key(KEY_1), TACIT_KEY_BYTES);
    assert_memory_equal(peer->pair_key->bytes, key(SECRET_C), TACIT_KEY_BYTES);
    assert_true(peer->has_endpoint);
    assert_string_equal(peer->endpoint.host, "y.example.net");
    assert_int_equal(peer->endpoint.port, 77);
    assert_null(tacit_policy_peer(p, 1));
    tacit_policy_free(p);
}

static void max_message_counts_in_bytes_or_k_m_g(void **state)
{
    static const struct {
        const char *value;
        size_t bytes;
    } cases[] = {
        {"65536", 65536},
        {"100000", 100000},
        {"3M", 3 << 20},
        {"1G", 1 << 30},
        {"2047M", (size_t)2047 << 20},
        {"2146435072", 2146435072},
    };
    char conf[256];
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(conf, sizeof conf, BASE "max-message = %s\n", cases[i].value);
        struct tacit_policy *p = must_load(conf);
        assert_int_equal(tacit_policy_max_message(p), cases[i].bytes);
        tacit_policy_free(p);
    }
}

static void fresh_keys_come_when_the_file_says(void **state)
{
    struct tacit_policy *p = must_load(
        MESH "rekey-seconds = 86400\nrekey-bytes = 64G\nrekey-records = 1G\n" HOST);
    assert_int_equal(tacit_policy_rekey_seconds(p), 86400);
    assert_int_equal(tacit_policy_rekey_bytes(p), UINT64_C(1) << 36);
    assert_int_equal(tacit_policy_rekey_records(p), 1 << 30);
    tacit_policy_free(p);
    p = must_load(MESH
                  "rekey-seconds = 1\nrekey-bytes = 1M\nrekey-records = 1000\n" HOST);
    assert_int_equal(tacit_policy_rekey_seconds(p), 1);
    assert_int_equal(tacit_policy_rekey_bytes(p), 1 << 20);
    assert_int_equal(tacit_policy_rekey_records(p), 1000);
    tacit_policy_free(p);
}

static void a_wildcard_is_listened_on_only_where_its_own_option_says_so(void **state)
{
    const struct tacit_address *listen;
    struct tacit_policy *p =
        must_load(BASE "listen = 0.0.0.0, [::]\nlisten-wildcard = yes\n");
    assert_int_equal(tacit_policy_listen(p, &listen), 2);
    tacit_policy_free(p);
    p = must_load(BASE "listen-wildcard = yes\nlisten = [::]:1\n");
    tacit_policy_free(p);

    static const struct {
        const char *listen, *shown;
    } cases[] = {
        {"0.0.0.0", "0.0.0.0:4370"},
        {"192.0.2.1, [::]:9", "[::]:9"},
        {"[0:0:0:0::0]", "[::]:4370"},
        {"[::ffff:0.0.0.0]", "0.0.0.0:4370"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[256], expected[256];
        snprintf(conf, sizeof conf, BASE "listen = %s\nlisten-wildcard = no\n",
                 cases[i].listen);
        snprintf(expected, sizeof expected,
                 "/c/tacit.conf:5: listen: got '%s', expected this host's own addresses, "
                 "or also 'listen-wildcard = yes'",
                 cases[i].shown);
        assert_fault(conf, 0, expected);
    }
}

static void key_files_are_read_as_secrets_and_tacit_conf_is_not(void **state)
{
    struct tacit_policy *p =
        must_load(BASE PEER("a@b", KEY_1) "pair-key = p1.key\n" PEER("c@d", KEY_2));
    assert_int_equal(memory.secret_reads, 3);
    assert_int_equal(memory.plain_reads, 1);
    tacit_policy_free(p);
}

static void a_relative_path_starts_at_the_configurations_directory(void **state)
{
    struct tacit_files files = {&memory, read_memory};
    struct tacit_policy *p;
    prepare("", 0);
    set_file("tacit.conf", "[mesh]\nkey-file = k/mesh.key\n" HOST, 0);
    set_file("k/mesh.key", SECRET_A, 0);
    set_file("id.key", SECRET_B, 0);
    assert_int_equal(tacit_policy_load("tacit.conf", &files, ALL_SUITES, &p, &fault), 0);
    tacit_policy_free(p);
    set_file("../x/tacit.conf", BASE, 0);
    set_file("../x/mesh.key", SECRET_A, 0);
    set_file("../x/id.key", SECRET_B, 0);
    assert_int_equal(tacit_policy_load("../x/tacit.conf", &files, ALL_SUITES, &p, &fault),
                     0);
    tacit_policy_free(p);
}

/* ---- What a configuration may not hold --------------------------------------------- */

#define WHERE "/c/tacit.conf:"
#define NODE_NAME "expected a node name such as app@db1.example.net or *@db1.example.net"
#define PLAIN_NODE \
    "expected a whole name such as app@db1.example.net, or *@db1.example.net"
#define SECTION_NAMES                                                                  \
    "expected [mesh], [host], [peer NAME], [group NAME], [authority NAME], [test] or " \
    "[plain]"
#define A_PATH "expected the path of a file that holds the key"
#define A_USER "expected a user and names, such as 'rabbitmq: rabbit@db1.example.net'"
#define AN_ADDRESS                                                                  \
    "expected an address such as 192.0.2.10:4370 or [2001:db8::10]:4370, or, with " \
    "'door', the name of an interface"
#define A_SOURCE "expected an address without a port, such as 192.0.2.10 or 2001:db8::10"
#define A_SIZE "expected 64K to 2047M: bytes, or with K, M or G"

static const struct {
    const char *conf, *fault;
} bad[] = {
    /* Lines and sections */
    {"", "/c/tacit.conf: no [mesh], expected one with 'key-file = FILE'"},
    {MESH, "/c/tacit.conf: no [host], expected one with 'identity = FILE'"},
    {HOST, "/c/tacit.conf: no [mesh], expected one with 'key-file = FILE'"},
    {"[mesh]\n" HOST, WHERE "1: [mesh] has no key-file, expected 'key-file = FILE'"},
    {MESH "[host]\n", WHERE "3: [host] has no identity, expected 'identity = FILE'"},
    {BASE "[plain]\n", WHERE "5: [plain] has no node, expected 'node = NAME'"},
    {"\nkey-file = x\n", WHERE "2: got 'key-file = x', expected a section such as [mesh] "
                               "first"},
    {BASE "[mash]\n", WHERE "5: got '[mash]', " SECTION_NAMES},
    {BASE "[Mesh]\n", WHERE "5: got '[Mesh]', " SECTION_NAMES},
    {BASE "[mesh 2]\n", WHERE "5: got '[mesh 2]', " SECTION_NAMES},
    {BASE "[]\n", WHERE "5: got '[]', " SECTION_NAMES},
    {BASE "[peer]\n", WHERE "5: got '[peer]', " SECTION_NAMES},
    {BASE "[\n", WHERE "5: got '[', expected a section such as [mesh]"},
    {BASE "[plain\n", WHERE "5: got '[plain', expected a section such as [mesh]"},
    {BASE "[plain] x\n", WHERE "5: got '[plain] x', expected a section such as [mesh]"},
    {BASE MESH, WHERE "5: a second [mesh], expected one"},
    {BASE HOST, WHERE "5: a second [host], expected one"},
    {BASE "[plain]\nnode=a@b\n[plain]\nnode=a@c\n", WHERE "7: a second [plain], expected "
                                                          "one"},
    {BASE "listen\n", WHERE "5: got 'listen', expected 'key = value'"},
    {MESH "suites\n" HOST, WHERE "3: got 'suites', expected 'key = value'"},
    {MESH "suites", WHERE "3: got 'suites', expected 'key = value'"},
    {MESH "port = 1\n", WHERE "3: unknown key 'port' in [mesh], expected key-file, "
                              "suites, revoked, rekey-seconds, rekey-bytes, "
                              "rekey-records or clock-grace"},
    {BASE "key-file = x\n", WHERE
     "5: unknown key 'key-file' in [host], expected identity, certificate, "
     "listen, listen-wildcard, source, max-message, door, door-identity, door-users "
     "or legacy-epmd"},
    {BASE "[peer a@b]\nform = x\n",
     WHERE "6: unknown key 'form' in [peer NAME], expected public-key, pair-key, "
           "endpoint, from, direction, visibility, expires, door-key or directory"},
    {BASE "[plain]\nnodes = a@b\n", WHERE "6: unknown key 'nodes' in [plain], expected "
                                          "node"},
    {BASE "= x\n",
     WHERE "5: unknown key '' in [host], expected identity, certificate, listen, "
           "listen-wildcard, source, max-message, door, "
           "door-identity, door-users or legacy-epmd"},
    {BASE "identity = x\n", WHERE "5: identity is set twice in [host], expected once"},
    {BASE PEER("a@b", KEY_1) "public-key = " KEY_1 "\n",
     WHERE "7: public-key is set twice in [peer NAME], expected once"},
    {"\xef\xbb\xbf[mesh]\n",
     WHERE "1: got '\\xef\\xbb\\xbf[mesh]', expected a section such "
           "as [mesh] first"},
    {BASE "listen = 1\x1b[1m\n", WHERE "5: got the byte 0x1b, expected text"},
    {BASE "; \x7f\n", WHERE "5: got the byte 0x7f, expected text"},
    {BASE "listen = \r192.0.2.1\n", WHERE "5: got the byte 0x0d, expected text"},
    /* An indented line continues nothing. */
    {BASE "listen = 192.0.2.1\n   192.0.2.2\n", WHERE "6: got '192.0.2.2', expected "
                                                      "'key = value'"},
    /* The first fault is the one that is told. */
    {MESH "a = b\nc = d\n[foo]\n",
     WHERE "3: unknown key 'a' in [mesh], expected key-file, "
           "suites, revoked, rekey-seconds, rekey-bytes, rekey-records or clock-grace"},
    /* [mesh] */
    {"[mesh]\nkey-file =\n", WHERE "2: key-file: got '', " A_PATH},
    {MESH "suites =\n", WHERE "3: suites: got '', expected aegis-256, aes-256-gcm or "
                              "chacha20-poly1305"},
    {MESH "suites = aes-256-gcm,\n", WHERE "3: suites: got '', expected aegis-256, "
                                           "aes-256-gcm or chacha20-poly1305"},
    {MESH "suites = AES-256-GCM\n", WHERE "3: suites: got 'AES-256-GCM', expected "
                                          "aegis-256, aes-256-gcm or chacha20-poly1305"},
    {MESH "suites = aegis-256, aegis-256\n", WHERE "3: suites: got 'aegis-256', expected "
                                                   "each suite once"},
    /* [host] */
    {BASE "listen =\n", WHERE "5: listen: got '', " AN_ADDRESS},
    {BASE "listen = 192.0.2.1,,192.0.2.2\n", WHERE "5: listen: got '', " AN_ADDRESS},
    {BASE "listen = db1\n", WHERE "5: listen: got 'db1', " AN_ADDRESS},
    {BASE "listen = 192.0.2.1:0\n", WHERE "5: listen: got '192.0.2.1:0', " AN_ADDRESS},
    {BASE "listen = eth0:0\n", WHERE "5: listen: got 'eth0:0', " AN_ADDRESS},
    {BASE "listen = eth0, wg0\n", WHERE "5: listen: got 'eth0', " AN_ADDRESS},
    {BASE "door = d\nlisten = eth0, eth0:4370\n",
     WHERE "6: listen: got 'eth0:4370', expected each interface once"},
    {BASE "door = d\nlisten = an-interface-too-long\n",
     WHERE "6: listen: got 'an-interface-too-long', " AN_ADDRESS},
    {BASE "door =\n", WHERE "5: door: got '', expected the path of a Unix socket, 107 "
                            "bytes at most"},
    {BASE "legacy-epmd = 4369\n", WHERE "5: legacy-epmd: got '4369', expected yes or no"},
    {BASE "door-users = app@db1\n", WHERE "5: door-users: got 'app@db1', " A_USER},
    {BASE "door-users = a b: app@db1\n",
     WHERE "5: door-users: got 'a b: app@db1', " A_USER},
    {BASE "door-users = : app@db1\n", WHERE "5: door-users: got ': app@db1', " A_USER},
    {BASE "door-users = u: app@db1, db2\n",
     WHERE "5: door-users: got 'db2', expected names such as app@db1.example.net, '*' "
           "allowed"},
    {BASE "door-identity =\n",
     WHERE "5: door-identity: got '', expected the path of a file that holds the key"},
    {BASE "listen = 2001:db8::1\n", WHERE "5: listen: got '2001:db8::1', " AN_ADDRESS},
    {BASE "listen = 192.0.2.1, 192.0.2.1:4370\n",
     WHERE "5: listen: got '192.0.2.1:4370', expected each address once"},
    {BASE "listen-wildcard = true\n",
     WHERE "5: listen-wildcard: got 'true', expected yes "
           "or no"},
    {BASE "source = 192.0.2.1:4370\n",
     WHERE "5: source: got '192.0.2.1:4370', " A_SOURCE},
    {BASE "source = 0.0.0.0\n", WHERE "5: source: got '0.0.0.0', " A_SOURCE},
    {BASE "source = 192.0.2.1, 192.0.2.2\n",
     WHERE "5: source: got '192.0.2.2', expected "
           "at most one IPv4 and one IPv6 address"},
    {BASE "max-message =\n", WHERE "5: max-message: got '', " A_SIZE},
    {BASE "max-message = 65535\n", WHERE "5: max-message: got '65535', " A_SIZE},
    {BASE "max-message = 2048M\n", WHERE "5: max-message: got '2048M', " A_SIZE},
    {BASE "max-message = 2G\n", WHERE "5: max-message: got '2G', " A_SIZE},
    {BASE "max-message = 1T\n", WHERE "5: max-message: got '1T', " A_SIZE},
    {BASE "max-message = 1MB\n", WHERE "5: max-message: got '1MB', " A_SIZE},
    {BASE "max-message = -1M\n", WHERE "5: max-message: got '-1M', " A_SIZE},
    {BASE "max-message = 17179869185G\n",
     WHERE "5: max-message: got '17179869185G', " A_SIZE},
    {BASE "max-message = 18446744073709617152\n",
     WHERE "5: max-message: got '18446744073709617152', " A_SIZE},
    {MESH "rekey-seconds = 0\n" HOST,
     WHERE "3: rekey-seconds: got '0', expected 1 to 86400 seconds"},
    {MESH "rekey-seconds = 1K\n" HOST,
     WHERE "3: rekey-seconds: got '1K', expected 1 to 86400 seconds"},
    {MESH "rekey-bytes = 1023K\n" HOST,
     WHERE "3: rekey-bytes: got '1023K', expected 1M to 64G: bytes, or with K, M or G"},
    {MESH "rekey-bytes = 65G\n" HOST,
     WHERE "3: rekey-bytes: got '65G', expected 1M to 64G: bytes, or with K, M or G"},
    {MESH "rekey-records = 999\n" HOST, WHERE
     "3: rekey-records: got '999', expected 1000 to 1G: records, or with K, M or G"},
    {MESH "rekey-records = 17179869185G\n" HOST,
     WHERE "3: rekey-records: got '17179869185G', expected 1000 to 1G: records, or with "
           "K, M or G"},
    /* [peer] */
    {BASE "[peer app]\n", WHERE "5: [peer]: got 'app', " NODE_NAME},
    {BASE "[peer *@DB1]\n", WHERE "5: [peer]: got '*@DB1', " NODE_NAME},
    {BASE "[peer a@b c@d]\n", WHERE "5: [peer]: got 'a@b c@d', " NODE_NAME},
    {BASE "[peer a@b]\n", WHERE "5: [peer a@b] has no public-key, expected 'public-key = "
                                "KEY'"},
    {BASE "\n[peer a@b]\nendpoint = c\n" PEER("c@d", KEY_1),
     WHERE "6: [peer a@b] has no public-key, expected 'public-key = KEY'"},
    {BASE "[peer a@b]\npublic-key = abc\n", WHERE "6: public-key: got 'abc', expected a "
                                                  "public key: base64, 44 characters"},
    {BASE "[peer a@b]\npublic-key = " LOW_ORDER "\n", WHERE
     "6: public-key: got '(a key, not shown)', expected a public key that 'tacit "
     "keygen' or 'tacit pubkey' printed: this one is of low order or not canonical"},
    {BASE PEER("a@b", KEY_1) "pair-key =\n", WHERE "7: pair-key: got '', " A_PATH},
    {BASE PEER("a@b", KEY_1) "endpoint = ::1\n",
     WHERE "7: endpoint: got '::1', expected HOST, HOST:PORT or [IPV6]:PORT, such as "
           "db1.example.net:4370"},
    /* [plain] */
    {BASE "[plain]\nnode = app\n", WHERE "6: node: got 'app', " PLAIN_NODE},
    {BASE "[plain]\nnode = a*@b\n", WHERE "6: node: got 'a*@b', " PLAIN_NODE},
    {BASE "[plain]\nnode = **@b\n", WHERE "6: node: got '**@b', " PLAIN_NODE},
    {BASE "[plain]\nnode = *@*\n", WHERE "6: node: got '*@*', " PLAIN_NODE},
    {BASE "[plain]\nnode = a@b*\n", WHERE "6: node: got 'a@b*', " PLAIN_NODE},
    {BASE "[plain]\nnode = *@\n", WHERE "6: node: got '*@', " PLAIN_NODE},
};

static void a_fault_names_file_line_value_and_what_was_expected(void **state)
{
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_fault(bad[i].conf, 0, bad[i].fault);
}

static void a_line_too_long_for_the_parser_is_a_fault_and_not_cut(void **state)
{
    char conf[1024], name[512];
    memset(name, 'a', sizeof name);
    snprintf(conf, sizeof conf, BASE "[plain]\nnode = a@%.188s\n", name);
    struct tacit_policy *p = must_load(conf);
    assert_int_equal(strlen(tacit_policy_plain(p, 0)), 190);
    tacit_policy_free(p);

    snprintf(conf, sizeof conf, BASE "[plain]\nnode = a@%.189s\n", name);
    assert_fault(conf, 0, WHERE "6: a line of 198 bytes, expected at most 197");
    snprintf(conf, sizeof conf, BASE "[peer a@%.400s]\n", name);
    assert_fault(conf, 0, WHERE "5: a line of 409 bytes, expected at most 197");
    snprintf(conf, sizeof conf, BASE "; %.400s\n", name);
    tacit_policy_free(must_load(conf));
}

static void a_long_peer_name_is_kept_whole(void **state)
{
    char conf[1024], name[181];
    const struct tacit_peer *peer;
    memset(name, 'a', sizeof name);
    name[1] = '@';
    name[180] = '\0';
    snprintf(conf, sizeof conf, BASE "[peer %s]\npublic-key = " KEY_1 "\n", name);
    struct tacit_policy *p = must_load(conf);
    assert_int_equal(ask(p, name, false, key(KEY_1), &peer), 0);
    name[179] = '\0';
    assert_int_equal(ask(p, name, false, key(KEY_1), &peer), TACIT_EREFUSED);
    tacit_policy_free(p);
}

static void a_nul_byte_is_a_fault_and_hides_nothing(void **state)
{
    static const char conf[] = BASE "listen = 192.0.2.1\0junk\n";
    assert_fault(conf, sizeof conf - 1, WHERE "5: got the byte 0x00, expected text");
}

static void a_key_in_the_wrong_place_is_not_repeated_in_the_fault(void **state)
{
    static const char *const confs[] = {
        "[mesh]\nkey-file = " SECRET_A "\n",
        MESH SECRET_A "\n" HOST,
        MESH "psk " SECRET_A "\n" HOST,
        MESH "[host]\nidentity = " SECRET_A "\n",
        BASE PEER("a@b", KEY_1) "pair-key = " SECRET_A "\n",
        BASE "listen = " SECRET_A "\n",
        BASE "[peer " SECRET_A "]\n",
        "[" SECRET_A "]\n",
        SECRET_A "\n",
    };
    struct tacit_policy *p;
    for (size_t i = 0; i < COUNT(confs); i++) {
        prepare(confs[i], 0);
        assert_int_not_equal(load(&p), 0);
        assert_int_equal(strncmp(fault.text, WHERE, strlen(WHERE)), 0);
        assert_null(strstr(fault.text, "AAECAwQF"));
    }
}

/* ---- Key files --------------------------------------------------------------------- */

static void a_keyring_holds_one_to_four_keys_in_order(void **state)
{
    const struct tacit_secret *mesh;
    struct tacit_policy *p;
    prepare(BASE, 0);
    set_file("/c/mesh.key",
             "# first\n" SECRET_C "\n\n  ; then\n\t" SECRET_A " \r\n" SECRET_D
             "\n" SECRET_E,
             0);
    assert_int_equal(load(&p), 0);
    assert_int_equal(tacit_policy_mesh_keys(p, &mesh), 4);
    assert_memory_equal(mesh[0].bytes, key(SECRET_C), TACIT_KEY_BYTES);
    assert_memory_equal(mesh[1].bytes, key(SECRET_A), TACIT_KEY_BYTES);
    assert_memory_equal(mesh[2].bytes, key(SECRET_D), TACIT_KEY_BYTES);
    assert_memory_equal(mesh[3].bytes, key(SECRET_E), TACIT_KEY_BYTES);
    tacit_policy_free(p);
}

static void a_bad_key_file_is_a_fault_that_shows_nothing_of_it(void **state)
{
    static const struct {
        const char *path, *text;
        size_t size;
        const char *fault;
    } cases[] = {
        {"/c/mesh.key", "", 0,
         "/c/mesh.key: holds no key, expected base64 of 32 bytes (44 characters)"},
        {"/c/mesh.key", "\n; none\n", 0,
         "/c/mesh.key: holds no key, expected base64 of 32 bytes (44 characters)"},
        {"/c/mesh.key", SECRET_A "\nAAECAw==\n", 0,
         "/c/mesh.key:2: not a key, expected base64 of 32 bytes (44 characters)"},
        {"/c/mesh.key", SECRET_A " " SECRET_B "\n", 0,
         "/c/mesh.key:1: not a key, expected base64 of 32 bytes (44 characters)"},
        {"/c/mesh.key", SECRET_A "\0x\n", sizeof SECRET_A + 2,
         "/c/mesh.key:1: not a key, expected base64 of 32 bytes (44 characters)"},
        {"/c/mesh.key", SECRET_A "\n" SECRET_B "\n\n" SECRET_A "\n", 0,
         "/c/mesh.key:4: the same key twice, expected each once"},
        {"/c/mesh.key",
         SECRET_A "\n" SECRET_B "\n" SECRET_C "\n" SECRET_D "\n" SECRET_E "\n", 0,
         "/c/mesh.key:5: more than 4 keys, expected at most as many"},
        {"/c/mesh.key", ZEROS "\n", 0,
         "/c/mesh.key:1: a key of zeros, expected a random one"},
        {"/c/id.key", SECRET_A "\n" SECRET_B "\n", 0,
         "/c/id.key:2: more than 1 key, expected one"},
        {"/c/p1.key", "x", 0,
         "/c/p1.key:1: not a key, expected base64 of 32 bytes (44 characters)"},
        {"/c/p1.key", ZEROS, 0, "/c/p1.key:1: a key of zeros, expected a random one"},
    };
    struct tacit_policy *p;
    for (size_t i = 0; i < COUNT(cases); i++) {
        prepare(BASE PEER("a@b", KEY_1) "pair-key = p1.key\n", 0);
        set_file(cases[i].path, cases[i].text, cases[i].size);
        assert_int_equal(load(&p), TACIT_ECONFIG);
        assert_string_equal(fault.text, cases[i].fault);
    }
}

static void a_file_that_cannot_be_read_is_named_by_its_reader(void **state)
{
    struct tacit_policy *p;
    prepare(BASE PEER("a@b", KEY_1) "pair-key = none.key\n", 0);
    assert_int_equal(load(&p), TACIT_ESYSTEM);
    assert_string_equal(fault.text, "/c/none.key: not there");
    struct tacit_files files = {&memory, read_memory};
    assert_int_equal(tacit_policy_load("/none", &files, ALL_SUITES, &p, &fault),
                     TACIT_ESYSTEM);
    assert_string_equal(fault.text, "/none: not there");
}

/* ---- Lines that contradict one another --------------------------------------------- */

static const struct {
    const char *peers, *fault;
} contradictions[] = {
    {PEER("a@b", KEY_1) PEER("c@b", KEY_2) PEER("a@b", KEY_1),
     WHERE "9: [peer a@b] is also at line 5, expected once"},
    {PEER("*@b", KEY_1) PEER("*@b", KEY_1),
     WHERE "7: [peer *@b] is also at line 5, expected once"},
    {PEER("a*@b", KEY_1) PEER("a*@b", KEY_1),
     WHERE "7: [peer a*@b] is also at line 5, expected once"},
    {PEER("a*@h", KEY_1) PEER("*b@h", KEY_2),
     WHERE "7: [peer *b@h] and [peer a*@h] at line 5 can name one node and are equally "
           "specific, expected the same keys and conditions in both"},
    {PEER("a*@h", KEY_1) PEER("*b@h", KEY_1) "visibility = hidden\n",
     WHERE "7: [peer *b@h] and [peer a*@h] at line 5 can name one node and are equally "
           "specific, expected the same keys and conditions in both"},
    {PEER("a*@h", KEY_1) PEER("*b@h", KEY_1) "expires = 2030-01-01\n",
     WHERE "7: [peer *b@h] and [peer a*@h] at line 5 can name one node and are equally "
           "specific, expected the same keys and conditions in both"},
    {PEER("*@db1", KEY_1) PEER("a*@d*1", KEY_2), WHERE
     "7: [peer a*@d*1] and [peer *@db1] at line 5 can name one node and are equally "
     "specific, expected the same keys and conditions in both"},
    {PEER("a*@d*1", KEY_2) PEER("*@db1", KEY_1), WHERE
     "7: [peer *@db1] and [peer a*@d*1] at line 5 can name one node and are equally "
     "specific, expected the same keys and conditions in both"},
    {PEER("a@b", KEY_1) "door-key = " KEY_1 "\n" PEER("c@b", KEY_2) "door-key = " KEY_2
                                                                    "\n",
     WHERE "8: [peer c@b] and [peer a@b] at line 5 have one host, expected the same "
           "door-key in both"},
    {PEER("a@b", KEY_1) "pair-key = p1.key\n" PEER("c@d", KEY_1) "pair-key = p2.key\n",
     WHERE "8: [peer c@d] and [peer a@b] at line 5 have one public-key, expected one "
           "pair-key for both or for neither"},
    {PEER("a@b", KEY_1) PEER("c@d", KEY_1) "pair-key = p2.key\n",
     WHERE "7: [peer c@d] and [peer a@b] at line 5 have one public-key, expected one "
           "pair-key for both or for neither"},
    {PEER("a@b", KEY_1) "pair-key = p2.key\n" PEER("x@y", KEY_2) PEER("c@d", KEY_1),
     WHERE "10: [peer c@d] and [peer a@b] at line 5 have one public-key, expected one "
           "pair-key for both or for neither"},
};

static void lines_that_contradict_one_another_are_both_named(void **state)
{
    char conf[1024];
    for (size_t i = 0; i < COUNT(contradictions); i++) {
        snprintf(conf, sizeof conf, BASE "%s", contradictions[i].peers);
        assert_fault(conf, 0, contradictions[i].fault);
    }
}

static void lines_that_can_be_told_apart_load(void **state)
{
    static const char *const confs[] = {
        /* of different specificity */
        BASE PEER("*@*", KEY_1) PEER("*@b", KEY_2) PEER("a@b", KEY_3),
        BASE PEER("a*@h", KEY_1) PEER("*bc@h", KEY_2),
        /* an exact name has as many characters as a glob */
        BASE PEER("ab@h", KEY_1) PEER("a*b@h", KEY_2),
        /* no name matches both */
        BASE PEER("a*@h", KEY_1) PEER("b*@h", KEY_2) PEER("*@a", KEY_3),
        /* they agree */
        BASE PEER("a*@h", KEY_1) PEER("*b@h", KEY_1),
        BASE PEER("a*@h", KEY_1) "pair-key = p1.key\n" PEER(
            "*b@h", KEY_1) "pair-key = /abs/p1.key\n",
    };
    for (size_t i = 0; i < COUNT(confs); i++)
        tacit_policy_free(must_load(confs[i]));
}

/* ---- Decisions --------------------------------------------------------------------- */

static int decide(const struct tacit_policy *p, const char *name, const char *key_text)
{
    const struct tacit_peer *peer;
    return ask(p, name, false, key(key_text), &peer);
}

static void what_no_line_allows_is_denied(void **state)
{
    const struct tacit_peer *peer;
    struct tacit_policy *p = must_load(BASE PEER("a@b", KEY_1) PEER("x*@c", KEY_1));
    assert_int_equal(ask(p, "c@b", false, key(KEY_1), &peer), TACIT_EREFUSED);
    assert_null(peer);
    assert_int_equal(decide(p, "a@c", KEY_1), TACIT_EREFUSED);
    assert_int_equal(decide(p, "a@b", KEY_1), 0);
    assert_int_equal(decide(p, "x1@c", KEY_1), 0);
    tacit_policy_free(p);
    p = must_load(BASE);
    assert_int_equal(decide(p, "a@b", KEY_1), TACIT_EREFUSED);
    assert_false(tacit_policy_knows_key(p, key(KEY_1)));
    tacit_policy_free(p);
}

static void another_key_is_denied_and_the_line_is_told(void **state)
{
    const struct tacit_peer *peer;
    struct tacit_policy *p = must_load(BASE PEER("a@b", KEY_1) PEER("c@d", KEY_2));
    assert_int_equal(ask(p, "a@b", false, key(KEY_2), &peer), TACIT_EREFUSED);
    assert_string_equal(peer->glob, "a@b");
    assert_int_equal(ask(p, "a@b", false, key(KEY_1), &peer), 0);
    assert_string_equal(peer->glob, "a@b");
    tacit_policy_free(p);
}

static void the_most_specific_line_decides(void **state)
{
    /* In either order of the file. */
    static const char *const confs[] = {
        BASE PEER("*@*", KEY_1) PEER("*@db1", KEY_2) PEER("app@db1", KEY_3)
            PEER("longname*@d*", KEY_1) PEER("app*@db*", KEY_3),
        BASE PEER("app*@db*", KEY_3) PEER("longname*@d*", KEY_1) PEER("app@db1", KEY_3)
            PEER("*@db1", KEY_2) PEER("*@*", KEY_1),
    };
    for (size_t i = 0; i < COUNT(confs); i++) {
        struct tacit_policy *p = must_load(confs[i]);
        assert_int_equal(decide(p, "app@db1", KEY_3), 0);
        assert_int_equal(decide(p, "app@db1", KEY_2), TACIT_EREFUSED);
        assert_int_equal(decide(p, "other@db1", KEY_2), 0);
        assert_int_equal(decide(p, "other@db1", KEY_1), TACIT_EREFUSED);
        assert_int_equal(decide(p, "app2@db1", KEY_3), 0); /* 6 letters against 4 */
        assert_int_equal(decide(p, "longname2@db1", KEY_1), 0);
        assert_int_equal(decide(p, "longname2@db1", KEY_2), TACIT_EREFUSED);
        assert_int_equal(decide(p, "other@web", KEY_1), 0);
        tacit_policy_free(p);
    }
}

static void an_exact_name_beats_a_glob_with_as_many_letters(void **state)
{
    struct tacit_policy *p = must_load(BASE PEER("a*b@h", KEY_1) PEER("ab@h", KEY_2));
    assert_int_equal(decide(p, "ab@h", KEY_2), 0);
    assert_int_equal(decide(p, "ab@h", KEY_1), TACIT_EREFUSED);
    assert_int_equal(decide(p, "axb@h", KEY_1), 0);
    tacit_policy_free(p);
}

static void of_lines_that_agree_the_first_one_decides(void **state)
{
    const struct tacit_peer *peer;
    struct tacit_policy *p = must_load(BASE PEER("a*@h", KEY_1) PEER("*b@h", KEY_1));
    assert_int_equal(ask(p, "ab@h", false, key(KEY_1), &peer), 0);
    assert_string_equal(peer->glob, "a*@h");
    tacit_policy_free(p);
    p = must_load(BASE PEER("a*@d*1", KEY_1) PEER("*@db1", KEY_1));
    assert_int_equal(ask(p, "ab@db1", false, key(KEY_1), &peer), 0);
    assert_string_equal(peer->glob, "a*@d*1");
    tacit_policy_free(p);
}

static void a_name_that_is_none_is_not_matched_at_all(void **state)
{
    static const char *const names[] = {"",    "app", "a@B",   "a@b@c",
                                        "*@b", "a@*", "a b@c", "@b"};
    const struct tacit_peer *peer;
    struct tacit_endpoint endpoint;
    struct tacit_policy *p = must_load(BASE PEER("*@*", KEY_1) "[plain]\nnode = *@b\n");
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(ask(p, names[i], false, key(KEY_1), &peer), TACIT_ENAME);
        assert_null(peer);
        assert_int_equal(tacit_policy_endpoint(p, names[i], &endpoint), TACIT_ENAME);
        assert_false(tacit_policy_is_plain(p, names[i]));
    }
    tacit_policy_free(p);
}

static void a_dynamic_name_needs_a_line_for_every_name_of_the_host(void **state)
{
    const struct tacit_peer *peer;
    struct tacit_policy *p =
        must_load(BASE PEER("app@h1", KEY_1) PEER("*@h2", KEY_2) PEER("a*@h3", KEY_3)
                      PEER("**@h3", KEY_3) PEER("*@*.net", KEY_1) PEER("*@db*.net", KEY_3)
                          PEER("*@db1.net", KEY_2) PEER("abcdefgh*@*.net", KEY_2)
                              PEER("b@*.org", KEY_1));
    assert_int_equal(ask(p, "h2", true, key(KEY_2), &peer), 0);
    assert_string_equal(peer->glob, "*@h2");
    assert_int_equal(ask(p, "h2", true, key(KEY_1), &peer), TACIT_EREFUSED);
    assert_int_equal(ask(p, "h1", true, key(KEY_1), &peer), TACIT_EREFUSED);
    assert_null(peer);
    assert_int_equal(ask(p, "h3", true, key(KEY_3), &peer), TACIT_EREFUSED);
    assert_null(peer);
    assert_int_equal(ask(p, "x.org", true, key(KEY_1), &peer), TACIT_EREFUSED);
    assert_null(peer);
    assert_int_equal(ask(p, "x.net", true, key(KEY_1), &peer), 0);
    assert_int_equal(ask(p, "db2.net", true, key(KEY_3), &peer), 0);
    assert_int_equal(ask(p, "db1.net", true, key(KEY_2), &peer), 0);
    assert_int_equal(ask(p, "a@h2", true, key(KEY_2), &peer), TACIT_ENAME);
    assert_int_equal(ask(p, "", true, key(KEY_2), &peer), TACIT_ENAME);
    tacit_policy_free(p);
}

static void a_key_is_known_where_any_line_has_it(void **state)
{
    struct tacit_policy *p =
        must_load(BASE PEER("a@b", KEY_1) PEER("c*@d", KEY_2) PEER("*@e", KEY_2));
    assert_true(tacit_policy_knows_key(p, key(KEY_1)));
    assert_true(tacit_policy_knows_key(p, key(KEY_2)));
    assert_false(tacit_policy_knows_key(p, key(KEY_3)));
    tacit_policy_free(p);
}

static void a_pair_key_belongs_to_a_public_key(void **state)
{
    struct tacit_secret pair;
    struct tacit_policy *p =
        must_load(BASE PEER("a@b", KEY_1) PEER("c@d", KEY_2) "pair-key = p1.key\n" PEER(
            "e@f", KEY_3) "pair-key = p2.key\n" PEER("*@d", KEY_2) "pair-key = p1.key\n");
    tacit_policy_pair_key(p, key(KEY_2), &pair);
    assert_memory_equal(pair.bytes, key(SECRET_C), TACIT_KEY_BYTES);
    tacit_policy_pair_key(p, key(KEY_3), &pair);
    assert_memory_equal(pair.bytes, key(SECRET_D), TACIT_KEY_BYTES);
    tacit_policy_pair_key(p, key(KEY_1), &pair);
    assert_memory_equal(pair.bytes, key(ZEROS), TACIT_KEY_BYTES);
    memset(&pair, 1, sizeof pair);
    tacit_policy_pair_key(p, key(SECRET_A), &pair);
    assert_memory_equal(pair.bytes, key(ZEROS), TACIT_KEY_BYTES);
    tacit_policy_free(p);
}

static void a_node_is_reached_at_its_lines_endpoint_or_its_own_host(void **state)
{
    struct tacit_endpoint e;
    struct tacit_policy *p =
        must_load(BASE PEER("a@b", KEY_1) "endpoint = [2001:db8::1]:77\n" PEER(
            "*@b", KEY_1) "endpoint = gate\n" PEER("*@c", KEY_2));
    assert_int_equal(tacit_policy_endpoint(p, "a@b", &e), 0);
    assert_string_equal(e.host, "2001:db8::1");
    assert_int_equal(e.port, 77);
    assert_int_equal(tacit_policy_endpoint(p, "x@b", &e), 0);
    assert_string_equal(e.host, "gate");
    assert_int_equal(e.port, 4370);
    assert_int_equal(tacit_policy_endpoint(p, "x@c", &e), 0);
    assert_string_equal(e.host, "c");
    assert_int_equal(e.port, 4370);
    assert_int_equal(tacit_policy_endpoint(p, "x@unknown.example.net", &e), 0);
    assert_string_equal(e.host, "unknown.example.net");
    tacit_policy_free(p);
}

static void only_a_plain_line_makes_a_node_plain(void **state)
{
    struct tacit_policy *p =
        must_load(BASE PEER("a@b", KEY_1) "[plain]\nnode = old@b\nnode = *@c\n");
    assert_true(tacit_policy_is_plain(p, "old@b"));
    assert_true(tacit_policy_is_plain(p, "x@c"));
    assert_false(tacit_policy_is_plain(p, "a@b"));
    assert_false(tacit_policy_is_plain(p, "x@cc"));
    tacit_policy_free(p);
}

/* ---- Secrets and size -------------------------------------------------------------- */

static void a_loaded_secret_cannot_be_written_over(void **state)
{
    /* sodium_mprotect_readonly leaves the pages readable and refuses the rest; what it
     * does is libsodium's to test, that it was asked is seen in the process's own map. */
    struct tacit_policy *p = must_load(BASE);
    uintptr_t at = (uintptr_t)tacit_policy_identity(p)->private_key.bytes;
    unsigned long from, to;
    char line[512], rights[5] = "";
    bool found = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    if (maps == NULL)
        skip();
    while (!found && fgets(line, sizeof line, maps) != NULL)
        found =
            sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && at >= from && at < to;
    fclose(maps);
    assert_true(found);
    assert_int_equal(strncmp(rights, "r--", 3), 0);
    tacit_policy_free(p);
}

/* n peers, each a name and key of its own. */
static char *big_configuration(unsigned n, const char *names)
{
    size_t cap = (size_t)n * 160 + 256;
    char *conf = malloc(cap), text[TACIT_KEY_TEXT];
    assert_non_null(conf);
    size_t len = (size_t)snprintf(conf, cap, BASE);
    for (unsigned i = 0; i < n; i++) {
        uint8_t bytes[TACIT_KEY_BYTES] = {2, (uint8_t)i, (uint8_t)(i >> 8)};
        tacit_key_to_text(bytes, text);
        len += (size_t)snprintf(conf + len, cap - len,
                                "[peer %s@db%u.example.net]\npublic-key = %s\n", names, i,
                                text);
    }
    return conf;
}

static void ten_thousand_peers_are_decided_without_a_search_through_all(void **state)
{
    static const char *const names[] = {"app", "*"};
    enum {
        PEERS = 10000,
        DECISIONS = 100000
    };
    for (size_t f = 0; f < COUNT(names); f++) {
        char *conf = big_configuration(PEERS, names[f]), name[64];
        const struct tacit_peer *peer;
        struct tacit_policy *p = must_load(conf);
        clock_t start = clock();
        for (unsigned i = 0; i < DECISIONS; i++) {
            unsigned n = i * 7919 % PEERS;
            uint8_t bytes[TACIT_KEY_BYTES] = {2, (uint8_t)n, (uint8_t)(n >> 8)};
            snprintf(name, sizeof name, "app@db%u.example.net", n);
            assert_int_equal(ask(p, name, false, bytes, &peer), 0);
            bytes[0] = 3;
            assert_false(tacit_policy_knows_key(p, bytes));
        }
        /* About 0.1 s; one look at each line would take a minute. */
        assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 5);
        tacit_policy_free(p);
        free(conf);
    }
}

/* ---- The directory ----------------------------------------------------------------- */

/* Whether the holder of a key may, who comes from an address at a time. */
static enum tacit_reason may_ask(const struct tacit_policy *p, const char *public_key,
                                 const char *from, uint64_t now, unsigned *ret_line)
{
    struct tacit_address address;
    struct tacit_decision d;
    struct tacit_question q = {
        .public_key = key(public_key), .address = &address, .inbound = true, .now = now};
    assert_int_equal(tacit_address_from_text(from, &address), 0);
    int error = tacit_policy_may_ask(p, &q, &d);
    assert_int_equal(error, d.reason == TACIT_ALLOWED ? 0 : TACIT_EREFUSED);
    *ret_line = d.peer == NULL ? 0 : d.peer->rule.line;
    return d.reason;
}

static void only_keys_on_a_line_with_directory_may_ask(void **state)
{
    unsigned line;
    struct tacit_policy *p = must_load(BASE PEER("a@h1", KEY_1) "directory = yes\n" PEER(
        "b@h1", KEY_2) "directory = no\n");
    assert_int_equal(may_ask(p, KEY_1, "192.0.2.1", 0, &line), TACIT_ALLOWED);
    assert_int_equal(line, 5);
    assert_int_equal(may_ask(p, KEY_2, "192.0.2.1", 0, &line), TACIT_NO_LINE);
    assert_int_equal(may_ask(p, KEY_3, "192.0.2.1", 0, &line), TACIT_NO_LINE);
    assert_int_equal(line, 0);
    tacit_policy_free(p);
}

#define MAY_ASK "directory = yes\n"

static void a_line_lets_ask_only_from_where_and_while_it_lets_connect(void **state)
{
    static const struct {
        const char *more, *from;
        uint64_t now;
        enum tacit_reason expected;
    } cases[] = {
        {"from = 192.0.2.0/24\n", "192.0.2.7", 0, TACIT_ALLOWED},
        {"from = 192.0.2.0/24\n", "[::ffff:192.0.2.7]", 0, TACIT_ALLOWED},
        {"from = 192.0.2.0/24\n", "192.0.3.7", 0, TACIT_WRONG_ADDRESS},
        {"expires = 1970-01-01T00:01:40Z\n", "192.0.2.7", 99, TACIT_ALLOWED},
        {"expires = 1970-01-01T00:01:40Z\n", "192.0.2.7", 100, TACIT_EXPIRED},
        {"direction = in\n", "192.0.2.7", 0, TACIT_ALLOWED},
        {"direction = out\n", "192.0.2.7", 0, TACIT_WRONG_DIRECTION},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[512];
        unsigned line;
        snprintf(conf, sizeof conf, BASE PEER("a@h1", KEY_1) MAY_ASK "%s", cases[i].more);
        struct tacit_policy *p = must_load(conf);
        assert_int_equal(may_ask(p, KEY_1, cases[i].from, cases[i].now, &line),
                         cases[i].expected);
        assert_int_equal(line, 5);
        tacit_policy_free(p);
    }
}

static void of_a_keys_lines_any_lets_it_ask_and_a_revoked_key_none(void **state)
{
    static const char lines[] = PEER("a@h1", KEY_1) MAY_ASK
        "direction = out\n" PEER("b@h1", KEY_1) MAY_ASK PEER("c@h1", KEY_1);
    char fingerprint[TACIT_FINGERPRINT_TEXT], conf[1024];
    unsigned line;
    snprintf(conf, sizeof conf, BASE "%s", lines);
    struct tacit_policy *p = must_load(conf);
    assert_int_equal(may_ask(p, KEY_1, "192.0.2.7", 0, &line), TACIT_ALLOWED);
    assert_int_equal(line, 9);
    tacit_policy_free(p);
    tacit_fingerprint(key(KEY_1), fingerprint);
    snprintf(conf, sizeof conf, MESH "revoked = %s\n" HOST "%s", fingerprint, lines);
    p = must_load(conf);
    assert_int_equal(may_ask(p, KEY_1, "192.0.2.7", 0, &line), TACIT_REVOKED);
    tacit_policy_free(p);
}

static void the_door_of_a_host_is_on_the_most_specific_line(void **state)
{
    struct tacit_policy *p =
        must_load(BASE PEER("*@*.example", KEY_1) "door-key = " KEY_1 "\n" PEER(
            "*@db1.example",
            KEY_2) "door-key = " KEY_2
                   "\nendpoint = 192.0.2.1:9\n" PEER("app@db1.example",
                                                     KEY_3) "door-key = " KEY_2
                                                            "\n" PEER("*@db3", KEY_3));
    const struct tacit_peer *line = tacit_policy_door_of(p, "db1.example");
    assert_non_null(line);
    assert_string_equal(line->glob, "*@db1.example");
    assert_string_equal(line->endpoint.host, "192.0.2.1");
    assert_string_equal(tacit_policy_door_of(p, "db2.example")->glob, "*@*.example");
    assert_null(tacit_policy_door_of(p, "db3")); /* its line knows no door */
    assert_null(tacit_policy_door_of(p, "other"));
    assert_null(tacit_policy_door_of(p, "x@db1.example"));
    assert_null(tacit_policy_door_of(p, "DB1.example"));
    assert_null(tacit_policy_door_of(p, "no host.example"));
    tacit_policy_free(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_door_and_its_users_arrive),
        cmocka_unit_test(the_door_reads_its_own_identity_and_no_node_s),
        cmocka_unit_test(suites_that_this_machine_cannot_run_are_left_out_or_refused),
        cmocka_unit_test(the_smallest_configuration_loads_with_the_defaults),
        cmocka_unit_test(the_identity_is_the_key_pair_of_its_file),
        cmocka_unit_test(every_value_arrives),
        cmocka_unit_test(max_message_counts_in_bytes_or_k_m_g),
        cmocka_unit_test(fresh_keys_come_when_the_file_says),
        cmocka_unit_test(a_wildcard_is_listened_on_only_where_its_own_option_says_so),
        cmocka_unit_test(key_files_are_read_as_secrets_and_tacit_conf_is_not),
        cmocka_unit_test(a_relative_path_starts_at_the_configurations_directory),
        cmocka_unit_test(a_fault_names_file_line_value_and_what_was_expected),
        cmocka_unit_test(a_line_too_long_for_the_parser_is_a_fault_and_not_cut),
        cmocka_unit_test(a_long_peer_name_is_kept_whole),
        cmocka_unit_test(a_nul_byte_is_a_fault_and_hides_nothing),
        cmocka_unit_test(a_key_in_the_wrong_place_is_not_repeated_in_the_fault),
        cmocka_unit_test(a_keyring_holds_one_to_four_keys_in_order),
        cmocka_unit_test(a_bad_key_file_is_a_fault_that_shows_nothing_of_it),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named_by_its_reader),
        cmocka_unit_test(lines_that_contradict_one_another_are_both_named),
        cmocka_unit_test(lines_that_can_be_told_apart_load),
        cmocka_unit_test(what_no_line_allows_is_denied),
        cmocka_unit_test(another_key_is_denied_and_the_line_is_told),
        cmocka_unit_test(the_most_specific_line_decides),
        cmocka_unit_test(an_exact_name_beats_a_glob_with_as_many_letters),
        cmocka_unit_test(of_lines_that_agree_the_first_one_decides),
        cmocka_unit_test(a_name_that_is_none_is_not_matched_at_all),
        cmocka_unit_test(a_dynamic_name_needs_a_line_for_every_name_of_the_host),
        cmocka_unit_test(a_key_is_known_where_any_line_has_it),
        cmocka_unit_test(a_pair_key_belongs_to_a_public_key),
        cmocka_unit_test(only_keys_on_a_line_with_directory_may_ask),
        cmocka_unit_test(a_line_lets_ask_only_from_where_and_while_it_lets_connect),
        cmocka_unit_test(of_a_keys_lines_any_lets_it_ask_and_a_revoked_key_none),
        cmocka_unit_test(the_door_of_a_host_is_on_the_most_specific_line),
        cmocka_unit_test(a_node_is_reached_at_its_lines_endpoint_or_its_own_host),
        cmocka_unit_test(only_a_plain_line_makes_a_node_plain),
        cmocka_unit_test(a_loaded_secret_cannot_be_written_over),
        cmocka_unit_test(ten_thousand_peers_are_decided_without_a_search_through_all),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
