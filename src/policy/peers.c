/* [peer GLOB] and its values. */
#include "policy/policy-internal.h"

#include <stdlib.h>
#include <string.h>

static struct tacit_peer *last_peer(struct policy_conf *c)
{
    return &c->policy->peers[c->policy->peer_count - 1];
}

static int make_room(struct policy_conf *c)
{
    struct tacit_policy *p = c->policy;
    if (p->peer_count < c->peer_cap)
        return 0;
    size_t cap = c->peer_cap > 0 ? 2 * c->peer_cap : 8;
    void *peers = realloc(p->peers, cap * sizeof *p->peers);
    if (peers == NULL)
        return TACIT_ENOMEM;
    p->peers = peers;
    void *paths = realloc(c->pair_paths, cap * sizeof *c->pair_paths);
    if (paths == NULL)
        return TACIT_ENOMEM;
    c->pair_paths = paths;
    c->peer_cap = cap;
    return 0;
}

int policy_add_peer(struct policy_conf *c, const char *glob)
{
    c->key = "[peer]";
    if (!tacit_glob_ok(glob))
        return c->error = policy_value_fault(
                   c, glob,
                   "a node name such as app@db1.example.net or *@db1.example.net");
    if (make_room(c) != 0)
        return c->error = TACIT_ENOMEM;
    c->pair_paths[c->policy->peer_count++] = NULL;
    struct tacit_peer *peer = last_peer(c);
    memset(peer, 0, sizeof *peer);
    memcpy(peer->glob, glob, strlen(glob) + 1);
    peer->line = c->line;
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
