/* Signed policies: rules of tacit.conf's kind, with a serial number. */
#include "policy/policy-internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX = 128,
    SERIAL_DIGITS = 18,
};

/* --- writing ------------------------------------------------------------------------ */

int tacit_policy_sign(const struct tacit_signed_header *header,
                      const struct tacit_secret *seed, const char *rules, size_t len,
                      char *out, size_t cap, size_t *ret_len)
{
    char head[HEADER_MAX], fresh[64] = "", time[TACIT_TIME_TEXT];
    if (header->serial == 0 || header->serial > TACIT_SERIAL_MAX)
        return TACIT_EINVAL;
    if (header->fresh_until != TACIT_NEVER) {
        tacit_time_to_text(header->fresh_until, time);
        snprintf(fresh, sizeof fresh, "fresh-until = %s\n", time);
    }
    int n = snprintf(head, sizeof head, "serial = %ju\n%s\n", (uintmax_t)header->serial,
                     fresh);
    char *body = malloc((size_t)n + len);
    if (body == NULL)
        return TACIT_ENOMEM;
    memcpy(body, head, (size_t)n);
    memcpy(body + n, rules, len);
    int error =
        tacit_sign(TACIT_SIGNED_POLICY, seed, body, (size_t)n + len, out, cap, ret_len);
    free(body);
    return error;
}

/* --- reading ------------------------------------------------------------------------ */

/* Takes "KEY = VALUE" and the line's end off the front; value has cap bytes. */
static bool take_line(const char **at, size_t *left, const char *key, char *value,
                      size_t cap)
{
    size_t key_len = strlen(key);
    const char *eol = memchr(*at, '\n', *left);
    size_t len = eol != NULL ? (size_t)(eol - *at) : 0;
    if (len < key_len || memcmp(*at, key, key_len) != 0 || len - key_len >= cap ||
        memchr(*at, '\0', len) != NULL)
        return false;
    memcpy(value, *at + key_len, len - key_len);
    value[len - key_len] = '\0';
    *at += len + 1;
    *left -= len + 1;
    return true;
}

static bool serial_from_text(const char *text, uint64_t *ret_serial)
{
    size_t len = strlen(text);
    if (len == 0 || len > SERIAL_DIGITS || strspn(text, "0123456789") != len ||
        text[0] == '0')
        return false;
    *ret_serial = strtoull(text, NULL, 10);
    return true;
}

/* The body's own lines, up to the rules. */
static int read_header(const char *body, size_t len, struct tacit_signed_rules *r)
{
    char value[64];
    r->header.fresh_until = TACIT_NEVER;
    if (!take_line(&body, &len, "serial = ", value, sizeof value) ||
        !serial_from_text(value, &r->header.serial))
        return TACIT_EFORMAT;
    r->line = 5; /* the envelope's four, and the serial's */
    if (take_line(&body, &len, "fresh-until = ", value, sizeof value)) {
        if (tacit_time_from_text(value, &r->header.fresh_until) != 0)
            return TACIT_EFORMAT;
        r->line++;
    }
    if (len == 0 || *body != '\n')
        return TACIT_EFORMAT;
    r->line++;
    r->text = body + 1;
    r->len = len - 1;
    return 0;
}

int tacit_policy_open(const char *text, size_t len,
                      uint8_t ret_authority[TACIT_KEY_BYTES],
                      struct tacit_signed_rules *ret_rules)
{
    struct tacit_signed_rules rules;
    const char *body;
    size_t body_len;
    if (len > TACIT_POLICY_MAX)
        return TACIT_EFORMAT;
    int error = tacit_signed_open(TACIT_SIGNED_POLICY, text, len, ret_authority, &body,
                                  &body_len);
    if (error == 0)
        error = read_header(body, body_len, &rules);
    if (error != 0)
        return error;
    crypto_generichash(rules.hash, sizeof rules.hash, (const uint8_t *)body, body_len,
                       NULL, 0);
    *ret_rules = rules;
    return 0;
}

const char *tacit_policy_open_text(const char *text, size_t len, int error)
{
    static const char certificate[] = "tacit certificate ";
    size_t n = sizeof certificate - 1;
    if (error == TACIT_EAUTH)
        return "the signature does not hold: it was altered, or a part is missing";
    if (len >= n && memcmp(text, certificate, n) == 0)
        return "a certificate, expected a policy that 'tacit policy sign' wrote";
    return "not a signed policy, or a part of one, expected what 'tacit policy sign' "
           "wrote";
}

