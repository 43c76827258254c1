/* The promises of src/policy: what conditions may say, and what a file promises of
 * itself. */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define WHERE "/c/tacit.conf:"

/* ---- What a rule may not say ------------------------------------------------------- */

#define A_NETWORK \
    "expected a network such as 198.51.100.0/24 or 2001:db8::/32, or an address"
#define A_TIME "expected a time such as 2026-12-31 or 2026-12-31T23:59:59Z"

static void a_wrong_condition_is_a_fault_that_names_file_line_and_value(void **state)
{
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"from = 198.51.100.1/24", "from: got '198.51.100.1/24', " A_NETWORK},
        {"from = 198.51.100.0/33", "from: got '198.51.100.0/33', " A_NETWORK},
        {"from = 198.51.100.0/", "from: got '198.51.100.0/', " A_NETWORK},
        {"from = 198.51.100.0/024", "from: got '198.51.100.0/024', " A_NETWORK},
        {"from = 2001:db8::/129", "from: got '2001:db8::/129', " A_NETWORK},
        {"from = ::ffff:1.2.3.0/24", "from: got '::ffff:1.2.3.0/24', " A_NETWORK},
        {"from = fe80::1%2", "from: got 'fe80::1%2', " A_NETWORK},
        {"from = db1", "from: got 'db1', " A_NETWORK},
        {"from = 1.2.3.4,", "from: got '', " A_NETWORK},
        {"direction = inout", "direction: got 'inout', expected in, out or both"},
        {"visibility = yes", "visibility: got 'yes', expected hidden or visible"},
        {"expires = 2026-02-29", "expires: got '2026-02-29', " A_TIME},
        {"expires = 2026-13-01", "expires: got '2026-13-01', " A_TIME},
        {"expires = 2026-1-1", "expires: got '2026-1-1', " A_TIME},
        {"expires = 2026-01-01T24:00:00Z",
         "expires: got '2026-01-01T24:00:00Z', " A_TIME},
        {"expires = 2026-01-01T00:00:00", "expires: got '2026-01-01T00:00:00', " A_TIME},
        {"expires = 1969-12-31", "expires: got '1969-12-31', " A_TIME},
        {"expires = never", "expires: got 'never', " A_TIME},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[1024], expected[512];
        snprintf(conf, sizeof conf, BASE PEER("a@h", KEY_1) "%s\n", cases[i].text);
        snprintf(expected, sizeof expected, WHERE "7: %s", cases[i].fault);
        assert_fault(conf, 0, expected);
    }
}

