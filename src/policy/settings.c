/* What a policy says of its own host, mesh and peers, as it stands in its files. */
#include "policy/policy-internal.h"

#include <stdio.h>

const char *tacit_policy_path(const struct tacit_policy *policy)
{
    return policy->path;
}

const struct noise_keypair *tacit_policy_identity(const struct tacit_policy *policy)
{
    return policy->has_identity ? &policy->secrets->identity : NULL;
}

size_t tacit_policy_own_certificate(const struct tacit_policy *policy,
                                    const char **ret_text)
{
    *ret_text = policy->certificate;
    return policy->certificate_len;
}

uint64_t tacit_policy_own_signed_at(const struct tacit_policy *policy)
{
    return policy->certificate_at;
}

bool tacit_policy_own_fault(const struct tacit_policy *policy, uint64_t now,
                            struct tacit_fault *ret_fault)
{
    struct tacit_certificate own;
    uint64_t until = TACIT_NEVER;
    char time[TACIT_TIME_TEXT];
    if (policy->certificate_len == 0 ||
        tacit_certificate_read(policy->certificate, policy->certificate_len, &own) != 0)
        return false;
    enum tacit_reason reason = policy_valid_now(policy, &own, now, 0, &until);
    if (reason == TACIT_ALLOWED)
        return false;
    bool late = reason == TACIT_RUN_OUT;
    tacit_time_to_text(late ? own.not_after : own.not_before, time);
    snprintf(ret_fault->text, sizeof ret_fault->text,
             "%.300s: [host] certificate: %s %s: peers that ask for one refuse this host",
             policy->path, late ? "it ran out on" : "it is not valid before", time);
    return true;
}

const struct tacit_group *tacit_policy_group(const struct tacit_policy *policy, size_t i)
{
    for (size_t j = 0; j < policy->groups.count; j++)
        if (!policy->groups.at[j].replaced && i-- == 0)
            return &policy->groups.at[j];
    return NULL;
}

const char *tacit_policy_authority(const struct tacit_policy *policy, size_t i)
{
    return i < policy->authorities.count ? policy->authorities.at[i].name : NULL;
}

const char *tacit_policy_authority_glob(const struct tacit_policy *policy, size_t i,
                                        size_t j)
{
    const struct policy_authority *authority = &policy->authorities.at[i];
    return j < authority->glob_count
               ? policy->authority_globs.at[authority->globs + j].text
               : NULL;
}

const char *tacit_policy_mesh_path(const struct tacit_policy *policy)
{
    return policy->mesh_path;
}

size_t tacit_policy_mesh_keys(const struct tacit_policy *policy,
                              const struct tacit_secret **ret_keys)
{
    *ret_keys = policy->secrets->mesh;
    return policy->mesh_count;
}

size_t tacit_policy_listen(const struct tacit_policy *policy,
                           const struct tacit_address **ret_addresses)
{
    *ret_addresses = policy->listen;
    return policy->listen_count;
}

const struct tacit_address *tacit_policy_source(const struct tacit_policy *policy,
                                                uint8_t family)
{
    const struct tacit_address *source = &policy->source[family == 6];
    return source->family != 0 && source->family == family ? source : NULL;
}

unsigned tacit_policy_suites(const struct tacit_policy *policy)
{
    return policy->suites;
}

uint64_t tacit_policy_rekey_seconds(const struct tacit_policy *policy)
{
    return policy->rekey_seconds;
}

uint64_t tacit_policy_rekey_bytes(const struct tacit_policy *policy)
{
    return policy->rekey_bytes;
}

uint64_t tacit_policy_rekey_records(const struct tacit_policy *policy)
{
    return policy->rekey_records;
}

size_t tacit_policy_max_message(const struct tacit_policy *policy)
{
    return policy->max_message;
}

const struct tacit_peer *tacit_policy_peer(const struct tacit_policy *policy, size_t i)
{
    return i < policy->peers.count ? &policy->peers.at[i] : NULL;
}

bool tacit_policy_from(const struct tacit_policy *policy, const struct tacit_rule *rule,
                       size_t i, char ret_text[TACIT_NETWORK_TEXT])
{
    if (i >= rule->from_count)
        return false;
    policy_network_to_text(&policy->networks.at[rule->from + i], ret_text);
    return true;
}

const char *tacit_policy_plain(const struct tacit_policy *policy, size_t i)
{
    return i < policy->plain.count ? policy->plain.at[i].text : NULL;
}
