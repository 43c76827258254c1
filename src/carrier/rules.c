/* Who may be which node: asked when a handshake ends, and again for every live link. */
#include <sodium.h>
#include <string.h>

#include "carrier.h"

int rule_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                 const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                 bool inbound, struct ruling *ret_ruling)
{
    const struct tacit_peer *line;
    int error = tacit_policy_decide(policy, peer->name, peer->dynamic, key, &line);
    (void)address;
    (void)inbound;
    memset(ret_ruling, 0, sizeof *ret_ruling);
    ret_ruling->line = line != NULL ? line->line : 0;
    if (!error)
        return TACIT_OK;
    /* Whom no line knows learns no more than that. */
    bool known = tacit_policy_knows_key(policy, key);
    ret_ruling->reason = known ? TACIT_CLOSE_NAME : TACIT_CLOSE_REFUSED;
    if (known)
        snprintf(ret_ruling->text, sizeof ret_ruling->text,
                 "the key is not good for the name %.200s", peer->name);
    else
        snprintf(ret_ruling->text, sizeof ret_ruling->text, "no [peer] line allows it");
    return error;
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

static int still_allowed(const struct link *l, const struct tacit_policy *policy,
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
    if (l->channel == NULL || l->doomed || policy == NULL) {
        policy_release(policy); /* the end of its handshake asks the same */
        return;
    }
    int error = still_allowed(l, policy->policy, &ruling);
    policy_release(policy);
    l->line = ruling.line;
    if (!error)
        return;
    link_send_close(l, ruling.reason, ruling.text);
    link_doom(l, error, tacit_close_name(ruling.reason), ruling.text);
    link_arm(l);
}
