/*
 * The promises of the decision: those of src/policy/DECISIONS.md, every kind of rule
 * allowed and denied, IPv4 and IPv6, both directions, and the last and first second of
 * each validity; and what no table shows.
 */
#include "test_conf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BASE_LINES = 4, /* of BASE, before the rules of a row */
    ROWS_MAX = 300,
    COLUMNS = 10,
    CELL_MAX = 64,
};

/* What a certificate of `one` for a@x.net shows, and when it is valid. */
#define NB UINT64_C(1000000)
#define NA UINT64_C(2000000)

struct shown {
    char authority[CELL_MAX], key[CELL_MAX], names[CELL_MAX], groups[CELL_MAX];
};
static const struct shown good = {CA_1, KEY_1, "a@x.net", "work"};

/* --- the table: src/policy/DECISIONS.md --------------------------------------------- */

struct row {
    unsigned at; /* its line in the page */
    char rules[1024];
    char name[CELL_MAX], key[CELL_MAX], address[CELL_MAX]; /* "*@h": a dynamic name */
    bool inbound;
    uint64_t now;
    struct shown shown; /* authority "": none */
    char reason[CELL_MAX];
    unsigned line; /* of the deciding section, the rules' first being 1; 0: none */
    uint64_t until;
    bool known;
};

static struct row rows[ROWS_MAX];
static size_t row_count;

/* KEY_1 and its like, in full; anything else as it is. */
static const char *in_full(const char *word)
{
    static const char *const keys[][2] = {{"KEY_1", KEY_1}, {"KEY_2", KEY_2},
                                          {"KEY_3", KEY_3}, {"CA_1", CA_1},
                                          {"CA_2", CA_2},   {"CA_3", CA_3}};
    for (size_t i = 0; i < COUNT(keys); i++)
        if (strcmp(word, keys[i][0]) == 0)
            return keys[i][1];
    return word;
}

/* A line of the rules, without what sets it in. */
static void read_rule(char *rules, size_t cap, const char *line)
{
    static const char key[] = "public-key = ";
    size_t len = strlen(rules),
           before = strncmp(line, key, sizeof key - 1) == 0 ? sizeof key - 1 : 0;
    snprintf(rules + len, cap - len, "%.*s%s\n", (int)before, line,
             in_full(line + before));
    assert_true(strlen(rules) < cap - 1);
}

static uint64_t read_time(const char *text)
{
    uint64_t time = 1;
    if (strcmp(text, "always") == 0)
        return TACIT_NEVER;
    if (strcmp(text, "any") != 0)
        assert_int_equal(tacit_time_from_text(text, &time), 0);
    return time;
}

/* "a@h\xe9": a byte that no page can show. */
static void read_name(char *out, const char *text)
{
    const char *escape = strstr(text, "\\x");
    snprintf(out, CELL_MAX, "%s", text);
    if (escape != NULL) {
        out[escape - text] = (char)strtoul(escape + 2, NULL, 16);
        out[escape - text + 1] = '\0';
    }
}

static void read_shown(struct shown *shown, const char *text)
{
    char authority[CELL_MAX], key[CELL_MAX];
    if (strcmp(text, "-") == 0)
        return;
    assert_int_equal(
        sscanf(text, "%63s %63s %63s %63s", authority, key, shown->names, shown->groups),
        4);
    snprintf(shown->authority, CELL_MAX, "%s", in_full(authority));
    snprintf(shown->key, CELL_MAX, "%s", in_full(key));
    if (strcmp(shown->names, "-") == 0)
        shown->names[0] = '\0';
    if (strcmp(shown->groups, "-") == 0)
        shown->groups[0] = '\0';
}

/* The cells of "| a | b |", each without its blanks. */
static void split(char *line, char *cells[COLUMNS])
{
    char *rest = line;
    for (size_t i = 0; i < COLUMNS; i++) {
        cells[i] = strtok_r(i == 0 ? line : NULL, "|", &rest);
        assert_non_null(cells[i]);
        cells[i] += strspn(cells[i], " ");
        for (size_t len = strlen(cells[i]); len > 0 && cells[i][len - 1] == ' '; len--)
            cells[i][len - 1] = '\0';
        assert_true(strlen(cells[i]) < 4 * CELL_MAX);
    }
}

