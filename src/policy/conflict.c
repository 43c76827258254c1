/* Lines that contradict one another. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <string.h>

static bool same_key(const struct tacit_peer *a, const struct tacit_peer *b)
{
    return a->has_key == b->has_key &&
           memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

/* Whether both ask for the same conditions, in the same words. */
static bool same_rule(const struct tacit_policy *policy, const struct tacit_rule *a,
                      const struct tacit_rule *b)
{
    const struct policy_network *networks = policy->networks.at;
    if (a->direction != b->direction || a->visibility != b->visibility ||
        a->expires != b->expires || a->from_count != b->from_count)
        return false;
    for (size_t i = 0; i < a->from_count; i++) {
        const struct policy_network *x = &networks[a->from + i],
                                    *y = &networks[b->from + i];
        if (x->bits != y->bits || !tacit_address_equal(&x->address, &y->address))
            return false;
    }
    return true;
}

static bool same_pair_key(const struct tacit_peer *a, const struct tacit_peer *b)
{
    if (a->pair_key == NULL || b->pair_key == NULL)
        return a->pair_key == b->pair_key;
    return tacit_secret_equal(a->pair_key, b->pair_key);
}

/* Two lines for one node, in the order of the file. */
static int clash(struct tacit_fault *fault, const struct tacit_peer *a,
                 const struct tacit_peer *b)
{
    bool in_order = a->rule.source != b->rule.source ? a->rule.source < b->rule.source
                                                     : a->rule.line < b->rule.line;
    const struct tacit_peer *first = in_order ? a : b, *second = in_order ? b : a;
    char of[80] = ""; /* another file */
    if (a->rule.source != b->rule.source)
        snprintf(of, sizeof of, " of %.70s", first->rule.path);
    if (strcmp(a->glob, b->glob) == 0)
        return tacit_fault_at(fault, second->rule.path, second->rule.line,
                              "[peer %.160s] is also at line %u%s, expected once",
                              second->glob, first->rule.line, of);
    return tacit_fault_at(
        fault, second->rule.path, second->rule.line,
        "[peer %.120s] and [peer %.120s] at line %u%s can name one node and "
        "are equally specific, expected the same keys and conditions in both",
        second->glob, first->glob, first->rule.line, of);
}

bool policy_gives_way(const struct tacit_policy *policy, const struct tacit_peer *a,
                      const struct tacit_peer *b)
{
    unsigned x = a->rule.source, y = b->rule.source;
    return x != y &&
           (x == 0 || y == 0 || (!policy_is_new(policy, x) && !policy_is_new(policy, y)));
}

static bool contradict(const struct tacit_policy *policy, const struct tacit_peer *a,
                       const struct tacit_peer *b)
{
    if (policy_gives_way(policy, a, b))
        return false;
    if (strcmp(a->glob, b->glob) == 0)
        return true;
    /* Two pair keys for one public key are check_pair_keys' to find. */
    return (!same_key(a, b) || !same_rule(policy, &a->rule, &b->rule)) &&
           tacit_globs_meet(a->glob, b->glob);
}

/* Names without '*': neighbours that are equal. */
static int check_twins(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct policy_index *index = &policy->exact;
    for (size_t i = 1; i < index->count; i++) {
        const struct tacit_peer *a = index->peers[i - 1], *b = index->peers[i];
        if (strcmp(a->glob, b->glob) == 0 && contradict(policy, a, b))
            return clash(fault, index->peers[i - 1], index->peers[i]);
    }
    return 0;
}

/* Globs against those of the same specificity: the ones behind, and whole hosts. */
static int check_globs(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct policy_index *globs = &policy->globs, *hosts = &policy->hosts;
    for (size_t i = 0; i < globs->count; i++) {
        const struct tacit_peer *a = globs->peers[i];
        size_t literals = tacit_glob_literals(a->glob);
        for (size_t j = i + 1; j < globs->count; j++) {
            const struct tacit_peer *b = globs->peers[j];
            if (tacit_glob_literals(b->glob) != literals)
                break;
            if (contradict(policy, a, b))
                return clash(fault, a, b);
        }
        for (size_t j = 0; j < hosts->count; j++) {
            const struct tacit_peer *b = hosts->peers[j];
            if (tacit_glob_literals(b->glob) == literals && contradict(policy, a, b))
                return clash(fault, a, b);
        }
    }
    return 0;
}

/* The pair key is asked for when only the peer's public key is known: it must be one. */
static int check_pair_keys(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct policy_index *keys = &policy->keys;
    for (size_t i = 1; i < keys->count; i++) {
        const struct tacit_peer *a = keys->peers[i - 1], *b = keys->peers[i];
        /* No pair key is signed elsewhere; tacit.conf's comes first and counts. */
        if (a->rule.source == b->rule.source && same_key(a, b) && !same_pair_key(a, b))
            return tacit_fault_at(
                fault, policy->path, b->rule.line,
                "[peer %.160s] and [peer %.160s] at line %u have one "
                "public-key, expected one pair-key for both or for neither",
                b->glob, a->glob, a->rule.line);
    }
    return 0;
}

/* Globs for one host: those of the same specificity stand side by side. */
static int check_hosts(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct policy_index *hosts = &policy->hosts;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct tacit_peer *a = hosts->peers[i];
        size_t literals = tacit_glob_literals(a->glob);
        for (size_t j = i + 1; j < hosts->count; j++) {
            const struct tacit_peer *b = hosts->peers[j];
            if (tacit_glob_literals(b->glob) != literals ||
                strcmp(strchr(a->glob, '@'), strchr(b->glob, '@')) != 0)
                break;
            if (contradict(policy, a, b))
                return clash(fault, a, b);
        }
    }
    return 0;
}

int policy_check_conflicts(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    int error = check_twins(policy, fault);
    if (error == 0)
        error = check_hosts(policy, fault);
    if (error == 0)
        error = check_globs(policy, fault);
    if (error == 0)
        error = check_pair_keys(policy, fault);
    if (error == 0)
        error = policy_check_doors(policy, fault);
    return error;
}
