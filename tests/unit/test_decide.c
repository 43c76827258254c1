/*
 * The promises of the decision, as a table: every kind of rule allowed and denied, IPv4
 * and IPv6, both directions, and the last and first second of each validity.
 */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"
#include "tacit/suite.h"

#define KEY_1 "b+fA7Xhf+H65cOclGie4gM+OqZYfsimYcE4cH51DDHc="
#define KEY_2 "slLs2unfuxuQLwDmV9hL8+3H6+DUKp+kbO+JVJBuQxo="
#define KEY_3 "aZPp9qR/kMwqeMLXxXHU0PRW5lozustvyrWB+TuEBRc="
/* Any 32 bytes do for an authority where no signature is looked at. */
#define CA_1 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define CA_2 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="
#define CA_3 "BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ="

#define BASE "[mesh]\nkey-file = mesh.key\n[host]\nidentity = id.key\n"
#define PEER(name, key) "[peer " name "]\npublic-key = " key "\n"

static const char *conf_text;

static int read_memory(void *context, const char *path, bool secret, char *buf,
                       size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const char *text = strcmp(path, "conf") == 0 ? conf_text
                       : strcmp(path, "mesh.key") == 0
                           ? "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
                           : "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    *ret_len = strlen(text);
    assert_true(*ret_len <= cap);
    memcpy(buf, text, *ret_len);
    return 0;
}

static struct tacit_policy *load(const char *conf)
{
    struct tacit_files files = {NULL, read_memory};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    conf_text = conf;
    if (tacit_policy_load("conf", &files, 1 << TACIT_SUITE_CHACHA20_POLY1305, &policy,
                          &fault) != 0)
        fail_msg("%s\n%s", fault.text, conf);
    return policy;
}

static void assert_load_fault(const char *conf, const char *expected)
{
    struct tacit_files files = {NULL, read_memory};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    conf_text = conf;
    assert_int_not_equal(tacit_policy_load("conf", &files,
                                           1 << TACIT_SUITE_CHACHA20_POLY1305, &policy,
                                           &fault),
                         0);
    assert_string_equal(fault.text, expected);
}

/* ---- The table --------------------------------------------------------------------- */

enum way {
    IN,
    OUT,
};

/* Times around those that the rules name, 2026-06-01 and the certificates'. */
#define JUNE UINT64_C(1780272000)
#define GRACE 300
#define NB UINT64_C(1000000)
#define NA UINT64_C(2000000)
#define ALWAYS TACIT_NEVER

struct shown {
    const char *authority, *key, *names, *groups; /* names and groups: by comma */
};

struct row {
    const char *rules;
    const char *name, *key, *address; /* "*@h" as a name: a dynamic one */
    enum way way;
    uint64_t now;
    struct shown shown;
    enum tacit_reason reason;
    unsigned line; /* of the deciding section */
    uint64_t until;
    bool known;
};

#define FROM \
    PEER("a@h", KEY_1) "from = 198.51.100.0/24, 2001:db8::/33\nfrom = 192.0.2.7\n"
#define CAS                                                     \
    "[authority one]\npublic-key = " CA_1 "\nnames = *@*.net\n" \
    "[authority two]\npublic-key = " CA_2 "\nnames = *@h, app@*.org\nnames = b*@*.com\n"
#define WORK CAS "[group work]\n"
/* What a certificate of `one` for a@x.net shows. */
#define GOOD                           \
    {                                  \
        CA_1, KEY_1, "a@x.net", "work" \
    }

