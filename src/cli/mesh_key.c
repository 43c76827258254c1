/*
 * tacit mesh-key: replaces the mesh's key while the mesh runs. On every host add the new
 * key, then use it, then remove the old one; no step is done before it is safe.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mesh_ring.h"

static void mark_all(struct ring *r)
{
    for (size_t i = 0; i < r->count; i++) {
        uint8_t key_id[TACIT_KEY_ID];
        tacit_key_id(&r->secrets->keys[i], key_id);
        tacit_key_id_text(key_id, r->key_ids[i]);
    }
}

/* With the keys that there are now. */
static int reload(const struct ring *r)
{
    struct tacit_policy *policy;
    if (cli_load(r->conf, &policy) != CLI_OK)
        return CLI_FAILED;
    int status = cli_reload_all(policy);
    tacit_policy_free(policy);
    return status;
}

/* The new keyrings, on the disk and in force; door and nodes are told. */
static int put_in_force(struct ring *r)
{
    return ring_write(r) == CLI_OK ? reload(r) : CLI_FAILED;
}

/* --- who is in the way -------------------------------------------------------------- */

/* A [peer] line's key that no live link belongs to: nobody knows what it can open. */
static bool is_linked(const struct ring *r, const char *fingerprint)
{
    for (size_t i = 0; i < r->links.count; i++)
        if (strcmp(r->links.at[i].fingerprint, fingerprint) == 0)
            return true;
    return false;
}

static size_t count_unheard(const struct ring *r)
{
    const struct tacit_peer *peer;
    size_t count = 0;
    for (size_t i = 0; (peer = tacit_policy_peer(r->policy, i)) != NULL; i++) {
        char fingerprint[TACIT_FINGERPRINT_TEXT];
        if (!peer->has_key ||
            memcmp(peer->public_key, tacit_policy_identity(r->policy)->public_key,
                   sizeof peer->public_key) == 0)
            continue;
        tacit_fingerprint(peer->public_key, fingerprint);
        if (is_linked(r, fingerprint))
            continue;
        cli_fail("[peer %s]: no link is up, so it has not shown its keys", peer->glob);
        count++;
    }
    return count;
}

/* Nodes of this host, and its door, for which it would be. */
static size_t count_own(const struct ring *r, const char *key_id, bool remove)
{
    const struct mesh_links *links = &r->links;
    size_t count = !links->all;
    for (size_t i = 0; i < links->nodes; i++) {
        const struct mesh_own *own = &links->own[i];
        bool early = remove ? own->key_count == 0 || strcmp(own->keys[0], key_id) == 0
                            : !mesh_own_opens(own, key_id);
        if (!early)
            continue;
        cli_fail(remove ? "%s of this host still seals with %s"
                        : "%s of this host, or its door, does not open %s",
                 own->name, key_id);
        count++;
    }
    if (remove || links->door.key_count == 0 || mesh_own_opens(&links->door, key_id))
        return count; /* one that was not reached is named, and counts as left out */
    cli_fail("door: it does not open %s", key_id);
    return count + 1;
}

/* Peers for which the step would be too early, each named; --force overrides that. */
static bool too_early(const struct ring *r, const char *key_id, bool remove)
{
    size_t count = count_unheard(r) + count_own(r, key_id, remove);
    for (size_t i = 0; i < r->links.count; i++) {
        const struct mesh_link *link = &r->links.at[i];
        bool early = remove ? mesh_link_seals(link, key_id) || link->key_count == 0
                            : !mesh_link_opens(link, key_id);
        if (!early)
            continue;
        cli_fail(remove ? "%s still seals with %s" : "%s has not shown that it has %s",
                 link->name, key_id);
        count++;
    }
    return count > 0 && !r->force;
}

/* The key that the argument names, by its key ID or the start of it. */
static int find(const struct ring *r, size_t *ret_index)
{
    size_t len = strlen(r->argument), found = r->count;
    for (size_t i = 0; i < r->count && len > 0; i++) {
        if (strncmp(r->key_ids[i], r->argument, len) != 0)
            continue;
        if (found < r->count)
            return cli_fail("KEY-ID: '%s' is the start of two, expected more of it",
                            r->argument);
        found = i;
    }
    if (found == r->count)
        return cli_fail("KEY-ID: got '%s', expected one that 'tacit mesh-key list' shows",
                        r->argument);
    *ret_index = found;
    return CLI_OK;
}

