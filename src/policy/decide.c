/* Who may be which node. */
#include "policy/policy-internal.h"

#include <string.h>

static const struct {
    const char *name, *text;
} reasons[TACIT_REASON_COUNT] = {
    [TACIT_ALLOWED] = {"allowed", "allowed"},
    [TACIT_NOT_A_NAME] = {"not_a_name", "that is not a node's name"},
    [TACIT_NO_LINE] = {"no_line", "no [peer] line allows it"},
    [TACIT_OTHER_KEY] = {"other_key", "the key is not good for the name"},
    [TACIT_NO_CERTIFICATE] = {"no_certificate", "the [peer] line asks for a certificate"},
    [TACIT_BAD_CERTIFICATE] = {"bad_certificate",
                               "the certificate was altered or is malformed"},
    [TACIT_NO_AUTHORITY] = {"no_authority",
                            "no [authority] that may sign for the name signed the "
                            "certificate"},
    [TACIT_OTHER_HOLDER] = {"other_holder", "the certificate is for another key"},
    [TACIT_OTHER_NAME] = {"other_name", "the certificate is not for the name"},
    [TACIT_NOT_YET] = {"not_yet", "the certificate is not valid yet"},
    [TACIT_RUN_OUT] = {"run_out", "the certificate has run out"},
    [TACIT_NO_GROUP] = {"no_group", "no [group] line is for the certificate's holder"},
    [TACIT_REVOKED] = {"revoked", "the key is revoked"},
    [TACIT_WRONG_DIRECTION] = {"wrong_direction",
                               "the line that decides is for the other direction"},
    [TACIT_WRONG_ADDRESS] = {"wrong_address",
                             "the line that decides does not allow the address"},
    [TACIT_EXPIRED] = {"expired", "the line that decides has expired"},
};

