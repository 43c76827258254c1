/* Peers in the orders that make decisions fast, and the contradictions among them. */
#include "policy/policy-internal.h"

#include <stdlib.h>
#include <string.h>

#define PEER(at) (*(const struct tacit_peer *const *)(at))

static int by_line(const struct tacit_peer *a, const struct tacit_peer *b)
{
    return (a->line > b->line) - (a->line < b->line);
}

static int by_glob(const void *x, const void *y)
{
    const struct tacit_peer *a = PEER(x), *b = PEER(y);
    int order = strcmp(a->glob, b->glob);
    return order != 0 ? order : by_line(a, b);
}

static int by_specificity(const void *x, const void *y)
{
    const struct tacit_peer *a = PEER(x), *b = PEER(y);
    size_t n = policy_glob_literals(a->glob), m = policy_glob_literals(b->glob);
    return n != m ? (n < m) - (n > m) : by_line(a, b);
}

static int by_key(const void *x, const void *y)
{
    const struct tacit_peer *a = PEER(x), *b = PEER(y);
    int order = memcmp(a->public_key, b->public_key, sizeof a->public_key);
    return order != 0 ? order : by_line(a, b);
}

/* Which index holds a peer: most meshes have only the first two kinds. */
static struct policy_index *index_of(struct tacit_policy *policy, const char *glob)
{
    const char *star = strchr(glob, '*');
    if (star == NULL)
        return &policy->exact;
    bool one_host = strncmp(glob, "*@", 2) == 0 && strchr(glob + 1, '*') == NULL;
    return one_host ? &policy->hosts : &policy->globs;
}

static void sort(struct policy_index *index, int (*order)(const void *, const void *))
{
    if (index->count > 1)
        qsort(index->peers, index->count, sizeof *index->peers, order);
}

int policy_index_build(struct tacit_policy *p)
{
    struct policy_index *all[] = {&p->exact, &p->hosts, &p->globs, &p->keys};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        /* One more than none, so that NULL always means: no memory. */
        all[i]->peers = calloc(p->peer_count + 1, sizeof *all[i]->peers);
        if (all[i]->peers == NULL)
            return TACIT_ENOMEM;
    }
    for (size_t i = 0; i < p->peer_count; i++) {
        const struct tacit_peer *peer = &p->peers[i];
        struct policy_index *index = index_of(p, peer->glob);
        index->peers[index->count++] = peer;
        p->keys.peers[p->keys.count++] = peer;
    }
    sort(&p->exact, by_glob);
    sort(&p->hosts, by_glob);
    sort(&p->globs, by_specificity);
    sort(&p->keys, by_key);
    return 0;
}

void policy_index_free(struct tacit_policy *policy)
{
    free(policy->exact.peers);
    free(policy->hosts.peers);
    free(policy->globs.peers);
    free(policy->keys.peers);
}

static bool same_key(const struct tacit_peer *a, const struct tacit_peer *b)
{
    return memcmp(a->public_key, b->public_key, sizeof a->public_key) == 0;
}

static bool same_pair_key(const struct tacit_peer *a, const struct tacit_peer *b)
{
    if (a->pair_key == NULL || b->pair_key == NULL)
        return a->pair_key == b->pair_key;
    return tacit_secret_equal(a->pair_key, b->pair_key);
}

/* Two lines for one node, in the order of the file. */
static int clash(const struct tacit_policy *policy, struct tacit_fault *fault,
                 const struct tacit_peer *a, const struct tacit_peer *b)
{
    const struct tacit_peer *first = a->line < b->line ? a : b;
    const struct tacit_peer *second = first == a ? b : a;
    if (strcmp(a->glob, b->glob) == 0)
        return policy_fault(fault, policy->path, second->line,
                            "[peer %.160s] is also at line %u, expected once",
                            second->glob, first->line);
    return policy_fault(
        fault, policy->path, second->line,
        "[peer %.160s] and [peer %.160s] at line %u can name one node and "
        "are equally specific, expected the same keys in both",
        second->glob, first->glob, first->line);
}

/* In an index by name: neighbours that are equal. */
static int check_twins(const struct tacit_policy *policy,
                       const struct policy_index *index, struct tacit_fault *fault)
{
    for (size_t i = 1; i < index->count; i++) {
        if (strcmp(index->peers[i - 1]->glob, index->peers[i]->glob) == 0)
            return clash(policy, fault, index->peers[i - 1], index->peers[i]);
    }
    return 0;
}

static bool contradict(const struct tacit_peer *a, const struct tacit_peer *b)
{
    if (strcmp(a->glob, b->glob) == 0)
        return true;
    /* Two pair keys for one public key are check_pair_keys' to find. */
    return !same_key(a, b) && policy_globs_meet(a->glob, b->glob);
}

/* Globs against those of the same specificity: the ones behind, and whole hosts. */
static int check_globs(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct policy_index *globs = &policy->globs, *hosts = &policy->hosts;
    for (size_t i = 0; i < globs->count; i++) {
        const struct tacit_peer *a = globs->peers[i];
        size_t literals = policy_glob_literals(a->glob);
        for (size_t j = i + 1; j < globs->count; j++) {
            const struct tacit_peer *b = globs->peers[j];
            if (policy_glob_literals(b->glob) != literals)
                break;
            if (contradict(a, b))
                return clash(policy, fault, a, b);
        }
        for (size_t j = 0; j < hosts->count; j++) {
            const struct tacit_peer *b = hosts->peers[j];
            if (strlen(b->glob) - 1 == literals && contradict(a, b))
                return clash(policy, fault, a, b);
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
        if (same_key(a, b) && !same_pair_key(a, b))
            return policy_fault(
                fault, policy->path, b->line,
                "[peer %.160s] and [peer %.160s] at line %u have one "
                "public-key, expected one pair-key for both or for neither",
                b->glob, a->glob, a->line);
    }
    return 0;
}

int policy_check_conflicts(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    int error = check_twins(policy, &policy->exact, fault);
    if (error == 0)
        error = check_twins(policy, &policy->hosts, fault);
    if (error == 0)
        error = check_globs(policy, fault);
    if (error == 0)
        error = check_pair_keys(policy, fault);
    if (error == 0)
        error = policy_check_doors(policy, fault);
    return error;
}
