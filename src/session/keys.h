/*
 * The record keys of a live link as they grow old: when fresh ones are due, and the
 * exchange that brings them (channel/rekey.h). Times are microseconds of a monotonic
 * clock. session.h has the room.
 */
#ifndef TACIT_SESSION_KEYS_H
#define TACIT_SESSION_KEYS_H

#include "channel/rekey.h"
#include "gate/bucket.h"
#include "policy/policy.h"

struct tacit_link_keys {
    struct tacit_rekey_limits limits; /* of the policy in force */
    int64_t since;                    /* when the present keys were agreed */
    int64_t step; /* of the exchange under way: when its present step began */
    bool used;    /* more than ticks has crossed under them: the owner sets it */
    struct tacit_bucket early; /* offers of the peer's that came too soon */
};

/* What a peer that broke the protocol is told, or both logs say. */
extern const char tacit_keys_too_late[], tacit_keys_too_often[], tacit_keys_unexpected[];

/* The handshake is done, now. */
void tacit_keys_begin(struct tacit_link_keys *keys, const struct tacit_policy *policy,
                      int64_t now);
/* From now on this policy says when fresh keys are due. */
void tacit_keys_limit(struct tacit_link_keys *keys, const struct tacit_policy *policy);

/* Whether to offer fresh keys. Asked with each message: no more than a few comparisons.
 */
static inline bool tacit_keys_due(const struct tacit_link_keys *keys,
                                  const struct tacit_channel *ch, int64_t now)
{
    uint64_t age = keys->used ? (uint64_t)(now - keys->since) / 1000000 : 0;
    return tacit_rekey_due(ch, &keys->limits, age);
}

/* Whether there is an exchange under way at all: if not, none can be overdue. */
static inline bool tacit_keys_changing(const struct tacit_channel *ch)
{
    return ch->rekey.state != TACIT_REKEY_NONE;
}

/*
 * Whether the exchange under way should be over: then nothing but ticks may cross, and
 * the link ends, with TACIT_CLOSE_KEY_LIMIT and tacit_keys_too_late.
 */
bool tacit_keys_overdue(const struct tacit_link_keys *keys,
                        const struct tacit_channel *ch, int64_t now);

/* Seals an offer, as tacit_rekey_offer does. */
int tacit_keys_offer(struct tacit_link_keys *keys, struct tacit_channel *ch,
                     const struct tacit_rekey_keys *lent, int64_t now, uint8_t *out,
                     size_t out_cap, size_t *ret_len);

/* Whether the data of a record of type rekey is one offer too many: to be asked first;
 * the link ends, with TACIT_CLOSE_PROTOCOL and tacit_keys_too_often. */
bool tacit_keys_refuse(struct tacit_link_keys *keys, const struct tacit_channel *ch,
                       const uint8_t *data, size_t len, int64_t now);

/*
 * Takes the data of a record of type rekey and seals the answer, as tacit_rekey_take
 * does. TACIT_ELIMIT: the keys are worn; any other error: TACIT_CLOSE_PROTOCOL and
 * tacit_keys_unexpected.
 */
int tacit_keys_take(struct tacit_link_keys *keys, struct tacit_channel *ch,
                    const struct tacit_rekey_keys *lent, int64_t now, const uint8_t *data,
                    size_t len, uint8_t *out, size_t out_cap, size_t *ret_len);

#endif
