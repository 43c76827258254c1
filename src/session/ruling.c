/* What the policy's answer about a peer means on a channel. */
#include "session/ruling.h"

#include <stdio.h>
#include <string.h>

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

static void put_line(char text[RULING_LINE], const char *path, unsigned line)
{
    enum {
        PATH_SHOWN = RULING_LINE - 16
    };
    size_t len = strlen(path);
    snprintf(text, RULING_LINE, "%s:%u",
             len > PATH_SHOWN ? path + len - PATH_SHOWN : path, line);
}

/* What the policy decided becomes the ruling, unless the host has revoked the key. */
static int settle(int error, bool revoked, struct tacit_decision *d, struct ruling *r)
{
    const struct tacit_rule *rule = tacit_decision_rule(d);
    if (!error && revoked) {
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

int ruling_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                   const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                   bool inbound, const struct tacit_now *now, bool revoked,
                   struct ruling *ret_ruling)
{
    struct tacit_question question = {
        .name = peer->name,
        .dynamic = peer->dynamic,
        .public_key = key,
        .address = address,
        .inbound = inbound,
        .now = now->ends,
        .begins = now->begins,
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
    error = settle(error, revoked, &decision, ret_ruling);
    if (error)
        explain(&decision, peer->name, ret_ruling);
    else if (question.certificate != NULL)
        ret_ruling->signed_at = question.certificate->not_before;
    return error;
}

int ruling_on_requester(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                        const struct tacit_address *address, const struct tacit_now *now,
                        bool revoked, struct ruling *ret_ruling)
{
    struct tacit_question question = {
        .public_key = key, .address = address, .inbound = true, .now = now->ends};
    struct tacit_decision decision;
    int error = tacit_policy_may_ask(policy, &question, &decision);
    error = settle(error, revoked, &decision, ret_ruling);
    ret_ruling->reason = TACIT_CLOSE_REFUSED;
    if (error)
        snprintf(ret_ruling->text, sizeof ret_ruling->text, "%s",
                 tacit_policy_ask_text(&decision));
    return error;
}

const char *ruling_visibility_fault(uint8_t visibility, uint8_t seen)
{
    if (visibility == TACIT_EITHER || seen == TACIT_EITHER || visibility == seen)
        return "";
    return seen == TACIT_VISIBLE ? "the rule for it wants a hidden node, it is visible"
                                 : "the rule for it wants a visible node, it is hidden";
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