/* --- the four actions --------------------------------------------------------------- */

static int list(struct ring *r)
{
    printf("%s: %zu node%s, %zu link%s\n", tacit_policy_mesh_path(r->policy),
           r->links.nodes, r->links.nodes == 1 ? "" : "s", r->links.count,
           r->links.count == 1 ? "" : "s");
    for (size_t i = 0; i < r->count; i++) {
        size_t used = 0, opens = 0, seals = 0;
        for (size_t j = 0; j < r->links.count; j++) {
            used += strcmp(r->links.at[j].used, r->key_ids[i]) == 0;
            opens += mesh_link_opens(&r->links.at[j], r->key_ids[i]);
            seals += mesh_link_seals(&r->links.at[j], r->key_ids[i]);
        }
        printf(
            "%s  %-5s  made %zu of the links; peers that open it %zu, seal with it %zu\n",
            r->key_ids[i], i == 0 ? "seals" : "opens", used, opens, seals);
    }
    for (size_t i = 0; i < r->links.door.key_count; i++)
        printf("%s  the door opens it\n", r->links.door.keys[i]);
    return r->links.all ? CLI_OK : CLI_FAILED;
}

static bool has(const struct ring *r, const struct tacit_secret *key)
{
    for (size_t i = 0; i < r->count; i++)
        if (tacit_secret_equal(&r->secrets->keys[i], key))
            return true;
    return false;
}

static int add(struct ring *r)
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault;
    struct tacit_secret *key = &r->secrets->keys[r->count];
    uint8_t key_id[TACIT_KEY_ID];
    char text[TACIT_KEY_ID_TEXT];
    size_t count = 1;
    if (r->count == TACIT_MESH_KEYS_MAX)
        return cli_fail("%s: %zu keys already, expected one less: remove one first",
                        tacit_policy_mesh_path(r->policy), r->count);
    if (r->key_file == NULL)
        randombytes_buf(key, sizeof *key);
    else if (tacit_key_file_read(r->key_file, &files, TACIT_KEY_MESH, 1, key, &count,
                                 &fault) != 0)
        return cli_fail("%s", fault.text);
    if (ring_find_door(r) != CLI_OK)
        return cli_fail("nothing was changed");
    bool is_new = !has(r, key), door_lacks = r->door != NULL && !ring_door_has(r, key);
    if (!is_new && !door_lacks)
        return cli_fail("%s: that key is there already, expected a new one", r->key_file);
    if (door_lacks && r->door_count == TACIT_MESH_KEYS_MAX)
        return cli_fail("%s: %zu keys already, expected one less: nothing was changed",
                        tacit_policy_mesh_path(r->door), r->door_count);
    if (door_lacks)
        r->secrets->door[r->door_count++] = *key;
    tacit_key_id(key, key_id);
    tacit_key_id_text(key_id, text);
    r->count += is_new;
    if (ring_write(r) != CLI_OK)
        return CLI_FAILED;
    printf("%s\n", text);
    return reload(r);
}

static int use(struct ring *r)
{
    size_t index;
    if (find(r, &index) != CLI_OK)
        return CLI_FAILED;
    if (too_early(r, r->key_ids[index], false))
        return cli_fail("nothing was changed: those would not let this host in (--force "
                        "to override)");
    struct tacit_secret *keys = r->secrets->keys;
    struct tacit_secret *spare = &keys[TACIT_MESH_KEYS_MAX];
    *spare = keys[index];
    memmove(&keys[1], &keys[0], index * sizeof *keys);
    keys[0] = *spare;
    return put_in_force(r);
}

