#include "cli/mesh_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "door/ask.h"

/* link, name, fingerprint, key ID used, then the key IDs that the peer can open. */
static int take_line(struct mesh_links *links, const char **fields, size_t count)
{
    if (count < 4 || strcmp(fields[0], "link") != 0)
        return CLI_OK;
    if (links->count == MESH_LINKS_MAX)
        return cli_fail("more than %d links, which is all that this command looks at",
                        MESH_LINKS_MAX);
    struct mesh_link *link = &links->at[links->count++];
    memset(link, 0, sizeof *link);
    snprintf(link->name, sizeof link->name, "%s", fields[1]);
    snprintf(link->fingerprint, sizeof link->fingerprint, "%s", fields[2]);
    snprintf(link->used, sizeof link->used, "%s", fields[3]);
    for (size_t i = 4; i < count && link->key_count < TACIT_MESH_KEYS_MAX; i++)
        snprintf(link->keys[link->key_count++], sizeof link->keys[0], "%s", fields[i]);
    return CLI_OK;
}

static void take_keys(struct mesh_own *own, const char **key_ids, size_t count)
{
    for (size_t i = 0; i < count && own->key_count < TACIT_MESH_KEYS_MAX; i++)
        snprintf(own->keys[own->key_count++], sizeof own->keys[0], "%s", key_ids[i]);
}

static int ask_node(struct mesh_links *links, const struct control_process *p)
{
    const char *f[CONTROL_FIELDS_MAX];
    char *text, *at;
    size_t n;
    if (*p->silent != '\0')
        return cli_fail("%s: not reached: %s", p->name, p->silent);
    int status = CLI_OK;
    struct mesh_own *own = &links->own[links->nodes];
    snprintf(own->name, sizeof own->name, "%s", p->name);
    if (control_ask(p->path, "links", &text) != 0)
        status = cli_fail("%s: not reached: %s", p->name, text);
    else
        links->nodes++;
    for (at = text; status == CLI_OK && (n = control_line(&at, f)) > 0;) {
        if (strcmp(f[0], "keys") == 0)
            take_keys(own, f + 1, n - 1);
        else
            status = take_line(links, f, n);
    }
    free(text);
    return status;
}

static void take_door(struct mesh_links *links, const char *report)
{
    char *copy = strdup(report), *at = copy;
    const char *f[CONTROL_FIELDS_MAX];
    size_t n;
    while (copy != NULL && (n = control_line(&at, f)) > 0) {
        if (n >= 2 && strcmp(f[0], "mesh-key") == 0)
            take_keys(&links->door, f + 1, 1);
        else if (n >= 2 && strcmp(f[0], "conf") == 0)
            snprintf(links->door_conf, sizeof links->door_conf, "%s", f[1]);
    }
    free(copy);
}

/* And, of found, which of the nodes that it knows are not among them. */
static int ask_door(struct mesh_links *links, const struct tacit_policy *policy,
                    const struct control_process *found, int count)
{
    const char *path = tacit_policy_door(policy);
    struct tacit_fault fault;
    char *report;
    int status = CLI_OK;
    if (path == NULL)
        return CLI_OK;
    snprintf(links->door.name, sizeof links->door.name, "door");
    if (tacit_door_ask(path, &report, &fault) != 0)
        return cli_fail("door: not reached: %s", fault.text);
    take_door(links, report);
    if (found != NULL)
        status = cli_door_unreached(tacit_policy_path(policy), report, found, count);
    free(report);
    return status;
}

static int ask_nodes(struct mesh_links *links, const struct tacit_policy *policy)
{
    struct control_process *found = calloc(CONTROL_PROCESSES_MAX, sizeof *found);
    if (found == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int count = control_find(tacit_policy_path(policy), found);
    for (int i = 0; i < count; i++)
        links->all = ask_node(links, &found[i]) == CLI_OK && links->all;
    if (count >= 0)
        links->all = ask_door(links, policy, found, count) == CLI_OK && links->all;
    free(found);
    return count >= 0 ? CLI_OK : CLI_FAILED;
}

int mesh_links_read(const struct tacit_policy *policy, bool door_alone,
                    struct mesh_links *ret_links)
{
    struct mesh_links links = {.at = calloc(MESH_LINKS_MAX, sizeof *links.at),
                               .own = calloc(CONTROL_PROCESSES_MAX, sizeof *links.own),
                               .all = true};
    int status = CLI_OK;
    if (links.at == NULL || links.own == NULL)
        status = cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    else if (door_alone)
        links.all = ask_door(&links, policy, NULL, 0) == CLI_OK;
    else
        status = ask_nodes(&links, policy);
    if (status == CLI_OK)
        *ret_links = links;
    else
        mesh_links_free(&links);
    return status;
}

void mesh_links_free(struct mesh_links *links)
{
    free(links->at);
    free(links->own);
}

bool mesh_own_opens(const struct mesh_own *own, const char *key_id)
{
    for (size_t i = 0; i < own->key_count; i++)
        if (strcmp(own->keys[i], key_id) == 0)
            return true;
    return false;
}

bool mesh_link_opens(const struct mesh_link *link, const char *key_id)
{
    for (size_t i = 0; i < link->key_count; i++)
        if (strcmp(link->keys[i], key_id) == 0)
            return true;
    return false;
}

bool mesh_link_seals(const struct mesh_link *link, const char *key_id)
{
    return link->key_count > 0 && strcmp(link->keys[0], key_id) == 0;
}
