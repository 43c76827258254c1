/* The Unix socket: nodes register and stay; commands ask and go. PROTOCOL.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/daemon.h"

static struct listening *listener;
static struct stream_group newcomers = {.max = LOCAL_NEW_MAX, .time_ms = LOCAL_NEW_MS};

/* --- answers ---------------------------------------------------------------------- */

/* Text as report frames, and the end. NULL: out of memory. */
static uint8_t *report_frames(const char *text, size_t *ret_len)
{
    size_t left = strlen(text), used = 0, len;
    size_t frames = left / TACIT_DOOR_REPORT_MAX + 2;
    uint8_t *out = malloc((frames + 1) * TACIT_DOOR_FRAME_MAX);
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REPORT};
    while (out != NULL && left > 0) {
        frame.report.len = left < TACIT_DOOR_REPORT_MAX ? left : TACIT_DOOR_REPORT_MAX;
        memcpy(frame.report.bytes, text, frame.report.len);
        text += frame.report.len;
        left -= frame.report.len;
        if (tacit_door_write(&frame, out + used, &len) == TACIT_OK)
            used += len;
    }
    frame.type = TACIT_DOOR_END;
    if (out != NULL && tacit_door_write(&frame, out + used, &len) == TACIT_OK)
        used += len;
    *ret_len = used;
    return out;
}

static void report(struct node *n, const char *text)
{
    size_t len = 0;
    uint8_t *bytes = text == NULL ? NULL : report_frames(text, &len);
    stream_finish(&n->stream, bytes, len);
}

static void reload(struct node *n)
{
    struct tacit_fault fault = {{0}};
    if (n->uid != 0 && n->uid != geteuid())
        nodes_refuse(n, TACIT_DOOR_NOT_ALLOWED, "",
                     "only root and the door's own user may");
    else if (door.reload(&fault) != TACIT_OK)
        nodes_refuse(n, TACIT_DOOR_BAD_CONF, "", fault.text);
    else
        report(n, "configuration\tloaded\n");
}

/* --- what comes in ---------------------------------------------------------------- */

static void obey(struct node *n, const struct tacit_door_frame *frame)
{
    switch (frame->type) {
    case TACIT_DOOR_REGISTER:
        nodes_enroll(n, &frame->reg);
        break;
    case TACIT_DOOR_SHOW: {
        char *text = report_show();
        report(n, text);
        free(text);
        break;
    }
    case TACIT_DOOR_RELOAD:
        reload(n);
        break;
    default:
        nodes_refuse(n, TACIT_DOOR_BAD_FRAME, "", "not a frame that opens a connection");
    }
}

/* Who was let in, and who no longer is: it is the node that learns it. */
static void hear(struct node *n, const struct tacit_door_frame *frame)
{
    const struct tacit_admission_news *news = &frame->sources;
    if (frame->type != TACIT_DOOR_SOURCES) {
        nodes_refuse(n, TACIT_DOOR_BAD_FRAME, n->entry.name,
                     "a node says nothing more, but for sources");
        return;
    }
    for (size_t i = 0; i < news->count; i++) {
        if (news->known[i])
            tacit_admission_known(&door.admission, news->sources[i]);
        else
            tacit_admission_forget(&door.admission, news->sources[i]);
    }
    *n->input = (struct tacit_door_input){0};
}

/* Whatever comes, it ends. */
static void end_talkative(struct node *n)
{
    uint8_t byte;
    ssize_t got = stream_read(&n->stream, &byte, 1);
    if (got > 0)
        nodes_refuse(n, TACIT_DOOR_BAD_FRAME, n->entry.name, "a node says nothing more");
    else if (got < 0)
        stream_close(&n->stream);
}

/* One frame at the most. */
static void readable(struct stream *s)
{
    struct node *n = (struct node *)s;
    bool bad = false;
    if (n->input == NULL) {
        end_talkative(n);
        return;
    }
    size_t wants = tacit_door_wants(n->input, &bad);
    ssize_t got = stream_read(s, n->input->bytes + n->input->len, wants);
    if (got < 0) {
        stream_close(s);
        return;
    }
    n->input->len += (size_t)got;
    struct tacit_door_frame frame;
    const char *name = n->entry.name == NULL ? "" : n->entry.name;
    if (tacit_door_wants(n->input, &bad) > 0)
        return;
    if (bad || tacit_door_read(n->input->bytes, n->input->len, &frame) != TACIT_OK)
        nodes_refuse(n, TACIT_DOOR_BAD_FRAME, name, "not a frame of this protocol");
    else if (n->entry.name != NULL)
        hear(n, &frame);
    else
        obey(n, &frame);
}

static void writable(struct stream *s)
{
    pass_writable((struct node *)s);
}

static void gone(struct stream *s)
{
    struct node *n = (struct node *)s;
    free(n->input);
    free(n->release);
    free(n->conf);
    free(n);
}

static void closed(struct stream *s)
{
    struct node *n = (struct node *)s;
    pass_drop_all(n);
    nodes_leave(n);
}

static const struct stream_kind kind = {
    .readable = readable, .writable = writable, .closed = closed, .gone = gone};

static void accept_local(struct listening *l)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct tacit_address nowhere;
        int fd = listening_accept(l, &nowhere);
        if (fd < 0)
            return;
        struct node *n = door_allocate(sizeof *n);
        if (n != NULL)
            n->input = door_allocate(sizeof *n->input);
        if (n == NULL || n->input == NULL || !socket_unix_peer(fd, &n->uid, &n->pid)) {
            if (n != NULL)
                gone(&n->stream);
            close(fd);
            continue;
        }
        if (stream_open(&n->stream, fd, &kind, &newcomers) != TACIT_OK)
            gone(&n->stream);
    }
}

/* --- the socket ------------------------------------------------------------------- */

int local_apply(struct tacit_fault *fault)
{
    const char *path = tacit_policy_door(door.policy);
    if (listener != NULL && socket_file_stands(path))
        return TACIT_OK;
    int fd = socket_file_open(path, fault);
    if (fd < 0)
        return TACIT_ESYSTEM;
    struct listening *l = listening_new(fd, accept_local);
    if (l == NULL) {
        socket_file_remove();
        snprintf(fault->text, sizeof fault->text, "%s: no memory for [host] door",
                 tacit_policy_path(door.policy));
        return TACIT_ENOMEM;
    }
    if (listener != NULL)
        listening_free(listener);
    listener = l;
    log_event("door", "path=%s", path);
    return TACIT_OK;
}

void local_tick(void)
{
    stream_group_tick(&newcomers);
}

void local_close(void)
{
    if (listener != NULL) {
        socket_file_remove();
        listening_free(listener);
        listener = NULL;
    }
    while (newcomers.oldest != NULL)
        stream_close(newcomers.oldest);
    while (door.nodes.oldest != NULL)
        stream_close(&nodes_of(door.nodes.oldest)->stream);
}