const char *tacit_reason_name(enum tacit_reason reason)
{
    return (unsigned)reason < TACIT_REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *tacit_reason_text(enum tacit_reason reason)
{
    return (unsigned)reason < TACIT_REASON_COUNT ? reasons[reason].text : "unknown";
}

static bool from_allows(const struct tacit_policy *policy, const struct tacit_rule *rule,
                        const struct tacit_address *address)
{
    if (rule->from_count == 0)
        return true;
    if (address == NULL)
        return false;
    struct tacit_address plain = *address;
    tacit_address_plain(&plain);
    for (size_t i = 0; i < rule->from_count; i++) {
        if (policy_network_has(&policy->networks.at[rule->from + i], &plain))
            return true;
    }
    return false;
}

enum tacit_reason policy_rule_allows(const struct tacit_policy *policy,
                                     const struct tacit_rule *rule,
                                     const struct tacit_question *q, uint64_t *until)
{
    unsigned direction = q->inbound ? TACIT_DIRECTION_IN : TACIT_DIRECTION_OUT;
    if ((rule->direction & direction) == 0)
        return TACIT_WRONG_DIRECTION;
    /* Where we dial to is our own line's choice: from is about who comes. */
    if (q->inbound && !from_allows(policy, rule, q->address))
        return TACIT_WRONG_ADDRESS;
    if (q->now >= rule->expires)
        return TACIT_EXPIRED;
    policy_lower(until, rule->expires);
    return TACIT_ALLOWED;
}

/* The first [group] of the certificate's that allows; else the first one's refusal. */
static enum tacit_reason ask_groups(const struct tacit_policy *policy,
                                    const struct tacit_question *q,
                                    struct tacit_decision *d)
{
    enum tacit_reason reason = TACIT_NO_GROUP;
    for (size_t i = 0; i < policy->groups.count; i++) {
        const struct tacit_group *group = &policy->groups.at[i];
        if ((strcmp(group->name, "*") != 0 &&
             !policy_certificate_in_group(q->certificate, group->name)) ||
            !policy_group_for(policy, group, q->name, q->dynamic))
            continue;
        uint64_t until = d->until;
        enum tacit_reason answer = policy_rule_allows(policy, &group->rule, q, &until);
        if (answer == TACIT_ALLOWED || reason == TACIT_NO_GROUP) {
            d->group = group;
            reason = answer;
        }
        if (answer == TACIT_ALLOWED) {
            d->until = until;
            break;
        }
    }
    return reason;
}

/* What the certificate proves, before any line is asked. */
static enum tacit_reason ask_certificate(const struct tacit_policy *policy,
                                         const struct tacit_question *q,
                                         struct tacit_decision *d)
{
    const struct tacit_certificate *certificate = q->certificate;
    if (certificate == NULL)
        return q->certificate_fault != TACIT_ALLOWED ? q->certificate_fault
                                                     : TACIT_NO_CERTIFICATE;
    const struct policy_authority *authority =
        policy_find_authority(policy, certificate->authority);
    if (authority == NULL)
        return TACIT_NO_AUTHORITY;
    if (memcmp(certificate->public_key, q->public_key, TACIT_KEY_BYTES) != 0)
        return TACIT_OTHER_HOLDER;
    d->known = true;
    if (!policy_certificate_for(certificate, q->name, q->dynamic))
        return TACIT_OTHER_NAME;
    if (!policy_authority_for(policy, authority, q->name, q->dynamic))
        return TACIT_NO_AUTHORITY;
    return policy_valid_now(policy, certificate, q->now, q->begins, &d->until);
}

static enum tacit_reason decide(const struct tacit_policy *policy,
                                const struct tacit_question *q, struct tacit_decision *d)
{
    if (!(q->dynamic ? tacit_host_ok(q->name) : tacit_name_ok(q->name)))
        return TACIT_NOT_A_NAME;
    d->known = tacit_policy_knows_key(policy, q->public_key);
    d->peer = policy_deciding_peer(policy, q->name, q->dynamic);
    bool asks_key = d->peer != NULL && d->peer->has_key;
    bool proved =
        asks_key && memcmp(d->peer->public_key, q->public_key, TACIT_KEY_BYTES) == 0;
    enum tacit_reason reason = proved     ? TACIT_ALLOWED
                               : asks_key ? TACIT_OTHER_KEY
                                          : ask_certificate(policy, q, d);
    /* Before all other reasons: nothing else that is said of a revoked key matters. */
    if (policy_is_revoked(policy, q->public_key))
        return TACIT_REVOKED;
    if (reason == TACIT_NO_CERTIFICATE && d->peer == NULL)
        return TACIT_NO_LINE;
    if (reason != TACIT_ALLOWED)
        return reason;
    return d->peer != NULL ? policy_rule_allows(policy, &d->peer->rule, q, &d->until)
                           : ask_groups(policy, q, d);
}

int tacit_policy_decide(const struct tacit_policy *policy,
                        const struct tacit_question *question,
                        struct tacit_decision *ret_decision)
{
    *ret_decision = (struct tacit_decision){.until = TACIT_NEVER};
    struct tacit_decision *d = ret_decision;
    d->reason = decide(policy, question, d);
    if (d->reason == TACIT_ALLOWED) {
        const struct tacit_rule *rule = tacit_decision_rule(d);
        d->visibility = rule->visibility;
        return 0;
    }
    /* What was denied becomes allowed by itself only where it is not valid yet. */
    if (d->reason != TACIT_NOT_YET)
        d->until = TACIT_NEVER;
    return d->reason == TACIT_NOT_A_NAME ? TACIT_ENAME : TACIT_EREFUSED;
}

const struct tacit_rule *tacit_decision_rule(const struct tacit_decision *decision)
{
    return decision->peer != NULL    ? &decision->peer->rule
           : decision->group != NULL ? &decision->group->rule
                                     : NULL;
}

bool tacit_policy_revokes(const struct tacit_policy *policy,
                          const uint8_t public_key[TACIT_KEY_BYTES])
{
    return policy_is_revoked(policy, public_key);
}
