/* The promises of signed policies as text, and of how they combine with tacit.conf. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/signed.h"
#include "tacit/suite.h"

#define KEY_TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define IDENTITY_TEXT "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define PUBLIC_A "slLs2unfuxuQLwDmV9hL8+3H6+DUKp+kbO+JVJBuQxo="
#define PUBLIC_B "qE9Kg5fW2m9MloKtcLjDP4KFoUyM70ZjLc5ta7ZaAFo="
#define PRINT_B "4lS65rtagG8YF_PVlqAmimr2NO8GFB4GQC9XCkuV6iA"

enum {
    FILES = 4,
    TEXT_MAX = 65536,
    SUITES = 1 << TACIT_SUITE_CHACHA20_POLY1305,
};

static struct memory_file {
    const char *path;
    char text[TEXT_MAX];
    size_t len;
} disk[FILES];

static int read_memory(void *context, const char *path, enum tacit_file_kind kind,
                       char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    if (strstr(path, ".key") != NULL) {
        const char *key = strcmp(path, "i.key") == 0 ? IDENTITY_TEXT : KEY_TEXT;
        *ret_len = strlen(key);
        memcpy(buf, key, *ret_len);
        return 0;
    }
    for (size_t i = 0; i < FILES; i++) {
        if (disk[i].path == NULL || strcmp(disk[i].path, path) != 0)
            continue;
        assert_true(disk[i].len <= cap);
        memcpy(buf, disk[i].text, disk[i].len);
        *ret_len = disk[i].len;
        return 0;
    }
    snprintf(fault->text, sizeof fault->text, "%.300s: not there", path);
    return TACIT_EABSENT;
}

static struct tacit_secret seed(uint8_t first)
{
    struct tacit_secret s;
    memset(s.bytes, first, sizeof s.bytes);
    return s;
}

static void put(const char *path, const char *text, size_t len)
{
    size_t i = 0;
    while (disk[i].path != NULL && strcmp(disk[i].path, path) != 0)
        i++;
    assert_true(i < FILES && len <= sizeof disk[i].text);
    disk[i].path = path;
    memcpy(disk[i].text, text, len);
    disk[i].len = len;
}

/* tacit.conf, with two authorities: one for *@a.net, and one for these names. */
static void put_conf_for(const char *names_of_two, const char *more)
{
    char text[4096], one[TACIT_KEY_TEXT], two[TACIT_KEY_TEXT];
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_secret s = seed(1);
    tacit_authority_key(&s, key);
    tacit_key_to_text(key, one);
    s = seed(2);
    tacit_authority_key(&s, key);
    tacit_key_to_text(key, two);
    memset(disk, 0, sizeof disk);
    int len = snprintf(text, sizeof text,
                       "[mesh]\nkey-file = m.key\n[host]\nidentity = i.key\n"
                       "[authority one]\npublic-key = %s\nnames = *@a.net\npolicy = p\n"
                       "[authority two]\npublic-key = %s\nnames = %s\npolicy = q\n%s",
                       one, two, names_of_two, more);
    put("conf", text, (size_t)len);
}

static void put_conf(const char *more)
{
    put_conf_for("*@b.net", more);
}

static size_t sign(uint8_t who, uint64_t serial, const char *rules, char *out, size_t cap)
{
    struct tacit_signed_header header = {serial, TACIT_NEVER};
    struct tacit_secret s = seed(who);
    size_t len;
    assert_int_equal(tacit_policy_sign(&header, &s, rules, strlen(rules), out, cap, &len),
                     0);
    return len;
}

static void put_policy(const char *path, uint8_t who, uint64_t serial, const char *rules)
{
    char text[TEXT_MAX];
    put(path, text, sign(who, serial, rules, text, sizeof text));
}

static struct tacit_policy *load(void)
{
    struct tacit_files files = {NULL, read_memory};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    if (tacit_policy_load("conf", &files, SUITES, &policy, &fault) != 0)
        fail_msg("%s", fault.text);
    return policy;
}

static void assert_load_fault(const char *expected)
{
    struct tacit_files files = {NULL, read_memory};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    assert_int_not_equal(tacit_policy_load("conf", &files, SUITES, &policy, &fault), 0);
    assert_string_equal(fault.text, expected);
}

static void assert_notice(const struct tacit_policy *policy, const char *expected)
{
    const char *notice = tacit_policy_notice(policy, 0);
    assert_non_null(notice);
    assert_string_equal(notice, expected);
    assert_null(tacit_policy_notice(policy, 1));
}

