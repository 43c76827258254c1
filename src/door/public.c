/* The public port: strangers, until one shows a first message and is passed on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/handshake.h"
#include "door/daemon.h"

/* A connection whose first message is not there yet, or is nobody's. */
struct stranger {
    uv_poll_t poll;
    struct tacit_pending_entry pending;
    int fd;
    bool silent; /* read and forget until the deadline */
    struct tacit_address peer;
    size_t got;
    uint8_t bytes[TACIT_DOOR_FIRST];
};

static struct stranger *stranger_of(struct tacit_pending_entry *e)
{
    return (struct stranger *)(void *)((char *)e - offsetof(struct stranger, pending));
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Takes the socket back: afterwards libuv, and so epoll, knows nothing of it. */
static int release(struct stranger *s)
{
    int fd = s->fd;
    tacit_pending_remove(&door.pending, &s->pending);
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    return fd;
}

/* Ends a connection without a word. */
static void drop(struct stranger *s)
{
    if (!s->pending.first_seen)
        door.counters.strangers++;
    close(release(s));
}

bool public_evict(void)
{
    struct tacit_pending_entry *victim = tacit_pending_victim(&door.pending);
    if (victim == NULL)
        return false;
    door.counters.evicted++;
    drop(stranger_of(victim));
    return true;
}

/* --- a first message -------------------------------------------------------------- */

/* It opened, and is for here. Is it new, and of this time? The node looks again. */
static int decide(const struct stranger *s, const struct tacit_first *first,
                  const uint8_t ephemeral[NOISE_DHLEN])
{
    char peer[TACIT_ADDRESS_TEXT];
    struct tacit_now now = door_now();
    int skew, error = tacit_admission_first(&door.admission, &s->peer, ephemeral,
                                            first->time, &now, &skew);
    tacit_address_to_text(&s->peer, peer);
    if (error == TACIT_ETIME) {
        door.counters.clocks++;
        log_stranger("clock", "peer=%s seconds=%+d", peer, skew);
    } else if (error == TACIT_ELIMIT) {
        door.counters.limited++;
        log_stranger("limit", "peer=%s", peer);
    } else if (error) {
        door.counters.replays++;
        log_stranger("replay", "peer=%s", peer);
    }
    return error;
}

static void pass_on(struct stranger *s, struct node *n)
{
    struct tacit_door_pass frame = {.accepted = (uint64_t)s->pending.accepted,
                                    .peer = s->peer};
    memcpy(frame.first, s->bytes, sizeof frame.first);
    bool known = tacit_admission_knows(&door.admission, tacit_pending_source(&s->peer));
    pass(n, release(s), &frame, known);
}

static void ask_door(struct stranger *s)
{
    uint8_t first[TACIT_DOOR_FIRST];
    struct tacit_address peer = s->peer;
    memcpy(first, s->bytes, sizeof first);
    directory_take(release(s), &peer, first);
}

/*
 * Whether it is for this host at all. One that is not may have been recorded on its way
 * to another host, by somebody who holds no key: it is not to see that anybody understood
 * it.
 */
static bool for_here(const char *wanted)
{
    if (wanted[0] == '\0') /* without an identity of its own the door is nobody */
        return tacit_policy_door_identity(door.policy) != NULL;
    return tacit_name_ok(wanted) && nodes_of_host(wanted);
}

static void unknown(const struct stranger *s, const char *wanted)
{
    char peer[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(&s->peer, peer);
    door.counters.unknown++;
    log_stranger("unknown_name", "name=%s peer=%s", wanted, peer);
}

/* A stranger's: not a byte, and no sign of having understood it. */
static void hold(struct stranger *s)
{
    s->silent = true;
}

/* New, of this time, and for this host. */
static void take_valid(struct stranger *s, const char *wanted)
{
    s->pending.first_seen = true;
    struct node *n = nodes_find(wanted);
    if (wanted[0] == '\0') {
        ask_door(s);
    } else if (n != NULL) {
        pass_on(s, n);
    } else {
        unknown(s, wanted);
        drop(s); /* who holds the mesh key need not wait to learn that it is not here */
    }
}

static void take_first(struct stranger *s)
{
    struct tacit_first first;
    uint8_t ephemeral[NOISE_DHLEN];
    const struct tacit_secret *keys;
    size_t count = tacit_policy_mesh_keys(door.policy, &keys);
    if (tacit_first_open(keys, count, s->bytes + TACIT_MESSAGE_HEADER, &first,
                         ephemeral) != TACIT_OK) {
        door.counters.garbage++;
        hold(s);
        return;
    }
    if (!for_here(first.wanted)) {
        unknown(s, first.wanted);
        hold(s);
        return;
    }
    int error = decide(s, &first, ephemeral);
    if (error == TACIT_OK)
        take_valid(s, first.wanted);
    else if (error == TACIT_ELIMIT)
        drop(s);
    else
        hold(s);
}

static void discard(struct stranger *s)
{
    uint8_t waste[4096];
    ssize_t n = recv(s->fd, waste, sizeof waste, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        drop(s);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct stranger *s = poll->data;
    (void)events;
    if (status < 0) {
        drop(s);
        return;
    }
    if (s->silent) {
        discard(s);
        return;
    }
    ssize_t n = recv(s->fd, s->bytes + s->got, sizeof s->bytes - s->got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        drop(s);
        return;
    }
    s->got += (size_t)n;
    if (s->got >= TACIT_MESSAGE_HEADER &&
        ((size_t)s->bytes[0] << 8 | s->bytes[1]) != TACIT_MESSAGE_1) {
        door.counters.garbage++;
        hold(s);
    } else if (s->got == sizeof s->bytes) {
        take_first(s);
    }
}

/* --- accepting -------------------------------------------------------------------- */

static void take_socket(int fd, const struct tacit_address *peer)
{
    if (door.pending.count >= TACIT_PENDING_MAX)
        public_evict();
    struct stranger *s = door_allocate(sizeof *s);
    if (s == NULL || uv_poll_init(&door.loop, &s->poll, fd) != 0) {
        free(s);
        close(fd);
        return;
    }
    door.counters.accepted++;
    s->fd = fd;
    s->peer = *peer;
    s->poll.data = s;
    tacit_pending_add(&door.pending, &s->pending, peer, now_ms());
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
}

void public_accept(struct listening *l)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct tacit_address peer;
        int fd = listening_accept(l, &peer);
        if (fd < 0)
            return;
        take_socket(fd, &peer);
    }
}

void public_tick(void)
{
    int64_t now = now_ms();
    struct tacit_pending_entry *next;
    for (struct tacit_pending_entry *e = door.pending.oldest; e != NULL; e = next) {
        next = e->next;
        if (tacit_pending_deadline(&door.pending, e, now) <= now)
            drop(stranger_of(e));
    }
}

void public_stop(void)
{
    struct tacit_pending_entry *next;
    for (struct tacit_pending_entry *e = door.pending.oldest; e != NULL; e = next) {
        next = e->next;
        if (!e->first_seen)
            drop(stranger_of(e));
    }
}

void public_close(void)
{
    public_stop();
    while (door.pending.oldest != NULL)
        drop(stranger_of(door.pending.oldest));
}
