/* What the door counts, as `tacit show` reads it and as Prometheus does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door/daemon.h"
#include "files/files.h"

enum {
    LISTENING_MAX = 64,
};

struct figure {
    const char *name, *help;
    bool gauge;
    uint64_t value;
};

/* Everything that is one number. Returns how many. */
static size_t figures(struct figure ret[32])
{
    uint64_t troubles = 0;
    for (size_t i = 0; i < TROUBLES; i++)
        troubles += *door.troubles[i].text != '\0';
    const struct counters *c = &door.counters;
    const struct tacit_interface *absent;
    const struct figure all[] = {
        {"uptime", "Seconds since the start", true,
         (uint64_t)(now_ms() - door.started) / 1000},
        {"troubles", "What is not as the configuration says", true, troubles},
        {"nodes", "Registered nodes", true, door.nodes.count},
        {"known", "Sources that an allowed peer came from", true,
         tacit_admission_count(&door.admission)},
        {"pending", "Connections without a first message yet", true, door.pending.count},
        {"accepted", "Connections accepted", false, c->accepted},
        {"passed", "Connections passed to nodes", false, c->passed},
        {"strangers", "Connections that never showed a valid first message", false,
         c->strangers},
        {"evicted", "Connections ended to make room", false, c->evicted},
        {"garbage", "First messages that do not open", false, c->garbage},
        {"replays", "First messages seen before", false, c->replays},
        {"clock", "First messages out of time", false, c->clocks},
        {"unknown_name", "Valid first messages for a node that is not here", false,
         c->unknown},
        {"slow_node", "Connections ended because a node did not take them", false,
         c->slow},
        {"exchanges", "Directory questions for which X25519 was computed", false,
         c->exchanges},
        {"limited", "Valid first messages over a limit", false, c->limited},
        {"late", "Connections whose time ran out on the way to a node", false, c->late},
        {"starved", "Times that descriptors or out of memory", false, c->starved},
        {"no_memory", "Connections ended because out of memory", false, c->no_memory},
        {"directory", "Directory questions answered", false, c->directory},
        {"directory_refused", "Directory questions refused", false, c->directory_refused},
        {"registrations", "Registrations of nodes", false, c->registrations},
        {"epmd_nodes", "Nodes registered over the legacy protocol", true,
         door.legacy.live.count},
        {"epmd_requests", "Requests of the legacy protocol", false, c->epmd_requests},
        {"epmd_bad", "Broken requests of the legacy protocol", false, c->epmd_bad},
        {"reloads", "Configurations loaded after the first", false, c->reloads},
        {"reload_failures", "Configurations that did not load", false,
         c->reload_failures},
        {"interfaces_absent", "Interfaces of listen that have no address", true,
         interfaces_absent(&absent)},
    };
    size_t count = sizeof all / sizeof all[0];
    for (size_t i = 0; i < count; i++)
        ret[i] = all[i];
    return count;
}

/* A text that grows; NULL once out of memory. */
struct text {
    FILE *file;
    char *bytes;
    size_t len;
};

static bool text_open(struct text *t)
{
    t->file = open_memstream(&t->bytes, &t->len);
    return t->file != NULL;
}

static char *text_close(struct text *t)
{
    bool bad = ferror(t->file) != 0;
    if (fclose(t->file) == 0 && !bad)
        return t->bytes;
    free(t->bytes);
    return NULL;
}

/* Which configuration is in force here, and the key IDs of its mesh keys. */
static void report_keys(FILE *file)
{
    char text[TACIT_KEY_ID_TEXT], conf[TACIT_DOOR_TEXT_MAX + 1], path[PATH_MAX];
    const struct tacit_secret *keys;
    struct tacit_key_ids key_ids;
    size_t count = tacit_policy_mesh_keys(door.policy, &keys);
    tacit_key_ids(keys, count, &key_ids);
    for (size_t i = 0; i < key_ids.count; i++) {
        tacit_key_id_text(key_ids.at[i], text);
        fprintf(file, "mesh-key\t%s\n", text);
    }
    tacit_door_printable(door.conf, conf);
    fprintf(file, "conf\t%s\n", conf);
    if (tacit_policy_door_identity(door.policy) == NULL ||
        !tacit_file_revoked_path(door.conf, path))
        return;
    tacit_door_printable(path, conf);
    fprintf(file, "revoked\t%s\n", conf);
}

char *report_show(void)
{
    struct text t = {0};
    struct figure all[32];
    char listening[LISTENING_MAX][TACIT_ADDRESS_TEXT], quoted[TACIT_FAULT_MAX];
    const struct tacit_interface *absent;
    if (!text_open(&t))
        return NULL;
    size_t count = figures(all);
    for (size_t i = 0; i < count; i++)
        fprintf(t.file, "counter\t%s\t%ju\n", all[i].name, (uintmax_t)all[i].value);
    for (uint8_t i = 1; i <= TACIT_DOOR_REASON_LAST; i++)
        fprintf(t.file, "counter\trefused_%s\t%ju\n", tacit_door_reason_name(i),
                (uintmax_t)door.counters.refused[i]);
    count = listen_addresses(listening, LISTENING_MAX);
    for (size_t i = 0; i < count; i++)
        fprintf(t.file, "listen\t%s\n", listening[i]);
    report_keys(t.file);
    count = interfaces_absent(&absent);
    for (size_t i = 0; i < count; i++)
        fprintf(t.file, "absent\t%s:%u\n", absent[i].name, absent[i].port);
    for (size_t i = 0; i < TROUBLES; i++)
        if (*door.troubles[i].text != '\0')
            fprintf(t.file, "trouble\t%.*s\n",
                    (int)strlen(log_quote(quoted, door.troubles[i].text)) - 2,
                    quoted + 1);
    for (struct tacit_registry_entry *e = door.nodes.oldest; e != NULL; e = e->newer) {
        const struct node *n = nodes_of(e);
        fprintf(t.file, "node\t%s\t%jd\t%ju\t%s\t%u\t%ju\t%ju", e->name, (intmax_t)n->pid,
                (uintmax_t)n->uid, n->release, (unsigned)n->creation, (uintmax_t)n->since,
                (uintmax_t)n->passed);
        fprintf(t.file, *n->conf != '\0' ? "\t%s\n" : "\n", n->conf);
    }
    return text_close(&t);
}

char *report_metrics(void)
{
    struct text t = {0};
    struct figure all[32];
    if (!text_open(&t))
        return NULL;
    size_t count = figures(all);
    for (size_t i = 0; i < count; i++) {
        const char *suffix = all[i].gauge ? "" : "_total";
        fprintf(t.file, "# HELP secure_epmd_%s%s %s.\n# TYPE secure_epmd_%s%s %s\n",
                all[i].name, suffix, all[i].help, all[i].name, suffix,
                all[i].gauge ? "gauge" : "counter");
        fprintf(t.file, "secure_epmd_%s%s %ju\n", all[i].name, suffix,
                (uintmax_t)all[i].value);
    }
    fputs("# HELP secure_epmd_refused_total Local requests refused.\n"
          "# TYPE secure_epmd_refused_total counter\n",
          t.file);
    for (uint8_t i = 1; i <= TACIT_DOOR_REASON_LAST; i++)
        fprintf(t.file, "secure_epmd_refused_total{reason=\"%s\"} %ju\n",
                tacit_door_reason_name(i), (uintmax_t)door.counters.refused[i]);
    return text_close(&t);
}
