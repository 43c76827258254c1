/* Fresh keys for a live link. */
#include "session/keys.h"

const char tacit_keys_too_late[] =
    "an exchange of fresh keys did not come to its end in time";
const char tacit_keys_too_often[] = "it offers fresh keys too often";
const char tacit_keys_unexpected[] = "a rekey record that is not the one expected";

void tacit_keys_limit(struct tacit_link_keys *keys, const struct tacit_policy *policy)
{
    keys->limits = (struct tacit_rekey_limits){
        .seconds = tacit_policy_rekey_seconds(policy),
        .bytes = tacit_policy_rekey_bytes(policy),
        .records = tacit_policy_rekey_records(policy),
    };
}

void tacit_keys_begin(struct tacit_link_keys *keys, const struct tacit_policy *policy,
                      int64_t now)
{
    *keys = (struct tacit_link_keys){.since = now};
    tacit_keys_limit(keys, policy);
}

bool tacit_keys_overdue(const struct tacit_link_keys *keys,
                        const struct tacit_channel *ch, int64_t now)
{
    return tacit_rekey_overdue(ch, &keys->limits, (uint64_t)(now - keys->step) / 1000000);
}

int tacit_keys_offer(struct tacit_link_keys *keys, struct tacit_channel *ch,
                     const struct tacit_rekey_keys *lent, int64_t now, uint8_t *out,
                     size_t out_cap, size_t *ret_len)
{
    int error = tacit_rekey_offer(ch, lent, out, out_cap, ret_len);
    if (!error)
        keys->step = now;
    return error;
}

bool tacit_keys_refuse(struct tacit_link_keys *keys, const struct tacit_channel *ch,
                       const uint8_t *data, size_t len, int64_t now)
{
    return tacit_rekey_is_early(ch, data, len) &&
           !tacit_bucket_take(&keys->early, tacit_early_offers, now / 1000);
}

int tacit_keys_take(struct tacit_link_keys *keys, struct tacit_channel *ch,
                    const struct tacit_rekey_keys *lent, int64_t now, const uint8_t *data,
                    size_t len, uint8_t *out, size_t out_cap, size_t *ret_len)
{
    uint32_t generation = ch->generation;
    int state = (int)ch->rekey.state;
    int error = tacit_rekey_take(ch, lent, data, len, out, out_cap, ret_len);
    if (error)
        return error;
    if (ch->generation != generation) {
        keys->since = now;
        keys->used = false;
    }
    if ((int)ch->rekey.state != state)
        keys->step = now;
    return TACIT_OK;
}
