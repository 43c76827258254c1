/* The promises of certificates as text: what was signed is what is read, or nothing is.
 */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/signed.h"
#include "tacit/suite.h"

#define SEED_TEXT "AwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISI="
#define IDENTITY_TEXT "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

static struct tacit_secret seed(uint8_t first)
{
    struct tacit_secret s;
    for (size_t i = 0; i < sizeof s.bytes; i++)
        s.bytes[i] = (uint8_t)(first + i);
    return s;
}

/* Of the identity above. */
static void holder(uint8_t key[TACIT_KEY_BYTES])
{
    struct tacit_secret private_key = seed(1);
    crypto_scalarmult_base(key, private_key.bytes);
}

static struct tacit_certificate unsigned_certificate(void)
{
    struct tacit_certificate c = {.not_before = 1000000, .not_after = 2000000};
    holder(c.public_key);
    assert_int_equal(tacit_certificate_add_name(&c, "app@db1.example.net"), 0);
    assert_int_equal(tacit_certificate_add_name(&c, "*@db2.example.net"), 0);
    assert_int_equal(tacit_certificate_add_group(&c, "work"), 0);
    assert_int_equal(tacit_certificate_add_group(&c, "night-shift"), 0);
    return c;
}

static size_t good_text(char text[TACIT_CERTIFICATE_MAX])
{
    struct tacit_certificate c = unsigned_certificate();
    struct tacit_secret s = seed(3);
    size_t len;
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), 0);
    return len;
}

static void a_certificate_reads_as_it_was_signed(void **state)
{
    char text[TACIT_CERTIFICATE_MAX];
    uint8_t authority[TACIT_KEY_BYTES], key[TACIT_KEY_BYTES];
    struct tacit_secret s = seed(3);
    struct tacit_certificate c;
    size_t len = good_text(text);
    tacit_authority_key(&s, authority);
    holder(key);
    assert_int_equal(tacit_certificate_read(text, len, &c), 0);
    assert_memory_equal(c.authority, authority, sizeof authority);
    assert_memory_equal(c.public_key, key, sizeof key);
    assert_int_equal(c.not_before, 1000000);
    assert_int_equal(c.not_after, 2000000);
    assert_string_equal(tacit_certificate_name(&c, 0), "app@db1.example.net");
    assert_string_equal(tacit_certificate_name(&c, 1), "*@db2.example.net");
    assert_null(tacit_certificate_name(&c, 2));
    assert_string_equal(tacit_certificate_group(&c, 0), "work");
    assert_string_equal(tacit_certificate_group(&c, 1), "night-shift");
    assert_null(tacit_certificate_group(&c, 2));
}

static void its_text_is_lines_for_people(void **state)
{
    static const char body[] =
        "\n\nname = app@db1.example.net\n"
        "name = *@db2.example.net\n"
        "public-key = B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\n"
        "group = work\ngroup = night-shift\n"
        "not-before = 1970-01-12T13:46:40Z\n"
        "not-after = 1970-01-24T03:33:20Z\n";
    char text[TACIT_CERTIFICATE_MAX + 1];
    size_t len = good_text(text);
    text[len] = '\0';
    assert_int_equal(strncmp(text, "tacit certificate 1\nauthority = ", 32), 0);
    assert_string_equal(strstr(text, "\n\n"), body);
}

