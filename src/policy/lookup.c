/* Which line is for a name or a key. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first entry of an index for which compare(what, entry) is not above 0. */
static size_t lower_bound(const struct policy_index *index, const void *what,
                          int (*compare)(const void *, const struct tacit_peer *))
{
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(what, index->peers[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int compare_glob(const void *name, const struct tacit_peer *peer)
{
    return strcmp(name, peer->glob);
}

static int compare_host(const void *host, const struct tacit_peer *peer)
{
    return strcmp(host, strchr(peer->glob, '@') + 1);
}

static int compare_key(const void *key, const struct tacit_peer *peer)
{
    return memcmp(key, peer->public_key, TACIT_KEY_BYTES);
}

/* The first match, from an index's entry on: the most specific one. */
static const struct tacit_peer *first_match(const struct policy_index *index, size_t i,
                                            const char *host, const char *name,
                                            bool dynamic)
{
    for (; i < index->count; i++) {
        const struct tacit_peer *peer = index->peers[i];
        if (host != NULL && compare_host(host, peer) != 0)
            return NULL;
        if (tacit_glob_is_for(peer->glob, name, dynamic))
            return peer;
    }
    return NULL;
}

const struct tacit_peer *policy_more_specific(const struct tacit_peer *a,
                                              const struct tacit_peer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    bool a_exact = strchr(a->glob, '*') == NULL, b_exact = strchr(b->glob, '*') == NULL;
    if (a_exact != b_exact)
        return a_exact ? a : b;
    size_t n = tacit_glob_literals(a->glob), m = tacit_glob_literals(b->glob);
    if (n != m)
        return n > m ? a : b;
    if (a->rule.source != b->rule.source)
        return a->rule.source < b->rule.source ? a : b;
    return a->rule.line < b->rule.line ? a : b;
}

const struct tacit_peer *policy_deciding_peer(const struct tacit_policy *policy,
                                              const char *name, bool dynamic)
{
    if (!dynamic) {
        size_t i = lower_bound(&policy->exact, name, compare_glob);
        if (i < policy->exact.count && strcmp(policy->exact.peers[i]->glob, name) == 0)
            return policy->exact.peers[i];
    }
    const char *host = dynamic ? name : strchr(name, '@') + 1;
    size_t i = lower_bound(&policy->hosts, host, compare_host);
    return policy_more_specific(first_match(&policy->hosts, i, host, name, dynamic),
                                first_match(&policy->globs, 0, NULL, name, dynamic));
}

const struct tacit_peer **policy_lines_of(const struct tacit_policy *policy,
                                          const uint8_t public_key[TACIT_KEY_BYTES],
                                          size_t *ret_count)
{
    size_t i = lower_bound(&policy->keys, public_key, compare_key), end = i;
    while (end < policy->keys.count &&
           compare_key(public_key, policy->keys.peers[end]) == 0)
        end++;
    *ret_count = end - i;
    return policy->keys.peers + i;
}

/* One line with this key, any: all of them have the same pair key. */
static const struct tacit_peer *find_key(const struct tacit_policy *policy,
                                         const uint8_t public_key[TACIT_KEY_BYTES])
{
    size_t i = lower_bound(&policy->keys, public_key, compare_key);
    bool found =
        i < policy->keys.count && compare_key(public_key, policy->keys.peers[i]) == 0;
    return found ? policy->keys.peers[i] : NULL;
}

bool tacit_policy_knows_key(const struct tacit_policy *policy,
                            const uint8_t public_key[TACIT_KEY_BYTES])
{
    return find_key(policy, public_key) != NULL;
}

void tacit_policy_pair_key(const struct tacit_policy *policy,
                           const uint8_t public_key[TACIT_KEY_BYTES],
                           struct tacit_secret *ret_key)
{
    const struct tacit_peer *peer = find_key(policy, public_key);
    memset(ret_key, 0, sizeof *ret_key);
    if (peer != NULL && peer->pair_key != NULL)
        *ret_key = *peer->pair_key;
}

int tacit_policy_endpoint(const struct tacit_policy *policy, const char *name,
                          struct tacit_endpoint *ret_endpoint)
{
    if (!tacit_name_ok(name))
        return TACIT_ENAME;
    const struct tacit_peer *peer = policy_deciding_peer(policy, name, false);
    if (peer != NULL && peer->has_endpoint) {
        *ret_endpoint = peer->endpoint;
        return 0;
    }
    struct tacit_endpoint endpoint = {.port = TACIT_PORT_DEFAULT};
    snprintf(endpoint.host, sizeof endpoint.host, "%s", strchr(name, '@') + 1);
    *ret_endpoint = endpoint;
    return 0;
}

bool tacit_policy_is_plain(const struct tacit_policy *policy, const char *name)
{
    if (!tacit_name_ok(name))
        return false;
    for (size_t i = 0; i < policy->plain.count; i++) {
        if (tacit_glob_match(policy->plain.at[i].text, name))
            return true;
    }
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct policy_fingerprint));
}

void policy_sort_revoked(struct tacit_policy *policy)
{
    if (policy->revoked.count > 1)
        qsort(policy->revoked.at, policy->revoked.count, sizeof *policy->revoked.at,
              by_bytes);
}

bool policy_is_revoked(const struct tacit_policy *policy,
                       const uint8_t public_key[TACIT_KEY_BYTES])
{
    struct policy_fingerprint f;
    if (policy->revoked.count == 0)
        return false;
    tacit_fingerprint_bytes(public_key, f.bytes);
    return bsearch(&f, policy->revoked.at, policy->revoked.count,
                   sizeof *policy->revoked.at, by_bytes) != NULL;
}
