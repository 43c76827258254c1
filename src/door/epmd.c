/* Legacy epmd, on 127.0.0.1 and ::1 and nowhere else: what OTP's own does, bounded. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/daemon.h"

/* A connection: of a plain node, for as long as it is registered, or with a request. */
struct client {
    struct stream stream;
    struct tacit_legacy_input *input; /* until the request is there */
    struct tacit_legacy_node *node;
    size_t list_len; /* of the list on its way */
};

static struct listening *listeners;
static struct stream_group clients = {
    .max = EPMD_MAX, .time_ms = EPMD_IDLE_MS, .from_last = true};
static size_t lists; /* bytes of lists on their way to all clients */

/* Sends len bytes, then closes. */
static void answer(struct client *c, const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len);
    if (copy != NULL)
        memcpy(copy, bytes, len);
    stream_finish(&c->stream, copy, len);
}

/* Any user of this host may register, and stay: the others need descriptors, too. */
static bool full(void)
{
    size_t quarter = system_descriptors() / 4;
    size_t max = quarter < EPMD_NODES_MAX ? quarter : EPMD_NODES_MAX;
    if (door.legacy.live.count < max)
        return false;
    log_stranger("epmd_full", "nodes=%zu", door.legacy.live.count);
    return true;
}

/* A name of the legacy protocol's may have any character in it. */
static void log_node(const char *event, const struct tacit_legacy_node *node)
{
    char quoted[TACIT_FAULT_MAX];
    log_stranger(event, "name=%s port=%u", log_quote(quoted, node->entry.name),
                 node->port);
}

/* Nobody runs in plain text here by mistake: who does is named. */
static bool allowed(const char *name)
{
    char quoted[TACIT_FAULT_MAX];
    if (tacit_policy_plain_node(door.policy, name))
        return true;
    log_stranger("epmd_refused", "name=%s text=%s", log_quote(quoted, name),
                 "\"no plain-nodes of [host] names it\"");
    return false;
}

static void answer_alive(struct client *c, const struct tacit_legacy_request *request)
{
    uint8_t reply[6];
    int error = full() || !allowed(request->name)
                    ? TACIT_ELIMIT
                    : tacit_legacy_register(&door.legacy, request, c->stream.fd,
                                            (uint32_t)wall_clock(), &c->node);
    if (error)
        c->node = NULL;
    else
        c->node->owner = &c->stream;
    size_t len = tacit_legacy_alive_reply(request, c->node, reply);
    free(c->input);
    c->input = NULL;
    if (send(c->stream.fd, reply, len, MSG_NOSIGNAL) != (ssize_t)len) {
        stream_close(&c->stream);
        return;
    }
    if (c->node != NULL) {
        stream_keep(&c->stream);
        log_node("epmd_registered", c->node);
    } /* else it stays until it goes or its time is over: epmd does not close, either */
}

static void answer_list(struct client *c, enum tacit_legacy_type type)
{
    size_t len = 0;
    uint8_t *list = tacit_legacy_list(&door.legacy, type, door.epmd_port, &len);
    if (list != NULL && lists + len > LISTS_MAX) {
        free(list); /* too many that ask and do not listen */
        list = NULL;
    }
    if (list != NULL) {
        c->list_len = len;
        lists += len;
    }
    stream_finish(&c->stream, list, len);
}

static void answer_stop(struct client *c, const char *name)
{
    struct tacit_registry_entry *e = tacit_registry_find(&door.legacy.live, name);
    if (!door.epmd_relaxed) {
        stream_close(&c->stream);
        return;
    }
    if (e == NULL) {
        answer(c, "NOEXISTSTOPPED", 14); /* both: so does epmd */
        return;
    }
    stream_close(tacit_legacy_node_of(e)->owner);
    answer(c, "STOPPED", 7);
}

static void answer_kill(struct client *c)
{
    answer(c, door.epmd_relaxed ? "OK" : "NO", 2);
    if (door.epmd_relaxed)
        door.end("killed over the epmd protocol");
}

static void obey(struct client *c)
{
    struct tacit_legacy_request request;
    uint8_t reply[TACIT_LEGACY_REPLY_MAX];
    struct tacit_registry_entry *e;
    if (tacit_legacy_read(c->input, &request) != TACIT_OK) {
        door.counters.epmd_bad++;
        stream_close(&c->stream);
        return;
    }
    door.counters.epmd_requests++;
    switch (request.type) {
    case TACIT_LEGACY_ALIVE:
        answer_alive(c, &request);
        break;
    case TACIT_LEGACY_PORT:
        e = tacit_registry_find(&door.legacy.live, request.name);
        answer(c, reply, tacit_legacy_port_reply(tacit_legacy_node_of(e), reply));
        break;
    case TACIT_LEGACY_NAMES:
    case TACIT_LEGACY_DUMP:
        answer_list(c, request.type);
        break;
    case TACIT_LEGACY_KILL:
        answer_kill(c);
        break;
    case TACIT_LEGACY_STOP:
        answer_stop(c, request.name);
        break;
    }
}

static void readable(struct stream *s)
{
    struct client *c = (struct client *)s;
    uint8_t byte;
    bool whole;
    if (c->input == NULL) { /* registered, or refused: any byte ends it */
        if (stream_read(s, &byte, 1) != 0)
            stream_close(s);
        return;
    }
    ssize_t got =
        stream_read(s, c->input->bytes + c->input->got, tacit_legacy_wants(c->input));
    if (got == 0)
        return;
    if (got < 0 || tacit_legacy_took(c->input, (size_t)got, &whole) != TACIT_OK) {
        door.counters.epmd_bad++;
        stream_close(s);
    } else if (whole) {
        obey(c);
    }
}