static void no_altered_bit_gets_through(void **state)
{
    char text[TACIT_CERTIFICATE_MAX];
    size_t len = good_text(text);
    struct tacit_certificate c;
    for (size_t bit = 0; bit < 8 * len; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (tacit_certificate_read(text, len, &c) == 0)
            fail_msg("byte %zu as '%c':\n%.*s", bit / 8, text[bit / 8], (int)len, text);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(tacit_certificate_read(text, len, &c), 0);
}

static void no_part_of_one_and_nothing_behind_it_gets_through(void **state)
{
    char text[TACIT_CERTIFICATE_MAX + 2];
    size_t len = good_text(text);
    struct tacit_certificate c;
    for (size_t part = 0; part < len; part++)
        assert_int_not_equal(tacit_certificate_read(text, part, &c), 0);
    text[len] = '\n';
    assert_int_not_equal(tacit_certificate_read(text, len + 1, &c), 0);
    memset(text + len, 'x', sizeof text - len);
    assert_int_equal(tacit_certificate_read(text, sizeof text, &c), TACIT_EFORMAT);
}

static void another_ones_signature_does_not_fit(void **state)
{
    char one[TACIT_CERTIFICATE_MAX], two[TACIT_CERTIFICATE_MAX];
    struct tacit_certificate c = unsigned_certificate();
    struct tacit_secret s = seed(3);
    size_t one_len = good_text(one), two_len;
    c.not_after++;
    assert_int_equal(tacit_certificate_sign(&c, &s, two, &two_len), 0);
    size_t front = (size_t)(strstr(one, "\n\n") - one);
    memcpy(two, one, front);
    assert_int_equal(tacit_certificate_read(two, two_len, &c), TACIT_EAUTH);
    assert_int_equal(tacit_certificate_read(one, one_len, &c), 0);
}

static void what_was_signed_as_a_policy_is_no_certificate(void **state)
{
    char text[TACIT_CERTIFICATE_MAX], other[TACIT_CERTIFICATE_MAX];
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_certificate c;
    struct tacit_secret s = seed(3);
    size_t len = good_text(text), other_len, body_len;
    const char *body;
    text[len] = '\0';
    body = strstr(text, "\n\n") + 2;
    assert_int_equal(tacit_sign(TACIT_SIGNED_POLICY, &s, body, strlen(body), other,
                                sizeof other, &other_len),
                     0);
    assert_int_equal(
        tacit_signed_open(TACIT_SIGNED_POLICY, other, other_len, key, &body, &body_len),
        0);
    assert_int_equal(tacit_certificate_read(other, other_len, &c), TACIT_EFORMAT);
    /* Nor with the other's title in front: the signature is over its context, too. */
    char forged[TACIT_CERTIFICATE_MAX];
    int n = snprintf(forged, sizeof forged, "tacit certificate 1\n%.*s",
                     (int)(other_len - strlen("tacit policy 1\n")),
                     other + strlen("tacit policy 1\n"));
    assert_int_equal(tacit_certificate_read(forged, (size_t)n, &c), TACIT_EAUTH);
}

/* Signed by the right key, but not what tacit_certificate_sign would have written. */
static void a_signed_body_in_another_spelling_is_refused(void **state)
{
#define NAME "name = a@b\n"
#define KEY "public-key = B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\n"
#define FROM "not-before = 1970-01-12T13:46:40Z\n"
#define TO "not-after = 1970-01-24T03:33:20Z\n"
    static const struct {
        const char *body;
        int error;
    } cases[] = {
        {NAME KEY FROM TO, 0},
        {NAME KEY "group = g\n" FROM TO, 0},
        {"", TACIT_EFORMAT},
        {KEY FROM TO, TACIT_EFORMAT},
        {NAME FROM TO, TACIT_EFORMAT},
        {NAME KEY TO, TACIT_EFORMAT},
        {NAME KEY FROM, TACIT_EFORMAT},
        {KEY NAME FROM TO, TACIT_EFORMAT},
        {NAME KEY TO FROM, TACIT_EFORMAT},
        {NAME KEY FROM TO "\n", TACIT_EFORMAT},
        {NAME KEY FROM TO "x = y\n", TACIT_EFORMAT},
        {NAME KEY KEY FROM TO, TACIT_EFORMAT},
        {NAME KEY NAME FROM TO, TACIT_EFORMAT},
        {NAME KEY "group = \n" FROM TO, TACIT_EFORMAT},
        {NAME KEY "group = *\n" FROM TO, TACIT_EFORMAT},
        {"name = a@b@c\n" KEY FROM TO, TACIT_EFORMAT},
        {"name = a\n" KEY FROM TO, TACIT_EFORMAT},
        {"name  = a@b\n" KEY FROM TO, TACIT_EFORMAT},
        {" name = a@b\n" KEY FROM TO, TACIT_EFORMAT},
        {"name = a@b \n" KEY FROM TO, TACIT_EFORMAT},
        {"name = a@b\r\n" KEY FROM TO, TACIT_EFORMAT},
        {NAME "public-key = AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n" FROM TO,
         TACIT_EFORMAT},
        {NAME KEY "not-before = 1970-01-12\n" TO, TACIT_EFORMAT},
        {NAME KEY "not-before = 1970-01-24T03:33:20Z\n" TO, TACIT_EFORMAT},
        {NAME KEY FROM "not-after = 1970-01-24T03:33:20Z", TACIT_EFORMAT},
    };
    struct tacit_secret s = seed(3);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[TACIT_CERTIFICATE_MAX];
        struct tacit_certificate c;
        size_t len;
        assert_int_equal(tacit_sign(TACIT_SIGNED_CERTIFICATE, &s, cases[i].body,
                                    strlen(cases[i].body), text, sizeof text, &len),
                         0);
        int error = tacit_certificate_read(text, len, &c);
        if (error != cases[i].error)
            fail_msg("%d for\n%s", error, cases[i].body);
    }
}

