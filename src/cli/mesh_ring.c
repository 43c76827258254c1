#include "cli/mesh_ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Replaces the file. In a folder of another user's root does it as that user: what he
 * puts in its place meanwhile is then no more than his own to write.
 */
static int replace(const char *path, const char *text, size_t len)
{
    char *target = realpath(path, NULL), *slash;
    struct stat file, dir;
    struct tacit_fault fault;
    bool known = target != NULL && stat(target, &file) == 0 &&
                 (slash = strrchr(target, '/')) != NULL;
    if (known)
        slash[slash == target] = '\0';
    known = known && stat(target, &dir) == 0;
    free(target);
    if (!known)
        return cli_fail("%s: cannot be replaced: %s", path, strerror(errno));
    bool as_other = geteuid() == 0 && dir.st_uid != 0;
    if (as_other && (setegid(file.st_gid) != 0 || seteuid(dir.st_uid) != 0))
        return cli_fail("%s: cannot be replaced: %s", path, strerror(errno));
    int error = tacit_file_replace(path, text, len, &fault);
    if (as_other && (seteuid(0) != 0 || setegid(0) != 0))
        return cli_fail("%s: %s", path, strerror(errno));
    return error != 0 ? cli_fail("%s", fault.text) : CLI_OK;
}

static int write_keys(struct ring *r, const char *path, const struct tacit_secret *keys,
                      size_t count)
{
    size_t len = cli_key_text(TACIT_KEY_MESH, keys, count, r->secrets->text);
    return replace(path, r->secrets->text, len);
}

/* Where key stands among the door's; their number: nowhere. */
static size_t index_at_door(const struct ring *r, const struct tacit_secret *key)
{
    size_t i = 0;
    while (i < r->door_count && !tacit_secret_equal(&r->secrets->door[i], key))
        i++;
    return i;
}

/* Whether what the door named is its: another's file is not written at its word. */
static bool is_doors(struct ring *r, const struct tacit_policy *door)
{
    const struct tacit_secret *keys;
    r->door_count = tacit_policy_mesh_keys(door, &keys);
    memcpy(r->secrets->door, keys, r->door_count * sizeof *keys);
    return index_at_door(r, &r->secrets->keys[0]) < r->door_count &&
           cli_is_one_file(tacit_policy_door(door), tacit_policy_door(r->policy));
}

int ring_find_door(struct ring *r)
{
    struct tacit_files_user user = {0};
    struct tacit_files files = tacit_files_command(&user);
    const char *conf = r->links.door_conf;
    struct tacit_policy *door;
    struct tacit_fault fault;
    if (*r->links.door.name == '\0')
        return CLI_OK;
    if (*conf == '\0')
        return cli_fail("door: it has not said where its keys are");
    if (tacit_policy_load_door(conf, &files, tacit_suites_available(), &door, &fault) !=
        0)
        return cli_fail("door: its keys have to change, too: %s%s", fault.text,
                        geteuid() != 0 ? " (as root it may be done)" : "");
    bool same =
        cli_is_one_file(tacit_policy_mesh_path(door), tacit_policy_mesh_path(r->policy));
    if (!same && is_doors(r, door)) {
        r->door = door;
        return CLI_OK;
    }
    r->door_count = 0;
    tacit_policy_free(door);
    return same ? CLI_OK
                : cli_fail("door: %s is another door's, or lacks the key that this host "
                           "seals with",
                           conf);
}

/* As they were: the half of a change would be nobody's. */
static int put_door_back(struct ring *r)
{
    const struct tacit_secret *keys;
    size_t count = tacit_policy_mesh_keys(r->door, &keys);
    const char *path = tacit_policy_mesh_path(r->door);
    return write_keys(r, path, keys, count) == CLI_OK
               ? cli_fail("nothing was changed")
               : cli_fail("the door's %s was changed, and stays so", path);
}

int ring_write(struct ring *r)
{
    if (r->door != NULL && write_keys(r, tacit_policy_mesh_path(r->door),
                                      r->secrets->door, r->door_count) != CLI_OK)
        return cli_fail("nothing was changed");
    if (write_keys(r, tacit_policy_mesh_path(r->policy), r->secrets->keys, r->count) ==
        CLI_OK)
        return CLI_OK;
    return r->door != NULL ? put_door_back(r) : cli_fail("nothing was changed");
}

bool ring_door_has(const struct ring *r, const struct tacit_secret *key)
{
    return index_at_door(r, key) < r->door_count;
}

void ring_door_remove_key_id(struct ring *r, const char *key_id)
{
    struct tacit_secret *keys = r->secrets->door;
    for (size_t at = 0; at < r->door_count; at++) {
        uint8_t bytes[TACIT_KEY_ID];
        char text[TACIT_KEY_ID_TEXT];
        tacit_key_id(&keys[at], bytes);
        tacit_key_id_text(bytes, text);
        if (strcmp(text, key_id) != 0)
            continue;
        memmove(&keys[at], &keys[at + 1], (r->door_count - at - 1) * sizeof *keys);
        r->door_count--;
        return;
    }
}
