/* Nodes that are registered: who may be, under which name, and until when. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/release.h"
#include "door/daemon.h"

enum {
    HOSTS_MAX = 16,
};

struct node *nodes_of(struct tacit_registry_entry *e)
{
    return (struct node *)(void *)((char *)e - offsetof(struct node, entry));
}

struct node *nodes_find(const char *name)
{
    struct tacit_registry_entry *e = tacit_registry_find(&door.nodes, name);
    return e == NULL ? NULL : nodes_of(e);
}

/*
 * A name of each host part that was registered here, of the last ones: a node that is
 * being restarted is of this host all the while.
 */
static char hosts[HOSTS_MAX][TACIT_NAME_MAX + 1];
static size_t newest_host;

bool nodes_of_host(const char *name)
{
    for (size_t i = 0; i < HOSTS_MAX; i++)
        if (tacit_name_same_host(hosts[i], name))
            return true;
    return false;
}

static void keep_host(const char *name)
{
    if (nodes_of_host(name))
        return;
    newest_host = (newest_host + 1) % HOSTS_MAX;
    snprintf(hosts[newest_host], sizeof hosts[newest_host], "%s", name);
}

void nodes_leave(struct node *n)
{
    if (n->entry.name == NULL)
        return;
    tacit_registry_remove(&door.nodes, &n->entry);
    log_event("unregistered", "name=%s uid=%ju pid=%jd passed=%ju", n->entry.name,
              (uintmax_t)n->uid, (intmax_t)n->pid, (uintmax_t)n->passed);
    free((void *)(uintptr_t)n->entry.name);
    n->entry.name = NULL;
}

void nodes_refuse(struct node *n, enum tacit_door_reason reason, const char *name,
                  const char *text)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REFUSED,
                                     .refused = {.reason = (uint8_t)reason}};
    size_t len = 0;
    char quoted[TACIT_FAULT_MAX];
    tacit_door_printable(text, frame.refused.text); /* a path may be of any bytes */
    door.counters.refused[reason]++;
    log_stranger("refused", "reason=%s name=%s uid=%ju pid=%jd text=%s",
                 tacit_door_reason_name((uint8_t)reason), *name == '\0' ? "-" : name,
                 (uintmax_t)n->uid, (intmax_t)n->pid, log_quote(quoted, text));
    pass_drop_all(n);
    nodes_leave(n);
    uint8_t *bytes = malloc(TACIT_DOOR_FRAME_MAX); /* stream_finish frees it */
    if (bytes != NULL && tacit_door_write(&frame, bytes, &len) != TACIT_OK)
        len = 0;
    stream_finish(&n->stream, bytes, len);
}

/* Ours where the node brings none: never 0, and not the small ones of old protocols. */
static uint32_t new_creation(void)
{
    return 4 + randombytes_uniform(UINT32_MAX - 4);
}

static void welcome(struct node *n)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REGISTERED,
                                     .registered = {.version = n->version,
                                                    .creation = n->creation,
                                                    .release = TACIT_RELEASE}};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    char quoted[TACIT_FAULT_MAX];
    size_t len;
    if (tacit_door_write(&frame, bytes, &len) != TACIT_OK ||
        send(n->stream.fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
        stream_close(&n->stream); /* nothing was sent before: there is room, or nobody */
        return;
    }
    stream_keep(&n->stream);
    door.counters.registrations++;
    log_event("registered", "name=%s uid=%ju pid=%jd release=%s", n->entry.name,
              (uintmax_t)n->uid, (intmax_t)n->pid, log_quote(quoted, n->release));
    pass_keys(n);
}

/* What keeps a node from registering; 0: nothing. */
static int decide(const struct node *n, const struct tacit_door_register *reg,
                  char text[TACIT_DOOR_TEXT_MAX + 1])
{
    const struct node *other;
    if (reg->version_min > TACIT_DOOR_VERSION) {
        snprintf(text, TACIT_DOOR_TEXT_MAX, "got version %u to %u, expected 1 to %u",
                 reg->version_min, reg->version_max, TACIT_DOOR_VERSION);
        return TACIT_DOOR_BAD_VERSION;
    }
    if (!tacit_name_ok(reg->name)) {
        snprintf(text, TACIT_DOOR_TEXT_MAX,
                 "got '%.150s', expected a name such as app@db1.example.net", reg->name);
        return TACIT_DOOR_BAD_NAME;
    }
    if (!rights_allow(n->uid, reg->name)) {
        snprintf(text, TACIT_DOOR_TEXT_MAX,
                 "no line of [host] door-users lets user %ju be %.150s",
                 (uintmax_t)n->uid, reg->name);
        return TACIT_DOOR_NOT_ALLOWED;
    }
    if (door.nodes.count >= system_descriptors() / 2) {
        snprintf(text, TACIT_DOOR_TEXT_MAX, "the door has %zu nodes, as many as it takes",
                 door.nodes.count);
        return TACIT_DOOR_LIMIT;
    }
    other = nodes_find(reg->name);
    if (other == NULL)
        return 0;
    snprintf(text, TACIT_DOOR_TEXT_MAX, "%.150s is taken by process %jd of user %ju",
             reg->name, (intmax_t)other->pid, (uintmax_t)other->uid);
    return TACIT_DOOR_NAME_TAKEN;
}

void nodes_enroll(struct node *n, const struct tacit_door_register *reg)
{
    char text[TACIT_DOOR_TEXT_MAX + 1] = "out of memory";
    int reason = door.ending ? TACIT_DOOR_LIMIT : decide(n, reg, text);
    if (reason) {
        nodes_refuse(n, (enum tacit_door_reason)reason, reg->name,
                     door.ending ? "the door is being closed" : text);
        return;
    }
    char *name = strdup(reg->name);
    n->release = strdup(reg->release);
    n->conf = strdup(reg->conf);
    n->creation = reg->creation != 0 ? reg->creation : new_creation();
    n->since = wall_clock();
    n->version =
        reg->version_max < TACIT_DOOR_VERSION ? reg->version_max : TACIT_DOOR_VERSION;
    n->entry.name = name;
    if (name == NULL || n->release == NULL || n->conf == NULL ||
        tacit_registry_add(&door.nodes, &n->entry) != TACIT_OK) {
        n->entry.name = NULL;
        free(name);
        nodes_refuse(n, TACIT_DOOR_LIMIT, reg->name, text);
        return;
    }
    keep_host(name);
    if (n->version >= TACIT_DOOR_VERSION_SOURCES) {
        *n->input = (struct tacit_door_input){0};
    } else {
        free(n->input); /* it has said all that it may */
        n->input = NULL;
    }
    welcome(n);
}

void nodes_recheck(void)
{
    struct tacit_registry_entry *next;
    for (struct tacit_registry_entry *e = door.nodes.oldest; e != NULL; e = next) {
        struct node *n = nodes_of(e);
        next = e->newer;
        if (!rights_allow(n->uid, e->name))
            nodes_refuse(n, TACIT_DOOR_NOT_ALLOWED, e->name,
                         "the configuration no longer allows it");
    }
}

void nodes_tell_keys(void)
{
    struct tacit_registry_entry *next;
    for (struct tacit_registry_entry *e = door.nodes.oldest; e != NULL; e = next) {
        next = e->newer;
        pass_keys(nodes_of(e));
    }
}

bool nodes_busy(void)
{
    for (struct tacit_registry_entry *e = door.nodes.oldest; e != NULL; e = e->newer)
        if (nodes_of(e)->first != NULL)
            return true;
    return false;
}
