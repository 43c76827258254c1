/* A C node's place at its host's door (door/place.h). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ei/fault.h"
#include "ei/listener.h"
#include "ei/ready.h"
#include "socket/socket.h"

enum {
    FRAMES = 64, /* read at once */
};

#define RELEASE "libtacit_ei"

static int64_t now_ms(void)
{
    return wire_now_us() / 1000;
}

static void disconnect(struct cnode_listener *s)
{
    if (s->place.passed >= 0)
        close(s->place.passed);
    if (s->door >= 0)
        close(s->door);
    s->door = s->place.passed = -1;
}

static void lose(struct cnode_listener *s, const char *fault)
{
    (void)tacit_place_fail(&s->place, TACIT_ETRUNCATED, fault, now_ms());
    disconnect(s);
}

static void ask(struct cnode_listener *s)
{
    struct tacit_door_register who = {.creation = s->node->creation};
    snprintf(who.release, sizeof who.release, "%s", RELEASE);
    tacit_door_printable(tacit_policy_path(s->rules->policy), who.conf);
    if (tacit_place_connect(&s->place, &who, now_ms(), &s->door) != TACIT_PLACE_LOST &&
        cnode_ready_add(s->fd, s->door) < 0)
        lose(s, strerror(errno));
}

static void take_passed(struct cnode_listener *s, const struct tacit_door_pass *pass)
{
    struct tacit_address peer;
    int64_t age = now_ms() - (int64_t)pass->accepted; /* the same clock */
    int fd = socket_adopt(s->place.passed, &peer);
    s->place.passed = -1;
    if (age < 0 || age > TACIT_PENDING_DEADLINE_MS)
        age = age < 0 ? 0 : TACIT_PENDING_DEADLINE_MS;
    if (fd < 0)
        lose(s, "the door passed something that is no TCP socket");
    else
        cnode_take_caller(s, fd, peer.family != 0 ? &peer : &pass->peer, age,
                          pass->first);
}

static void act(struct cnode_listener *s, enum tacit_place_event event,
                const struct tacit_door_frame *frame)
{
    switch (event) {
    case TACIT_PLACE_NOTHING:
    case TACIT_PLACE_REGISTERED:
        break;
    case TACIT_PLACE_CONNECT:
        ask(s);
        break;
    case TACIT_PLACE_PASSED:
        take_passed(s, &frame->pass);
        break;
    case TACIT_PLACE_STARVED:
        cnode_starve(s);
        break;
    case TACIT_PLACE_KEYS:
        cnode_set_door_keys(s->node, &frame->keys);
        break;
    case TACIT_PLACE_TELL:
        cnode_place_tell(s);
        break;
    case TACIT_PLACE_LOST:
        disconnect(s);
        break;
    }
}

/* --- what the listener calls ---------------------------------------------------------
 */

void cnode_place_tell(struct cnode_listener *s)
{
    tacit_place_tell(&s->place, s->door, cnode_admission_news, s->node);
}

void cnode_place_step(struct cnode_listener *s, bool readable)
{
    struct tacit_door_frame frame;
    bool more = readable;
    for (int i = 0; i < 2 * FRAMES && more && s->door >= 0; i++) /* each in two */
        act(s, tacit_place_receive(&s->place, s->door, now_ms(), &frame, &more), &frame);
    act(s, tacit_place_timeout(&s->place, now_ms()), NULL);
}

int cnode_place_start(struct cnode_listener *s)
{
    struct tacit_place *p = &s->place;
    cnode_set_door_keys(s->node, &(struct tacit_key_ids){0});
    while (p->state != TACIT_PLACE_FAILED &&
           (p->state != TACIT_PLACE_DONE || p->keys_due)) {
        int64_t wait = tacit_place_wait(p, now_ms());
        struct pollfd fd = {.fd = s->door, .events = POLLIN};
        if (poll(&fd, 1, wait < 0 ? TACIT_PLACE_ANSWER_MS : (int)wait) < 0 &&
            errno != EINTR)
            return cnode_fault(TACIT_ESYSTEM, "%s", strerror(errno));
        cnode_place_step(s, fd.revents != 0);
    }
    if (p->state == TACIT_PLACE_DONE)
        return TACIT_OK;
    return cnode_fault(p->error, "%s: [host] door = %s",
                       tacit_policy_path(s->rules->policy), p->fault);
}

void cnode_place_leave(struct cnode_listener *s)
{
    if (s->place.state != TACIT_PLACE_NONE)
        cnode_set_door_keys(s->node, NULL);
    disconnect(s);
}