/* Which line decides about a name: "FILE:LINE", or why none does. */
static const char *decides(const struct tacit_policy *policy, const char *name)
{
    static char text[300];
    struct tacit_question q = {.name = name, .inbound = true};
    struct tacit_decision d;
    tacit_policy_explain(policy, &q, &d);
    const struct tacit_rule *rule = tacit_decision_rule(&d);
    if (rule == NULL || d.reason != TACIT_ALLOWED)
        return tacit_reason_name(d.reason);
    snprintf(text, sizeof text, "%s:%u", rule->path, rule->line);
    return text;
}

/* ---- As text ----------------------------------------------------------------------- */

static void a_policy_opens_as_it_was_signed(void **state)
{
    static const char rules_text[] = "[group work]\n";
    struct tacit_signed_header header = {42, 1800000000};
    struct tacit_secret s = seed(1);
    struct tacit_signed_rules rules;
    uint8_t key[TACIT_KEY_BYTES], own[TACIT_KEY_BYTES];
    char text[1024];
    size_t len;
    assert_int_equal(tacit_policy_sign(&header, &s, rules_text, sizeof rules_text - 1,
                                       text, sizeof text, &len),
                     0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), 0);
    tacit_authority_key(&s, own);
    assert_memory_equal(key, own, sizeof key);
    assert_int_equal(rules.header.serial, 42);
    assert_int_equal(rules.header.fresh_until, 1800000000);
    assert_int_equal(rules.len, sizeof rules_text - 1);
    assert_memory_equal(rules.text, rules_text, rules.len);
    assert_int_equal(rules.line, 7);
}

/* PROTOCOL.md, "Policies" and "Certificates": Ed25519ph over the title, a zero, the body.
 */
static void the_signature_is_the_one_that_the_protocol_says(void **state)
{
    static const char *const titles[] = {
        [TACIT_SIGNED_CERTIFICATE] = "Tacit certificate 1",
        [TACIT_SIGNED_POLICY] = "Tacit policy 1",
    };
    struct tacit_secret s = seed(1);
    for (size_t kind = 0; kind < COUNT(titles); kind++) {
        crypto_sign_state hash;
        uint8_t key[TACIT_KEY_BYTES], signature[crypto_sign_BYTES];
        char text[1024], *at;
        size_t len;
        assert_int_equal(tacit_sign((enum tacit_signed_kind)kind, &s, "body", 4, text,
                                    sizeof text - 1, &len),
                         0);
        text[len] = '\0';
        at = strstr(text, "\nsignature = ");
        assert_non_null(at);
        assert_int_equal(sodium_base642bin(signature, sizeof signature,
                                           at + strlen("\nsignature = "), 88, NULL, NULL,
                                           NULL, sodium_base64_VARIANT_ORIGINAL),
                         0);
        tacit_authority_key(&s, key);
        crypto_sign_init(&hash);
        crypto_sign_update(&hash, (const uint8_t *)titles[kind],
                           strlen(titles[kind]) + 1);
        crypto_sign_update(&hash, (const uint8_t *)"body", 4);
        assert_int_equal(crypto_sign_final_verify(&hash, signature, key), 0);
    }
}

static void no_bit_of_it_may_flip_and_no_byte_be_missing(void **state)
{
    struct tacit_signed_rules rules;
    uint8_t key[TACIT_KEY_BYTES];
    char text[1024];
    size_t len = sign(1, 7, "[group work]\nfrom = 10.0.0.0/8\n", text, sizeof text);
    for (size_t i = 0; i < 8 * len; i++) {
        text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
        assert_int_not_equal(tacit_policy_open(text, len, key, &rules), 0);
        text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
    }
    for (size_t i = 0; i < len; i++)
        assert_int_not_equal(tacit_policy_open(text, i, key, &rules), 0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), 0);
}