static void what_makes_no_sense_is_not_signed(void **state)
{
    char text[TACIT_CERTIFICATE_MAX], long_name[TACIT_NAME_MAX + 1];
    struct tacit_secret s = seed(3);
    size_t len;
    struct tacit_certificate c = unsigned_certificate();
    assert_int_equal(tacit_certificate_add_name(&c, "late@h"), TACIT_ESTATE);
    assert_int_equal(tacit_certificate_add_group(&c, "two words"), TACIT_EFORMAT);
    c.not_after = c.not_before;
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), TACIT_EINVAL);
    c = unsigned_certificate();
    memset(c.public_key, 0, sizeof c.public_key);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), TACIT_EINVAL);
    c = (struct tacit_certificate){.not_after = 1};
    holder(c.public_key);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), TACIT_EINVAL);
    assert_int_equal(tacit_certificate_add_name(&c, "nobody"), TACIT_EFORMAT);
    memset(long_name, 'a', sizeof long_name);
    long_name[1] = '@';
    long_name[TACIT_NAME_MAX] = '\0';
    assert_int_equal(tacit_certificate_add_name(&c, long_name), 0);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), 0);
    assert_int_equal(tacit_certificate_read(text, len, &c), 0);
    assert_int_equal(tacit_certificate_add_name(&c, long_name), 0);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), TACIT_ESPACE);
    assert_int_equal(tacit_certificate_add_name(&c, long_name), TACIT_ESPACE);
}

/* ---- Under a configuration --------------------------------------------------------- */

static const char *conf_text, *certificate_text;
static size_t certificate_len;

static int read_memory(void *context, const char *path, enum tacit_file_kind kind,
                       char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const char *text = strcmp(path, "conf") == 0      ? conf_text
                       : strcmp(path, "my.cert") == 0 ? certificate_text
                       : strcmp(path, "id.key") == 0  ? IDENTITY_TEXT
                                                      : SEED_TEXT;
    *ret_len = strcmp(path, "my.cert") == 0 ? certificate_len : strlen(text);
    assert_true(*ret_len <= cap);
    memcpy(buf, text, *ret_len);
    return 0;
}

static int load(struct tacit_policy **ret_policy, struct tacit_fault *fault)
{
    struct tacit_files files = {NULL, read_memory};
    return tacit_policy_load("conf", &files, 1 << TACIT_SUITE_CHACHA20_POLY1305,
                             ret_policy, fault);
}

#define CONF "[mesh]\nkey-file = mesh.key\n[host]\nidentity = id.key\n"

