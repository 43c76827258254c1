/*
 * Who opens which mesh keys, for `tacit mesh-key`: this host's door and nodes, and, as
 * those know it, their peers.
 */
#ifndef TACIT_CLI_MESH_PEERS_H
#define TACIT_CLI_MESH_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "channel/meshkey.h"
#include "policy/policy.h"

enum {
    MESH_LINKS_MAX = 4096,
};

/* One live link of a node of this host. */
struct mesh_link {
    char name[TACIT_NAME_MAX + 1]; /* of the peer */
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    char used[TACIT_KEY_ID_TEXT]; /* by its handshake */
    size_t key_count;             /* those that the peer can open */
    char keys[TACIT_MESH_KEYS_MAX][TACIT_KEY_ID_TEXT];
};

/* A node of this host, or its door, and what it shows to peers; or can open. */
struct mesh_own {
    char name[TACIT_NAME_MAX + 1];
    size_t key_count;
    char keys[TACIT_MESH_KEYS_MAX][TACIT_KEY_ID_TEXT];
};

struct mesh_links {
    size_t nodes, count;
    struct mesh_link *at;
    struct mesh_own *own; /* of the nodes */
    struct mesh_own door; /* no name: there is none; no keys: it was not reached */
    char door_conf[256];  /* what it reads its keys from */
    bool all;             /* nobody was left out; who was, is named */
};

/*
 * Asks the door and every node of the configuration; or the door alone, for where its
 * keys are. 0, or CLI_FAILED with the reason printed. Who was not reached is named, and
 * is no reason.
 */
int mesh_links_read(const struct tacit_policy *policy, bool door_alone,
                    struct mesh_links *ret_links);
void mesh_links_free(struct mesh_links *links);

bool mesh_own_opens(const struct mesh_own *own, const char *key_id);

/* Whether the peer of the link has shown that it can open the key; that it seals with it.
 */
bool mesh_link_opens(const struct mesh_link *link, const char *key_id);
bool mesh_link_seals(const struct mesh_link *link, const char *key_id);

#endif
