/* The promises of src/policy: which [peer] decides, and what else stands on it. */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    static const char *const names[] = {"",    "app", "a@b c", "a@b@c",
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

/* ---- Many peers -------------------------------------------------------------------- */

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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_line_allows_is_denied),
        cmocka_unit_test(another_key_is_denied_and_the_line_is_told),
        cmocka_unit_test(the_most_specific_line_decides),
        cmocka_unit_test(an_exact_name_beats_a_glob_with_as_many_letters),
        cmocka_unit_test(of_lines_that_agree_the_first_one_decides),
        cmocka_unit_test(a_name_that_is_none_is_not_matched_at_all),
        cmocka_unit_test(a_dynamic_name_needs_a_line_for_every_name_of_the_host),
        cmocka_unit_test(a_key_is_known_where_any_line_has_it),
        cmocka_unit_test(a_pair_key_belongs_to_a_public_key),
        cmocka_unit_test(a_node_is_reached_at_its_lines_endpoint_or_its_own_host),
        cmocka_unit_test(only_a_plain_line_makes_a_node_plain),
        cmocka_unit_test(ten_thousand_peers_are_decided_without_a_search_through_all),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