static const struct row rows[] = {
    /* A name and a key. */
    {PEER("a@h", KEY_1),
     "a@h",
     KEY_1,
     "192.0.2.1",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1),
     "a@h",
     KEY_1,
     "192.0.2.1",
     OUT,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1),
     "a@h",
     KEY_2,
     "192.0.2.1",
     IN,
     1,
     {0},
     TACIT_OTHER_KEY,
     5,
     ALWAYS,
     0},
    {PEER("a@h", KEY_1),
     "b@h",
     KEY_1,
     "192.0.2.1",
     IN,
     1,
     {0},
     TACIT_NO_LINE,
     0,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1),
     "b@h",
     KEY_2,
     "192.0.2.1",
     OUT,
     1,
     {0},
     TACIT_NO_LINE,
     0,
     ALWAYS,
     0},
    {PEER("a@h", KEY_1),
     "a@H",
     KEY_1,
     "192.0.2.1",
     IN,
     1,
     {0},
     TACIT_NOT_A_NAME,
     0,
     ALWAYS,
     0},
    {PEER("a*@h", KEY_1), "ab@h", KEY_1, "::1", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {PEER("*@h", KEY_1), "*@h", KEY_1, "::1", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {PEER("a*@h", KEY_1), "*@h", KEY_1, "::1", IN, 1, {0}, TACIT_NO_LINE, 0, ALWAYS, 1},
    /* from: of those who come; inside, at both ends, outside; IPv4 also in IPv6's form.
     */
    {FROM, "a@h", KEY_1, "198.51.100.0", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "198.51.100.255", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "198.51.99.255", IN, 1, {0}, TACIT_WRONG_ADDRESS, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "198.51.101.0", IN, 1, {0}, TACIT_WRONG_ADDRESS, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "198.51.101.0", OUT, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "192.0.2.7", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, "192.0.2.6", IN, 1, {0}, TACIT_WRONG_ADDRESS, 5, ALWAYS, 1},
    {FROM,
     "a@h",
     KEY_1,
     "2001:db8:7fff:ffff::1",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {FROM,
     "a@h",
     KEY_1,
     "2001:db8:8000::",
     IN,
     1,
     {0},
     TACIT_WRONG_ADDRESS,
     5,
     ALWAYS,
     1},
    {FROM, "a@h", KEY_1, "mapped", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
    {FROM, "a@h", KEY_1, NULL, IN, 1, {0}, TACIT_WRONG_ADDRESS, 5, ALWAYS, 1},
    {PEER("a@h", KEY_1) "from = ::/0\n",
     "a@h",
     KEY_1,
     "198.51.100.1",
     IN,
     1,
     {0},
     TACIT_WRONG_ADDRESS,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "from = ::/0\n",
     "a@h",
     KEY_1,
     "fe80::1",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "from = 0.0.0.0/0\n",
     "a@h",
     KEY_1,
     "mapped",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "from = ::ffff:198.51.100.0/120\n",
     "a@h",
     KEY_1,
     "198.51.100.9",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    /* direction */
    {PEER("a@h", KEY_1) "direction = in\n",
     "a@h",
     KEY_1,
     "::1",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "direction = in\n",
     "a@h",
     KEY_1,
     "::1",
     OUT,
     1,
     {0},
     TACIT_WRONG_DIRECTION,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "direction = out\n",
     "a@h",
     KEY_1,
     "::1",
     IN,
     1,
     {0},
     TACIT_WRONG_DIRECTION,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "direction = out\n",
     "a@h",
     KEY_1,
     "::1",
     OUT,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "direction = both\n",
     "a@h",
     KEY_1,
     "::1",
     OUT,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    /* expires: the second before, and the second itself. */
    {PEER("a@h", KEY_1) "expires = 2026-06-01\n",
     "a@h",
     KEY_1,
     "::1",
     IN,
     JUNE - 1,
     {0},
     TACIT_ALLOWED,
     5,
     JUNE,
     1},
    {PEER("a@h", KEY_1) "expires = 2026-06-01\n",
     "a@h",
     KEY_1,
     "::1",
     IN,
     JUNE,
     {0},
     TACIT_EXPIRED,
     5,
     ALWAYS,
     1},
    {PEER("a@h", KEY_1) "expires = 2026-06-01T00:00:01Z\n",
     "a@h",
     KEY_1,
     "::1",
     OUT,
     JUNE,
     {0},
     TACIT_ALLOWED,
     5,
     JUNE + 1,
     1},
    /* The most specific line decides, alone: no wider one helps. */
    {PEER("*@h", KEY_1) PEER("a@h", KEY_1) "from = 192.0.2.1\n",
     "a@h",
     KEY_1,
     "::1",
     IN,
     1,
     {0},
     TACIT_WRONG_ADDRESS,
     7,
     ALWAYS,
     1},
    {PEER("*@h", KEY_1) PEER("a@h", KEY_1) "from = 192.0.2.1\n",
     "b@h",
     KEY_1,
     "::1",
     IN,
     1,
     {0},
     TACIT_ALLOWED,
     5,
     ALWAYS,
     1},
    {PEER("*@*", KEY_1) PEER("a*@h", KEY_1) "expires = 1999-12-31\n",
     "ab@h",
     KEY_1,
     "::1",
     IN,
     JUNE,
     {0},
     TACIT_EXPIRED,
     7,
     ALWAYS,
     1},
    /* Certificates and groups. */
    {WORK, "a@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_ALLOWED, 12, NA + GRACE, 1},
    {WORK, "a@x.net", KEY_1, "::1", OUT, NB, GOOD, TACIT_ALLOWED, 12, NA + GRACE, 1},
    {WORK, "a@x.net", KEY_1, "::1", IN, NB, {0}, TACIT_NO_LINE, 0, ALWAYS, 0},
    {WORK, "a@x.net", KEY_2, "::1", IN, NB, GOOD, TACIT_OTHER_HOLDER, 0, ALWAYS, 0},
    {WORK, "b@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_OTHER_NAME, 0, ALWAYS, 1},
    {WORK,
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_3, KEY_1, "a@x.net", "work"},
     TACIT_NO_AUTHORITY,
     0,
     ALWAYS,
     0},
    {WORK,
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "a@x.net", "work"},
     TACIT_NO_AUTHORITY,
     0,
     ALWAYS,
     1},
    {WORK,
     "app@x.org",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "x@y,app@*.org", "work"},
     TACIT_ALLOWED,
     12,
     NA + GRACE,
     1},
    {WORK,
     "bc@x.com",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "*@*", "work"},
     TACIT_ALLOWED,
     12,
     NA + GRACE,
     1},
    {WORK,
     "ac@x.com",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "*@*", "work"},
     TACIT_NO_AUTHORITY,
     0,
     ALWAYS,
     1},
    {WORK,
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_1, KEY_1, "a@x.net", "worker"},
     TACIT_NO_GROUP,
     0,
     ALWAYS,
     1},
    {WORK,
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_1, KEY_1, "a@x.net", ""},
     TACIT_NO_GROUP,
     0,
     ALWAYS,
     1},
    {CAS "[group *]\n",
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_1, KEY_1, "a@x.net", ""},
     TACIT_ALLOWED,
     12,
     NA + GRACE,
     1},
    {CAS, "a@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_NO_GROUP, 0, ALWAYS, 1},
    /* Dynamic names need a whole host, in the certificate and of the authority. */
    {WORK,
     "*@h",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "*@h", "work"},
     TACIT_ALLOWED,
     12,
     NA + GRACE,
     1},
    {WORK,
     "*@h",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "a@h", "work"},
     TACIT_OTHER_NAME,
     0,
     ALWAYS,
     1},
    {WORK,
     "*@x.org",
     KEY_1,
     "::1",
     IN,
     NB,
     {CA_2, KEY_1, "*@x.org", "work"},
     TACIT_NO_AUTHORITY,
     0,
     ALWAYS,
     1},
    /* Validity, with the clocks' grace on both sides: the seconds before and at each end.
     */
    {WORK, "a@x.net", KEY_1, "::1", IN, NB - GRACE - 1, GOOD, TACIT_NOT_YET, 0,
     NB - GRACE, 1},
    {WORK, "a@x.net", KEY_1, "::1", IN, NB - GRACE, GOOD, TACIT_ALLOWED, 12, NA + GRACE,
     1},
    {WORK, "a@x.net", KEY_1, "::1", IN, NA + GRACE - 1, GOOD, TACIT_ALLOWED, 12,
     NA + GRACE, 1},
    {WORK, "a@x.net", KEY_1, "::1", IN, NA + GRACE, GOOD, TACIT_RUN_OUT, 0, ALWAYS, 1},
    /* A group's conditions; the first of the file that allows decides. */
    {WORK "direction = out\n", "a@x.net", KEY_1, "::1", IN, NB, GOOD,
     TACIT_WRONG_DIRECTION, 12, ALWAYS, 1},
    {WORK "from = 192.0.2.0/24\n", "a@x.net", KEY_1, "192.0.3.1", IN, NB, GOOD,
     TACIT_WRONG_ADDRESS, 12, ALWAYS, 1},
    {WORK "from = 192.0.2.0/24\n[group *]\nfrom = 192.0.3.0/24\n", "a@x.net", KEY_1,
     "192.0.3.1", IN, NB, GOOD, TACIT_ALLOWED, 14, NA + GRACE, 1},
    {WORK "expires = 1970-01-13\n", "a@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_ALLOWED,
     12, 1036800, 1},
    {WORK "expires = 1970-01-12\n", "a@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_EXPIRED,
     12, ALWAYS, 1},
    /* A deciding [peer]: with a key it looks at no certificate, without one it asks for
       it. */
    {WORK PEER("a@x.net", KEY_2), "a@x.net", KEY_1, "::1", IN, NB, GOOD, TACIT_OTHER_KEY,
     13, ALWAYS, 0},
    {WORK PEER("a@x.net", KEY_1), "a@x.net", KEY_1, "::1", IN, NA * 2, GOOD,
     TACIT_ALLOWED, 13, ALWAYS, 1},
    {CAS "[peer a@x.net]\nendpoint = gate\n", "a@x.net", KEY_1, "::1", IN, NB, GOOD,
     TACIT_ALLOWED, 12, NA + GRACE, 1},
    {CAS "[peer a@x.net]\nendpoint = gate\n",
     "a@x.net",
     KEY_1,
     "::1",
     IN,
     NB,
     {0},
     TACIT_NO_CERTIFICATE,
     12,
     ALWAYS,
     0},
    {WORK "[peer a@x.net]\nfrom = 192.0.2.1\n", "a@x.net", KEY_1, "::1", IN, NB, GOOD,
     TACIT_WRONG_ADDRESS, 13, ALWAYS, 1},
};

