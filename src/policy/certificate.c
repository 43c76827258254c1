/* What a certificate says, and who may say it. */
#include "policy/policy-internal.h"

#include <string.h>

/* The i-th of the names, and behind them of the groups. */
static const char *text_at(const struct tacit_certificate *certificate, size_t i)
{
    const char *text = certificate->text;
    for (; i > 0; i--)
        text += strlen(text) + 1;
    return text;
}

const char *tacit_certificate_name(const struct tacit_certificate *certificate, size_t i)
{
    return i < certificate->name_count ? text_at(certificate, i) : NULL;
}

const char *tacit_certificate_group(const struct tacit_certificate *certificate, size_t i)
{
    return i < certificate->group_count
               ? text_at(certificate, certificate->name_count + i)
               : NULL;
}

bool policy_certificate_in_group(const struct tacit_certificate *certificate,
                                 const char *group)
{
    for (size_t i = 0; i < certificate->group_count; i++) {
        if (strcmp(tacit_certificate_group(certificate, i), group) == 0)
            return true;
    }
    return false;
}

bool policy_certificate_for(const struct tacit_certificate *certificate, const char *name,
                            bool dynamic)
{
    for (size_t i = 0; i < certificate->name_count; i++) {
        if (tacit_glob_is_for(tacit_certificate_name(certificate, i), name, dynamic))
            return true;
    }
    return false;
}

const struct policy_authority *
policy_find_authority(const struct tacit_policy *policy,
                      const uint8_t public_key[TACIT_KEY_BYTES])
{
    for (size_t i = 0; i < policy->authorities.count; i++) {
        if (memcmp(policy->authorities.at[i].public_key, public_key, TACIT_KEY_BYTES) ==
            0)
            return &policy->authorities.at[i];
    }
    return NULL;
}

bool policy_authority_for(const struct tacit_policy *policy,
                          const struct policy_authority *authority, const char *name,
                          bool dynamic)
{
    for (size_t i = 0; i < authority->glob_count; i++) {
        const char *glob = policy->authority_globs.at[authority->globs + i].text;
        if (tacit_glob_is_for(glob, name, dynamic))
            return true;
    }
    return false;
}

bool policy_group_for(const struct tacit_policy *policy, const struct tacit_group *group,
                      const char *name, bool dynamic)
{
    const struct policy_authority *authority = policy_source(policy, group->rule.source);
    return !group->replaced &&
           (authority == NULL || policy_authority_for(policy, authority, name, dynamic));
}

void policy_lower(uint64_t *until, uint64_t time)
{
    if (time < *until)
        *until = time;
}

enum tacit_reason policy_valid_now(const struct tacit_policy *policy,
                                   const struct tacit_certificate *certificate,
                                   uint64_t now, uint64_t begins, uint64_t *until)
{
    uint64_t grace = policy->clock_grace;
    uint64_t from = certificate->not_before, to = certificate->not_after + grace;
    from -= from < grace ? from : grace;
    if (now < from && begins < from) {
        policy_lower(until, from);
        return TACIT_NOT_YET;
    }
    if (now >= to)
        return TACIT_RUN_OUT;
    policy_lower(until, to);
    return TACIT_ALLOWED;
}

enum tacit_reason
tacit_policy_check_certificate(const struct tacit_policy *policy,
                               const struct tacit_certificate *certificate, uint64_t now,
                               const char **ret_name, const char **ret_authority)
{
    uint64_t until = TACIT_NEVER;
    const struct policy_authority *authority =
        policy_find_authority(policy, certificate->authority);
    *ret_name = NULL;
    if (authority == NULL)
        return TACIT_NO_AUTHORITY;
    for (size_t i = 0; i < certificate->name_count; i++) {
        /* A glob as a name: an authority's '*' matches the bytes of its '*'s, too. */
        *ret_name = tacit_certificate_name(certificate, i);
        if (!policy_authority_for(policy, authority, *ret_name, false))
            return TACIT_NO_AUTHORITY;
    }
    *ret_name = NULL;
    *ret_authority = authority->name;
    return policy_is_revoked(policy, certificate->public_key)
               ? TACIT_REVOKED
               : policy_valid_now(policy, certificate, now, 0, &until);
}
