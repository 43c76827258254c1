/* The promises of src/policy: what a configuration may say. */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

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
    assert_false(tacit_policy_plain_node(p, "old"));
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

/* As tacit.conf(5) has it. */
static void a_pattern_lets_a_tool_take_names_that_it_makes_up(void **state)
{
    struct tacit_policy *p =
        must_load(BASE "door-users = rabbitmq: rabbit@db1.example.net, "
                       "rabbitmqcli-*@db1.example.net\n"
                       "door-users = rabbitmq: rabbit_prelaunch_*@localhost\n");
    static const char *const names[] = {
        "rabbit@db1.example.net", "rabbitmqcli-99391-rabbit@db1.example.net",
        "rabbitmqcli-7-rabbit@db1.example.net", "rabbit_prelaunch_4567@localhost"};
    for (size_t i = 0; i < COUNT(names); i++)
        assert_true(tacit_policy_door_allows(p, "rabbitmq", 105, names[i]));
    assert_false(tacit_policy_door_allows(p, "rabbitmq", 105, "rabbit@localhost"));
    assert_false(tacit_policy_door_allows(p, "rabbitmq", 105,
                                          "rabbitmqcli-7-rabbit@db2.example.net"));
    assert_false(tacit_policy_door_allows(p, "other", 106, names[1]));
    tacit_policy_free(p);
}

static void plain_nodes_are_those_that_are_named(void **state)
{
    struct tacit_policy *p =
        must_load(BASE "plain-nodes = old, app-*\nplain-nodes = x\n");
    assert_true(tacit_policy_plain_node(p, "old"));
    assert_true(tacit_policy_plain_node(p, "app-7"));
    assert_true(tacit_policy_plain_node(p, "x"));
    assert_false(tacit_policy_plain_node(p, "older"));
    assert_false(tacit_policy_plain_node(p, "app"));
    assert_false(tacit_policy_plain_node(p, "old@-"));
    assert_false(tacit_policy_plain_node(p, ""));
    tacit_policy_free(p);
}

static void the_door_reads_its_own_identity_and_no_node_s(void **state)
{
    struct tacit_files files = {&memory, read_memory};
    uint8_t public_key[TACIT_KEY_BYTES];
    struct tacit_policy *p = NULL;
    prepare(MESH "[host]\nidentity = gone.key\ncertificate = gone.cert\ndoor = /d\n"
                 "door-identity = id.key\n" PEER("x@y", KEY_1) "pair-key = "
                                                               "gone-too.key\n",
            0);
    assert_int_equal(
        tacit_policy_load_door("/c/tacit.conf", &files, machine_suites, &p, &fault), 0);
    assert_int_equal(memory.secret_reads, 2);
    assert_int_equal(tacit_policy_own_signed_at(p), 0);
    assert_string_equal(fault.text, "");
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
        {"/c/mesh.key", "# tacit private key\n" SECRET_A "\n", 0,
         "/c/mesh.key:1: a private key, expected a mesh key"},
        {"/c/mesh.key", SECRET_A "\n# tacit pair key\r\n" SECRET_C "\n", 0,
         "/c/mesh.key:2: a pair key, expected a mesh key"},
        {"/c/id.key", "# tacit mesh key\n" SECRET_B, 0,
         "/c/id.key:1: a mesh key, expected a private key"},
        {"/c/id.key", "# tacit shared key\n" SECRET_B, 0,
         "/c/id.key:1: a shared key, expected a private key"},
        {"/c/id.key", "# tacit authority key\n" SECRET_B, 0,
         "/c/id.key:1: an authority key, expected a private key"},
        {"/c/p1.key", " # tacit mesh key\n" SECRET_C, 0,
         "/c/p1.key:1: a mesh key, expected a pair key"},
        {"/c/id.key", SECRET_A, 0,
         "/c/tacit.conf: identity holds a key of key-file's, expected a private key of "
         "its "
         "own"},
    };
    struct tacit_policy *p;
    for (size_t i = 0; i < COUNT(cases); i++) {
        prepare(BASE PEER("a@b", KEY_1) "pair-key = p1.key\n", 0);
        set_file(cases[i].path, cases[i].text, cases[i].size);
        assert_int_equal(load(&p), TACIT_ECONFIG);
        assert_string_equal(fault.text, cases[i].fault);
    }
}

