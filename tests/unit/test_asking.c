/* The promises of src/policy: who may ask a door for names, and whose door that is. */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>

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
    /* Another spelling is another host: only the pattern is for it, too. */
    assert_string_equal(tacit_policy_door_of(p, "DB1.example")->glob, "*@*.example");
    assert_null(tacit_policy_door_of(p, "no host.example"));
    tacit_policy_free(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_keys_on_a_line_with_directory_may_ask),
        cmocka_unit_test(a_line_lets_ask_only_from_where_and_while_it_lets_connect),
        cmocka_unit_test(of_a_keys_lines_any_lets_it_ask_and_a_revoked_key_none),
        cmocka_unit_test(the_door_of_a_host_is_on_the_most_specific_line),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
