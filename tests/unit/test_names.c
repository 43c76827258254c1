/* The promises of src/base about what people write: names, globs, keys, addresses. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/fault.h"
#include "base/key.h"
#include "base/name.h"
#include "tacit/error.h"

/* ---- Names ------------------------------------------------------------------------- */

static void a_name_has_a_name_part_one_at_sign_and_a_host(void **state)
{
    static const char *const good[] = {
        "app@db1.example.net", "a@b",           "A_b-9@h",
        "rabbit@192.0.2.1",    "x@2001:db8::1", "x@!#;[]~",
        "rabbit@DB1",          "x@Db1.Example", "A@A",
    };
    static const char *const bad[] = {
        "",      "app",   "@",       "@host",       "app@",  "a@b@c",      "a b@c",
        "a.b@c", "a@b c", "a@H*st",  "a@h\xc3\xa9", "a@h\n", "a\n@h",      "a*@h",
        "a@*",   "a@h\t", "a@h\x7f", "'a'@h",       "a:b@c", "\xc3\xa9@h",
    };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!tacit_name_ok(good[i]) || !tacit_glob_ok(good[i]))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (tacit_name_ok(bad[i]))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void a_name_is_at_most_255_bytes(void **state)
{
    char name[TACIT_NAME_MAX + 2];
    memset(name, 'a', sizeof name);
    name[1] = '@';
    name[TACIT_NAME_MAX] = '\0';
    assert_true(tacit_name_ok(name));
    assert_true(tacit_glob_ok(name));
    assert_true(tacit_host_ok(name + 2));
    name[TACIT_NAME_MAX] = 'a';
    name[TACIT_NAME_MAX + 1] = '\0';
    assert_false(tacit_name_ok(name));
    assert_false(tacit_glob_ok(name));
    assert_false(tacit_host_ok(name + 2));
}

static void a_bare_host_has_no_at_sign_or_star(void **state)
{
    assert_true(tacit_host_ok("db1.example.net"));
    assert_true(tacit_host_ok("2001:db8::1"));
    assert_false(tacit_host_ok(""));
    assert_false(tacit_host_ok("a@b"));
    assert_true(tacit_host_ok("Db1"));
    assert_false(tacit_host_ok("*"));
    assert_false(tacit_host_ok("a b"));
}

static void a_star_may_stand_in_both_parts_of_a_glob(void **state)
{
    assert_true(tacit_glob_ok("*@*"));
    assert_true(tacit_glob_ok("app*@*.example.net"));
    assert_false(tacit_glob_ok("*"));
    assert_false(tacit_glob_ok("*@"));
    assert_false(tacit_glob_ok("*@*@*"));
    assert_true(tacit_glob_ok("*@Host"));
    assert_false(tacit_glob_ok("?@host "));
}

/* ---- Globs ------------------------------------------------------------------------- */

