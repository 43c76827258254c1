/*
 * The keyrings of this host, for `tacit mesh-key`: the nodes', and the door's where it
 * has one of its own. Reads and writes files; calls policy and files.
 */
#ifndef TACIT_CLI_MESH_RING_H
#define TACIT_CLI_MESH_RING_H

#include "cli/cli.h"
#include "cli/mesh_peers.h"

enum {
    RING_ONE_MORE = TACIT_MESH_KEYS_MAX + 1,
};

/* Bytes only, so that it may stand in locked memory. */
struct ring_secrets {
    struct tacit_secret keys[RING_ONE_MORE];
    struct tacit_secret door[RING_ONE_MORE];
    char text[CLI_KEY_FILE];
};

struct ring {
    const char *conf, *argument, *key_file;
    bool force;
    struct tacit_policy *policy;
    struct ring_secrets *secrets;
    size_t count;
    struct tacit_policy *door; /* whose keyring is a file of its own, or NULL */
    size_t door_count;
    char key_ids[RING_ONE_MORE][TACIT_KEY_ID_TEXT];
    struct mesh_links links;
};

/*
 * Finds the door's keyring, where it is another file than the nodes'. It is the door that
 * says which: only one with that very door's socket, and with the key that this host
 * seals with, is taken for it. CLI_FAILED, with the reason printed.
 */
int ring_find_door(struct ring *r);

/* Whether the door's own keyring has key; takes the one with that key ID out of it. */
bool ring_door_has(const struct ring *r, const struct tacit_secret *key);
void ring_door_remove_key_id(struct ring *r, const char *key_id);

/*
 * Writes both. The door's first: it has to open what others seal with. CLI_FAILED, with
 * the reason printed: both are as they were, or it says that they are not.
 */
int ring_write(struct ring *r);

#endif
