/* Whether a live link may go on. */
#include "session/review.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

void tacit_pair_key_id(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                       uint8_t ret_id[TACIT_PAIR_KEY_ID])
{
    struct tacit_secret pair_key;
    tacit_policy_pair_key(policy, key, &pair_key);
    crypto_generichash(ret_id, TACIT_PAIR_KEY_ID, pair_key.bytes, sizeof pair_key.bytes,
                       NULL, 0);
    tacit_secret_wipe(&pair_key);
}

/* Then the peer has not shown that it has it. */
static bool pair_key_changed(const struct tacit_review *link,
                             const struct tacit_policy *policy)
{
    uint8_t key_id[TACIT_PAIR_KEY_ID];
    tacit_pair_key_id(policy, link->peer_key, key_id);
    return memcmp(key_id, link->pair_key_id, sizeof key_id) != 0;
}

static int refuse(struct ruling *ruling, int error, enum tacit_close reason,
                  const char *text)
{
    ruling->reason = reason;
    snprintf(ruling->text, sizeof ruling->text, "%s", text);
    return error;
}

int tacit_review(const struct tacit_review *link, const struct tacit_policy *policy,
                 const struct tacit_now *now, bool revoked, struct ruling *ret_ruling)
{
    int error = ruling_on_peer(policy, link->peer, link->peer_key, link->address,
                               link->inbound, now, revoked, ret_ruling);
    if (error)
        return error;
    if (!(tacit_policy_suites(policy) & 1u << link->suite))
        return refuse(ret_ruling, TACIT_ESUITE, TACIT_CLOSE_REFUSED,
                      "suites no longer has the link's");
    const char *fault = ruling_visibility_fault(ret_ruling->visibility, link->seen);
    if (*fault != '\0')
        return refuse(ret_ruling, TACIT_EREFUSED, TACIT_CLOSE_VISIBILITY, fault);
    if (pair_key_changed(link, policy))
        return refuse(ret_ruling, TACIT_EREFUSED, TACIT_CLOSE_REFUSED,
                      "the pair key has changed");
    return TACIT_OK;
}
