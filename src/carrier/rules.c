/* Whether a live link may go on: asked again when anything that counts is another. */
#include <string.h>

#include "carrier.h"

bool rule_fingerprint(const struct tacit_policy *policy, const char *name,
                      char ret_text[TACIT_FINGERPRINT_TEXT])
{
    static const uint8_t nobody[NOISE_DHLEN];
    struct tacit_question question = {.name = name, .public_key = nobody};
    struct tacit_decision decision;
    (void)tacit_policy_decide(policy, &question, &decision);
    if (decision.peer == NULL || !decision.peer->has_key)
        return false;
    tacit_fingerprint(decision.peer->public_key, ret_text);
    return true;
}

const char *link_visibility_fault(const struct link *l)
{
    return ruling_visibility_fault(l->visibility, l->seen);
}

static int still_allowed(struct link *l, const struct tacit_policy *policy,
                         struct ruling *ret_ruling)
{
    const struct tacit_review facts = {
        .peer = &l->peer,
        .peer_key = l->peer_key,
        .address = &l->peer_address,
        .inbound = !l->initiator,
        .suite = l->channel->suite,
        .seen = l->seen,
        .pair_mark = l->pair_mark,
    };
    struct tacit_now now = guard_now();
    int error =
        tacit_review(&facts, policy, &now, shared_is_revoked(l->peer_key), ret_ruling);
    if (!error)
        guard_signed(&now, ret_ruling->signed_at);
    l->visibility = ret_ruling->visibility;
    return error;
}

void link_review(struct link *l)
{
    struct policy_ref *policy = shared_policy();
    struct ruling ruling;
    /* A link with a door is no node's, and over with the answer. */
    bool with_door = strcmp(l->peer.name, TACIT_DOOR_NAME) == 0;
    if (l->channel == NULL || l->doomed || policy == NULL || with_door) {
        policy_release(policy); /* the end of its handshake asks the same */
        return;
    }
    tacit_keys_limit(&l->keys, policy->policy);
    int error = still_allowed(l, policy->policy, &ruling);
    policy_release(policy);
    memcpy(l->line, ruling.line, sizeof l->line);
    due_set(&l->due, driver_mk_port(l->port), error ? TACIT_NEVER : ruling.until);
    if (!error)
        return;
    guard_known(&l->peer_address, false);
    link_send_close(l, ruling.reason, ruling.text);
    link_doom(l, error, tacit_close_name(ruling.reason), ruling_for_us(&ruling));
    link_arm(l);
}