static struct tacit_certificate *show(const struct shown *s)
{
    static struct tacit_certificate c;
    char *at = c.text;
    c = (struct tacit_certificate){.not_before = NB, .not_after = NA};
    if (s->authority == NULL)
        return NULL;
    assert_int_equal(tacit_key_from_text(s->authority, c.authority), 0);
    assert_int_equal(tacit_key_from_text(s->key, c.public_key), 0);
    for (int groups = 0; groups < 2; groups++) {
        const char *list = groups ? s->groups : s->names;
        while (*list != '\0') {
            size_t len = strcspn(list, ",");
            memcpy(at, list, len);
            at += len + 1;
            list += len + (list[len] == ',');
            *(groups ? &c.group_count : &c.name_count) += 1;
        }
    }
    return &c;
}

static const struct tacit_address *address(const char *text)
{
    static struct tacit_address a;
    char bracketed[64];
    if (text == NULL)
        return NULL;
    if (strcmp(text, "mapped") == 0) {
        /* As a socket gives it: 198.51.100.9 in IPv6's form. */
        a = (struct tacit_address){.family = 6,
                                   .bytes = {[10] = 255, 255, 198, 51, 100, 9}};
        return &a;
    }
    snprintf(bracketed, sizeof bracketed, strchr(text, ':') ? "[%s]" : "%s", text);
    assert_int_equal(tacit_address_from_text(bracketed, &a), 0);
    return &a;
}

