/* The connection behind a node's place at its host's door. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/place.h"
#include "socket/socket.h"

enum {
    /* At once: as many as all that an admission knows, and knew, can fill. */
    LISTS = 2 * TACIT_ADMISSION_KNOWN / TACIT_ADMISSION_NEWS_MAX + 1,
};

static enum tacit_place_event untrusted(struct tacit_place *p, unsigned uid, int64_t now)
{
    char text[TACIT_PLACE_TEXT];
    snprintf(text, sizeof text,
             "user %u listens there, expected root, this node's own user, or one to whom "
             "root gave the socket's directory",
             uid);
    return tacit_place_fail(p, TACIT_EREFUSED, text, now);
}

static enum tacit_place_event ask(struct tacit_place *p, int fd,
                                  const struct tacit_door_register *who, int64_t now)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    unsigned uid = 0;
    if (!socket_unix_trusted(fd, p->path, &uid))
        return untrusted(p, uid, now);
    /* A new socket has room for it. */
    if (tacit_place_ask(p, who, now, bytes, &len) != TACIT_OK ||
        send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        return tacit_place_fail(p, TACIT_ETRUNCATED,
                                "the door does not take the registration", now);
    return TACIT_PLACE_NOTHING;
}

enum tacit_place_event tacit_place_connect(struct tacit_place *p,
                                           const struct tacit_door_register *who,
                                           int64_t now, int *ret_fd)
{
    int fd = socket_connect_unix(p->path);
    *ret_fd = -1;
    if (fd < 0)
        return tacit_place_fail(p, TACIT_ETRUNCATED, strerror(errno), now);
    enum tacit_place_event event = ask(p, fd, who, now);
    if (event == TACIT_PLACE_LOST)
        close(fd);
    else
        *ret_fd = fd;
    return event;
}

enum tacit_place_event tacit_place_receive(struct tacit_place *p, int fd, int64_t now,
                                           struct tacit_door_frame *ret_frame,
                                           bool *ret_more)
{
    bool lost = false;
    int passed = -1;
    size_t wants;
    uint8_t *room = tacit_place_room(p, &wants);
    ssize_t n = socket_receive(fd, room, wants, &passed, &lost);
    *ret_more = n > 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TACIT_PLACE_NOTHING;
    if (n < 0)
        return tacit_place_fail(p, TACIT_ETRUNCATED,
                                errno == EPROTO ? "the door passed more than one socket"
                                                : strerror(errno),
                                now);
    if (passed >= 0 && p->in.len > 0) { /* nobody's: there may be one already */
        close(passed);
        passed = -1;
        lost = true;
    }
    return tacit_place_read(p, (size_t)n, passed, lost, now, ret_frame);
}

static void send_some(struct tacit_place *p, int fd)
{
    while (p->out_len > 0) {
        ssize_t n = send(fd, p->out + p->out_at, p->out_len - p->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            return;
        tacit_place_sent(p, (size_t)n);
    }
}

void tacit_place_tell(struct tacit_place *p, int fd,
                      bool (*news)(void *owner, struct tacit_admission_told *told,
                                   struct tacit_admission_news *ret_news),
                      void *owner)
{
    struct tacit_admission_news next;
    send_some(p, fd);
    for (int i = 0; i < LISTS && tacit_place_hears(p); i++) {
        if (!news(owner, &p->told, &next))
            return;
        tacit_place_say(p, &next);
        send_some(p, fd);
    }
}
