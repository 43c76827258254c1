/* Who may be which node: asked when a handshake ends, and again for every live link. */
#include <sodium.h>
#include <string.h>

#include "carrier.h"

int rule_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                 const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                 bool inbound, struct ruling *ret_ruling)
{
    struct tacit_now now = guard_now();
    int error = ruling_on_peer(policy, peer, key, address, inbound, &now,
                               shared_is_revoked(key), ret_ruling);
    if (!error)
        guard_signed(&now, ret_ruling->signed_at);
    return error;
}

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

void pair_key_mark(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                   uint8_t ret_mark[PAIR_MARK])
{
    struct tacit_secret pair_key;
    tacit_policy_pair_key(policy, key, &pair_key);
    crypto_generichash(ret_mark, PAIR_MARK, pair_key.bytes, sizeof pair_key.bytes, NULL,
                       0);
    tacit_secret_wipe(&pair_key);
}

/* A pair key that is another now: the peer has not shown that it has it. */
static bool pair_key_changed(const struct link *l, const struct tacit_policy *policy)
{
    uint8_t mark[sizeof l->pair_mark];
    pair_key_mark(policy, l->peer_key, mark);
    return memcmp(mark, l->pair_mark, sizeof mark) != 0;
}

const char *link_visibility_fault(const struct link *l)
{
    return ruling_visibility_fault(l->visibility, l->seen);
}

static int still_allowed(struct link *l, const struct tacit_policy *policy,
                         struct ruling *ret_ruling)
{
    int error = rule_on_peer(policy, &l->peer, l->peer_key, &l->peer_address,
                             !l->initiator, ret_ruling);
    if (error)
        return error;
    ret_ruling->reason = TACIT_CLOSE_REFUSED;
    if (!(tacit_policy_suites(policy) & 1u << l->channel->suite)) {
        snprintf(ret_ruling->text, sizeof ret_ruling->text,
                 "suites no longer has the link's");
        return TACIT_ESUITE;
    }
    l->visibility = ret_ruling->visibility;
    if (*link_visibility_fault(l) != '\0') {
        ret_ruling->reason = TACIT_CLOSE_VISIBILITY;
        snprintf(ret_ruling->text, sizeof ret_ruling->text, "%s",
                 link_visibility_fault(l));
        return TACIT_EREFUSED;
    }
    if (pair_key_changed(l, policy)) {
        snprintf(ret_ruling->text, sizeof ret_ruling->text,
                 "the pair key is another now");
        return TACIT_EREFUSED;
    }
    return TACIT_OK;
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
    link_set_limits(l, policy->policy);
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