/* Signed by the right key, but not what tacit policy sign writes. */
static void only_a_proper_header_is_read(void **state)
{
    static const char *const bodies[] = {
        "",
        "\n[group work]\n",
        "serial = 7",
        "serial = 7\n",
        "serial = 7\n[group work]\n",
        "serial = 0\n\n",
        "serial = 07\n\n",
        "serial = -7\n\n",
        "serial = 1234567890123456789\n\n",
        "serial = 7\r\n\n",
        "serial = 7\nfresh-until = soon\n\n",
        "fresh-until = 2030-01-01T00:00:00Z\nserial = 7\n\n",
        "serial = 7\nserial = 8\n\n",
    };
    struct tacit_secret s = seed(1);
    struct tacit_signed_rules rules;
    uint8_t key[TACIT_KEY_BYTES];
    char text[1024];
    size_t len;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(tacit_sign(TACIT_SIGNED_POLICY, &s, bodies[i], strlen(bodies[i]),
                                    text, sizeof text, &len),
                         0);
        assert_int_equal(tacit_policy_open(text, len, key, &rules), TACIT_EFORMAT);
    }
    /* A zero in it hides nothing. */
    static const char hidden[] = "serial = 7\0 or 8\n\n";
    assert_int_equal(tacit_sign(TACIT_SIGNED_POLICY, &s, hidden, sizeof hidden - 1, text,
                                sizeof text, &len),
                     0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), TACIT_EFORMAT);
    assert_int_equal(tacit_sign(TACIT_SIGNED_POLICY, &s, "serial = 7\n\n", 12, text,
                                sizeof text, &len),
                     0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), 0);
    assert_int_equal(rules.len, 0);
}

static void a_policy_is_of_4_mib_at_most(void **state)
{
    static char rules_text[TACIT_POLICY_MAX], text[TACIT_POLICY_MAX + 1024];
    struct tacit_signed_header header = {7, TACIT_NEVER};
    struct tacit_secret s = seed(1);
    struct tacit_signed_rules rules;
    uint8_t key[TACIT_KEY_BYTES];
    size_t len, around;
    memset(rules_text, '\n', sizeof rules_text);
    assert_int_equal(
        tacit_policy_sign(&header, &s, rules_text, 0, text, sizeof text, &around), 0);
    assert_int_equal(tacit_policy_sign(&header, &s, rules_text, TACIT_POLICY_MAX - around,
                                       text, sizeof text, &len),
                     0);
    assert_int_equal(len, TACIT_POLICY_MAX);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), 0);
    assert_int_equal(tacit_policy_sign(&header, &s, rules_text,
                                       TACIT_POLICY_MAX - around + 1, text, sizeof text,
                                       &len),
                     0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), TACIT_EFORMAT);
}

static void no_certificate_is_a_policy_nor_the_other_way_round(void **state)
{
    struct tacit_secret s = seed(1);
    struct tacit_signed_rules rules;
    struct tacit_certificate certificate;
    uint8_t key[TACIT_KEY_BYTES];
    char text[1024];
    size_t len;
    assert_int_equal(tacit_sign(TACIT_SIGNED_CERTIFICATE, &s, "serial = 7\n\n", 12, text,
                                sizeof text, &len),
                     0);
    assert_int_equal(tacit_policy_open(text, len, key, &rules), TACIT_EFORMAT);
    assert_string_equal(
        tacit_policy_open_text(text, len, TACIT_EFORMAT),
        "a certificate, expected a policy that 'tacit policy sign' wrote");
    len = sign(1, 7, "", text, sizeof text);
    assert_int_equal(tacit_certificate_read(text, len, &certificate), TACIT_EFORMAT);
}

static void a_serial_is_above_0_and_of_18_digits_at_most(void **state)
{
    struct tacit_secret s = seed(1);
    char text[1024];
    size_t len;
    const uint64_t bad[] = {0, TACIT_SERIAL_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct tacit_signed_header header = {bad[i], TACIT_NEVER};
        assert_int_equal(tacit_policy_sign(&header, &s, "", 0, text, sizeof text, &len),
                         TACIT_EINVAL);
    }
    struct tacit_signed_header header = {TACIT_SERIAL_MAX, TACIT_NEVER};
    assert_int_equal(tacit_policy_sign(&header, &s, "", 0, text, sizeof text, &len), 0);
    assert_int_equal(tacit_policy_sign(&header, &s, "", 0, text, len - 1, &len),
                     TACIT_ESPACE);
}

/* ---- Which one counts -------------------------------------------------------------- */

