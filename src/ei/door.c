/*
 * A C node's place at its host's door: it registers its name there and gets the sockets
 * of those who asked for it (src/door/PROTOCOL.md). A door that ends is asked again, at
 * growing intervals, under the same creation. As a node's driver has it
 * (src/carrier/registration.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ei/fault.h"
#include "ei/listener.h"
#include "ei/ready.h"
#include "socket/socket.h"

enum {
    START_MS = 5000, /* what the door may take to answer */
    RETRY_MS = 100,  /* then twice that, and so on */
    RETRY_MAX_MS = 2000,
    FRAMES = 64, /* read at once */
};

#define RELEASE "libtacit_ei"

static void disconnect(struct cnode_place *p)
{
    if (p->passed >= 0)
        close(p->passed);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = p->passed = -1;
    p->registered = p->keys_due = p->starved = false;
    memset(&p->in, 0, sizeof p->in);
}

/* There is no place now: it is asked for again in a while. */
static int lose(struct cnode_place *p, const char *fault)
{
    disconnect(p);
    snprintf(p->fault, sizeof p->fault, "%s: %s", p->path, fault);
    p->at = wire_now_us() + p->wait * 1000;
    p->wait = 2 * p->wait < RETRY_MAX_MS ? 2 * p->wait : RETRY_MAX_MS;
    return TACIT_ECUT;
}

/* --- registering ---------------------------------------------------------------------
 */

static bool send_register(const struct cnode_listener *s)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REGISTER};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    frame.reg.version_min = 1;
    frame.reg.version_max = TACIT_DOOR_VERSION;
    frame.reg.creation = s->node->creation;
    snprintf(frame.reg.name, sizeof frame.reg.name, "%s", s->node->name);
    snprintf(frame.reg.release, sizeof frame.reg.release, "%s", RELEASE);
    tacit_door_printable(tacit_policy_path(s->rules->policy), frame.reg.conf);
    /* A new socket has room for it. */
    return tacit_door_write(&frame, bytes, &len) == TACIT_OK &&
           send(s->place.fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int ask(struct cnode_listener *s)
{
    struct cnode_place *p = &s->place;
    unsigned uid = 0;
    p->fd = socket_connect_unix(p->path);
    if (p->fd < 0 || cnode_ready_add(s->fd, p->fd) < 0)
        return lose(p, strerror(errno));
    if (!socket_unix_trusted(p->fd, p->path, &uid))
        return lose(p, "neither root nor this process's own user listens there");
    if (!send_register(s))
        return lose(p, "the door does not take the registration");
    p->at = wire_now_us() + (int64_t)START_MS * 1000;
    return TACIT_OK;
}

/* --- what comes down the connection --------------------------------------------------
 */

static int take_passed(struct cnode_listener *s, const struct tacit_door_pass *pass)
{
    struct cnode_place *p = &s->place;
    struct tacit_address peer;
    int fd = p->passed;
    int64_t age = wire_now_us() / 1000 - (int64_t)pass->accepted; /* the same clock */
    p->passed = -1;
    if (p->starved) {
        p->starved = false;
        cnode_starve(s);
        return TACIT_OK;
    }
    if (fd < 0)
        return lose(p, "the door passed a link without its socket");
    fd = socket_adopt(fd, &peer);
    if (fd < 0)
        return lose(p, "the door passed something that is no TCP socket");
    if (age < 0 || age > TACIT_PENDING_DEADLINE_MS)
        age = age < 0 ? 0 : TACIT_PENDING_DEADLINE_MS;
    cnode_take_caller(s, fd, peer.family != 0 ? &peer : &pass->peer, age, pass->first);
    return TACIT_OK;
}

static int refused(struct cnode_place *p, const struct tacit_door_refused *refusal)
{
    char text[RULING_TEXT];
    snprintf(text, sizeof text, "the door refuses: %s: %.150s",
             tacit_door_reason_name(refusal->reason), refusal->text);
    (void)lose(p, text);
    return TACIT_EREFUSED;
}

static int take_frame(struct cnode_listener *s, const struct tacit_door_frame *frame)
{
    struct cnode_place *p = &s->place;
    if (frame->type == TACIT_DOOR_PASS && p->registered)
        return take_passed(s, &frame->pass);
    if (p->passed >= 0 || p->starved)
        return lose(p, "the door passed a socket without its link");
    if (frame->type == TACIT_DOOR_REFUSED)
        return refused(p, &frame->refused);
    if (frame->type == TACIT_DOOR_KEYS && p->registered) {
        cnode_set_door_keys(s->node, &frame->keys);
        p->keys_due = false;
        return TACIT_OK;
    }
    if (frame->type != TACIT_DOOR_REGISTERED || p->registered)
        return lose(p, "the door said something that it may not say now");
    p->registered = true;
    p->keys_due = frame->registered.version >= TACIT_DOOR_VERSION_KEYS;
    p->wait = RETRY_MS;
    p->fault[0] = '\0';
    return TACIT_OK;
}

/* Reads once; *ret_more: there may be more. */
static int read_some(struct cnode_listener *s, bool *ret_more)
{
    struct cnode_place *p = &s->place;
    struct tacit_door_frame frame;
    bool bad = false, starved = false;
    int fd = -1;
    size_t wants = tacit_door_wants(&p->in, &bad);
    ssize_t n = socket_receive(p->fd, p->in.bytes + p->in.len, wants, &fd, &starved);
    *ret_more = n > 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TACIT_OK;
    if (n <= 0)
        return lose(p, n == 0 ? "the door has closed" : strerror(errno));
    if ((fd >= 0 || starved) && p->in.len > 0) {
        if (fd >= 0)
            close(fd);
        return lose(p, "the door passed a socket in the middle of a frame");
    }
    p->passed = fd >= 0 ? fd : p->passed;
    p->starved = p->starved || starved;
    p->in.len += (size_t)n;
    wants = tacit_door_wants(&p->in, &bad);
    if (!bad && wants > 0)
        return TACIT_OK;
    if (bad || tacit_door_read(p->in.bytes, p->in.len, &frame) != TACIT_OK)
        return lose(p, "the door said something that is no frame");
    memset(&p->in, 0, sizeof p->in);
    return take_frame(s, &frame);
}

/* --- what the listener calls ---------------------------------------------------------
 */

int cnode_place_start(struct cnode_listener *s)
{
    struct cnode_place *p = &s->place;
    p->wait = RETRY_MS;
    cnode_set_door_keys(s->node, &(struct tacit_mesh_marks){0});
    int error = ask(s);
    while (!error && (!p->registered || p->keys_due)) {
        bool more;
        error = wire_wait(p->fd, POLLIN, p->at);
        if (error)
            (void)lose(p, "the door does not answer");
        else
            error = read_some(s, &more);
    }
    return error ? cnode_fault(error, "%s: [host] door = %s",
                               tacit_policy_path(s->rules->policy), p->fault)
                 : TACIT_OK;
}

void cnode_place_step(struct cnode_listener *s, bool readable)
{
    struct cnode_place *p = &s->place;
    bool more = readable && p->fd >= 0;
    for (int i = 0; i < 2 * FRAMES && more; i++) /* a frame is read in two */
        if (read_some(s, &more) != TACIT_OK)
            return;
    if (p->registered || wire_now_us() < p->at)
        return;
    if (p->fd >= 0)
        (void)lose(p, "the door does not answer");
    else
        (void)ask(s);
}

void cnode_place_leave(struct cnode_listener *s)
{
    if (s->place.path != NULL)
        cnode_set_door_keys(s->node, NULL);
    disconnect(&s->place);
}
