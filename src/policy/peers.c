/* [peer GLOB] and its values. */
#include "policy/conf.h"

#include <stdio.h>
#include <string.h>

static struct tacit_peer *last_peer(struct policy_conf *c)
{
    return &c->policy->peers.at[c->policy->peers.count - 1];
}

int policy_add_peer(struct policy_conf *c, const char *glob)
{
    c->key = "[peer]";
    if (!tacit_glob_ok(glob))
        return c->error = policy_value_fault(
                   c, glob,
                   "a node name such as app@db1.example.net or *@db1.example.net");
    char shown[sizeof c->argument + sizeof "[peer ]"];
    snprintf(shown, sizeof shown, "[peer %s]", glob);
    if (policy_outside(c, shown, glob, &c->passes_over) != 0 || c->passes_over)
        return c->error;
    if (tacit_glob_is_pattern(glob) &&
        policy_check_count(c, &c->signed_patterns, "[peer] sections with patterns") != 0)
        return c->error;
    struct tacit_peer *peer = POLICY_ADD(&c->policy->peers);
    if (peer == NULL || POLICY_ADD(&c->pair_paths) == NULL)
        return c->error = TACIT_ENOMEM;
    memcpy(peer->glob, glob, strlen(glob) + 1);
    policy_rule_init(c, &peer->rule);
    return 0;
}

static int take_key(struct policy_conf *c, const char *value,
                    uint8_t ret_key[TACIT_KEY_BYTES])
{
    if (tacit_key_from_text(value, ret_key) != 0)
        return policy_value_fault(c, value, "a public key: base64, 44 characters");
    if (!noise_public_key_ok(ret_key))
        return policy_value_fault(c, value,
                                  "a public key that 'tacit keygen' or 'tacit pubkey' "
                                  "printed: this one is of low order or not canonical");
    return 0;
}

int policy_set_public_key(struct policy_conf *c, const char *value)
{
    last_peer(c)->has_key = true;
    return take_key(c, value, last_peer(c)->public_key);
}

int policy_set_door_key(struct policy_conf *c, const char *value)
{
    struct tacit_peer *peer = last_peer(c);
    peer->has_door_key = true;
    return take_key(c, value, peer->door_key);
}

int policy_set_directory(struct policy_conf *c, const char *value)
{
    return policy_set_flag(c, value, &last_peer(c)->directory);
}

int policy_set_endpoint(struct policy_conf *c, const char *value)
{
    struct tacit_peer *peer = last_peer(c);
    if (tacit_endpoint_from_text(value, &peer->endpoint) != 0)
        return policy_value_fault(
            c, value, "HOST, HOST:PORT or [IPV6]:PORT, such as db1.example.net:4370");
    peer->has_endpoint = true;
    return 0;
}