static void a_star_matches_any_run_of_bytes_but_the_at_sign(void **state)
{
    static const struct {
        const char *glob, *name;
        bool match;
    } cases[] = {
        {"app@h", "app@h", true},
        {"app@h", "app@hh", false},
        {"app@hh", "app@h", false},
        {"*@h", "app@h", true},
        {"*@h", "app@hh", false},
        {"*@*", "app@h", true},
        {"a*@h", "a@h", true},
        {"a*@h", "abc@h", true},
        {"a*@h", "b@h", false},
        {"*a@h", "bab@h", false},
        {"*a@h", "baba@h", true},
        {"a*b*c@h", "aXbYbZc@h", true},
        {"a*b*c@h", "acb@h", false},
        {"x@*.net", "x@a.b.net", true},
        {"x@*.net", "x@.netx", false},
        {"x@*.net", "x@net", false},
        {"*h", "a@h", false},
        {"a*", "a@h", false},
        {"*@*.a.a.b", "n@a.a.a.b", true},
        {"**@h", "x@h", true},
        {"x@h*", "x@h", true},
        {"x*@h**", "x@h", true},
        {"*@db1", "x@DB1", false},
        {"*@DB1", "x@db1", false},
        {"*@D*1", "x@DB1", true},
        {"X@h", "x@h", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (tacit_glob_match(cases[i].glob, cases[i].name) != cases[i].match)
            fail_msg("%s and %s", cases[i].glob, cases[i].name);
    }
}

/* The i-th string over an alphabet, the short ones first; false past length max. */
static bool nth_string(const char *alphabet, unsigned i, size_t max, char *out)
{
    size_t base = strlen(alphabet), len = 1, count = base;
    for (; i >= count; len++, count *= base)
        i -= (unsigned)count;
    if (len > max)
        return false;
    for (size_t at = 0; at < len; at++, i /= (unsigned)base)
        out[at] = alphabet[i % base];
    out[len] = '\0';
    return true;
}

static bool some_name_matches_both(const char *a, const char *b)
{
    char part[16], name[32];
    for (unsigned i = 0; nth_string("ab", i, 6, part); i++) {
        snprintf(name, sizeof name, "%s@h", part);
        if (tacit_glob_match(a, name) && tacit_glob_match(b, name))
            return true;
    }
    return false;
}

static void two_globs_meet_where_and_only_where_a_name_matches_both(void **state)
{
    char a[16], b[16], glob_a[32], glob_b[32];
    unsigned met = 0;
    for (unsigned i = 0; nth_string("ab*", i, 3, a); i++) {
        for (unsigned j = 0; nth_string("ab*", j, 3, b); j++) {
            snprintf(glob_a, sizeof glob_a, "%s@h", a);
            snprintf(glob_b, sizeof glob_b, "%s@*", b);
            bool meet = tacit_globs_meet(glob_a, glob_b);
            met += meet;
            if (meet != some_name_matches_both(glob_a, glob_b) ||
                meet != tacit_globs_meet(glob_b, glob_a))
                fail_msg("%s and %s", glob_a, glob_b);
        }
    }
    assert_true(met > 100);
    assert_false(tacit_globs_meet("*@a", "*@b"));
    assert_false(tacit_globs_meet("a@*x", "*x@b"));
}

/* ---- Keys -------------------------------------------------------------------------- */

static const char key_text[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

static void a_key_goes_to_base64_and_back(void **state)
{
    uint8_t key[TACIT_KEY_BYTES];
    char text[TACIT_KEY_TEXT];
    assert_int_equal(tacit_key_from_text(key_text, key), 0);
    for (unsigned i = 0; i < sizeof key; i++)
        assert_int_equal(key[i], i);
    tacit_key_to_text(key, text);
    assert_string_equal(text, key_text);
}

static void a_key_has_one_spelling_only(void **state)
{
    static const char *const bad[] = {
        "",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8==",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", /* a bit left over */
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g",
        " AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= ",
    };
    uint8_t key[TACIT_KEY_BYTES], before[TACIT_KEY_BYTES];
    memset(key, 7, sizeof key);
    memcpy(before, key, sizeof key);
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (tacit_key_from_text(bad[i], key) != TACIT_EFORMAT)
            fail_msg("accepted: %s", bad[i]);
        assert_memory_equal(key, before, sizeof key);
    }
}

static void a_fingerprint_is_the_blake2b_256_of_the_public_key(void **state)
{
    /* python3: urlsafe_b64encode(blake2b(bytes(range(32)), digest_size=32).digest()) */
    uint8_t key[TACIT_KEY_BYTES];
    char text[TACIT_FINGERPRINT_TEXT];
    assert_int_equal(tacit_key_from_text(key_text, key), 0);
    tacit_fingerprint(key, text);
    assert_string_equal(text, "yy9RYPwffgWlXvSdNAtI2i5aeAmdUzkzUc1XndQlA9Y");
}

/* ---- Messages ---------------------------------------------------------------------- */

static const char *quoted(const char *text)
{
    static struct tacit_quoted quoted;
    return tacit_quote(&quoted, text, strlen(text));
}

static void a_message_shows_no_key_and_no_control_byte(void **state)
{
    char text[64];
    assert_string_equal(quoted("a b"), "a b");
    assert_string_equal(quoted("a\033[1mb\xff"), "a\\x1b[1mb\\xff");
    assert_string_equal(quoted(key_text), "(a key, not shown)");
    snprintf(text, sizeof text, "psk %s x", key_text);
    assert_string_equal(quoted(text), "psk (a key, not shown) x");
    snprintf(text, sizeof text, "%.43s", key_text);
    assert_string_equal(quoted(text), "(a key, not shown)");
}

static void a_message_stays_within_its_bounds(void **state)
{
    char text[2000], path[1000];
    struct tacit_fault fault;
    memset(text, 1, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_in_range(strlen(quoted(text)), 100, sizeof(struct tacit_quoted) - 1);
    assert_string_equal(quoted(text) + strlen(quoted(text)) - 3, "...");
    memset(text, '.', sizeof text - 1);
    assert_string_equal(quoted(text) + strlen(quoted(text)) - 3, "...");

    memset(path, 'p', sizeof path - 1);
    memcpy(path + sizeof path - 6, "/conf", 6);
    assert_int_equal(tacit_fault_at(&fault, path, 7, "the reason"), TACIT_ECONFIG);
    assert_non_null(strstr(fault.text, "/conf:7: the reason"));
    assert_int_equal(strncmp(fault.text, "...p", 4), 0);
}

/* ---- Addresses --------------------------------------------------------------------- */

static void an_address_is_literal_with_a_port_or_the_default_one(void **state)
{
    static const struct {
        const char *text, *back;
    } good[] = {
        {"192.0.2.1", "192.0.2.1:4370"},
        {"192.0.2.1:1", "192.0.2.1:1"},
        {"192.0.2.1:65535", "192.0.2.1:65535"},
        {"[2001:db8::1]", "[2001:db8::1]:4370"},
        {"[2001:DB8:0::1]:99", "[2001:db8::1]:99"},
        {"[fe80::1%2]:99", "[fe80::1%2]:99"},
        {"[::ffff:192.0.2.1]:5", "192.0.2.1:5"},
    };
    static const char *const bad[] = {
        "",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:099",
        "192.0.2.1:+9",
        "192.0.2.1:4x",
        "192.0.2.1: 4",
        "::1",
        "::1:4370",
        "[::1",
        "[::1]x",
        "[::1]:",
        "[192.0.2.1]",
        "[]",
        "localhost",
        "[::1%1]",
        "[fe80::1%]",
        "[fe80::1%0]",
        "[fe80::1%eth0]",
        "192.0.2.01",
        " 192.0.2.1",
        "0x7f.1",
        "[fe80::1%4294967296]",
        "127.1",
        "192.0.2.1:18446744073709551617",
    };
    struct tacit_address a;
    char text[TACIT_ADDRESS_TEXT];
    for (size_t i = 0; i < COUNT(good); i++) {
        if (tacit_address_from_text(good[i].text, &a) != 0)
            fail_msg("refused: %s", good[i].text);
        tacit_address_to_text(&a, text);
        assert_string_equal(text, good[i].back);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (tacit_address_from_text(bad[i], &a) != TACIT_EFORMAT)
            fail_msg("accepted: %s", bad[i]);
    }
}

static void an_address_holds_its_bytes_in_network_order(void **state)
{
    static const uint8_t v4[16] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1};
    struct tacit_address a;
    assert_int_equal(tacit_address_from_text("192.0.2.1:258", &a), 0);
    assert_int_equal(a.family, 4);
    assert_int_equal(a.port, 258);
    assert_memory_equal(a.bytes, v4, sizeof v4);
    assert_int_equal(tacit_address_from_text("[2001:db8::1]", &a), 0);
    assert_int_equal(a.family, 6);
    assert_int_equal(a.port, 4370);
    assert_int_equal(a.scope, 0);
    assert_memory_equal(a.bytes, v6, sizeof v6);
    assert_int_equal(tacit_address_from_text("[fe80::1%7]", &a), 0);
    assert_int_equal(a.scope, 7);
}

static void an_endpoint_is_a_host_name_or_an_address(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
    } good[] = {
        {"db1.example.net", "db1.example.net", 4370},
        {"db1.example.net:99", "db1.example.net", 99},
        {"Db_1", "Db_1", 4370},
        {"192.0.2.1:99", "192.0.2.1", 99},
        {"[2001:db8::1]:99", "2001:db8::1", 99},
        {"[2001:db8::1]", "2001:db8::1", 4370},
    };
    static const char *const bad[] = {
        "",          ":99",        "host:", "host:0", "host:x",    "ho st",
        "host:1:2",  "::1",        "[::1",  "[host]", "[1.2.3.4]", "-host",
        ".host",     "host.",      "a..b",  "10.1",   "0x7f.1",    "a.0x7f",
        "1.2.3.256", "2130706433", "a@b",   "ho/st",
    };
    struct tacit_endpoint e;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (tacit_endpoint_from_text(good[i].text, &e) != 0)
            fail_msg("refused: %s", good[i].text);
        assert_string_equal(e.host, good[i].host);
        assert_int_equal(e.port, good[i].port);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (tacit_endpoint_from_text(bad[i], &e) != TACIT_EFORMAT)
            fail_msg("accepted: %s", bad[i]);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_a_name_part_one_at_sign_and_a_host),
        cmocka_unit_test(a_name_is_at_most_255_bytes),
        cmocka_unit_test(a_bare_host_has_no_at_sign_or_star),
        cmocka_unit_test(a_star_may_stand_in_both_parts_of_a_glob),
        cmocka_unit_test(a_star_matches_any_run_of_bytes_but_the_at_sign),
        cmocka_unit_test(two_globs_meet_where_and_only_where_a_name_matches_both),
        cmocka_unit_test(a_key_goes_to_base64_and_back),
        cmocka_unit_test(a_key_has_one_spelling_only),
        cmocka_unit_test(a_fingerprint_is_the_blake2b_256_of_the_public_key),
        cmocka_unit_test(a_message_shows_no_key_and_no_control_byte),
        cmocka_unit_test(a_message_stays_within_its_bounds),
        cmocka_unit_test(an_address_is_literal_with_a_port_or_the_default_one),
        cmocka_unit_test(an_address_holds_its_bytes_in_network_order),
        cmocka_unit_test(an_endpoint_is_a_host_name_or_an_address),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