/* One that the door's keyring has and the nodes' has not; NULL: none that is meant. */
static const char *find_at_door(const struct ring *r)
{
    const struct mesh_own *door = &r->links.door;
    size_t len = strlen(r->argument);
    const char *found = NULL;
    for (size_t i = 0; i < door->key_count && len > 0; i++) {
        if (strncmp(door->keys[i], r->argument, len) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = door->keys[i];
    }
    for (size_t i = 0; i < r->count; i++)
        if (strncmp(r->key_ids[i], r->argument, len) == 0)
            return NULL;
    return found;
}

/* Left over from a remove that did not reach the door; or nodes' of another file. */
static int remove_at_door(struct ring *r, const char *key_id)
{
    if (!r->force)
        return cli_fail(
            "%s is in the door's keyring alone, and may be for nodes of another "
            "configuration: nothing was changed (--force to override)",
            key_id);
    if (ring_find_door(r) != CLI_OK)
        return cli_fail("nothing was changed");
    ring_door_remove_key_id(r, key_id);
    return put_in_force(r);
}

static int remove_key(struct ring *r)
{
    size_t index;
    const char *at_door = find_at_door(r);
    if (at_door != NULL)
        return remove_at_door(r, at_door);
    if (find(r, &index) != CLI_OK)
        return CLI_FAILED;
    if (index == 0)
        return cli_fail("%s is the key in use, expected another: 'tacit mesh-key use' "
                        "one first",
                        r->key_ids[0]);
    if (too_early(r, r->key_ids[index], true))
        return cli_fail("nothing was changed: this host would not let those in (--force "
                        "to override)");
    if (ring_find_door(r) != CLI_OK && !r->force)
        return cli_fail("nothing was changed (--force to override)");
    struct tacit_secret *keys = r->secrets->keys;
    ring_door_remove_key_id(r, r->key_ids[index]);
    memmove(&keys[index], &keys[index + 1], (r->count - index - 1) * sizeof *keys);
    r->count--;
    return put_in_force(r);
}

static const struct {
    const char *name;
    int arguments; /* behind the name */
    int (*run)(struct ring *r);
} actions[] = {
    {"list", 0, list}, {"add", 0, add}, {"use", 1, use}, {"remove", 1, remove_key}};

/* Whom add does not reach it is told by the reload. */
static int run(struct ring *r, int (*action)(struct ring *r))
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault;
    const struct tacit_secret *keys;
    if (tacit_policy_load(r->conf, &files, tacit_suites_available(), &r->policy,
                          &fault) != 0)
        return cli_fail("%s", fault.text);
    int status = CLI_FAILED;
    r->secrets = tacit_secret_alloc(sizeof *r->secrets);
    if (r->secrets == NULL) {
        cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    } else if (mesh_links_read(r->policy, action == add, &r->links) == CLI_OK) {
        r->count = tacit_policy_mesh_keys(r->policy, &keys);
        memcpy(r->secrets->keys, keys, r->count * sizeof *keys);
        mark_all(r);
        status = action(r);
        mesh_links_free(&r->links);
    }
    tacit_secret_free(r->secrets); /* wipes */
    tacit_policy_free(r->door);
    tacit_policy_free(r->policy);
    return status;
}

int cli_mesh_key(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {"key", required_argument, NULL, 1},
                                            {"force", no_argument, NULL, 2},
                                            {NULL, 0, NULL, 0}};
    const char *values[3] = {NULL};
    for (size_t i = 0; argc > 1 && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        if (cli_options(argc - 1, argv + 1, options, values, actions[i].arguments) != 0)
            return CLI_USAGE;
        if (values[1] != NULL && actions[i].run != add)
            return cli_misused("mesh-key %s: '--key' is for add", argv[1]);
        if (values[2] != NULL && actions[i].arguments == 0)
            return cli_misused("mesh-key %s: '--force' is for use and remove", argv[1]);
        struct ring r = {.conf = cli_conf_path(values[0]),
                         .key_file = values[1],
                         .force = values[2] != NULL,
                         .argument = actions[i].arguments > 0 ? argv[1 + optind] : NULL};
        return run(&r, actions[i].run);
    }
    return argc > 1 ? cli_misused("mesh-key: '%s' is none of its commands", argv[1])
                    : cli_misused("mesh-key: expected one of its commands");
}
