/*
 * Fresh keys for a live link, and the long-lived keys that the channel borrows for them.
 * The identity outlives the configuration that it came with: a link goes on under the one
 * that it was made with.
 */
#include "carrier.h"

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

/* Apart: its frame costs more than the question that comes before it, so often. */
__attribute__((noinline)) static bool offer(struct link *l, ErlDrvTime now)
{
    struct tacit_rekey_keys keys;
    uint8_t record[TACIT_REKEY_RECORD_MAX];
    size_t len;
    link_seal_batched(l); /* what the channel seals now comes behind */
    if (l->failed || !lend(l, &keys))
        return false;
    int error =
        tacit_keys_offer(&l->keys, l->channel, &keys, now, record, sizeof record, &len);
    tacit_wipe(&keys, sizeof keys);
    if (error) {
        link_fail(l, error, error == TACIT_ELIMIT ? "key_limit" : tacit_error_name(error),
                  tacit_error_text(error));
        return false;
    }
    link_queue_record(l, record, len);
    return true;
}

bool link_refresh_keys(struct link *l, ErlDrvTime now)
{
    return !l->failed && l->state == LINK_ACTIVE &&
           tacit_keys_due(&l->keys, l->channel, now) && offer(l, now);
}

void link_check_keys(struct link *l, ErlDrvTime now)
{
    if (l->failed || l->state != LINK_ACTIVE ||
        !tacit_keys_overdue(&l->keys, l->channel, now))
        return;
    link_send_close(l, TACIT_CLOSE_KEY_LIMIT, tacit_keys_too_late);
    link_fail(l, TACIT_ELIMIT, tacit_close_name(TACIT_CLOSE_KEY_LIMIT),
              tacit_keys_too_late);
}

int link_take_rekey(struct link *l, const uint8_t *data, size_t size)
{
    struct tacit_rekey_keys keys;
    uint8_t record[TACIT_REKEY_RECORD_MAX];
    size_t len;
    ErlDrvTime now = erl_drv_monotonic_time(ERL_DRV_USEC);
    if (tacit_keys_refuse(&l->keys, l->channel, data, size, now)) {
        link_protocol_error(l, tacit_keys_too_often);
        return TACIT_OK;
    }
    link_seal_batched(l);
    if (l->failed)
        return TACIT_OK;
    if (!lend(l, &keys))
        return TACIT_ESTATE;
    int error = tacit_keys_take(&l->keys, l->channel, &keys, now, data, size, record,
                                sizeof record, &len);
    tacit_wipe(&keys, sizeof keys);
    if (!error && len > 0)
        link_queue_record(l, record, len);
    return error;
}
