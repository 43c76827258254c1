/* The directory: who may ask this host's door for its nodes, and whose door is asked. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The host part of a name or of a glob. */
static const char *host_of(const char *glob)
{
    return strchr(glob, '@') + 1;
}

/* Of the key's lines one that lets it ask; else the first's refusal. */
static enum tacit_reason ask_lines(const struct tacit_policy *policy,
                                   const struct tacit_question *q,
                                   struct tacit_decision *d)
{
    enum tacit_reason reason = TACIT_NO_LINE;
    size_t count;
    const struct tacit_peer **lines = policy_lines_of(policy, q->public_key, &count);
    d->known = count > 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t until = TACIT_NEVER;
        if (!lines[i]->directory)
            continue;
        enum tacit_reason answer = policy_rule_allows(policy, &lines[i]->rule, q, &until);
        if (answer == TACIT_ALLOWED || reason == TACIT_NO_LINE) {
            d->peer = lines[i];
            reason = answer;
        }
        if (answer == TACIT_ALLOWED) {
            d->until = until;
            break;
        }
    }
    return policy_is_revoked(policy, q->public_key) ? TACIT_REVOKED : reason;
}

int tacit_policy_may_ask(const struct tacit_policy *policy,
                         const struct tacit_question *question,
                         struct tacit_decision *ret_decision)
{
    *ret_decision = (struct tacit_decision){.until = TACIT_NEVER};
    ret_decision->reason = ask_lines(policy, question, ret_decision);
    return ret_decision->reason == TACIT_ALLOWED ? TACIT_OK : TACIT_EREFUSED;
}

const char *tacit_policy_ask_text(const struct tacit_decision *decision)
{
    return decision->known && decision->reason != TACIT_NO_LINE
               ? tacit_reason_text(decision->reason)
               : "no [peer] line lets this key ask";
}

const struct tacit_peer *tacit_policy_door_of(const struct tacit_policy *policy,
                                              const char *host)
{
    const struct tacit_peer *peer, *best = NULL;
    if (!tacit_host_ok(host))
        return NULL;
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++) {
        if (!peer->has_door_key || !tacit_glob_match(host_of(peer->glob), host))
            continue;
        if (best == NULL || tacit_glob_literals(host_of(peer->glob)) >
                                tacit_glob_literals(host_of(best->glob)))
            best = peer;
    }
    return best;
}

enum tacit_reason tacit_policy_decide_door(const struct tacit_policy *policy,
                                           const struct tacit_peer *line,
                                           const uint8_t public_key[TACIT_KEY_BYTES],
                                           bool revoked)
{
    if (memcmp(line->door_key, public_key, TACIT_KEY_BYTES) != 0)
        return TACIT_NO_LINE;
    return revoked || policy_is_revoked(policy, public_key) ? TACIT_REVOKED
                                                            : TACIT_ALLOWED;
}

int tacit_policy_door_endpoint(const struct tacit_policy *policy, const char *host,
                               struct tacit_endpoint *ret_endpoint)
{
    const struct tacit_peer *peer = tacit_policy_door_of(policy, host);
    if (peer == NULL)
        return TACIT_ENAME;
    struct tacit_endpoint endpoint = {.port = TACIT_PORT_DEFAULT};
    snprintf(endpoint.host, sizeof endpoint.host, "%s", host);
    *ret_endpoint = peer->has_endpoint ? peer->endpoint : endpoint;
    return 0;
}

static int compare_hosts(const void *a, const void *b)
{
    const struct tacit_peer *const *p = a, *const *q = b;
    int order = strcmp(host_of((*p)->glob), host_of((*q)->glob));
    if (order == 0 && (*p)->rule.source != (*q)->rule.source)
        return (*p)->rule.source < (*q)->rule.source ? -1 : 1;
    return order != 0 ? order
                      : ((*p)->rule.line > (*q)->rule.line) -
                            ((*p)->rule.line < (*q)->rule.line);
}

/* Of those sorted by host: neighbours of one host have one door. */
static int check_sorted(const struct tacit_policy *policy,
                        const struct tacit_peer **peers, size_t count,
                        struct tacit_fault *fault)
{
    for (size_t i = 1; i < count; i++) {
        const struct tacit_peer *a = peers[i - 1], *b = peers[i];
        if (strcmp(host_of(a->glob), host_of(b->glob)) == 0 &&
            !policy_gives_way(policy, a, b) &&
            memcmp(a->door_key, b->door_key, TACIT_KEY_BYTES) != 0)
            return tacit_fault_at(fault, b->rule.path, b->rule.line,
                                  "[peer %.160s] and [peer %.160s] at line %u have one "
                                  "host, expected the same door-key in both",
                                  b->glob, a->glob, a->rule.line);
    }
    return 0;
}

int policy_check_doors(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    const struct tacit_peer *peer, **peers;
    size_t count = 0, all = 0;
    while (tacit_policy_peer(policy, all) != NULL)
        all++;
    peers = calloc(all + 1, sizeof *peers);
    if (peers == NULL)
        return TACIT_ENOMEM;
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++)
        if (peer->has_door_key)
            peers[count++] = peer;
    qsort(peers, count, sizeof *peers, compare_hosts);
    int error = check_sorted(policy, peers, count, fault);
    free(peers);
    return error;
}
