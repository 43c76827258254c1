/*
 * A node's place at its host's door: it registers its name there, and gets the sockets of
 * those who asked for it (src/door/PROTOCOL.md). A door that ends is asked again, at
 * growing intervals, under the same creation; live links never notice.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener.h"

/* Lets go of the connection to the door. */
static void disconnect(struct listener *l)
{
    struct registration *r = &l->registration;
    if (r->passed >= 0)
        close(r->passed);
    if (r->fd >= 0 && r->used)
        listener_select(l, r->fd, ERL_DRV_READ | ERL_DRV_USE, false);
    else if (r->fd >= 0)
        close(r->fd);
    r->fd = r->passed = -1;
    r->reading = r->used = r->short_of_descriptors = false;
    memset(&r->in, 0, sizeof r->in);
}

/* Reads from the door; before the acceptor is there, no further than to the answer. */
static void select_door(struct listener *l)
{
    struct registration *r = &l->registration;
    bool on =
        r->state == REGISTRATION_ASKED || (r->state == REGISTRATION_DONE && l->accepting);
    if (r->fd < 0 || on == r->reading)
        return;
    listener_select(l, r->fd, on ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ, on);
    r->reading = on;
    r->used = true; /* the emulator's, until it is told otherwise with USE */
}

/*
 * It did not work, or does no more: what is to happen next. patience is how long a node
 * that starts goes on trying, ms. The same fault is told once.
 */
static void fail(struct listener *l, const char *what, const char *fault,
                 ErlDrvTime patience)
{
    struct registration *r = &l->registration;
    ErlDrvTime now = monotonic_ms();
    char text[sizeof r->fault];
    snprintf(text, sizeof text, "%s: %s", r->path, fault);
    disconnect(l);
    if (!r->started && now - r->since >= patience) {
        char line[TACIT_FAULT_MAX];
        snprintf(line, sizeof line, "%s: [host] door = %s",
                 tacit_policy_path(l->policy->policy), text);
        r->state = REGISTRATION_FAILED;
        tell_door(l, "failed", line);
        return;
    }
    r->state = REGISTRATION_WAITING;
    r->at = now + r->wait;
    r->wait = 2 * r->wait < DOOR_RETRY_MAX_MS ? 2 * r->wait : DOOR_RETRY_MAX_MS;
    if (r->started && strcmp(text, r->fault) != 0)
        tell_door(l, what, text);
    memcpy(r->fault, text, sizeof text);
    shared_set_door(l->registration.path, what, text);
}

void registration_lose(struct listener *l, const char *fault)
{
    fail(l, "lost", fault, DOOR_START_MS);
}

/* --- registering -------------------------------------------------------------------- */

static bool send_register(struct listener *l)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REGISTER};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    frame.reg.version_min = 1;
    frame.reg.version_max = TACIT_DOOR_VERSION;
    frame.reg.creation = l->registration.creation;
    snprintf(frame.reg.name, sizeof frame.reg.name, "%s", l->own_name);
    snprintf(frame.reg.release, sizeof frame.reg.release, "%s", TACIT_RELEASE);
    tacit_door_printable(tacit_policy_path(l->policy->policy), frame.reg.conf);
    /* A new socket has room for it. */
    return tacit_door_write(&frame, bytes, &len) == TACIT_OK &&
           send(l->registration.fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void try_to_register(struct listener *l)
{
    struct registration *r = &l->registration;
    unsigned uid = 0;
    r->fd = socket_connect_unix(l->registration.path);
    if (r->fd < 0) {
        registration_lose(l, strerror(errno));
    } else if (!socket_unix_trusted(r->fd, l->registration.path, &uid)) {
        char text[REASON_MAX];
        snprintf(text, sizeof text,
                 "user %u listens there, expected root, this node's own user, or one to "
                 "whom root gave the socket's directory",
                 uid);
        fail(l, "refused", text, 0);
    } else if (!send_register(l)) {
        registration_lose(l, "the door does not take the registration");
    } else {
        r->state = REGISTRATION_ASKED;
        r->at = monotonic_ms() + DOOR_ANSWER_MS;
        select_door(l);
    }
}

void registration_done(struct listener *l)
{
    struct registration *r = &l->registration;
    r->state = REGISTRATION_DONE;
    r->wait = DOOR_RETRY_MS;
    r->fault[0] = '\0';
    shared_set_door(l->registration.path, "registered", "");
    tell_door(l, "registered", l->registration.path);
    r->started = true;
}

void registration_refused(struct listener *l, const struct tacit_door_refused *refusal)
{
    /* A name that this node gave up just now may be a moment on its way. */
    ErlDrvTime patience = refusal->reason == TACIT_DOOR_NAME_TAKEN ? DOOR_TAKEN_MS : 0;
    char text[REASON_MAX];
    snprintf(text, sizeof text, "the door refuses %.120s: %s: %.100s", l->own_name,
             tacit_door_reason_name(refusal->reason), refusal->text);
    fail(l, "refused", text, patience);
}

/* --- what the listener calls -------------------------------------------------------- */

/* Takes the path of the policy's door; false: it is the same as before. */
static bool take_path(struct listener *l)
{
    const char *path = tacit_policy_door(l->policy->policy);
    if (strcmp(l->registration.path, path == NULL ? "" : path) == 0)
        return false;
    snprintf(l->registration.path, sizeof l->registration.path, "%s",
             path == NULL ? "" : path);
    return true;
}

static void start(struct listener *l)
{
    struct registration *r = &l->registration;
    if (r->path[0] == '\0')
        return;
    if (r->creation == 0) /* as net_kernel makes them: 1 to 3 are the old epmd's */
        r->creation = 4 + randombytes_uniform(UINT32_MAX - 4);
    r->since = monotonic_ms();
    r->wait = DOOR_RETRY_MS;
    (void)shared_set_door_keys(&(struct tacit_mesh_marks){0});
    try_to_register(l);
}

void registration_start(struct listener *l)
{
    l->registration.fd = l->registration.passed = -1;
    take_path(l);
    start(l);
}

void registration_settle(struct listener *l)
{
    if (!take_path(l))
        return;
    registration_stop(l);
    l->registration.started = true; /* the node runs: it is told to the acceptor */
    start(l);
}

void registration_accept(struct listener *l)
{
    select_door(l);
}

void registration_ready(struct listener *l)
{
    for (int i = 0; i < 2 * ACCEPT_BATCH; i++) /* a frame is read in two */
        if (!passed_read(l))
            break;
    select_door(l);
}

void registration_timeout(struct listener *l, ErlDrvTime now)
{
    struct registration *r = &l->registration;
    if (r->state == REGISTRATION_WAITING && r->at <= now)
        try_to_register(l);
    else if (r->state == REGISTRATION_ASKED && r->at <= now)
        registration_lose(l, "the door does not answer");
}

ErlDrvTime registration_wait(const struct listener *l, ErlDrvTime now)
{
    const struct registration *r = &l->registration;
    if (r->state != REGISTRATION_WAITING && r->state != REGISTRATION_ASKED)
        return -1;
    return r->at > now ? r->at - now : 0;
}

void registration_stop(struct listener *l)
{
    disconnect(l);
    if (l->registration.state != REGISTRATION_NONE) {
        shared_set_door("", "none", "");
        (void)shared_set_door_keys(NULL);
    }
    l->registration.state = REGISTRATION_NONE;
    l->registration.fault[0] = '\0';
}
