/*
 * What comes down a node's connection to its host's door: how its registration went, and
 * then the sockets of those who asked for it (src/door/PROTOCOL.md).
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"

/* The same moment on this driver's clock, which is not the system's. */
static ErlDrvTime accept_time(uint64_t accepted)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
    uint64_t age = accepted > now ? 0 : now - accepted;
    if (age > TACIT_PENDING_DEADLINE_MS)
        age = TACIT_PENDING_DEADLINE_MS;
    return monotonic_ms() - (ErlDrvTime)age;
}

static void take_passed(struct listener *l, const struct tacit_door_pass *pass)
{
    struct registration *r = &l->registration;
    struct tacit_address peer;
    int fd = r->passed;
    r->passed = -1;
    if (r->short_of_descriptors) {
        r->short_of_descriptors = false;
        listener_starve(l);
        return;
    }
    if (fd < 0) {
        registration_lose(l, "the door passed a link without its socket");
        return;
    }
    fd = socket_adopt(fd, &peer);
    if (fd < 0) {
        registration_lose(l, "the door passed something that is no TCP socket");
        return;
    }
    incoming_take(l, fd, peer.family != 0 ? &peer : &pass->peer,
                  accept_time(pass->accepted), pass->first);
}

/* Peers were told what both this node and its door open: it may be another now. */
static void take_keys(struct listener *l, const struct tacit_mesh_marks *keys)
{
    if (shared_set_door_keys(keys))
        tell_door(l, "keys", "");
}

static void take_frame(struct listener *l, const struct tacit_door_frame *frame)
{
    struct registration *r = &l->registration;
    bool has_socket = r->passed >= 0 || r->short_of_descriptors;
    if (frame->type == TACIT_DOOR_PASS && r->state == REGISTRATION_DONE)
        take_passed(l, &frame->pass);
    else if (has_socket)
        registration_lose(l, "the door passed a socket without its link");
    else if (frame->type == TACIT_DOOR_REGISTERED && r->state == REGISTRATION_ASKED)
        registration_done(l);
    else if (frame->type == TACIT_DOOR_KEYS && r->state == REGISTRATION_DONE)
        take_keys(l, &frame->keys);
    else if (frame->type == TACIT_DOOR_REFUSED)
        registration_refused(l, &frame->refused);
    else
        registration_lose(l, "the door said something that it may not say now");
}

bool passed_read(struct listener *l)
{
    struct registration *r = &l->registration;
    struct tacit_door_frame frame;
    bool bad = false, short_of = false;
    int fd = -1;
    size_t wants = tacit_door_wants(&r->in, &bad);
    ssize_t n = socket_receive(r->fd, r->in.bytes + r->in.len, wants, &fd, &short_of);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n <= 0) {
        registration_lose(l, n == 0            ? "the door has closed"
                             : errno == EPROTO ? "the door passed more than one socket"
                                               : strerror(errno));
        return false;
    }
    if ((fd >= 0 || short_of) && r->in.len > 0) {
        if (fd >= 0)
            close(fd);
        registration_lose(l, "the door passed a socket in the middle of a frame");
        return false;
    }
    r->passed = fd >= 0 ? fd : r->passed;
    r->short_of_descriptors = r->short_of_descriptors || short_of;
    r->in.len += (size_t)n;
    wants = tacit_door_wants(&r->in, &bad);
    if (!bad && wants > 0)
        return true;
    if (bad || tacit_door_read(r->in.bytes, r->in.len, &frame) != TACIT_OK) {
        registration_lose(l, "the door said something that is no frame");
        return false;
    }
    memset(&r->in, 0, sizeof r->in);
    take_frame(l, &frame);
    return r->state == REGISTRATION_DONE && l->accepting;
}