static void the_newest_of_the_two_files_counts(void **state)
{
    put_conf("");
    struct tacit_policy *before = load();
    assert_int_equal(tacit_policy_signed(before, 0)->serial, 0);
    assert_null(tacit_policy_signed(before, 0)->source);
    put_policy("p", 1, 5, "[peer *@a.net]\npublic-key = " PUBLIC_A "\n");
    struct tacit_policy *five = load();
    assert_int_equal(tacit_policy_signed(five, 0)->serial, 5);
    assert_string_equal(tacit_policy_signed(five, 0)->source, "p");
    assert_string_equal(decides(five, "x@a.net"), "p:7");
    put_policy("p.kept", 1, 6, "[peer y@a.net]\npublic-key = " PUBLIC_A "\n");
    struct tacit_policy *six = load();
    assert_string_equal(decides(six, "y@a.net"), "p.kept:7");
    assert_string_equal(decides(six, "x@a.net"), "no_line");
    assert_notice(six, "p:5: serial 5, expected one above 6, which came before (p.kept)");
    struct tacit_fault fault;
    assert_int_equal(tacit_policy_follows(six, five, &fault), 0);
    assert_int_equal(tacit_policy_follows(five, before, &fault), 0);
    assert_int_equal(tacit_policy_follows(five, six, &fault), TACIT_ECONFIG);
    assert_string_equal(
        fault.text,
        "p: serial 5 of [authority one], expected 6 or above, which is in force");
    tacit_policy_free(before);
    tacit_policy_free(five);
    tacit_policy_free(six);
}

static void one_serial_is_one_policy(void **state)
{
    struct tacit_fault fault;
    put_conf("");
    put_policy("p", 1, 5, "[group work]\n");
    struct tacit_policy *work = load();
    put_policy("p.kept", 1, 5, "[group play]\n");
    struct tacit_policy *play = load();
    assert_notice(play, "p:5: serial 5 again, with other rules than before (p.kept), "
                        "expected a higher one");
    assert_string_equal(tacit_policy_signed(play, 0)->source, "p.kept");
    assert_int_equal(tacit_policy_follows(work, play, &fault), TACIT_ECONFIG);
    put_policy("p", 1, 5, "[group play]\n");
    struct tacit_policy *again = load();
    assert_null(tacit_policy_notice(again, 0));
    assert_int_equal(tacit_policy_follows(again, play, &fault), 0);
    tacit_policy_free(work);
    tacit_policy_free(play);
    tacit_policy_free(again);
}

static void a_bad_file_costs_nothing_where_the_other_is_good(void **state)
{
    put_conf("");
    put_policy("p", 1, 5, "[group work]\n");
    disk[1].text[disk[1].len - 3] ^= 1;
    assert_load_fault("p: the signature does not hold: it was altered, or a part is "
                      "missing");
    put_policy("p.kept", 1, 4, "[group work]\n");
    struct tacit_policy *policy = load();
    assert_int_equal(tacit_policy_signed(policy, 0)->serial, 4);
    assert_notice(policy, "p: the signature does not hold: it was altered, or a part is "
                          "missing");
    tacit_policy_free(policy);
    /* Of another authority of ours, even. */
    put_policy("p", 2, 9, "[group work]\n");
    policy = load();
    assert_notice(policy, "p:2: signed by another authority than [authority one]");
    tacit_policy_free(policy);
}

