/* A C node's configuration, and who is still allowed under it. */
#include "ei/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ei/fault.h"
#include "ei/link.h"
#include "files/files.h"
#include "policy/signed.h"
#include "tacit/suite.h"

/* --- reading -------------------------------------------------------------------------
 */

static struct tacit_files (*files_of)(void) = tacit_files_real;

void cnode_rules_files(struct tacit_files (*files)(void))
{
    files_of = files;
}

int cnode_rules_read(const char *conf, const struct tacit_policy *before,
                     struct cnode_rules **ret_rules, struct tacit_revoked *revoked)
{
    struct tacit_files files = files_of();
    struct tacit_fault fault;
    struct cnode_rules *rules = calloc(1, sizeof *rules);
    if (rules == NULL)
        return cnode_fault(TACIT_ENOMEM, "out of memory");
    atomic_init(&rules->users, 1);
    rules->generation = 1;
    int error =
        tacit_policy_load(conf, &files, tacit_suites_available(), &rules->policy, &fault);
    if (!error)
        error = tacit_policy_may_follow(rules->policy, before, &fault);
    if (!error)
        error = tacit_file_revoked(conf, revoked, &fault);
    if (error) {
        cnode_rules_release(rules);
        return cnode_fault(error, "%s", fault.text);
    }
    *ret_rules = rules;
    return TACIT_OK;
}

struct cnode_rules *cnode_rules_of(struct cnode *node)
{
    pthread_mutex_lock(&node->lock);
    struct cnode_rules *rules = node->rules;
    atomic_fetch_add(&rules->users, 1);
    pthread_mutex_unlock(&node->lock);
    return rules;
}

void cnode_rules_release(struct cnode_rules *rules)
{
    if (rules == NULL || atomic_fetch_sub(&rules->users, 1) > 1)
        return;
    tacit_policy_free(rules->policy);
    free(rules);
}

/* --- a link under rules that may be others -------------------------------------------
 */

static int still_allowed(const struct cnode_link *l, const struct tacit_policy *policy,
                         uint8_t seen, struct ruling *ret_ruling)
{
    const struct tacit_review facts = {
        .peer = &l->peer,
        .peer_key = l->peer_key,
        .address = &l->address,
        .inbound = l->inbound,
        .suite = l->channel->suite,
        .seen = seen,
        .pair_key_id = l->pair_key_id,
    };
    struct tacit_now now = cnode_now(l->node);
    bool revoked = cnode_is_revoked(l->node, policy, l->peer_key);
    int error = tacit_review(&facts, policy, &now, revoked, ret_ruling);
    if (!error)
        cnode_signed(l->node, &now, ret_ruling->signed_at);
    return error;
}

int cnode_link_review(struct cnode_link *l)
{
    struct ruling ruling;
    unsigned newest = atomic_load(&l->node->generation);
    uint64_t now = cnode_now(l->node).ends;
    pthread_mutex_lock(&l->lock);
    uint64_t until = l->ruling.until;
    uint8_t seen = l->seen;
    bool due = l->reviewed != newest || (until != TACIT_NEVER && now >= until);
    pthread_mutex_unlock(&l->lock);
    if (!due)
        return TACIT_OK;
    struct cnode_rules *rules = cnode_rules_of(l->node);
    int error = still_allowed(l, rules->policy, seen, &ruling);
    pthread_mutex_lock(&l->lock);
    if (!error) {
        l->reviewed = rules->generation;
        l->ruling = ruling;
        tacit_keys_limit(&l->keys, rules->policy);
    } else if (!l->failed) {
        l->dropped = rules->generation;
    }
    pthread_mutex_unlock(&l->lock);
    cnode_rules_release(rules);
    if (error) {
        cnode_admission_known(l->node, &l->address, false);
        cnode_link_close(l, ruling.reason, ruling.text);
    }
    return error;
}

int64_t cnode_link_next_review(struct cnode_link *l)
{
    uint64_t now = cnode_now(l->node).ends;
    pthread_mutex_lock(&l->lock);
    uint64_t until = l->ruling.until;
    pthread_mutex_unlock(&l->lock);
    uint64_t left = until > now ? until - now : 0;
    return left > 1000000 ? WIRE_NEVER : wire_now_us() + (int64_t)(left + 1) * 1000000;
}

/* --- new rules -----------------------------------------------------------------------
 */

/* Ends it where it is not allowed any more; so may the thread that uses it have done. */
static bool drop(struct cnode_link *l, unsigned generation)
{
    (void)cnode_link_review(l);
    pthread_mutex_lock(&l->lock);
    bool is_dropped = l->dropped == generation;
    pthread_mutex_unlock(&l->lock);
    if (is_dropped)
        cnode_link_wake(l);
    return is_dropped;
}

static unsigned review_links(struct cnode *node, unsigned generation)
{
    unsigned count = 0;
    pthread_mutex_lock(&node->links_lock);
    for (struct cnode_link *l = node->links; l != NULL; l = l->next)
        count += l->process == cnode_process() && drop(l, generation);
    pthread_mutex_unlock(&node->links_lock);
    return count;
}

static int put_in_force(struct cnode *node, struct cnode_rules *rules,
                        unsigned *ret_generation)
{
    struct tacit_fault fault;
    pthread_mutex_lock(&node->lock);
    struct cnode_rules *before = node->rules;
    /* Another thread may have put one in force since this one was read. */
    int error = tacit_policy_follows(rules->policy, before->policy, &fault);
    if (!error) {
        *ret_generation = rules->generation = before->generation + 1;
        node->rules = rules;
        tacit_clock_own(&node->clock, tacit_policy_own_signed_at(rules->policy));
        atomic_store(&node->generation, rules->generation);
    }
    pthread_mutex_unlock(&node->lock);
    if (error)
        return cnode_fault(error, "%s", fault.text);
    cnode_rules_release(before);
    return TACIT_OK;
}

int cnode_reload(struct cnode *node, unsigned *ret_dropped)
{
    struct cnode_rules *now = cnode_rules_of(node), *rules;
    struct tacit_revoked revoked = {0};
    int error =
        cnode_rules_read(tacit_policy_path(now->policy), now->policy, &rules, &revoked);
    cnode_rules_release(now);
    if (error)
        return error;
    unsigned generation = 0;
    error = put_in_force(node, rules, &generation);
    if (error) {
        cnode_rules_release(rules);
    } else {
        cnode_set_revoked(node, &revoked);
        *ret_dropped = review_links(node, generation);
    }
    tacit_revoked_free(&revoked);
    return error;
}
