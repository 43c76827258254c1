/* The promises of src/policy: what a configuration may not say. */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

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
    {BASE "key-file = x\n",
     WHERE "5: unknown key 'key-file' in [host], expected identity, certificate, "
           "listen, listen-wildcard, source, max-message, door, door-identity, "
           "door-users, legacy-epmd or plain-nodes"},
    {BASE "[peer a@b]\nform = x\n",
     WHERE "6: unknown key 'form' in [peer NAME], expected public-key, pair-key, "
           "endpoint, from, direction, visibility, expires, door-key or directory"},
    {BASE "[plain]\nnodes = a@b\n", WHERE "6: unknown key 'nodes' in [plain], expected "
                                          "node"},
    {BASE "= x\n",
     WHERE "5: unknown key '' in [host], expected identity, certificate, listen, "
           "listen-wildcard, source, max-message, door, "
           "door-identity, door-users, legacy-epmd or plain-nodes"},
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
    {BASE "plain-nodes = old@db1\n", WHERE
     "5: plain-nodes: got 'old@db1', expected names without a host, such as old, or "
     "old*"},
    {BASE "plain-nodes = a,,b\n",
     WHERE "5: plain-nodes: got '', expected names without a host, such as old, or old*"},
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
    {BASE "[peer *@d b1]\n", WHERE "5: [peer]: got '*@d b1', " NODE_NAME},
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_names_file_line_value_and_what_was_expected),
        cmocka_unit_test(a_line_too_long_for_the_parser_is_a_fault_and_not_cut),
        cmocka_unit_test(a_long_peer_name_is_kept_whole),
        cmocka_unit_test(a_nul_byte_is_a_fault_and_hides_nothing),
        cmocka_unit_test(a_key_in_the_wrong_place_is_not_repeated_in_the_fault),
        cmocka_unit_test(lines_that_contradict_one_another_are_both_named),
        cmocka_unit_test(lines_that_can_be_told_apart_load),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
