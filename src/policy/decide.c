/* Who may be which node, and where it is. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_glob(const void *name, const void *at)
{
    return strcmp(name, (*(const struct tacit_peer *const *)at)->glob);
}

static const struct tacit_peer *find_name(const struct policy_index *index,
                                          const char *name)
{
    const struct tacit_peer **at =
        bsearch(name, index->peers, index->count, sizeof *index->peers, compare_glob);
    return at != NULL ? *at : NULL;
}

/* The line "*@host". */
static const struct tacit_peer *find_host(const struct tacit_policy *policy,
                                          const char *host)
{
    char glob[TACIT_NAME_MAX + 2];
    snprintf(glob, sizeof glob, "*@%s", host);
    return find_name(&policy->hosts, glob);
}

/* The more specific of two lines; of equals, which agree, the first of the file. */
static const struct tacit_peer *better(const struct tacit_peer *a,
                                       const struct tacit_peer *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    size_t n = policy_glob_literals(a->glob), m = policy_glob_literals(b->glob);
    if (n != m)
        return n > m ? a : b;
    return a->line < b->line ? a : b;
}

/* The line that decides about a static name, or about a host's dynamic ones. */
static const struct tacit_peer *deciding(const struct tacit_policy *policy,
                                         const char *name, bool dynamic)
{
    const struct tacit_peer *exact = dynamic ? NULL : find_name(&policy->exact, name);
    if (exact != NULL)
        return exact;
    const char *host = dynamic ? name : strchr(name, '@') + 1;
    const struct tacit_peer *best = find_host(policy, host);
    for (size_t i = 0; i < policy->globs.count; i++) {
        const struct tacit_peer *peer = policy->globs.peers[i];
        bool any_name = strncmp(peer->glob, "*@", 2) == 0;
        if (dynamic ? any_name && tacit_glob_match(peer->glob + 2, host)
                    : tacit_glob_match(peer->glob, name))
            return better(best, peer);
    }
    return best;
}

int tacit_policy_decide(const struct tacit_policy *policy, const char *name, bool dynamic,
                        const uint8_t public_key[TACIT_KEY_BYTES],
                        const struct tacit_peer **ret_peer)
{
    *ret_peer = NULL;
    if (!(dynamic ? tacit_host_ok(name) : tacit_name_ok(name)))
        return TACIT_ENAME;
    const struct tacit_peer *peer = deciding(policy, name, dynamic);
    *ret_peer = peer;
    if (peer == NULL || memcmp(peer->public_key, public_key, TACIT_KEY_BYTES) != 0)
        return TACIT_EREFUSED;
    return 0;
}

static int compare_key(const void *key, const void *at)
{
    return memcmp(key, (*(const struct tacit_peer *const *)at)->public_key,
                  TACIT_KEY_BYTES);
}

/* One line with this key, any: all of them have the same pair key. */
static const struct tacit_peer *find_key(const struct tacit_policy *policy,
                                         const uint8_t public_key[TACIT_KEY_BYTES])
{
    const struct policy_index *keys = &policy->keys;
    const struct tacit_peer **at =
        bsearch(public_key, keys->peers, keys->count, sizeof *keys->peers, compare_key);
    return at != NULL ? *at : NULL;
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
    const struct tacit_peer *peer = deciding(policy, name, false);
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
    for (size_t i = 0; i < policy->plain_count; i++) {
        if (tacit_glob_match(policy->plain[i], name))
            return true;
    }
    return false;
}
