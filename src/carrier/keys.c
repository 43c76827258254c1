/*
 * Fresh keys for a live link: when they are due, and the long-lived keys that the channel
 * borrows for them. The identity outlives the configuration that it came with: a link
 * goes on under the one that it was made with.
 */
#include <sodium.h>
#include <string.h>

#include "carrier.h"

/* --- identities -------------------------------------------------------------------- */

struct identity *identity_new(const struct noise_keypair *pair)
{
    struct identity *identity = driver_alloc(sizeof *identity);
    if (identity == NULL)
        return NULL;
    atomic_init(&identity->count, 1);
    identity->pair = sodium_malloc(sizeof *identity->pair);
    if (identity->pair == NULL) {
        driver_free(identity);
        return NULL;
    }
    *identity->pair = *pair;
    sodium_mprotect_readonly(identity->pair);
    return identity;
}

struct identity *identity_hold(struct identity *identity)
{
    atomic_fetch_add(&identity->count, 1);
    return identity;
}

void identity_release(struct identity *identity)
{
    if (identity == NULL || atomic_fetch_sub(&identity->count, 1) > 1)
        return;
    sodium_free(identity->pair); /* wipes */
    driver_free(identity);
}

/* --- a link's keys ------------------------------------------------------------------ */

void link_set_limits(struct link *l, const struct tacit_policy *policy)
{
    l->rekey = (struct tacit_rekey_limits){
        .seconds = tacit_policy_rekey_seconds(policy),
        .bytes = tacit_policy_rekey_bytes(policy),
        .records = tacit_policy_rekey_records(policy),
    };
}

/* What the channel borrows. A pair key that changes ends the link: it is looked up. */
static bool lend(const struct link *l, struct tacit_rekey_keys *keys)
{
    struct policy_ref *policy = shared_policy();
    if (policy == NULL || l->identity == NULL) {
        policy_release(policy);
        return false;
    }
    keys->identity = l->identity->pair;
    keys->peer_key = l->peer_key;
    tacit_policy_pair_key(policy->policy, l->peer_key, &keys->pair_key);
    policy_release(policy);
    return true;
}

bool link_refresh_keys(struct link *l, ErlDrvTime now)
{
    uint64_t age = l->used ? (uint64_t)(now - l->keys_since) / 1000000 : 0;
    if (l->doomed || l->state != LINK_ACTIVE ||
        !tacit_rekey_due(l->channel, &l->rekey, age))
        return false;
    struct tacit_rekey_keys keys;
    uint8_t record[TACIT_REKEY_RECORD_MAX];
    size_t len;
    link_seal_gathered(l); /* what the channel seals now comes behind */
    if (l->doomed || !lend(l, &keys))
        return false;
    int error = tacit_rekey_offer(l->channel, &keys, record, sizeof record, &len);
    tacit_wipe(&keys, sizeof keys);
    if (error) {
        link_doom(l, error, error == TACIT_ELIMIT ? "keys_worn" : tacit_error_name(error),
                  tacit_error_text(error));
        return false;
    }
    l->rekey_since = now;
    link_queue_record(l, record, len);
    return true;
}

void link_check_keys(struct link *l, ErlDrvTime now)
{
    static const char text[] =
        "an exchange of fresh keys did not come to its end in time";
    if (l->doomed || l->state != LINK_ACTIVE ||
        !tacit_rekey_overdue(l->channel, &l->rekey,
                             (uint64_t)(now - l->rekey_since) / 1000000))
        return;
    link_send_close(l, TACIT_CLOSE_WORN, text);
    link_doom(l, TACIT_ELIMIT, tacit_close_name(TACIT_CLOSE_WORN), text);
}

/* What an exchange has come to: when its present step began. */
static void note_step(struct link *l, uint32_t generation, int state)
{
    ErlDrvTime now = erl_drv_monotonic_time(ERL_DRV_USEC);
    if (l->channel->generation != generation) {
        l->keys_since = now;
        l->used = false;
    }
    if ((int)l->channel->rekey.state != state)
        l->rekey_since = now;
}

int link_take_rekey(struct link *l, const uint8_t *data, size_t size)
{
    struct tacit_rekey_keys keys;
    uint8_t record[TACIT_REKEY_RECORD_MAX];
    size_t len;
    uint32_t generation = l->channel->generation;
    int state = l->channel->rekey.state;
    if (tacit_rekey_is_early(l->channel, data, size) &&
        !tacit_bucket_take(&l->early, tacit_early_offers,
                           erl_drv_monotonic_time(ERL_DRV_MSEC))) {
        link_protocol_error(l, "it offers fresh keys too often");
        return TACIT_OK;
    }
    link_seal_gathered(l);
    if (l->doomed)
        return TACIT_OK;
    if (!lend(l, &keys))
        return TACIT_ESTATE;
    int error =
        tacit_rekey_take(l->channel, &keys, data, size, record, sizeof record, &len);
    tacit_wipe(&keys, sizeof keys);
    if (error)
        return error;
    note_step(l, generation, state);
    if (len > 0)
        link_queue_record(l, record, len);
    return TACIT_OK;
}
