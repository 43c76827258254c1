/* A C node: what its links and listeners have in common. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ei/fault.h"
#include "ei/link.h"
#include "files/files.h"
#include "gate/pending.h"

/* --- processes ---------------------------------------------------------------------- */

static atomic_uint forks; /* of this process's ancestors, since they had contexts */

unsigned cnode_process(void)
{
    return atomic_load(&forks);
}

void cnode_forked(void)
{
    atomic_fetch_add(&forks, 1);
}

/* --- the node ----------------------------------------------------------------------- */

/* With the lock held. A C node has no log: a step of the clock is told nowhere. */
static struct tacit_now look(struct cnode *node)
{
    int64_t step;
    return tacit_clock_look(&node->clock, tacit_wall_clock(), tacit_unset_ms(), &step);
}

int cnode_new(const char *conf, const char *name, struct cnode **ret_node)
{
    struct cnode *node = calloc(1, sizeof *node);
    if (node == NULL)
        return cnode_fault(TACIT_ENOMEM, "out of memory");
    int error = cnode_rules_read(conf, NULL, &node->rules, &node->revoked);
    if (error) {
        free(node);
        return error;
    }
    atomic_init(&node->users, 1);
    atomic_init(&node->generation, node->rules->generation);
    pthread_mutex_init(&node->lock, NULL);
    pthread_mutex_init(&node->links_lock, NULL);
    node->admission.all = tacit_admission_all;
    node->admission.source = tacit_admission_source;
    (void)look(node); /* its memory of first messages begins here */
    tacit_clock_own(&node->clock, tacit_policy_own_signed_at(node->rules->policy));
    snprintf(node->name, sizeof node->name, "%s", name);
    *ret_node = node;
    return TACIT_OK;
}

struct cnode *cnode_hold(struct cnode *node)
{
    atomic_fetch_add(&node->users, 1);
    return node;
}

void cnode_release(struct cnode *node)
{
    if (node == NULL || atomic_fetch_sub(&node->users, 1) > 1)
        return;
    cnode_rules_release(node->rules);
    tacit_revoked_free(&node->revoked);
    tacit_admission_free(&node->admission);
    pthread_mutex_destroy(&node->lock);
    pthread_mutex_destroy(&node->links_lock);
    free(node);
}

int cnode_admission_first(struct cnode *node, const struct tacit_address *source,
                          const uint8_t ephemeral[NOISE_DHLEN], uint64_t sent)
{
    int skew, error = TACIT_OK;
    pthread_mutex_lock(&node->lock);
    struct tacit_now now = look(node);
    if (source == NULL)
        tacit_admission_own(&node->admission, ephemeral, sent, &now);
    else
        error =
            tacit_admission_first(&node->admission, source, ephemeral, sent, &now, &skew);
    pthread_mutex_unlock(&node->lock);
    return error;
}

struct tacit_now cnode_now(struct cnode *node)
{
    pthread_mutex_lock(&node->lock);
    struct tacit_now now = look(node);
    pthread_mutex_unlock(&node->lock);
    return now;
}

void cnode_signed(struct cnode *node, const struct tacit_now *now, uint64_t time)
{
    pthread_mutex_lock(&node->lock);
    tacit_clock_signed(&node->clock, now, time);
    pthread_mutex_unlock(&node->lock);
}

void cnode_admission_known(struct cnode *node, const struct tacit_address *peer,
                           bool known)
{
    uint64_t source = tacit_pending_source(peer);
    pthread_mutex_lock(&node->lock);
    if (known)
        tacit_admission_known(&node->admission, source);
    else
        tacit_admission_forget(&node->admission, source);
    pthread_mutex_unlock(&node->lock);
}

bool cnode_admission_news(void *node, struct tacit_admission_told *told,
                          struct tacit_admission_news *ret_news)
{
    struct cnode *n = node;
    pthread_mutex_lock(&n->lock);
    bool some = tacit_admission_news(&n->admission, told, ret_news);
    pthread_mutex_unlock(&n->lock);
    return some;
}

void cnode_set_revoked(struct cnode *node, struct tacit_revoked *list)
{
    pthread_mutex_lock(&node->lock);
    struct tacit_revoked before = node->revoked;
    node->revoked = *list;
    pthread_mutex_unlock(&node->lock);
    *list = before;
}

bool cnode_is_revoked(struct cnode *node, const struct tacit_policy *policy,
                      const uint8_t key[NOISE_DHLEN])
{
    struct tacit_revoked now = {0};
    struct tacit_fault fault;
    int error = tacit_file_revoked(tacit_policy_path(policy), &now, &fault);
    if (error)
        (void)cnode_fault(error, "%s: those that were read before are revoked",
                          fault.text);
    else
        cnode_set_revoked(node, &now);
    tacit_revoked_free(&now);
    pthread_mutex_lock(&node->lock);
    bool revoked = tacit_revoked_has(&node->revoked, key);
    pthread_mutex_unlock(&node->lock);
    return revoked;
}

void cnode_set_door_keys(struct cnode *node, const struct tacit_key_ids *key_ids)
{
    pthread_mutex_lock(&node->lock);
    node->has_door = key_ids != NULL;
    node->door = key_ids != NULL ? *key_ids : (struct tacit_key_ids){0};
    pthread_mutex_unlock(&node->lock);
}

unsigned cnode_hidden_keys(struct cnode *node, const struct tacit_policy *policy)
{
    const struct tacit_secret *keys;
    size_t count = tacit_policy_mesh_keys(policy, &keys);
    pthread_mutex_lock(&node->lock);
    unsigned hidden = tacit_mesh_hidden(keys, count, node->has_door ? &node->door : NULL);
    pthread_mutex_unlock(&node->lock);
    return hidden;
}
