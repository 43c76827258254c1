/* Peers in the orders that make decisions fast. */
#include "policy/policy-internal.h"

#include <stdlib.h>
#include <string.h>

#define PEER(at) (*(const struct tacit_peer *const *)(at))

/* tacit.conf before what was signed elsewhere, and each in the order of its lines. */
static int by_line(const struct tacit_peer *a, const struct tacit_peer *b)
{
    const struct tacit_rule *x = &a->rule, *y = &b->rule;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return (x->line > y->line) - (x->line < y->line);
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
    size_t n = tacit_glob_literals(a->glob), m = tacit_glob_literals(b->glob);
    return n != m ? (n < m) - (n > m) : by_line(a, b);
}

static int by_host(const void *x, const void *y)
{
    int order = strcmp(strchr(PEER(x)->glob, '@'), strchr(PEER(y)->glob, '@'));
    return order != 0 ? order : by_specificity(x, y);
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
    const char *last = strrchr(glob, '*');
    if (last == NULL)
        return &policy->exact;
    return last < strchr(glob, '@') ? &policy->hosts : &policy->globs;
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
        all[i]->peers = calloc(p->peers.count + 1, sizeof *all[i]->peers);
        if (all[i]->peers == NULL)
            return TACIT_ENOMEM;
    }
    for (size_t i = 0; i < p->peers.count; i++) {
        const struct tacit_peer *peer = &p->peers.at[i];
        struct policy_index *index = index_of(p, peer->glob);
        index->peers[index->count++] = peer;
        if (peer->has_key)
            p->keys.peers[p->keys.count++] = peer;
    }
    sort(&p->exact, by_glob);
    sort(&p->hosts, by_host);
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
