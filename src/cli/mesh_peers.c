#include "cli/mesh_peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/control.h"

/* link, name, fingerprint, mark used, then the marks that the peer can open. */
static void take_line(struct mesh_links *links, const char **fields, size_t count)
{
    if (count < 4 || strcmp(fields[0], "link") != 0 || links->count == MESH_LINKS_MAX)
        return;
    struct mesh_link *link = &links->at[links->count++];
    memset(link, 0, sizeof *link);
    snprintf(link->name, sizeof link->name, "%s", fields[1]);
    snprintf(link->fingerprint, sizeof link->fingerprint, "%s", fields[2]);
    snprintf(link->used, sizeof link->used, "%s", fields[3]);
    for (size_t i = 4; i < count && link->key_count < TACIT_MESH_KEYS_MAX; i++)
        snprintf(link->keys[link->key_count++], sizeof link->keys[0], "%s", fields[i]);
}

int mesh_links_read(const char *conf, struct mesh_links *ret_links)
{
    struct mesh_links links = {.at = calloc(MESH_LINKS_MAX, sizeof *links.at)};
    struct control_process *processes = calloc(CONTROL_PROCESSES_MAX, sizeof *processes);
    const char *fields[CONTROL_FIELDS_MAX];
    int status = links.at == NULL || processes == NULL
                     ? cli_fail("%s", tacit_error_text(TACIT_ENOMEM))
                     : CLI_OK;
    int count = status == CLI_OK ? control_find(conf, processes) : 0;
    for (int i = 0; i < count && status == CLI_OK; i++) {
        char *text, *at;
        size_t n;
        if (*processes[i].silent != '\0') {
            status =
                cli_fail("%s: not reached: %s", processes[i].name, processes[i].silent);
            continue;
        }
        if (control_ask(processes[i].path, "links", &text) != 0)
            status = cli_fail("%s: %s", processes[i].name, text);
        for (at = text; status == CLI_OK && (n = control_line(&at, fields)) > 0;)
            take_line(&links, fields, n);
        links.nodes++;
        free(text);
    }
    free(processes);
    if (count < 0 || status != CLI_OK) {
        free(links.at);
        return CLI_FAILED;
    }
    *ret_links = links;
    return CLI_OK;
}

void mesh_links_free(struct mesh_links *links)
{
    free(links->at);
}

bool mesh_link_opens(const struct mesh_link *link, const char *mark)
{
    for (size_t i = 0; i < link->key_count; i++)
        if (strcmp(link->keys[i], mark) == 0)
            return true;
    return false;
}

bool mesh_link_seals(const struct mesh_link *link, const char *mark)
{
    return link->key_count > 0 && strcmp(link->keys[0], mark) == 0;
}