static void new_rules_with_a_fault_leave_the_old_ones_in_force(void **state)
{
    static const struct {
        const char *rules, *fault;
    } bad[] = {
        {"[peer x@b.net]\npublic-key = " PUBLIC_A "\n",
         "p:7: [peer x@b.net] is for nodes that [authority one] may not sign for, "
         "expected one within its names"},
        {"[peer *@*.net]\npublic-key = " PUBLIC_A "\n",
         "p:7: [peer *@*.net] is for nodes that [authority one] may not sign for, "
         "expected one within its names"},
        {"[host]\n",
         "p:7: got '[host]', expected [mesh], [peer NAME], [group NAME] or [test]"},
        {"[mesh]\nclock-grace = 0\n",
         "p:8: unknown key 'clock-grace' in [mesh], expected revoked"},
        {"[peer x@a.net]\npublic-key = " PUBLIC_A "\npair-key = x\n",
         "p:9: unknown key 'pair-key' in [peer NAME], expected public-key, endpoint, "
         "from, direction, visibility, expires, door-key or directory"},
        {"[test]\nallow = x@a.net\n[group w]\nfrom = x\n",
         "p:10: from: got 'x', expected a network such as 198.51.100.0/24 or "
         "2001:db8::/32, or an address"},
        {"[test]\nallow = x@a.net\n", "p:8: allow x@a.net: no [peer] line allows it"},
        {"[test]\nallow = x@b.net\n",
         "p:8: allow x@b.net is for nodes that [authority one] may not sign for, "
         "expected one within its names"},
        {"[test]\ndeny = *@*.net out\n",
         "p:8: deny *@*.net out is for nodes that [authority one] may not sign for, "
         "expected one within its names"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        put_conf("");
        put_policy("p.kept", 1, 1, "[peer k@a.net]\npublic-key = " PUBLIC_A "\n");
        put_policy("p", 1, 2, bad[i].rules);
        struct tacit_policy *policy = load();
        assert_notice(policy, bad[i].fault);
        assert_string_equal(decides(policy, "k@a.net"), "p.kept:7");
        tacit_policy_free(policy);
    }
}

/* ---- How they combine -------------------------------------------------------------- */

static void the_most_specific_line_decides_and_of_equals_that_of_tacit_conf(void **state)
{
    put_conf("[peer *@a.net]\npublic-key = " PUBLIC_B "\n");
    put_policy("p", 1, 1,
               "[peer *@a.net]\npublic-key = " PUBLIC_A "\n"
               "[peer x@a.net]\npublic-key = " PUBLIC_A "\n");
    struct tacit_policy *policy = load();
    assert_string_equal(decides(policy, "y@a.net"), "conf:13");
    assert_string_equal(decides(policy, "x@a.net"), "p:9");
    tacit_policy_free(policy);
    /* As specific, though the one is for a whole host and the other for several. */
    put_conf("[peer xy@*.net]\npublic-key = " PUBLIC_B "\n");
    put_policy("p", 1, 1, "[peer x*@a.net]\npublic-key = " PUBLIC_A "\n");
    policy = load();
    assert_string_equal(decides(policy, "xy@a.net"), "conf:13");
    tacit_policy_free(policy);
}

/* What two authorities say of one node is nobody's to choose from: neither is taken. */
static void two_authorities_that_contradict_one_another_are_both_named(void **state)
{
    put_conf("");
    put_policy("p", 1, 1, "[peer x*@a.net]\npublic-key = " PUBLIC_A "\n");
    put_policy("q", 2, 1, "[peer x*@b.net]\npublic-key = " PUBLIC_B "\n");
    tacit_policy_free(load());
    put_conf_for("*@a.net", "");
    put_policy("p", 1, 1, "[peer x*@a.net]\npublic-key = " PUBLIC_A "\n");
    put_policy("q", 2, 1, "[peer x*@a.net]\npublic-key = " PUBLIC_B "\n");
    struct tacit_policy *policy = load();
    assert_notice(policy, "q:7: [peer x*@a.net] is also at line 7 of p, expected once");
    assert_string_equal(decides(policy, "x@a.net"), "no_line");
    tacit_policy_free(policy);
}

/* ---- What no authority can do to a host ---------------------------------------------
 */

/* A line of tacit.conf more, behind key-file. */
static void put_mesh_line(const char *line)
{
    char *at = strstr(disk[0].text, "[host]");
    size_t len = strlen(line);
    memmove(at + len, at, disk[0].len - (size_t)(at - disk[0].text));
    memcpy(at, line, len);
    disk[0].len += len;
}

static enum tacit_reason decide_key(const struct tacit_policy *policy, const char *name,
                                    const char *key_text)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_decision d;
    assert_int_equal(tacit_key_from_text(key_text, key), 0);
    struct tacit_question q = {.name = name, .public_key = key, .inbound = true};
    tacit_policy_decide(policy, &q, &d);
    return d.reason;
}

static void no_signed_test_keeps_what_tacit_conf_revokes_allowed(void **state)
{
    static const char rules[] =
        "[peer x@a.net]\npublic-key = " PUBLIC_B "\n[test]\nallow = x@a.net\n";
    struct tacit_fault fault;
    for (int kept = 0; kept < 2; kept++) {
        put_conf("");
        put_mesh_line("revoked = " PRINT_B "\n");
        put_policy(kept ? "p.kept" : "p", 1, 1, rules);
        struct tacit_policy *policy = load();
        assert_int_equal(tacit_policy_test(policy, &fault), 0);
        assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B), TACIT_REVOKED);
        assert_null(tacit_policy_notice(policy, 0));
        assert_string_equal(decides(policy, "x@a.net"), "revoked");
        tacit_policy_free(policy);
    }
}