static void each_row_of_the_table_is_decided_as_it_says(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *r = &rows[i];
        char conf[2048];
        uint8_t public_key[TACIT_KEY_BYTES];
        struct tacit_decision d;
        bool dynamic = strncmp(r->name, "*@", 2) == 0;
        assert_int_equal(tacit_key_from_text(r->key, public_key), 0);
        snprintf(conf, sizeof conf, BASE "%s", r->rules);
        struct tacit_policy *p = load(conf);
        struct tacit_question q = {.name = r->name + 2 * dynamic,
                                   .dynamic = dynamic,
                                   .public_key = public_key,
                                   .address = address(r->address),
                                   .inbound = r->way == IN,
                                   .now = r->now,
                                   .certificate = show(&r->shown)};
        int error = tacit_policy_decide(p, &q, &d);
        const struct tacit_rule *rule = tacit_decision_rule(&d);
        unsigned line = rule != NULL ? rule->line : 0;
        if (d.reason != r->reason || line != r->line || d.until != r->until ||
            d.known != r->known)
            fail_msg("row %zu: %s at line %u until %ju, %sknown\n%s", i,
                     tacit_reason_name(d.reason), line, (uintmax_t)d.until,
                     d.known ? "" : "not ", conf);
        assert_int_equal(error, d.reason == TACIT_ALLOWED      ? 0
                                : d.reason == TACIT_NOT_A_NAME ? TACIT_ENAME
                                                               : TACIT_EREFUSED);
        tacit_policy_free(p);
    }
}

