/*
 * The promises of the decision, as a table: every kind of rule allowed and denied, IPv4
 * and IPv6, both directions, and the last and first second of each validity.
 */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    const char *authority, *key, *names, *groups; /* names and groups: comma-separated */
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
     "a@h\xe9",
     KEY_1,
     "192.0.2.1",
     IN,
     1,
     {0},
     TACIT_NOT_A_NAME,
     0,
     ALWAYS,
     0},
    /* Another spelling is another node. */
    {PEER("a@h", KEY_1), "a@H", KEY_1, "::1", IN, 1, {0}, TACIT_NO_LINE, 0, ALWAYS, 1},
    {PEER("a@H", KEY_1), "a@H", KEY_1, "::1", IN, 1, {0}, TACIT_ALLOWED, 5, ALWAYS, 1},
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
        struct tacit_policy *p = must_load(conf);
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
    /* Over lines, and comma-separated. */
    snprintf(conf, sizeof conf,
             "[mesh]\nkey-file = mesh.key\nrevoked = %s, %s\nrevoked = %s\n"
             "[host]\nidentity = id.key\n" PEER("a@h", KEY_1) PEER("b@h", KEY_3),
             second, second, first);
    struct tacit_policy *p = must_load(conf);
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
    struct tacit_policy *p = must_load(conf);
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
    struct tacit_policy *p = must_load(conf);
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
    struct tacit_policy *p = must_load(BASE WORK PEER("b@x.net", KEY_1));
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

/* src/gate/clock.h: until a clock that was set is believed. */
static void a_clock_that_was_set_ahead_begins_things_and_ends_none(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    struct tacit_decision d;
    struct shown good = GOOD;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    struct tacit_policy *p = must_load(BASE WORK);
    struct tacit_question q = {.name = "a@x.net",
                               .public_key = one,
                               .now = NB - 100000,
                               .certificate = show(&good)};
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_NOT_YET);
    q.begins = NB;
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    q.now = NB;
    q.begins = UINT64_MAX;
    assert_int_equal(tacit_policy_decide(p, &q, &d), 0);
    q.now = UINT64_MAX;
    q.begins = NB;
    assert_int_equal(tacit_policy_decide(p, &q, &d), TACIT_EREFUSED);
    assert_int_equal(d.reason, TACIT_RUN_OUT);
    tacit_policy_free(p);
}

static void the_deciding_lines_visibility_is_told(void **state)
{
    uint8_t one[TACIT_KEY_BYTES];
    struct tacit_decision d;
    assert_int_equal(tacit_key_from_text(KEY_1, one), 0);
    struct tacit_policy *p =
        must_load(BASE PEER("a@h", KEY_1) "visibility = hidden\n" PEER(
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_of_the_table_is_decided_as_it_says),
        cmocka_unit_test(every_reason_has_a_row_and_a_name_of_its_own),
        cmocka_unit_test(a_revoked_key_is_denied_before_anything_else_is_said),
        cmocka_unit_test(of_many_revoked_keys_each_is_denied),
        cmocka_unit_test(a_revoked_certificate_holder_is_denied),
        cmocka_unit_test(a_certificate_that_could_not_be_read_denies_with_its_own_reason),
        cmocka_unit_test(a_clock_that_was_set_ahead_begins_things_and_ends_none),
        cmocka_unit_test(the_deciding_lines_visibility_is_told),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
