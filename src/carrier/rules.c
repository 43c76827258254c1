/* Who may be which node: asked when a handshake ends, and again for every live link. */
#include <sodium.h>
#include <string.h>

#include "carrier.h"
#include "policy/signed.h"

/* The word for it on the wire. */
static enum tacit_close close_reason(enum tacit_reason reason)
{
    switch (reason) {
    case TACIT_NO_LINE:
    case TACIT_OTHER_KEY:
    case TACIT_OTHER_NAME:
        return TACIT_CLOSE_NAME;
    case TACIT_WRONG_ADDRESS:
        return TACIT_CLOSE_ADDRESS;
    case TACIT_WRONG_DIRECTION:
        return TACIT_CLOSE_DIRECTION;
    case TACIT_EXPIRED:
    case TACIT_RUN_OUT:
        return TACIT_CLOSE_EXPIRED;
    case TACIT_REVOKED:
        return TACIT_CLOSE_REVOKED;
    case TACIT_NO_CERTIFICATE:
    case TACIT_BAD_CERTIFICATE:
    case TACIT_NO_AUTHORITY:
    case TACIT_OTHER_HOLDER:
    case TACIT_NOT_YET:
    case TACIT_NO_GROUP:
        return TACIT_CLOSE_CERTIFICATE;
    default:
        return TACIT_CLOSE_REFUSED;
    }
}

/* What the peer hears; whom nothing of ours knows learns no more than that. */
static void explain(const struct tacit_decision *d, const char *name, struct ruling *r)
{
    enum tacit_close reason = close_reason(d->reason);
    r->reason = d->known ? reason : TACIT_CLOSE_REFUSED;
    if (r->reason == TACIT_CLOSE_NAME)
        snprintf(r->text, sizeof r->text, "the key is not good for the name %.200s",
                 name);
    else
        snprintf(r->text, sizeof r->text, "%s",
                 tacit_reason_text(d->known ? d->reason : TACIT_NO_LINE));
}

static void put_line(char text[LINE_TEXT], const char *path, unsigned line)
{
    enum {
        PATH_SHOWN = LINE_TEXT - 16
    };
    size_t len = strlen(path);
    snprintf(text, LINE_TEXT, "%s:%u", len > PATH_SHOWN ? path + len - PATH_SHOWN : path,
             line);
}

/* What the policy decided becomes the ruling, unless the key was revoked here. */
static int settle(int error, const uint8_t key[NOISE_DHLEN], struct tacit_decision *d,
                  struct ruling *r)
{
    const struct tacit_rule *rule = tacit_decision_rule(d);
    if (!error && shared_is_revoked(key)) {
        d->reason = TACIT_REVOKED;
        error = TACIT_EREFUSED;
    }
    memset(r, 0, sizeof *r);
    if (rule != NULL)
        put_line(r->line, rule->path, rule->line);
    r->until = d->until;
    r->why = d->reason;
    r->known = d->known;
    r->visibility = d->visibility;
    return error;
}

int rule_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                 const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                 bool inbound, struct ruling *ret_ruling)
{
    struct tacit_question question = {
        .name = peer->name,
        .dynamic = peer->dynamic,
        .public_key = key,
        .address = address,
        .inbound = inbound,
        .now = wall_clock(),
    };
    struct tacit_certificate certificate;
    struct tacit_decision decision;
    if (peer->certificate_len > 0) {
        question.certificate_fault = tacit_policy_certificate(
            policy, peer->certificate, peer->certificate_len, &certificate);
        if (question.certificate_fault == TACIT_ALLOWED)
            question.certificate = &certificate;
    }
    int error = tacit_policy_decide(policy, &question, &decision);
    error = settle(error, key, &decision, ret_ruling);
    if (error)
        explain(&decision, peer->name, ret_ruling);
    return error;
}

int rule_on_asker(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                  const struct tacit_address *address, struct ruling *ret_ruling)
{
    struct tacit_question question = {
        .public_key = key, .address = address, .inbound = true, .now = wall_clock()};
    struct tacit_decision decision;
    int error = tacit_policy_may_ask(policy, &question, &decision);
    error = settle(error, key, &decision, ret_ruling);
    ret_ruling->reason = TACIT_CLOSE_REFUSED;
    if (error)
        snprintf(ret_ruling->text, sizeof ret_ruling->text, "%s",
                 tacit_policy_ask_text(&decision));
    return error;
}

const char *ruling_for_us(const struct ruling *ruling)
{
    return ruling->known ? ruling->text : tacit_reason_text(ruling->why);
}

const char *ruling_of_ours(const struct ruling *ruling)
{
    bool no_line = ruling->why == TACIT_NO_LINE || ruling->why == TACIT_OTHER_KEY;
    return no_line ? "no [peer] line of ours allows the key that it showed"
                   : ruling_for_us(ruling);
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
    if (l->visibility == TACIT_EITHER || l->seen == TACIT_EITHER ||
        l->visibility == l->seen)
        return "";
    return l->seen == TACIT_VISIBLE
               ? "the rule for it wants a hidden node, it is visible"
               : "the rule for it wants a visible node, it is hidden";
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
    if (!error)
        return;
    link_send_close(l, ruling.reason, ruling.text);
    link_doom(l, error, tacit_close_name(ruling.reason), ruling_for_us(&ruling));
    link_arm(l);
}
