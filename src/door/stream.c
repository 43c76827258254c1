/* Connections of local programs: read, answered, closed; and listening sockets. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/daemon.h"

static void on_poll(uv_poll_t *poll, int status, int events);

static void leave_group(struct stream *s)
{
    struct stream_group *g = s->group;
    if (g == NULL)
        return;
    *(s->previous == NULL ? &g->oldest : &s->previous->next) = s->next;
    *(s->next == NULL ? &g->newest : &s->next->previous) = s->previous;
    s->next = s->previous = NULL;
    s->group = NULL;
    g->count--;
}

static void enter_group(struct stream *s, struct stream_group *g)
{
    if (g->count >= g->max)
        stream_close(g->oldest);
    s->group = g;
    s->next = NULL;
    s->previous = g->newest;
    *(g->newest == NULL ? &g->oldest : &g->newest->next) = s;
    g->newest = s;
    g->count++;
}

int stream_open(struct stream *s, int fd, const struct stream_kind *kind,
                struct stream_group *group)
{
    s->fd = fd;
    s->kind = kind;
    s->opened = s->heard = now_ms();
    s->poll.data = s;
    if (uv_poll_init(&door.loop, &s->poll, fd) != 0) {
        close(fd);
        return TACIT_ESYSTEM;
    }
    enter_group(s, group);
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
    return TACIT_OK;
}

void stream_want_room(struct stream *s, bool on)
{
    uv_poll_start(&s->poll, UV_READABLE | (on ? UV_WRITABLE : 0), on_poll);
}

void stream_keep(struct stream *s)
{
    leave_group(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    s->kind->gone(s);
}

void stream_close(struct stream *s)
{
    if (uv_is_closing((uv_handle_t *)&s->poll))
        return;
    leave_group(s);
    if (s->kind->closed != NULL)
        s->kind->closed(s);
    uv_poll_stop(&s->poll);
    close(s->fd);
    s->fd = -1;
    free(s->out);
    s->out = NULL;
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

ssize_t stream_read(struct stream *s, void *buf, size_t cap)
{
    ssize_t n;
    do
        n = recv(s->fd, buf, cap, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n > 0 && !s->closing)
        s->heard = now_ms();
    return n > 0 ? n : -1;
}

static void send_some(struct stream *s)
{
    while (s->out_at < s->out_len) {
        ssize_t n = send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        /* One without a deadline is not waited for: it could stay for ever. */
        bool full = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (full && s->group != NULL) {
            uv_poll_start(&s->poll, UV_WRITABLE, on_poll);
            return;
        }
        if (n < 0)
            break;
        s->out_at += (size_t)n;
    }
    /* A close with bytes unread would be a reset, which takes back what was sent. */
    if (s->out_at < s->out_len || s->group == NULL || s->kind->hasty ||
        shutdown(s->fd, SHUT_WR) != 0) {
        stream_close(s);
        return;
    }
    s->lingering = true;
    uv_poll_start(&s->poll, UV_READABLE, on_poll);
}

static void linger(struct stream *s)
{
    uint8_t waste[4096];
    if (stream_read(s, waste, sizeof waste) < 0)
        stream_close(s);
}

void stream_finish(struct stream *s, uint8_t *bytes, size_t len)
{
    s->out = bytes;
    s->out_len = bytes == NULL ? 0 : len;
    s->out_at = 0;
    s->closing = true;
    if (bytes == NULL)
        stream_close(s); /* out of memory */
    else
        send_some(s);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *s = poll->data;
    if (status < 0)
        stream_close(s);
    else if (s->lingering)
        linger(s);
    else if (s->closing)
        send_some(s);
    else if ((events & UV_WRITABLE) != 0)
        s->kind->writable(s);
    else
        s->kind->readable(s);
}

void stream_group_tick(struct stream_group *group)
{
    int64_t now = now_ms();
    for (struct stream *s = group->oldest, *next; s != NULL; s = next) {
        next = s->next;
        if ((group->from_last ? s->heard : s->opened) + group->time_ms <= now)
            stream_close(s);
        else if (!group->from_last)
            break; /* those behind it are younger */
    }
}

/* --- listening -------------------------------------------------------------------- */

static struct listening *all;

static void on_accept(uv_poll_t *poll, int status, int events)
{
    struct listening *l = poll->data;
    (void)events;
    if (door_rests()) {
        l->throttled = true;
        uv_poll_stop(&l->poll);
    } else if (status == 0) {
        l->accept(l);
    }
}

void listening_wake_all(void)
{
    for (struct listening *l = all; l != NULL; l = l->all_next) {
        if (l->throttled)
            uv_poll_start(&l->poll, UV_READABLE, on_accept);
        l->throttled = false;
    }
}

struct listening *listening_new(int fd, void (*accept_some)(struct listening *l))
{
    struct listening *l = calloc(1, sizeof *l);
    if (l == NULL || uv_poll_init(&door.loop, &l->poll, fd) != 0) {
        free(l);
        close(fd);
        return NULL;
    }
    l->fd = fd;
    l->accept = accept_some;
    l->poll.data = l;
    l->all_next = all;
    if (all != NULL)
        all->all_previous = l;
    all = l;
    uv_poll_start(&l->poll, UV_READABLE, on_accept);
    return l;
}

int listening_accept(struct listening *l, struct tacit_address *ret_peer)
{
    int fd;
    do { /* one that went before it was accepted is none */
        fd = socket_accept(l->fd, ret_peer);
    } while (fd < 0 && (errno == ECONNABORTED || errno == EINTR));
    if (fd < 0 &&
        (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        door_starved();
    return fd;
}

static void listening_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void listening_free(struct listening *l)
{
    *(l->all_previous == NULL ? &all : &l->all_previous->all_next) = l->all_next;
    if (l->all_next != NULL)
        l->all_next->all_previous = l->all_previous;
    uv_poll_stop(&l->poll);
    close(l->fd);
    uv_close((uv_handle_t *)&l->poll, listening_closed);
}
