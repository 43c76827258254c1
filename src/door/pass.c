/* Connections on their way to a node. A slow node holds nobody up but itself. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/daemon.h"

/* Sends the descriptor with the first byte. How many bytes went; -1 with errno. */
static ssize_t send_passing(int to, const struct passing *p)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)(p->bytes + p->sent),
                        .iov_len = p->len - p->sent};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;
    if (p->sent == 0 && p->fd >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &p->fd, sizeof p->fd);
    }
    do
        n = sendmsg(to, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static void free_passing(struct passing *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

static void forget_first(struct node *n)
{
    struct passing *p = n->first;
    n->first = p->next;
    if (n->first == NULL)
        n->last = NULL;
    n->waiting--;
    free_passing(p);
}

/* Sends what waits, as far as the node takes it. */
static void flush(struct node *n)
{
    int64_t now = now_ms();
    while (n->first != NULL) {
        struct passing *p = n->first;
        if (p->fd >= 0 && p->sent == 0 &&
            p->accepted + TACIT_PENDING_DEADLINE_MS <= now) {
            door.counters.late++;
            forget_first(n);
            continue;
        }
        ssize_t sent = send_passing(n->stream.fd, p);
        /* Too many descriptors in flight is the node's slowness, too. */
        bool slow = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
                                 errno == ENOBUFS || errno == ETOOMANYREFS);
        if (slow)
            break;
        if (sent < 0) {
            stream_close(&n->stream);
            return;
        }
        p->sent += (size_t)sent;
        if (p->sent < p->len)
            break;
        n->passed += p->fd >= 0;
        door.counters.passed += p->fd >= 0;
        forget_first(n);
    }
    stream_want_room(&n->stream, n->first != NULL);
}

/* Behind all that waits, max at the most, or at once. false: there is no room for it. */
static bool enqueue(struct node *n, const struct tacit_door_frame *frame, int fd,
                    int64_t accepted, size_t max)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    struct passing *p = NULL;
    if (n->waiting < max && tacit_door_write(frame, bytes, &len) == TACIT_OK)
        p = malloc(sizeof *p + len);
    if (p == NULL)
        return false;
    *p = (struct passing){.fd = fd, .accepted = accepted, .len = len};
    memcpy(p->bytes, bytes, len);
    *(n->last == NULL ? &n->first : &n->last->next) = p;
    n->last = p;
    n->waiting++;
    if (n->waiting == 1)
        flush(n);
    return true;
}

void pass(struct node *n, int fd, const struct tacit_door_pass *content, bool known)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_PASS, .pass = *content};
    size_t max = known ? PASS_QUEUE_MAX : PASS_QUEUE_MAX / 4 * 3;
    if (enqueue(n, &frame, fd, (int64_t)content->accepted, max))
        return;
    door.counters.slow++;
    log_stranger("slow_node", "name=%s waiting=%zu", n->entry.name, n->waiting);
    close(fd);
}

void pass_keys(struct node *n)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_KEYS};
    const struct tacit_secret *keys;
    size_t count = tacit_policy_mesh_keys(door.policy, &keys);
    tacit_key_ids(keys, count, &frame.keys);
    if (n->version < TACIT_DOOR_VERSION_KEYS || enqueue(n, &frame, -1, 0, PASS_QUEUE_MAX))
        return;
    /* It would go on showing its peers what this door does not open. It comes back. */
    log_stranger("slow_node", "name=%s waiting=%zu", n->entry.name, n->waiting);
    stream_close(&n->stream);
}

void pass_writable(struct node *n)
{
    flush(n);
}

void pass_drop_all(struct node *n)
{
    while (n->first != NULL)
        forget_first(n);
}