/* --- the newest of each authority --------------------------------------------------- */

/* One of an authority's two files. */
struct candidate {
    const char *path;
    char *text; /* NULL: it does not count, for error and fault */
    size_t len;
    struct tacit_signed_rules rules;
    int error;
    struct tacit_fault fault;
};

int policy_note(struct tacit_policy *policy, const struct tacit_fault *fault)
{
    struct tacit_fault *place = POLICY_ADD(&policy->notices);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = *fault;
    return 0;
}

/* Whether the text is by this authority: whose it is not costs no signature. */
static int open_candidate(const struct policy_authority *authority, struct candidate *c)
{
    struct policy_envelope envelope;
    uint8_t key[TACIT_KEY_BYTES];
    int error = policy_envelope_read(TACIT_SIGNED_POLICY, c->text, c->len, &envelope);
    if (error == 0 && memcmp(envelope.authority, authority->public_key, sizeof key) != 0)
        return policy_fault(&c->fault, c->path, 2,
                            "signed by another authority than [authority %s]",
                            authority->name);
    if (error == 0)
        error = tacit_policy_open(c->text, c->len, key, &c->rules);
    return error == 0 ? 0
                      : policy_fault(&c->fault, c->path, 0, "%s",
                                     tacit_policy_open_text(c->text, c->len, error));
}

static int read_candidate(const struct tacit_files *files,
                          const struct policy_authority *authority, const char *path,
                          struct candidate *c)
{
    *c = (struct candidate){.path = path};
    char *text = malloc(TACIT_POLICY_MAX);
    if (text == NULL)
        return TACIT_ENOMEM;
    c->text = text;
    c->error = files->read(files->context, path, false, text, TACIT_POLICY_MAX, &c->len,
                           &c->fault);
    if (c->error == 0) {
        char *fitting = realloc(text, c->len + 1);
        c->text = fitting != NULL ? fitting : text;
        c->error = open_candidate(authority, c);
    }
    if (c->error != 0) {
        free(c->text);
        c->text = NULL;
    }
    return 0;
}

/* Whether the file that people put there comes before the one that was kept; what speaks
 * against it is noted. */
static int compare(struct tacit_policy *policy, const struct candidate *put,
                   const struct candidate *kept, bool *ret_put)
{
    struct tacit_fault fault;
    uintmax_t serial = put->rules.header.serial, before = kept->rules.header.serial;
    bool same = memcmp(put->rules.hash, kept->rules.hash, sizeof put->rules.hash) == 0;
    *ret_put = serial > before || same;
    if (*ret_put)
        return 0;
    if (serial == before)
        policy_fault(&fault, put->path, 5,
                     "serial %ju again, with other rules than before (%s), expected a "
                     "higher one",
                     serial, kept->path);
    else
        policy_fault(&fault, put->path, 5,
                     "serial %ju, expected one above %ju, which came before (%s)", serial,
                     before, kept->path);
    return policy_note(policy, &fault);
}

/* Which of the two counts: NULL where neither is there. */
static int choose(struct policy_conf *c, const struct candidate *put,
                  const struct candidate *kept, const struct candidate **ret_best)
{
    bool first = put->text != NULL;
    int error = 0;
    if (put->text != NULL && kept->text != NULL) {
        if (c->kept_only)
            first = false;
        else
            error = compare(c->policy, put, kept, &first);
        c->took_new = c->took_new ||
                      (first && kept->rules.header.serial < put->rules.header.serial);
    }
    *ret_best = first ? put : kept->text != NULL ? kept : NULL;
    for (int i = 0; i < 2 && error == 0; i++) {
        const struct candidate *bad = i == 0 ? put : kept;
        if (bad->text != NULL || bad->error == TACIT_EABSENT)
            continue;
        if (*ret_best != NULL) {
            error = policy_note(c->policy, &bad->fault);
        } else {
            *c->fault = bad->fault;
            error = bad->error;
        }
    }
    return error;
}