static void closed(struct stream *s)
{
    struct client *c = (struct client *)s;
    lists -= c->list_len;
    c->list_len = 0;
    if (c->node == NULL)
        return;
    log_node("epmd_unregistered", c->node);
    tacit_legacy_unregister(&door.legacy, c->node);
    c->node = NULL;
}

static void gone(struct stream *s)
{
    struct client *c = (struct client *)s;
    free(c->input);
    free(c);
}

static const struct stream_kind kind = {
    .hasty = true, .readable = readable, .closed = closed, .gone = gone};

static void accept_client(struct listening *l)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct tacit_address peer;
        int fd = listening_accept(l, &peer);
        if (fd < 0)
            return;
        struct client *c = door_allocate(sizeof *c);
        if (c != NULL)
            c->input = door_allocate(sizeof *c->input);
        if (c == NULL || c->input == NULL) {
            if (c != NULL)
                gone(&c->stream);
            close(fd);
        } else if (stream_open(&c->stream, fd, &kind, &clients) != TACIT_OK) {
            gone(&c->stream);
        } else {
            readable(&c->stream); /* most ask at once */
        }
    }
}

/* Loopback is not the configuration's to choose. */
static const char *const loopback[] = {"127.0.0.1", "[::1]"};

static enum {
    OFF,
    TRYING, /* not everywhere, since something else is there: again and again */
    ON,
} state;
static int64_t tried;

static bool listens(const struct tacit_address *address)
{
    struct listening *l = listeners;
    while (l != NULL && !tacit_address_equal(&l->address, address))
        l = l->next;
    return l != NULL;
}

static int open_one(const char *text, struct tacit_fault *fault)
{
    struct tacit_address address;
    tacit_address_from_text(text, &address);
    address.port = door.epmd_port;
    if (listens(&address))
        return TACIT_OK;
    int fd = system_socket(&address, NULL);
    if (fd < 0)
        fd = socket_listen(&address);
    if (fd < 0 && address.family == 6 &&
        (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT))
        return TACIT_OK; /* a host without IPv6 */
    struct listening *l = fd < 0 ? NULL : listening_new(fd, accept_client);
    if (l == NULL) {
        snprintf(fault->text, sizeof fault->text, "legacy epmd on %s port %u: %s%s", text,
                 door.epmd_port, strerror(errno),
                 errno == EADDRINUSE
                     ? "; if it is OTP's epmd, stop it (epmd -kill; systemctl disable "
                       "--now epmd.socket epmd.service), or set 'legacy-epmd = no'"
                     : "");
        return TACIT_ESYSTEM;
    }
    l->address = address;
    l->next = listeners;
    listeners = l;
    return TACIT_OK;
}

/* All that can be; the fault is the first one's. */
static int open_all(struct tacit_fault *fault)
{
    struct tacit_fault own;
    int error = TACIT_OK;
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        if (open_one(loopback[i], &own) != TACIT_OK && error == TACIT_OK) {
            error = TACIT_ESYSTEM;
            *fault = own;
        }
    tried = now_ms();
    return error;
}

static void come_on(void)
{
    state = ON;
    door_trouble(TROUBLE_EPMD, NULL);
    log_event("epmd_on", "port=%u", door.epmd_port);
}

/* The public port is worth more than this one: the door goes on without. */
static void go_on_trying(const struct tacit_fault *fault)
{
    char text[TACIT_FAULT_MAX];
    if (state != TRYING)
        log_event("epmd_failed", "text=%s", log_quote(text, fault->text));
    state = TRYING;
    door_trouble(TROUBLE_EPMD, fault->text);
}

int epmd_apply(enum listen_when when, struct tacit_fault *fault)
{
    bool wanted = tacit_policy_legacy_epmd(door.policy);
    if (!wanted && state != OFF) {
        epmd_close();
        log_event("epmd_off", "port=%u", door.epmd_port);
    }
    if (!wanted || state == ON)
        return TACIT_OK;
    int error = open_all(fault);
    if (error == TACIT_OK)
        come_on();
    else if (when == LISTEN_RELOAD && state == OFF)
        epmd_close(); /* what a new line asks for is had, or refused */
    else {
        go_on_trying(fault);
        error = TACIT_OK;
    }
    return error;
}

size_t epmd_pending(void)
{
    return clients.count;
}

bool epmd_evict(void)
{
    if (clients.oldest == NULL)
        return false;
    stream_close(clients.oldest);
    return true;
}

void epmd_tick(void)
{
    struct tacit_fault fault;
    stream_group_tick(&clients);
    if (state == TRYING && now_ms() >= tried + RETRY_MS && !door.ending)
        epmd_apply(LISTEN_LATER, &fault);
}

void epmd_close(void)
{
    state = OFF;
    door_trouble(TROUBLE_EPMD, NULL);
    while (listeners != NULL) {
        struct listening *l = listeners;
        listeners = l->next;
        listening_free(l);
    }
    while (clients.oldest != NULL)
        stream_close(clients.oldest);
    while (door.legacy.live.oldest != NULL)
        stream_close(tacit_legacy_node_of(door.legacy.live.oldest)->owner);
}
