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
        if (policy_glob_is_for(tacit_certificate_name(certificate, i), name, dynamic))
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
        if (policy_glob_is_for(glob, name, dynamic))
            return true;
    }
    return false;
}
