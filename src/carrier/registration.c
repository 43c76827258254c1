/*
 * A node's place at its host's door (door/place.h), and the sockets of those who asked
 * for the node, which come from there.
 */
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "carrier.h"

/* Lets go of the connection to the door. */
static void disconnect(struct listener *l)
{
    struct registration *r = &l->registration;
    if (r->place.passed >= 0)
        close(r->place.passed);
    if (r->fd >= 0 && r->used)
        listener_select(l, r->fd, ERL_DRV_READ | ERL_DRV_USE, false);
    else if (r->fd >= 0)
        close(r->fd);
    r->fd = r->place.passed = -1;
    r->reading = r->used = false;
}

/* Reads from the door; before the acceptor is there, no further than to the answer. */
static void select_door(struct listener *l)
{
    struct registration *r = &l->registration;
    enum tacit_place_state state = r->place.state;
    bool on = state == TACIT_PLACE_ASKED || (state == TACIT_PLACE_DONE && l->accepting);
    if (r->fd < 0 || on == r->reading)
        return;
    listener_select(l, r->fd, on ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ, on);
    r->reading = on;
    r->used = true; /* the emulator's, until it is told otherwise with USE */
}

/* It did not work, or does no more. The same fault is told once. */
static void lost(struct listener *l)
{
    const struct tacit_place *p = &l->registration.place;
    const char *what = p->error == TACIT_EREFUSED ? "refused" : "lost";
    char line[TACIT_FAULT_MAX];
    disconnect(l);
    if (p->state == TACIT_PLACE_FAILED) {
        snprintf(line, sizeof line, "%s: [host] door = %s",
                 tacit_policy_path(l->policy->policy), p->fault);
        tell_door(l, "failed", line);
        return;
    }
    if (p->started && p->is_news)
        tell_door(l, what, p->fault);
    shared_set_door(p->path, what, p->fault);
}

static void lose(struct listener *l, const char *fault)
{
    (void)tacit_place_fail(&l->registration.place, TACIT_ETRUNCATED, fault,
                           monotonic_ms());
    lost(l);
}

static void try_to_register(struct listener *l)
{
    struct registration *r = &l->registration;
    struct tacit_door_register who = {.creation = r->creation};
    snprintf(who.release, sizeof who.release, "%s", TACIT_RELEASE);
    tacit_door_printable(tacit_policy_path(l->policy->policy), who.conf);
    if (tacit_place_connect(&r->place, &who, monotonic_ms(), &r->fd) == TACIT_PLACE_LOST)
        lost(l);
    else
        select_door(l);
}

/* --- what the door says ------------------------------------------------------------- */

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
    struct tacit_address peer;
    int fd = socket_adopt(l->registration.place.passed, &peer);
    l->registration.place.passed = -1;
    if (fd < 0)
        lose(l, "the door passed something that is no TCP socket");
    else
        incoming_take(l, fd, peer.family != 0 ? &peer : &pass->peer,
                      accept_time(pass->accepted), pass->first);
}

static void registered(struct listener *l)
{
    const char *path = l->registration.place.path;
    shared_set_door(path, "registered", "");
    tell_door(l, "registered", path);
    l->registration.told = true;
}

static void act(struct listener *l, enum tacit_place_event event,
                const struct tacit_door_frame *frame)
{
    switch (event) {
    case TACIT_PLACE_NOTHING:
        break;
    case TACIT_PLACE_CONNECT:
        try_to_register(l);
        break;
    case TACIT_PLACE_REGISTERED:
        registered(l);
        break;
    case TACIT_PLACE_PASSED:
        take_passed(l, &frame->pass);
        break;
    case TACIT_PLACE_STARVED:
        listener_starve(l);
        break;
    case TACIT_PLACE_KEYS: /* peers were told what both this node and its door open */
        if (shared_set_door_keys(&frame->keys))
            tell_door(l, "keys", "");
        break;
    case TACIT_PLACE_TELL:
        registration_tell(l);
        break;
    case TACIT_PLACE_LOST:
        lost(l);
        break;
    }
}

/* Reads once; false: no more now, or the connection is gone. */
static bool read_once(struct listener *l)
{
    struct registration *r = &l->registration;
    struct tacit_door_frame frame;
    bool more;
    act(l, tacit_place_receive(&r->place, r->fd, monotonic_ms(), &frame, &more), &frame);
    return more && r->fd >= 0 && (r->place.state == TACIT_PLACE_ASKED || l->accepting);
}

/* --- what the listener calls -------------------------------------------------------- */

static bool news(void *owner, struct tacit_admission_told *told,
                 struct tacit_admission_news *ret_news)
{
    (void)owner;
    return gate_news(told, ret_news);
}

void registration_tell(struct listener *l)
{
    tacit_place_tell(&l->registration.place, l->registration.fd, news, NULL);
}

static void start(struct listener *l, const char *path)
{
    struct registration *r = &l->registration;
    tacit_place_start(&r->place, path, l->own_name, monotonic_ms());
    if (path == NULL)
        return;
    if (r->creation == 0) /* as net_kernel makes them: 1 to 3 are the old epmd's */
        r->creation = 4 + randombytes_uniform(UINT32_MAX - 4);
    (void)shared_set_door_keys(&(struct tacit_key_ids){0});
    try_to_register(l);
}

void registration_start(struct listener *l)
{
    l->registration.fd = -1;
    start(l, tacit_policy_door(l->policy->policy));
}

void registration_settle(struct listener *l)
{
    struct registration *r = &l->registration;
    const char *path = tacit_policy_door(l->policy->policy);
    if (strcmp(r->place.path, path == NULL ? "" : path) == 0)
        return;
    registration_stop(l);
    r->place.started = r->told = true; /* the node runs: it is told to the acceptor */
    start(l, path);
}

void registration_accept(struct listener *l)
{
    select_door(l);
}

void registration_ready(struct listener *l)
{
    for (int i = 0; i < 2 * ACCEPT_BATCH; i++) /* a frame is read in two */
        if (!read_once(l))
            break;
    select_door(l);
}

void registration_timeout(struct listener *l, ErlDrvTime now)
{
    act(l, tacit_place_timeout(&l->registration.place, now), NULL);
}

ErlDrvTime registration_wait(const struct listener *l, ErlDrvTime now)
{
    return tacit_place_wait(&l->registration.place, now);
}

void registration_stop(struct listener *l)
{
    disconnect(l);
    if (l->registration.place.state != TACIT_PLACE_NONE) {
        shared_set_door("", "none", "");
        (void)shared_set_door_keys(NULL);
    }
    tacit_place_start(&l->registration.place, NULL, "", 0);
}