static void every_reason_has_a_row_and_a_name_of_its_own(void **state)
{
    for (int reason = 0; reason < TACIT_REASON_COUNT; reason++) {
        bool seen = reason == TACIT_REVOKED || reason == TACIT_BAD_CERTIFICATE;
        for (size_t i = 0; i < COUNT(rows); i++)
            seen = seen || (int)rows[i].reason == reason;
        if (!seen)
            fail_msg("no row for %s", tacit_reason_name(reason));
        for (int other = 0; other < reason; other++)
            assert_string_not_equal(tacit_reason_name(reason), tacit_reason_name(other));
        assert_true(strlen(tacit_reason_text(reason)) > 0);
    }
}

static void a_revoked_key_is_denied_before_anything_else_is_said(void **state)
{
    uint8_t one[TACIT_KEY_BYTES], two[TACIT_KEY_BYTES];
    char conf[1024], first[TACIT_FINGERPRINT_TEXT], second[TACIT_FINGERPRINT_TEXT];
    struct tacit_decision d;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    assert_int_equal(tacit_key_from_text(KEY_2, two), 0);
    tacit_fingerprint(one, first);
    tacit_fingerprint(two, second);
    /* Over lines and by comma. */
    snprintf(conf, sizeof conf,
             "[mesh]\nkey-file = mesh.key\nrevoked = %s, %s\nrevoked = %s\n"
             "[host]\nidentity = id.key\n" PEER("a@h", KEY_1) PEER("b@h", KEY_3),
             second, second, first);
    struct tacit_policy *p = load(conf);
    struct tacit_question q = {.name = "a@h", .public_key = one, .inbound = true};
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_REVOKED);
    assert_int_equal(d.peer->rule.line, 7);
    q.name = "none@h"; /* no line: the reason is still the same */
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_REVOKED);
    q.public_key = two; /* and whom nobody knows may not hear it */
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_REVOKED);
    assert_false(d.known);
    uint8_t three[TACIT_KEY_BYTES];
    assert_int_equal(tacit_key_from_text(KEY_3, three), 0);
    q = (struct tacit_question){.name = "b@h", .public_key = three};
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    tacit_policy_free(p);
}

