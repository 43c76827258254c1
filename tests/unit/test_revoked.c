/* The promises of the file of revoked keys: what is not understood revokes nobody
 * silently. */
#include "test_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/revoked.h"

static struct tacit_revoked list;
static struct tacit_fault fault;
static uint8_t key[3][TACIT_KEY_BYTES];
static char print[3][TACIT_FINGERPRINT_TEXT];

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(key); i++) {
        memset(key[i], (int)i + 1, sizeof key[i]);
        tacit_fingerprint(key[i], print[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tacit_revoked_free(&list);
    return 0;
}

__attribute__((format(printf, 1, 2))) static int parse(const char *format, ...)
{
    char text[512], *exact;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    /* In a piece of its own: a byte read past the end is noticed. */
    exact = malloc((size_t)len + (len == 0));
    assert_non_null(exact);
    memcpy(exact, text, (size_t)len);
    int error = tacit_revoked_parse(&list, "/x/revoked", exact, (size_t)len, &fault);
    free(exact);
    return error;
}

static void assert_revoked(bool first, bool second)
{
    assert_int_equal(tacit_revoked_has(&list, key[0]), first);
    assert_int_equal(tacit_revoked_has(&list, key[1]), second);
    assert_false(tacit_revoked_has(&list, key[2]));
}

static void a_fingerprint_a_line_revokes_its_key(void **state)
{
    (void)state;
    assert_int_equal(parse("%s\n", print[0]), 0);
    assert_revoked(true, false);
    assert_int_equal(parse("\n%s\n\n%s\n%s\n", print[1], print[0], print[1]), 0);
    assert_revoked(true, true);
    assert_int_equal(list.count, 2);
    /* The last line may lack its end. */
    assert_int_equal(parse("%s\n%s", print[1], print[0]), 0);
    assert_revoked(true, true);
}

static void an_empty_text_revokes_nobody(void **state)
{
    (void)state;
    assert_int_equal(parse("%s\n", print[0]), 0);
    assert_int_equal(parse("%s", ""), 0);
    assert_revoked(false, false);
}

/* The second key's fingerprint, with this before and behind it. */
static void refused(const char *before, const char *behind, const char *reason)
{
    assert_int_equal(parse("%s\n", print[0]), 0);
    assert_int_equal(parse("%s%s%s", before, print[1], behind), TACIT_ECONFIG);
    assert_non_null(strstr(fault.text, reason));
    assert_non_null(strstr(fault.text, "expected a fingerprint and nothing beside it"));
    assert_revoked(true, false);
}

static void a_line_with_anything_beside_it_is_refused_and_what_held_holds_on(void **state)
{
    (void)state;
    refused("", "\r\n", "/x/revoked:1: ");
    refused("", " \n", "/x/revoked:1: ");
    refused(" ", "\n", "/x/revoked:1: ");
    refused("\n", "\t\n", "/x/revoked:2: ");
    refused("", " ; db3, stolen\n", "/x/revoked:1: ");
    refused("# db3, stolen\n", "\n", "/x/revoked:1: ");
    refused("\xef\xbb\xbf", "\n", "/x/revoked:1: ");
    refused("", "=\n", "/x/revoked:1: ");
    refused("\r\n", "\n", "/x/revoked:1: ");
    refused("", ",", "/x/revoked:1: ");
    assert_int_equal(parse("%.42s\n", print[1]), TACIT_ECONFIG);
    assert_revoked(true, false);
}

static void a_byte_of_zero_hides_nothing(void **state)
{
    char text[2 * TACIT_FINGERPRINT_TEXT];
    (void)state;
    assert_int_equal(parse("%s\n", print[0]), 0);
    memcpy(text, print[1], TACIT_FINGERPRINT_TEXT); /* with its zero */
    memcpy(text + TACIT_FINGERPRINT_TEXT, "\n", 1);
    assert_int_equal(tacit_revoked_parse(&list, "/x/revoked", text,
                                         TACIT_FINGERPRINT_TEXT + 1, &fault),
                     TACIT_ECONFIG);
    assert_revoked(true, false);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fingerprint_a_line_revokes_its_key),
        cmocka_unit_test(an_empty_text_revokes_nobody),
        cmocka_unit_test(
            a_line_with_anything_beside_it_is_refused_and_what_held_holds_on),
        cmocka_unit_test(a_byte_of_zero_hides_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