/* The rules behind those of tacit.conf; text becomes the policy's. */
static int read_rules(struct policy_conf *c, struct candidate *best,
                      struct tacit_signed_policy *p)
{
    p->text = best->text;
    p->len = best->len;
    best->text = NULL;
    p->source = best->path;
    p->serial = best->rules.header.serial;
    p->fresh_until = best->rules.header.fresh_until;
    memcpy(p->hash, best->rules.hash, sizeof p->hash);
    return policy_rules_read(c, p->source, &best->rules);
}

static int read_newest(struct policy_conf *c, const struct tacit_files *files,
                       struct tacit_signed_policy *p)
{
    struct candidate put, kept = {0};
    const struct candidate *best = NULL;
    int error = read_candidate(files, c->authority, p->path, &put);
    if (error == 0)
        error = read_candidate(files, c->authority, p->kept, &kept);
    if (error == 0)
        error = choose(c, &put, &kept, &best);
    if (error == 0 && best != NULL)
        error = read_rules(c, best == &put ? &put : &kept, p);
    free(put.text);
    free(kept.text);
    return error;
}

/* A [group] of tacit.conf stands in place of a signed one of its name. */
static void replace_groups(struct tacit_policy *policy)
{
    for (size_t i = 0; i < policy->groups.count; i++) {
        struct tacit_group *group = &policy->groups.at[i];
        for (size_t j = 0; group->rule.source > 0 && j < i; j++) {
            const struct tacit_group *own = &policy->groups.at[j];
            if (own->rule.source == 0 && strcmp(own->name, group->name) == 0)
                group->replaced = true;
        }
    }
}

int policy_read_signed(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *policy = c->policy;
    int error = 0;
    for (size_t i = 0; i < policy->authorities.count && error == 0; i++) {
        const struct policy_authority *authority = &policy->authorities.at[i];
        if (authority->policy == NULL)
            continue;
        struct tacit_signed_policy *p = POLICY_ADD(&policy->signed_policies);
        if (p == NULL)
            return TACIT_ENOMEM;
        p->authority = authority->name;
        p->public_key = authority->public_key;
        p->path = authority->policy;
        p->kept = authority->kept;
        p->fresh_until = TACIT_NEVER;
        c->source = (unsigned)policy->signed_policies.count;
        c->authority = authority;
        error = read_newest(c, files, p);
    }
    replace_groups(policy);
    return error;
}

const struct policy_authority *policy_source(const struct tacit_policy *policy,
                                             unsigned source)
{
    return source == 0 ? NULL
                       : policy_find_authority(
                             policy, policy->signed_policies.at[source - 1].public_key);
}

const struct tacit_signed_policy *tacit_policy_signed(const struct tacit_policy *policy,
                                                      size_t i)
{
    return i < policy->signed_policies.count ? &policy->signed_policies.at[i] : NULL;
}

const char *tacit_policy_notice(const struct tacit_policy *policy, size_t i)
{
    return i < policy->notices.count ? policy->notices.at[i].text : NULL;
}

static int check_follows(const struct tacit_signed_policy *now,
                         const struct tacit_signed_policy *before,
                         struct tacit_fault *fault)
{
    if (now->serial < before->serial)
        return policy_fault(fault, now->path, 0,
                            "serial %ju of [authority %s], expected %ju or above, "
                            "which is in force",
                            (uintmax_t)now->serial, now->authority,
                            (uintmax_t)before->serial);
    if (now->serial == before->serial && now->serial > 0 &&
        memcmp(now->hash, before->hash, sizeof now->hash) != 0)
        return policy_fault(fault, now->path, 0,
                            "serial %ju again, with other rules than those that are in "
                            "force, expected a higher one",
                            (uintmax_t)now->serial);
    return 0;
}

int tacit_policy_follows(const struct tacit_policy *policy,
                         const struct tacit_policy *before, struct tacit_fault *fault)
{
    const struct tacit_signed_policy *now, *old;
    int error = 0;
    for (size_t i = 0; (old = tacit_policy_signed(before, i)) != NULL && error == 0; i++)
        for (size_t j = 0; (now = tacit_policy_signed(policy, j)) != NULL; j++)
            if (error == 0 &&
                memcmp(now->public_key, old->public_key, TACIT_KEY_BYTES) == 0)
                error = check_follows(now, old, fault);
    return error;
}