static void of_many_revoked_keys_each_is_denied(void **state)
{
    enum {
        MANY = 50
    };
    static char conf[16384];
    uint8_t key[TACIT_KEY_BYTES] = {0};
    size_t len = (size_t)snprintf(conf, sizeof conf, "[mesh]\nkey-file = mesh.key\n");
    for (uint8_t i = 0; i < MANY; i++) {
        char print[TACIT_FINGERPRINT_TEXT];
        key[0] = i;
        tacit_fingerprint(key, print);
        len += (size_t)snprintf(conf + len, sizeof conf - len, "revoked = %s\n", print);
    }
    snprintf(conf + len, sizeof conf - len, "[host]\nidentity = id.key\n");
    struct tacit_policy *p = load(conf);
    for (uint8_t i = 0; i < 2 * MANY; i++) {
        struct tacit_question q = {.name = "a@h", .public_key = key, .inbound = true};
        struct tacit_decision d;
        key[0] = i;
        assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
        assert_int_equal(d.reason, i < MANY ? TACIT_REVOKED : TACIT_NO_LINE);
    }
    tacit_policy_free(p);
}

static void a_revoked_certificate_holder_is_denied(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    char conf[1024], print[TACIT_FINGERPRINT_TEXT];
    struct tacit_decision d;
    struct shown good = GOOD;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    tacit_fingerprint(one, print);
    snprintf(
        conf, sizeof conf,
        "[mesh]\nkey-file = mesh.key\nrevoked = %s\n[host]\nidentity = id.key\n" WORK,
        print);
    struct tacit_policy *p = load(conf);
    struct tacit_question q = {
        .name = "a@x.net", .public_key = one, .now = NB, .certificate = show(&good)};
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_REVOKED);
    assert_true(d.known);
    tacit_policy_free(p);
}

static void a_certificate_that_could_not_be_read_denies_with_its_own_reason(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    struct tacit_decision d;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    struct tacit_policy *p = load(BASE WORK PEER("b@x.net", KEY_1));
    struct tacit_question q = {.name = "a@x.net",
                               .public_key = one,
                               .now = NB,
                               .certificate_fault = TACIT_BAD_CERTIFICATE};
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_BAD_CERTIFICATE);
    /* A [peer] with a key looks at no certificate, bad ones included. */
    q.name = "b@x.net";
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    tacit_policy_free(p);
}

static void the_deciding_lines_visibility_is_told(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    struct tacit_decision d;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    struct tacit_policy *p = load(BASE PEER("a@h", KEY_1) "visibility = hidden\n" PEER(
        "b@h", KEY_1) "visibility = visible\n" PEER("c@h", KEY_1));
    struct tacit_question q = {.name = "a@h", .public_key = one};
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    assert_int_equal(d.visibility, TACIT_HIDDEN);
    q.name = "b@h";
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    assert_int_equal(d.visibility, TACIT_VISIBLE);
    q.name = "c@h";
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    assert_int_equal(d.visibility, TACIT_EITHER);
    tacit_policy_free(p);
}

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
        snprintf(expected, sizeof expected, "conf:7: %s", cases[i].fault);
        assert_load_fault(conf, expected);
    }
}