static void wrong_groups_authorities_and_revocations_are_faults(void **state)
{
    static const struct {
        const char *conf, *fault;
    } cases[] = {
        {BASE "[group a]\n[group a]\n",
         WHERE "6: [group a] is also at line 5, expected once"},
        {BASE "[group a b]\n", WHERE "5: [group]: got 'a b', expected a group's name "
                                     "(letters, digits, '-', '_', "
                                     "'.'), or * for the holder of any certificate"},
        {BASE "[group a]\npublic-key = " KEY_1 "\n",
         WHERE "6: unknown key 'public-key' in [group NAME], expected from, direction, "
               "visibility or expires"},
        {BASE "[authority a]\nnames = *@h\n",
         WHERE "5: [authority a] has no public-key, expected 'public-key = KEY'"},
        {BASE "[authority a]\npublic-key = " CA_1 "\n",
         WHERE "5: [authority a] has no names, expected 'names = NAME'"},
        {BASE CAS "[authority one]\n",
         WHERE "12: [authority one] is also at line 5, expected once"},
        {BASE CAS "[authority three]\npublic-key = " CA_1 "\n",
         WHERE "13: public-key: [authority one] at line 5 has the same, expected one "
               "section an authority"},
        {BASE "[authority a]\npublic-key = " CA_1 "\nnames = app\n",
         WHERE "7: names: got 'app', expected a node name such as app@db1.example.net or "
               "*@*.example.net"},
        {BASE "[peer a@h]\ndirection = in\n",
         WHERE "5: [peer a@h] has no public-key, expected 'public-key = KEY'"},
        {BASE CAS "[peer a@h]\npair-key = x.key\n",
         WHERE "12: [peer a@h] has a pair-key but no public-key, expected both: a pair "
               "key "
               "belongs to a public key"},
        {"[mesh]\nkey-file = mesh.key\nrevoked = abc\n[host]\nidentity = id.key\n", WHERE
         "3: revoked: got 'abc', expected a fingerprint that 'tacit check' or a log "
         "shows"},
        {"[mesh]\nkey-file = mesh.key\nclock-grace = 1h\n[host]\nidentity = id.key\n",
         WHERE "3: clock-grace: got '1h', expected 0 to 86400 seconds"},
        {BASE PEER("a*@h", KEY_1) PEER("*b@h", KEY_1) "direction = in\n",
         WHERE "7: [peer *b@h] and [peer a*@h] at line 5 can name one node and are "
               "equally "
               "specific, expected the same keys and conditions in both"},
        {BASE PEER("a*@h", KEY_1) "from = ::1\n" PEER("*b@h", KEY_1) "from = ::2\n",
         WHERE "8: [peer *b@h] and [peer a*@h] at line 5 can name one node and are "
               "equally "
               "specific, expected the same keys and conditions in both"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_fault(cases[i].conf, 0, cases[i].fault);
}

static void a_network_is_shown_as_it_is_meant(void **state)
{
    char text[TACIT_NETWORK_TEXT];
    struct tacit_policy *p = must_load(BASE PEER(
        "a@h",
        KEY_1) "from = 198.51.100.0/24, ::ffff:1.2.3.4, 2001:db8::/32, ::1, ::/0\n");
    static const char *const shown[] = {"198.51.100.0/24", "1.2.3.4", "2001:db8::/32",
                                        "::1", "::/0"};
    const struct tacit_rule *rule = &tacit_policy_peer(p, 0)->rule;
    for (size_t i = 0; i < COUNT(shown); i++) {
        assert_true(tacit_policy_from(p, rule, i, text));
        assert_string_equal(text, shown[i]);
    }
    assert_false(tacit_policy_from(p, rule, COUNT(shown), text));
    tacit_policy_free(p);
}

static void a_time_reads_and_prints_the_same(void **state)
{
    static const struct {
        const char *text, *shown;
        uint64_t time;
    } cases[] = {{"1970-01-01", "1970-01-01T00:00:00Z", 0},
                 {"2026-06-01", "2026-06-01T00:00:00Z", UINT64_C(1780272000)},
                 {"2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z", 1835481599},
                 {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", 253402300799}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t time;
        char text[TACIT_TIME_TEXT];
        assert_int_equal(tacit_time_from_text(cases[i].text, &time), 0);
        assert_true(time == cases[i].time);
        tacit_time_to_text(time, text);
        assert_string_equal(text, cases[i].shown);
    }
}

/* ---- [test] --------------------------------------------------------------------------
 */

static void a_configurations_own_tests_pass_or_are_named(void **state)
{
    static const struct {
        const char *rules, *tests, *fault; /* the fault behind WHERE; NULL: they pass */
    } cases[] = {
        {PEER("a@h", KEY_1), "allow = a@h\nallow = a@h out\ndeny = b@h\ndeny = *@x",
         NULL},
        {PEER("a@h", KEY_1), "deny = a@h", "8: deny a@h: it is allowed (" WHERE "5)"},
        {PEER("a@h", KEY_1), "allow = b@h", "8: allow b@h: no [peer] line allows it"},
        {PEER("a@h", KEY_1), "deny = *@h", "8: deny *@h: it is allowed (" WHERE "5)"},
        {PEER("a@h", KEY_1) "from = 192.0.2.0/24\n",
         "allow = a@h from 192.0.2.9\nallow = a@h\ndeny = a@h from 192.0.3.1\n"
         "deny = *@* from ::1",
         NULL},
        {PEER("a@h", KEY_1) "from = 192.0.2.0/24\n", "allow = a@h from 192.0.3.1",
         "9: allow a@h: the line that decides does not allow the address (" WHERE "5)"},
        {PEER("a@h", KEY_1) "direction = in\n", "allow = a@h\ndeny = a@h out", NULL},
        /* The day does not count, or a file that is right would once be wrong. */
        {PEER("a@h", KEY_1) "expires = 2001-06-01\n", "allow = a@h", NULL},
        {PEER("a@h", KEY_1) "expires = 2001-06-01\n", "deny = a@h",
         "9: deny a@h: it is allowed (" WHERE "5)"},
        /* A wider line counts for the names that a more specific one leaves it. */
        {PEER("*@*", KEY_1) PEER("*@h", KEY_1) "direction = out\n", "deny = *@h", NULL},
        {PEER("*@*", KEY_1) PEER("a@h", KEY_1) "direction = out\n", "deny = *@h",
         "11: deny *@h: it is allowed (" WHERE "5)"},
        /* An exact name has its line, whatever stands before it. */
        {PEER("a*b@h", KEY_1) PEER("ab@h", KEY_2) "direction = out\n", "deny = ab@h",
         NULL},
        /* Certificates: what an authority may sign for, in a group or by a [peer]. */
        {WORK, "allow = a@x.net\nallow = app@x.org\ndeny = *@x.com\ndeny = a@x.org",
         "16: deny *@x.com: it is allowed (" WHERE "12)"},
        {WORK, "allow = a@x.de", "14: allow a@x.de: no [peer] line allows it"},
        {WORK "direction = out\n", "allow = a@x.net",
         "15: allow a@x.net: the line that decides is for the other direction (" WHERE
         "12)"},
        {CAS "[peer *@*]\nendpoint = gate\n", "allow = a@x.net\ndeny = *@x.de", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[2048], expected[512] = "";
        fault.text[0] = '\0';
        snprintf(conf, sizeof conf, BASE "%s[test]\n%s\n", cases[i].rules,
                 cases[i].tests);
        struct tacit_policy *p = must_load(conf);
        int error = tacit_policy_test(p, &fault);
        if (cases[i].fault != NULL)
            snprintf(expected, sizeof expected, WHERE "%s", cases[i].fault);
        if (strcmp(fault.text, expected) != 0)
            fail_msg("case %zu: '%s', not '%s'", i, fault.text, expected);
        assert_int_equal(error, cases[i].fault != NULL ? TACIT_ECONFIG : 0);
        tacit_policy_free(p);
    }
}

/* Or a [test] would stand in the way of what cannot wait. */
static void a_revocation_fails_no_test(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    char conf[1024], print[TACIT_FINGERPRINT_TEXT];
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    tacit_fingerprint(one, print);
    snprintf(
        conf, sizeof conf,
        "[mesh]\nkey-file = mesh.key\nrevoked = %s\n[host]\nidentity = id.key\n" PEER(
            "a@h", KEY_1) "[test]\nallow = a@h\ndeny = *@*\n",
        print);
    struct tacit_policy *p = must_load(conf);
    struct tacit_question q = {.name = "a@h", .inbound = true};
    struct tacit_decision d;
    assert_int_equal(tacit_policy_test(p, &fault), 0);
    tacit_policy_explain(p, &q, &d);
    assert_int_equal(d.reason, TACIT_REVOKED);
    tacit_policy_free(p);
}

static void a_malformed_test_is_a_fault(void **state)
{
    static const struct {
        const char *test, *expected;
    } cases[] = {
        {"allow = *@h", "allow: got '*@h', expected a node name, such as "
                        "'app@db1.example.net from 198.51.100.7', or 'NAME out'"},
        {"deny = h", "deny: got 'h', expected a node name or pattern, such as "
                     "'*@lab.example.net', 'NAME from ADDRESS' or 'NAME out'"},
        {"deny = a@h from", "deny: got 'a@h from', expected an address behind 'from'"},
        {"deny = a@h from h",
         "deny: got 'a@h from h', expected an address behind 'from'"},
        {"deny = a@h in",
         "deny: got 'a@h in', expected 'from ADDRESS' or 'out' behind the "
         "name"},
        {"deny = a@h out x", "deny: got 'a@h out x', expected nothing more behind it"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[512], expected[512];
        snprintf(conf, sizeof conf, BASE "[test]\n%s\n", cases[i].test);
        snprintf(expected, sizeof expected, WHERE "6: %s", cases[i].expected);
        assert_fault(conf, 0, expected);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_condition_is_a_fault_that_names_file_line_and_value),
        cmocka_unit_test(wrong_groups_authorities_and_revocations_are_faults),
        cmocka_unit_test(a_network_is_shown_as_it_is_meant),
        cmocka_unit_test(a_time_reads_and_prints_the_same),
        cmocka_unit_test(a_configurations_own_tests_pass_or_are_named),
        cmocka_unit_test(a_revocation_fails_no_test),
        cmocka_unit_test(a_malformed_test_is_a_fault),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
