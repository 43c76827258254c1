/*
 * The newest policy of each authority: of the file that people put there and the one that
 * was kept when it came in force, the one that counts. Of a third, which a peer sent and
 * this host did not take, only what it revokes.
 */
#include "policy/conf.h"

#include <stdlib.h>
#include <string.h>

/* One of an authority's two files. */
struct candidate {
    const char *path;
    char *text; /* NULL: it does not count, for error and fault */
    size_t len;
    struct tacit_signed_rules rules;
    int error;
    struct tacit_fault fault;
};

/* Whether the text is by this authority: whose it is not costs no signature. */
static int open_candidate(const struct policy_authority *authority, struct candidate *c)
{
    struct policy_envelope envelope;
    uint8_t key[TACIT_KEY_BYTES];
    int error = policy_envelope_read(TACIT_SIGNED_POLICY, c->text, c->len, &envelope);
    if (error == 0 && memcmp(envelope.authority, authority->public_key, sizeof key) != 0)
        return tacit_fault_at(&c->fault, c->path, 2,
                              "signed by another authority than [authority %s]",
                              authority->name);
    if (error == 0)
        error = tacit_policy_open(c->text, c->len, key, &c->rules);
    return error == 0 ? 0
                      : tacit_fault_at(&c->fault, c->path, 0, "%s",
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
    c->error = files->read(files->context, path, TACIT_FILE_SHARED, text,
                           TACIT_POLICY_MAX, &c->len, &c->fault);
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
        tacit_fault_at(&fault, put->path, 5,
                       "serial %ju again, with other rules than before (%s), expected a "
                       "higher one",
                       serial, kept->path);
    else
        tacit_fault_at(&fault, put->path, 5,
                       "serial %ju, expected one above %ju, which came before (%s)",
                       serial, before, kept->path);
    return policy_note(policy, &fault);
}

/* Whether a file that people put there has what was not in force before. */
static bool is_new(const struct candidate *put, const struct candidate *kept)
{
    return put->text != NULL &&
           (kept->text == NULL || kept->rules.header.serial < put->rules.header.serial);
}

/* Which of the two counts: NULL where neither is there. */
static int choose(struct policy_conf *c, const struct candidate *put,
                  const struct candidate *kept, const struct candidate **ret_best)
{
    bool first = put->text != NULL;
    int error = 0;
    if (c->kept_only && is_new(put, kept)) {
        first = false;
        error = policy_heed_revoked(c, put->path, &put->rules);
    } else if (put->text != NULL && kept->text != NULL) {
        error = compare(c->policy, put, kept, &first);
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

/* One that a peer has sent, that is newer and was not taken: what it revokes is revoked.
 */
static int heed_refused(struct policy_conf *c, const struct tacit_files *files,
                        uint64_t serial)
{
    struct candidate refused;
    int error = read_candidate(files, c->authority, c->authority->refused, &refused);
    if (error == 0 && refused.text != NULL && refused.rules.header.serial > serial)
        error = policy_heed_revoked(c, refused.path, &refused.rules);
    if (error == 0 && refused.text == NULL && refused.error != TACIT_EABSENT)
        error = policy_note(c->policy, &refused.fault);
    free(refused.text);
    return error;
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
    if (error == 0 && best != NULL) {
        p->is_new = best == &put && is_new(&put, &kept);
        c->took_new = c->took_new || p->is_new;
        error = read_rules(c, best == &put ? &put : &kept, p);
    }
    free(put.text);
    free(kept.text);
    return error != 0 ? error : heed_refused(c, files, p->serial);
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