static void a_host_shows_its_own_certificate_and_no_others(void **state)
{
    char text[TACIT_CERTIFICATE_MAX];
    const char *shown;
    struct tacit_policy *p;
    struct tacit_fault fault;
    certificate_len = good_text(text);
    certificate_text = text;
    conf_text = CONF "certificate = my.cert\n";
    assert_int_equal(load(&p, &fault), 0);
    assert_int_equal(tacit_policy_own_certificate(p, &shown), certificate_len);
    assert_memory_equal(shown, text, certificate_len);
    tacit_policy_free(p);
    text[certificate_len - 2] ^= 1;
    assert_int_not_equal(load(&p, &fault), 0);
    assert_string_equal(fault.text,
                        "my.cert: not a certificate, or one that was altered, "
                        "expected what 'tacit cert sign' wrote");
    struct tacit_certificate c = unsigned_certificate();
    struct tacit_secret s = seed(3), other = seed(9);
    crypto_scalarmult_base(c.public_key, other.bytes);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &certificate_len), 0);
    assert_int_not_equal(load(&p, &fault), 0);
    assert_string_equal(
        fault.text, "my.cert: a certificate for another key, expected one for id.key");
    conf_text = CONF;
    assert_int_equal(load(&p, &fault), 0);
    assert_int_equal(tacit_policy_own_certificate(p, &shown), 0);
    tacit_policy_free(p);
}

static void a_foreign_authority_is_told_from_an_altered_certificate(void **state)
{
    char text[TACIT_CERTIFICATE_MAX], conf[512], key_text[TACIT_KEY_TEXT];
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_secret s = seed(3), other = seed(4);
    struct tacit_certificate c;
    struct tacit_policy *p;
    struct tacit_fault fault;
    size_t len = good_text(text);
    const char *name, *authority;
    tacit_authority_key(&s, key);
    tacit_key_to_text(key, key_text);
    snprintf(conf, sizeof conf,
             CONF "[authority ours]\npublic-key = %s\nnames = *@*.example.net\n",
             key_text);
    conf_text = conf;
    assert_int_equal(load(&p, &fault), 0);
    assert_int_equal(tacit_policy_certificate(p, text, len, &c), TACIT_ALLOWED);
    assert_int_equal(tacit_policy_check_certificate(p, &c, 1500000, &name, &authority),
                     TACIT_ALLOWED);
    assert_string_equal(authority, "ours");
    assert_int_equal(tacit_policy_check_certificate(p, &c, 3000000, &name, &authority),
                     TACIT_RUN_OUT);
    assert_null(name);
    text[len - 2] ^= 1;
    assert_int_equal(tacit_policy_certificate(p, text, len, &c), TACIT_BAD_CERTIFICATE);
    assert_int_equal(tacit_policy_certificate(p, text, 0, &c), TACIT_BAD_CERTIFICATE);
    c = unsigned_certificate();
    assert_int_equal(tacit_certificate_sign(&c, &other, text, &len), 0);
    assert_int_equal(tacit_policy_certificate(p, text, len, &c), TACIT_NO_AUTHORITY);
    c = (struct tacit_certificate){.not_after = 1};
    holder(c.public_key);
    assert_int_equal(tacit_certificate_add_name(&c, "a@x.example.net"), 0);
    assert_int_equal(tacit_certificate_add_name(&c, "*@*.example"), 0);
    assert_int_equal(tacit_certificate_sign(&c, &s, text, &len), 0);
    assert_int_equal(tacit_policy_check_certificate(p, &c, 0, &name, &authority),
                     TACIT_NO_AUTHORITY);
    assert_string_equal(name, "*@*.example");
    tacit_policy_free(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_reads_as_it_was_signed),
        cmocka_unit_test(its_text_is_lines_for_people),
        cmocka_unit_test(no_altered_bit_gets_through),
        cmocka_unit_test(no_part_of_one_and_nothing_behind_it_gets_through),
        cmocka_unit_test(another_ones_signature_does_not_fit),
        cmocka_unit_test(what_was_signed_as_a_policy_is_no_certificate),
        cmocka_unit_test(a_signed_body_in_another_spelling_is_refused),
        cmocka_unit_test(what_makes_no_sense_is_not_signed),
        cmocka_unit_test(a_host_shows_its_own_certificate_and_no_others),
        cmocka_unit_test(a_foreign_authority_is_told_from_an_altered_certificate),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