/* It held when it came in force: then the host's own lines changed. */
static void a_signed_test_gives_way_to_tacit_conf_once_it_is_in_force(void **state)
{
    static const char rules[] =
        "[peer *@a.net]\npublic-key = " PUBLIC_A "\n[test]\nallow = x@a.net\n";
    static const char own[] =
        "[peer *@a.net]\npublic-key = " PUBLIC_A "\ndirection = out\n";
    struct tacit_fault fault;
    put_conf(own);
    put_policy("p", 1, 1, rules);
    struct tacit_policy *policy = load();
    assert_notice(policy, "p:10: allow x@a.net: the line that decides is for the other "
                          "direction (conf:13)");
    assert_int_equal(tacit_policy_signed(policy, 0)->serial, 0);
    tacit_policy_free(policy);
    put_conf(own);
    put_policy("p.kept", 1, 1, rules);
    policy = load();
    assert_notice(policy, "p.kept:10: allow x@a.net: the line that decides is for the "
                          "other direction (conf:13)");
    assert_int_equal(tacit_policy_signed(policy, 0)->serial, 1);
    assert_int_equal(tacit_policy_test(policy, &fault), 0);
    tacit_policy_free(policy);
}

/* The operator allows the authority less than before: nothing of it is in the way. */
static void names_that_are_narrowed_take_their_lines_out_of_force(void **state)
{
    put_conf_for("*@b.net", "");
    put_policy("q.kept", 2, 1,
               "[peer *@c.net]\npublic-key = " PUBLIC_A "\ndirection = in\n"
               "[peer x@b.net]\npublic-key = " PUBLIC_A "\n"
               "[test]\nallow = x@c.net\nallow = x@b.net\n");
    struct tacit_policy *policy = load();
    assert_string_equal(tacit_policy_notice(policy, 0),
                        "q.kept:7: [peer *@c.net] is for nodes that [authority two] may "
                        "not sign for, expected one within its names");
    assert_string_equal(tacit_policy_notice(policy, 1),
                        "q.kept:13: allow x@c.net is for nodes that [authority two] may "
                        "not sign for, expected one within its names");
    assert_null(tacit_policy_notice(policy, 2));
    assert_string_equal(decides(policy, "x@c.net"), "no_line");
    assert_string_equal(decides(policy, "x@b.net"), "q.kept:10");
    tacit_policy_free(policy);
    /* Likewise where two that were apart now meet. */
    put_conf_for("*@*.net", "");
    put_policy("p.kept", 1, 1,
               "[peer x*@a.net]\npublic-key = " PUBLIC_A "\ndoor-key = " PUBLIC_A "\n");
    put_policy("q.kept", 2, 1,
               "[peer x*@a.net]\npublic-key = " PUBLIC_B "\ndoor-key = " PUBLIC_B "\n");
    policy = load();
    assert_string_equal(decides(policy, "x@a.net"), "p.kept:7");
    assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B), TACIT_OTHER_KEY);
    tacit_policy_free(policy);
}

/* Whatever else is wrong with it, or stands against it. */
static void what_a_policy_revokes_is_revoked_though_it_is_not_taken(void **state)
{
    static const char *const wrong[] = {
        "[peer x@b.net]\npublic-key = " PUBLIC_A "\n",
        "[test]\nallow = y@a.net out\n",
        "[peer x@a.net\nrevoked\n[host]\ndoor = x\n\001\n",
        "[peer x@a.net]\npublic-key = " PUBLIC_A
        "\n[peer x@a.net]\npublic-key = " PUBLIC_B "\n",
    };
    static const char mesh[] = "[mesh]\nrevoked = " PRINT_B "\n";
    for (size_t i = 0; i < 2 * COUNT(wrong); i++) {
        char rules[1024];
        bool before = i % 2 != 0;
        snprintf(rules, sizeof rules, "%s%s", before ? wrong[i / 2] : mesh,
                 before ? mesh : wrong[i / 2]);
        put_conf("[peer *@a.net]\npublic-key = " PUBLIC_B "\ndirection = in\n");
        put_policy("p.kept", 1, 1, "[group work]\n");
        put_policy("p", 1, 2, rules);
        struct tacit_policy *policy = load();
        assert_int_equal(tacit_policy_signed(policy, 0)->serial, 1);
        assert_non_null(tacit_policy_notice(policy, 0));
        assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B), TACIT_REVOKED);
        assert_true(tacit_policy_heeds(policy));
        tacit_policy_free(policy);
        /* One that has been replaced says nothing any more. */
        put_policy("p.kept", 1, 3, "[group work]\n");
        policy = load();
        assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B), TACIT_ALLOWED);
        assert_false(tacit_policy_heeds(policy));
        tacit_policy_free(policy);
    }
}