static void a_key_file_that_says_what_it_is_is_read_and_other_comments_are(void **state)
{
    struct tacit_policy *p;
    prepare(BASE PEER("a@b", KEY_1) "pair-key = p1.key\n", 0);
    set_file("/c/mesh.key",
             "# tacit mesh key\n" SECRET_A "\n# tacit shared key\n" SECRET_C, 0);
    set_file("/c/id.key", "# tacit private key\n# tacit mesh key of db1\n" SECRET_B, 0);
    set_file("/c/p1.key", "# tacit shared key\n" SECRET_D, 0);
    assert_int_equal(load(&p), 0);
    tacit_policy_free(p);
}

/* By what it holds: files that are old do not say what they are. */
static void a_secret_in_the_place_of_a_public_key_is_refused(void **state)
{
    static const struct {
        const char *line, *what;
    } cases[] = {
        {"[peer a@b]\npublic-key = " SECRET_A, "[peer a@b]: public-key is a mesh key"},
        {"[peer a@b]\npublic-key = " SECRET_B,
         "[peer a@b]: public-key is this host's private key"},
        {"[peer a@b]\npublic-key = " KEY_1 "\ndoor-key = " SECRET_B,
         "[peer a@b]: door-key is this host's private key"},
        {"[peer a@b]\npublic-key = " SECRET_D "\npair-key = p1.key",
         "[peer a@b]: public-key is the line's pair key"},
        {"[authority x]\nnames = *@*\npublic-key = " SECRET_A,
         "[authority x]: public-key is a mesh key"},
        {"[authority x]\nnames = *@*\npublic-key = " SECRET_B,
         "[authority x]: public-key is this host's private key"},
    };
    struct tacit_policy *p;
    char conf[512], expected[512];
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool peer = cases[i].line[1] == 'p';
        snprintf(conf, sizeof conf, BASE "%s\n", cases[i].line);
        prepare(conf, 0);
        set_file("/c/p1.key", SECRET_D, 0);
        assert_int_equal(load(&p), TACIT_ECONFIG);
        snprintf(expected, sizeof expected,
                 "/c/tacit.conf:5: %s, a secret, expected what 'tacit %s' prints",
                 cases[i].what, peer ? "pubkey" : "authority show");
        assert_string_equal(fault.text, expected);
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

/* ---- Secrets ----------------------------------------------------------------------- */

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_configuration_loads_with_the_defaults),
        cmocka_unit_test(a_door_and_its_users_arrive),
        cmocka_unit_test(a_pattern_lets_a_tool_take_names_that_it_makes_up),
        cmocka_unit_test(plain_nodes_are_those_that_are_named),
        cmocka_unit_test(the_door_reads_its_own_identity_and_no_node_s),
        cmocka_unit_test(suites_that_this_machine_cannot_run_are_left_out_or_refused),
        cmocka_unit_test(the_identity_is_the_key_pair_of_its_file),
        cmocka_unit_test(every_value_arrives),
        cmocka_unit_test(max_message_counts_in_bytes_or_k_m_g),
        cmocka_unit_test(fresh_keys_come_when_the_file_says),
        cmocka_unit_test(a_wildcard_is_listened_on_only_where_its_own_option_says_so),
        cmocka_unit_test(key_files_are_read_as_secrets_and_tacit_conf_is_not),
        cmocka_unit_test(a_relative_path_starts_at_the_configurations_directory),
        cmocka_unit_test(a_keyring_holds_one_to_four_keys_in_order),
        cmocka_unit_test(a_bad_key_file_is_a_fault_that_shows_nothing_of_it),
        cmocka_unit_test(a_key_file_that_says_what_it_is_is_read_and_other_comments_are),
        cmocka_unit_test(a_secret_in_the_place_of_a_public_key_is_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named_by_its_reader),
        cmocka_unit_test(a_loaded_secret_cannot_be_written_over),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
