/* The promises of src/session/ruling.c: what a peer hears of why, and what our own log
 * says. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "session/ruling.h"
#include "tacit/suite.h"

#define KEY_TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define IDENTITY_TEXT "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define KNOWN "slLs2unfuxuQLwDmV9hL8+3H6+DUKp+kbO+JVJBuQxo="
#define STRANGER "qE9Kg5fW2m9MloKtcLjDP4KFoUyM70ZjLc5ta7ZaAFo="

static const char conf[] = "[mesh]\nkey-file = m.key\n[host]\nidentity = i.key\n"
                           "[peer a@h]\npublic-key = " KNOWN "\nfrom = 192.0.2.0/24\n"
                           "expires = 2001-01-01\nvisibility = hidden\n"
                           "directory = yes\n";
static const uint64_t before = 900000000, after = 1000000000; /* 2001-01-01 */

static struct tacit_policy *policy;

static int read_memory(void *context, const char *path, enum tacit_file_kind kind,
                       char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const char *text = kind != TACIT_FILE_SECRET    ? conf
                       : strcmp(path, "i.key") == 0 ? IDENTITY_TEXT
                                                    : KEY_TEXT;
    *ret_len = strlen(text);
    memcpy(buf, text, *ret_len);
    return 0;
}

static int load(void **state)
{
    struct tacit_files files = {NULL, read_memory};
    struct tacit_fault fault;
    return tacit_policy_load("conf", &files, 1 << TACIT_SUITE_CHACHA20_POLY1305, &policy,
                             &fault);
}

static int unload(void **state)
{
    tacit_policy_free(policy);
    return 0;
}

static struct ruling ruling;

static int decide(const char *key_text, const char *name, const char *from, uint64_t now,
                  bool revoked)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_address address;
    struct tacit_claim claim = {.version = 1};
    snprintf(claim.name, sizeof claim.name, "%s", name);
    assert_int_equal(tacit_key_from_text(key_text, key), 0);
    assert_int_equal(tacit_address_from_text(from, &address), 0);
    struct tacit_now moment = {.ends = now};
    return ruling_on_peer(policy, &claim, key, &address, true, &moment, revoked, &ruling);
}

static void assert_refused(int error, enum tacit_close reason, const char *text,
                           const char *for_us)
{
    assert_int_equal(error, TACIT_EREFUSED);
    assert_int_equal(ruling.reason, reason);
    assert_string_equal(ruling.text, text);
    assert_string_equal(ruling_for_us(&ruling), for_us);
}

static void who_is_allowed_is_told_by_which_line_and_until_when(void **state)
{
    assert_int_equal(decide(KNOWN, "a@h", "192.0.2.9", before, false), 0);
    assert_string_equal(ruling.line, "conf:5");
    assert_int_equal(ruling.until, 978307200);
    assert_int_equal(ruling.visibility, TACIT_HIDDEN);
}

static void a_known_key_hears_the_reason(void **state)
{
    assert_refused(decide(KNOWN, "b@h", "192.0.2.9", before, false), TACIT_CLOSE_NAME,
                   "the key is not good for the name b@h",
                   "the key is not good for the name b@h");
    assert_refused(decide(KNOWN, "a@h", "192.0.3.9", before, false), TACIT_CLOSE_ADDRESS,
                   "the line that decides does not allow the address",
                   "the line that decides does not allow the address");
    assert_refused(decide(KNOWN, "a@h", "192.0.2.9", after, false), TACIT_CLOSE_EXPIRED,
                   "the line that decides has expired",
                   "the line that decides has expired");
}

/* It must not learn whether there is such a node, or what its line says. */
static void a_key_that_nothing_knows_hears_the_same_whatever_the_reason(void **state)
{
    static const char heard[] = "no [peer] line allows it";
    assert_refused(decide(STRANGER, "b@h", "192.0.2.9", before, false),
                   TACIT_CLOSE_REFUSED, heard, "no [peer] line allows it");
    assert_refused(decide(STRANGER, "a@h", "192.0.2.9", before, false),
                   TACIT_CLOSE_REFUSED, heard, "the key is not good for the name");
    assert_refused(decide(STRANGER, "a@h", "192.0.3.9", after, false),
                   TACIT_CLOSE_REFUSED, heard, "the key is not good for the name");
    assert_refused(decide(STRANGER, "a@h", "192.0.2.9", before, true),
                   TACIT_CLOSE_REFUSED, heard, "the key is not good for the name");
}

static void what_the_host_itself_revoked_is_refused(void **state)
{
    assert_refused(decide(KNOWN, "a@h", "192.0.2.9", before, true), TACIT_CLOSE_REVOKED,
                   "the key is revoked", "the key is revoked");
}

static void one_who_asks_for_the_directory_hears_refused_and_no_more(void **state)
{
    const struct tacit_now early = {.ends = before}, late = {.ends = after};
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_address address;
    assert_int_equal(tacit_address_from_text("192.0.2.9", &address), 0);
    assert_int_equal(tacit_key_from_text(KNOWN, key), 0);
    assert_int_equal(ruling_on_requester(policy, key, &address, &early, false, &ruling),
                     0);
    assert_refused(ruling_on_requester(policy, key, &address, &early, true, &ruling),
                   TACIT_CLOSE_REFUSED, "the key is revoked", "the key is revoked");
    assert_refused(ruling_on_requester(policy, key, &address, &late, false, &ruling),
                   TACIT_CLOSE_REFUSED, "the line that decides has expired",
                   "the line that decides has expired");
    assert_int_equal(tacit_key_from_text(STRANGER, key), 0);
    assert_refused(ruling_on_requester(policy, key, &address, &early, false, &ruling),
                   TACIT_CLOSE_REFUSED, "no [peer] line lets this key ask",
                   "no [peer] line allows it");
}

static void a_node_that_is_not_as_hidden_as_its_rule_says_is_told_so(void **state)
{
    assert_string_equal(ruling_visibility_fault(TACIT_HIDDEN, TACIT_HIDDEN), "");
    assert_string_equal(ruling_visibility_fault(TACIT_EITHER, TACIT_VISIBLE), "");
    assert_string_equal(ruling_visibility_fault(TACIT_VISIBLE, TACIT_EITHER), "");
    assert_string_equal(ruling_visibility_fault(TACIT_HIDDEN, TACIT_VISIBLE),
                        "the rule for it wants a hidden node, it is visible");
    assert_string_equal(ruling_visibility_fault(TACIT_VISIBLE, TACIT_HIDDEN),
                        "the rule for it wants a visible node, it is hidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_allowed_is_told_by_which_line_and_until_when),
        cmocka_unit_test(a_known_key_hears_the_reason),
        cmocka_unit_test(a_key_that_nothing_knows_hears_the_same_whatever_the_reason),
        cmocka_unit_test(what_the_host_itself_revoked_is_refused),
        cmocka_unit_test(one_who_asks_for_the_directory_hears_refused_and_no_more),
        cmocka_unit_test(a_node_that_is_not_as_hidden_as_its_rule_says_is_told_so),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("ruling", tests, load, unload);
}