static void read_row(const char *rules, char *line, unsigned at)
{
    char *cells[COLUMNS];
    struct row *r = &rows[row_count++];
    assert_true(row_count <= ROWS_MAX);
    split(line, cells);
    r->at = at;
    snprintf(r->rules, sizeof r->rules, "%s", rules);
    read_name(r->name, cells[0]);
    snprintf(r->key, CELL_MAX, "%s", in_full(cells[1]));
    snprintf(r->address, CELL_MAX, "%s", cells[2]);
    r->inbound = strcmp(cells[3], "in") == 0;
    assert_true(r->inbound || strcmp(cells[3], "out") == 0);
    r->now = read_time(cells[4]);
    read_shown(&r->shown, cells[5]);
    snprintf(r->reason, CELL_MAX, "%s", cells[6]);
    r->line = (unsigned)strtoul(cells[7], NULL, 10);
    r->until = read_time(cells[8]);
    r->known = strcmp(cells[9], "yes") == 0;
    assert_true(r->known || strcmp(cells[9], "no") == 0);
}

/* Rules are set in; behind them is a table, whose first two lines are its head. */
static void read_page(const char *path)
{
    char line[512], rules[sizeof rows[0].rules] = "";
    FILE *page = fopen(path, "r");
    unsigned at = 0, in_table = 0;
    assert_non_null(page);
    while (fgets(line, sizeof line, page) != NULL) {
        at++;
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '|' && ++in_table > 2)
            read_row(rules, line, at);
        if (strncmp(line, "    ", 4) != 0)
            continue;
        if (in_table > 0)
            rules[0] = '\0';
        in_table = 0;
        read_rule(rules, sizeof rules, line + 4);
    }
    fclose(page);
    assert_true(row_count > 50);
}

/* --- asking ------------------------------------------------------------------------- */

static struct tacit_certificate *show(const struct shown *s)
{
    static struct tacit_certificate c;
    char *at = c.text;
    c = (struct tacit_certificate){.not_before = NB, .not_after = NA};
    if (s->authority[0] == '\0')
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
    if (strcmp(text, "-") == 0)
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

/* A bit a reason. */
static uint64_t reasons_seen;

static void decides(const struct row *r)
{
    char conf[sizeof BASE + sizeof r->rules];
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
                               .inbound = r->inbound,
                               .now = r->now,
                               .certificate = show(&r->shown)};
    int error = tacit_policy_decide(p, &q, &d);
    const struct tacit_rule *rule = tacit_decision_rule(&d);
    unsigned line = rule != NULL ? rule->line - BASE_LINES : 0;
    if (strcmp(tacit_reason_name(d.reason), r->reason) != 0 || line != r->line ||
        d.until != r->until || d.known != r->known)
        fail_msg("DECISIONS.md:%u: %s at line %u until %ju, %sknown\n%s", r->at,
                 tacit_reason_name(d.reason), line, (uintmax_t)d.until,
                 d.known ? "" : "not ", conf);
    assert_int_equal(error, d.reason == TACIT_ALLOWED      ? 0
                            : d.reason == TACIT_NOT_A_NAME ? TACIT_ENAME
                                                           : TACIT_EREFUSED);
    reasons_seen |= UINT64_C(1) << d.reason;
    tacit_policy_free(p);
}

static void each_row_of_the_page_is_decided_as_it_says(void **state)
{
    read_page(*state);
    for (size_t i = 0; i < row_count; i++)
        decides(&rows[i]);
}

static void every_reason_has_a_row_and_a_name_of_its_own(void **state)
{
    for (int reason = 0; reason < TACIT_REASON_COUNT; reason++) {
        bool below = reason == TACIT_REVOKED || reason == TACIT_BAD_CERTIFICATE;
        if (!below && (reasons_seen & UINT64_C(1) << reason) == 0)
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

/* test-decide DECISIONS.md */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(each_row_of_the_page_is_decided_as_it_says, argv[1]),
        cmocka_unit_test(every_reason_has_a_row_and_a_name_of_its_own),
        cmocka_unit_test(a_revoked_key_is_denied_before_anything_else_is_said),
        cmocka_unit_test(of_many_revoked_keys_each_is_denied),
        cmocka_unit_test(a_revoked_certificate_holder_is_denied),
        cmocka_unit_test(a_certificate_that_could_not_be_read_denies_with_its_own_reason),
        cmocka_unit_test(a_clock_that_was_set_ahead_begins_things_and_ends_none),
        cmocka_unit_test(the_deciding_lines_visibility_is_told),
    };
    if (argc != 2 || sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