/* A peer sent it, and it was no good here: FILE.refused. */
static void what_was_refused_of_a_peer_revokes_until_one_as_new_is_in_force(void **state)
{
    static const char rules[] = "[mesh]\nrevoked = " PRINT_B "\n[peer x@b.net]\n";
    for (uint64_t serial = 0; serial < 4; serial++) {
        put_conf("[peer *@a.net]\npublic-key = " PUBLIC_B "\n");
        if (serial > 0)
            put_policy("p.kept", 1, serial, "[group work]\n");
        put_policy("p.refused", 1, 2, rules);
        struct tacit_policy *policy = load();
        assert_int_equal(tacit_policy_signed(policy, 0)->serial, serial);
        assert_null(tacit_policy_notice(policy, 0));
        assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B),
                         serial < 2 ? TACIT_REVOKED : TACIT_ALLOWED);
        tacit_policy_free(policy);
    }
    put_conf("");
    put_policy("p.refused", 2, 2, rules);
    struct tacit_policy *policy = load();
    assert_notice(policy,
                  "p.refused:2: signed by another authority than [authority one]");
    assert_int_equal(decide_key(policy, "x@a.net", PUBLIC_B), TACIT_NO_LINE);
    tacit_policy_free(policy);
}

/* Loading must not take the node's time: each of these is held against all others. */
static void a_policy_has_so_many_groups_patterns_and_tests_at_most(void **state)
{
    static const struct {
        const char *first, *before, *behind, *fault;
    } cases[] = {
        {"", "[group g", "]\n",
         "p:1007: more than 1000 [group] sections, expected fewer in a signed policy"},
        {"[test]\n", "deny=", "@a.net\n",
         "p:1008: more than 1000 tests, expected fewer in a signed policy"},
        {"", "[peer ", "*@a.net]\n",
         "p:1007: more than 1000 [peer] sections with patterns, expected fewer in a "
         "signed policy"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        static char rules[32768];
        for (unsigned n = 1000; n <= 1001; n++) {
            size_t len = (size_t)snprintf(rules, sizeof rules, "%s", cases[i].first);
            for (unsigned j = 0; j < n; j++)
                len += (size_t)snprintf(rules + len, sizeof rules - len, "%s%u%s",
                                        cases[i].before, 1000 + j, cases[i].behind);
            put_conf("");
            put_policy("p", 1, 1, rules);
            struct tacit_policy *policy = load();
            if (n == 1000)
                assert_null(tacit_policy_notice(policy, 0));
            else
                assert_notice(policy, cases[i].fault);
            tacit_policy_free(policy);
        }
    }
}

static void how_long_a_policy_is_fresh_is_told(void **state)
{
    struct tacit_signed_header header = {5, 1900000000};
    struct tacit_secret s = seed(1);
    char text[1024];
    size_t len;
    put_conf("");
    assert_int_equal(tacit_policy_sign(&header, &s, "", 0, text, sizeof text, &len), 0);
    put("p", text, len);
    struct tacit_policy *policy = load();
    assert_int_equal(tacit_policy_signed(policy, 0)->fresh_until, 1900000000);
    tacit_policy_free(policy);
}

static void what_either_revokes_is_revoked(void **state)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_decision d;
    put_conf("[peer *@a.net]\npublic-key = " PUBLIC_B "\n");
    put_policy("p", 1, 1, "[mesh]\nrevoked = " PRINT_B "\n");
    struct tacit_policy *policy = load();
    assert_int_equal(tacit_key_from_text(PUBLIC_B, key), 0);
    struct tacit_question q = {.name = "x@a.net", .public_key = key, .inbound = true};
    assert_int_equal(tacit_policy_decide(policy, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_REVOKED);
    tacit_policy_free(policy);
}

/* A certificate by either authority, for a name that its own may sign for. */
static enum tacit_reason decide_group(const struct tacit_policy *policy, uint8_t who,
                                      const char *name)
{
    struct tacit_certificate c = {.not_before = 1, .not_after = 2000000000};
    struct tacit_secret s = seed(who);
    struct tacit_decision d;
    tacit_authority_key(&s, c.authority);
    assert_int_equal(tacit_key_from_text(PUBLIC_A, c.public_key), 0);
    assert_int_equal(tacit_certificate_add_name(&c, name), 0);
    assert_int_equal(tacit_certificate_add_group(&c, "work"), 0);
    struct tacit_question q = {.name = name,
                               .public_key = c.public_key,
                               .inbound = true,
                               .now = 1000000000,
                               .certificate = &c};
    tacit_policy_decide(policy, &q, &d);
    return d.reason;
}

static void a_signed_group_goes_no_further_than_its_authority_s_names(void **state)
{
    put_conf("");
    put_policy("p", 1, 1, "[group work]\n");
    struct tacit_policy *policy = load();
    assert_int_equal(decide_group(policy, 1, "x@a.net"), TACIT_ALLOWED);
    assert_int_equal(decide_group(policy, 2, "x@b.net"), TACIT_NO_GROUP);
    assert_string_equal(decides(policy, "x@a.net"), "p:7");
    assert_string_equal(decides(policy, "x@b.net"), "no_line");
    tacit_policy_free(policy);
}

static void a_group_of_tacit_conf_stands_in_place_of_a_signed_one(void **state)
{
    put_conf("[group work]\nexpires = 2000-01-01\n");
    put_policy("p", 1, 1, "[group work]\n");
    put_policy("q", 2, 1, "[group work]\n");
    struct tacit_policy *policy = load();
    assert_int_equal(decide_group(policy, 1, "x@a.net"), TACIT_EXPIRED);
    assert_int_equal(decide_group(policy, 2, "x@b.net"), TACIT_EXPIRED);
    tacit_policy_free(policy);
}

static void two_authorities_each_have_their_newest(void **state)
{
    put_conf("");
    put_policy("p", 1, 9, "[peer x@a.net]\npublic-key = " PUBLIC_A "\n");
    put_policy("q", 2, 3, "[peer x@b.net]\npublic-key = " PUBLIC_B "\n");
    struct tacit_policy *policy = load();
    assert_int_equal(tacit_policy_signed(policy, 0)->serial, 9);
    assert_int_equal(tacit_policy_signed(policy, 1)->serial, 3);
    assert_null(tacit_policy_signed(policy, 2));
    assert_string_equal(decides(policy, "x@a.net"), "p:7");
    assert_string_equal(decides(policy, "x@b.net"), "q:7");
    tacit_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_opens_as_it_was_signed),
        cmocka_unit_test(the_signature_is_the_one_that_the_protocol_says),
        cmocka_unit_test(a_policy_is_of_4_mib_at_most),
        cmocka_unit_test(no_signed_test_keeps_what_tacit_conf_revokes_allowed),
        cmocka_unit_test(a_signed_test_gives_way_to_tacit_conf_once_it_is_in_force),
        cmocka_unit_test(names_that_are_narrowed_take_their_lines_out_of_force),
        cmocka_unit_test(what_a_policy_revokes_is_revoked_though_it_is_not_taken),
        cmocka_unit_test(what_was_refused_of_a_peer_revokes_until_one_as_new_is_in_force),
        cmocka_unit_test(a_policy_has_so_many_groups_patterns_and_tests_at_most),
        cmocka_unit_test(how_long_a_policy_is_fresh_is_told),
        cmocka_unit_test(two_authorities_that_contradict_one_another_are_both_named),
        cmocka_unit_test(no_bit_of_it_may_flip_and_no_byte_be_missing),
        cmocka_unit_test(only_a_proper_header_is_read),
        cmocka_unit_test(no_certificate_is_a_policy_nor_the_other_way_round),
        cmocka_unit_test(a_serial_is_above_0_and_of_18_digits_at_most),
        cmocka_unit_test(the_newest_of_the_two_files_counts),
        cmocka_unit_test(one_serial_is_one_policy),
        cmocka_unit_test(a_bad_file_costs_nothing_where_the_other_is_good),
        cmocka_unit_test(new_rules_with_a_fault_leave_the_old_ones_in_force),
        cmocka_unit_test(the_most_specific_line_decides_and_of_equals_that_of_tacit_conf),
        cmocka_unit_test(what_either_revokes_is_revoked),
        cmocka_unit_test(a_signed_group_goes_no_further_than_its_authority_s_names),
        cmocka_unit_test(a_group_of_tacit_conf_stands_in_place_of_a_signed_one),
        cmocka_unit_test(two_authorities_each_have_their_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