static void wrong_groups_authorities_and_revocations_are_faults(void **state)
{
    static const struct {
        const char *conf, *fault;
    } cases[] = {
        {BASE "[group a]\n[group a]\n",
         "conf:6: [group a] is also at line 5, expected once"},
        {BASE "[group a b]\n", "conf:5: [group]: got 'a b', expected a group's name "
                               "(letters, digits, '-', '_', "
                               "'.'), or * for the holder of any certificate"},
        {BASE "[group a]\npublic-key = " KEY_1 "\n",
         "conf:6: unknown key 'public-key' in [group NAME], expected from, direction, "
         "visibility or expires"},
        {BASE "[authority a]\nnames = *@h\n",
         "conf:5: [authority a] has no public-key, expected 'public-key = KEY'"},
        {BASE "[authority a]\npublic-key = " CA_1 "\n",
         "conf:5: [authority a] has no names, expected 'names = NAME'"},
        {BASE CAS "[authority one]\n",
         "conf:12: [authority one] is also at line 5, expected once"},
        {BASE CAS "[authority three]\npublic-key = " CA_1 "\n",
         "conf:13: public-key: [authority one] at line 5 has the same, expected one "
         "section an authority"},
        {BASE "[authority a]\npublic-key = " CA_1 "\nnames = app\n",
         "conf:7: names: got 'app', expected a node name such as app@db1.example.net or "
         "*@*.example.net"},
        {BASE "[peer a@h]\ndirection = in\n",
         "conf:5: [peer a@h] has no public-key, expected 'public-key = KEY'"},
        {BASE CAS "[peer a@h]\npair-key = x.key\n",
         "conf:12: [peer a@h] has a pair-key but no public-key, expected both: a pair "
         "key "
         "belongs to a public key"},
        {"[mesh]\nkey-file = mesh.key\nrevoked = abc\n[host]\nidentity = id.key\n",
         "conf:3: revoked: got 'abc', expected a fingerprint that 'tacit check' or a log "
         "shows"},
        {"[mesh]\nkey-file = mesh.key\nclock-grace = 1h\n[host]\nidentity = id.key\n",
         "conf:3: clock-grace: got '1h', expected 0 to 86400 seconds"},
        {BASE PEER("a*@h", KEY_1) PEER("*b@h", KEY_1) "direction = in\n",
         "conf:7: [peer *b@h] and [peer a*@h] at line 5 can name one node and are "
         "equally "
         "specific, expected the same keys and conditions in both"},
        {BASE PEER("a*@h", KEY_1) "from = ::1\n" PEER("*b@h", KEY_1) "from = ::2\n",
         "conf:8: [peer *b@h] and [peer a*@h] at line 5 can name one node and are "
         "equally "
         "specific, expected the same keys and conditions in both"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_load_fault(cases[i].conf, cases[i].fault);
}

static void a_network_is_shown_as_it_is_meant(void **state)
{
    char text[TACIT_NETWORK_TEXT];
    struct tacit_policy *p = load(BASE PEER(
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
                 {"2026-06-01", "2026-06-01T00:00:00Z", JUNE},
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
        const char *rules, *tests, *fault; /* the fault behind "conf:"; NULL: they pass */
    } cases[] = {
        {PEER("a@h", KEY_1), "allow = a@h\nallow = a@h out\ndeny = b@h\ndeny = *@x",
         NULL},
        {PEER("a@h", KEY_1), "deny = a@h", "8: deny a@h: it is allowed (conf:5)"},
        {PEER("a@h", KEY_1), "allow = b@h", "8: allow b@h: no [peer] line allows it"},
        {PEER("a@h", KEY_1), "deny = *@h", "8: deny *@h: it is allowed (conf:5)"},
        {PEER("a@h", KEY_1) "from = 192.0.2.0/24\n",
         "allow = a@h from 192.0.2.9\nallow = a@h\ndeny = a@h from 192.0.3.1\n"
         "deny = *@* from ::1",
         NULL},
        {PEER("a@h", KEY_1) "from = 192.0.2.0/24\n", "allow = a@h from 192.0.3.1",
         "9: allow a@h: the line that decides does not allow the address (conf:5)"},
        {PEER("a@h", KEY_1) "direction = in\n", "allow = a@h\ndeny = a@h out", NULL},
        /* The day does not count, or a file that is right would once be wrong. */
        {PEER("a@h", KEY_1) "expires = 2001-06-01\n", "allow = a@h", NULL},
        {PEER("a@h", KEY_1) "expires = 2001-06-01\n", "deny = a@h",
         "9: deny a@h: it is allowed (conf:5)"},
        /* A wider line counts for the names that a more specific one leaves it. */
        {PEER("*@*", KEY_1) PEER("*@h", KEY_1) "direction = out\n", "deny = *@h", NULL},
        {PEER("*@*", KEY_1) PEER("a@h", KEY_1) "direction = out\n", "deny = *@h",
         "11: deny *@h: it is allowed (conf:5)"},
        /* An exact name has its line, whatever stands before it. */
        {PEER("a*b@h", KEY_1) PEER("ab@h", KEY_2) "direction = out\n", "deny = ab@h",
         NULL},
        /* Certificates: what an authority may sign for, in a group or by a [peer]. */
        {WORK, "allow = a@x.net\nallow = app@x.org\ndeny = *@x.com\ndeny = a@x.org",
         "16: deny *@x.com: it is allowed (conf:12)"},
        {WORK, "allow = a@x.de", "14: allow a@x.de: no [peer] line allows it"},
        {WORK "direction = out\n", "allow = a@x.net",
         "15: allow a@x.net: the line that decides is for the other direction (conf:12)"},
        {CAS "[peer *@*]\nendpoint = gate\n", "allow = a@x.net\ndeny = *@x.de", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char conf[2048], expected[512] = "";
        struct tacit_fault fault = {""};
        snprintf(conf, sizeof conf, BASE "%s[test]\n%s\n", cases[i].rules,
                 cases[i].tests);
        struct tacit_policy *p = load(conf);
        int error = tacit_policy_test(p, &fault);
        if (cases[i].fault != NULL)
            snprintf(expected, sizeof expected, "conf:%s", cases[i].fault);
        if (strcmp(fault.text, expected) != 0)
            fail_msg("case %zu: '%s', not '%s'", i, fault.text, expected);
        assert_int_equal(error, cases[i].fault != NULL ? TACIT_ECONFIG : 0);
        tacit_policy_free(p);
    }
}

static void a_test_of_a_revoked_key_fails(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    char conf[1024], print[TACIT_FINGERPRINT_TEXT];
    struct tacit_fault fault;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    tacit_fingerprint(one, print);
    snprintf(
        conf, sizeof conf,
        "[mesh]\nkey-file = mesh.key\nrevoked = %s\n[host]\nidentity = id.key\n" PEER(
            "a@h", KEY_1) "[test]\nallow = a@h\n",
        print);
    struct tacit_policy *p = load(conf);
    assert_int_equal(tacit_policy_test(p, &fault), TACIT_ECONFIG);
    assert_string_equal(fault.text, "conf:9: allow a@h: the key is revoked (conf:6)");
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
        snprintf(expected, sizeof expected, "conf:6: %s", cases[i].expected);
        assert_load_fault(conf, expected);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_is_decided_as_it_says),
        cmocka_unit_test(every_reason_has_a_row_and_a_name_of_its_own),
        cmocka_unit_test(a_revoked_key_is_denied_before_anything_else_is_said),
        cmocka_unit_test(of_many_revoked_keys_each_is_denied),
        cmocka_unit_test(a_revoked_certificate_holder_is_denied),
        cmocka_unit_test(a_certificate_that_could_not_be_read_denies_with_its_own_reason),
        cmocka_unit_test(the_deciding_lines_visibility_is_told),
        cmocka_unit_test(a_wrong_condition_is_a_fault_that_names_file_line_and_value),
        cmocka_unit_test(wrong_groups_authorities_and_revocations_are_faults),
        cmocka_unit_test(a_network_is_shown_as_it_is_meant),
        cmocka_unit_test(a_configurations_own_tests_pass_or_are_named),
        cmocka_unit_test(a_test_of_a_revoked_key_fails),
        cmocka_unit_test(a_malformed_test_is_a_fault),
        cmocka_unit_test(a_time_reads_and_prints_the_same),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
