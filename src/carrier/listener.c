/* The port that listens: its sockets, or its place at the door, and its timer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"

/* --- its sockets: those that the policy in force names, and only those ------------- */

/* A host with a door has it listen in its nodes' place. */
static size_t addresses(const struct tacit_policy *policy,
                        const struct tacit_address **ret_addresses)
{
    size_t count = tacit_policy_listen(policy, ret_addresses);
    return tacit_policy_door(policy) != NULL ? 0 : count;
}

/* Whether the policy names the address. */
static bool is_wanted(const struct tacit_address *address,
                      const struct tacit_policy *policy)
{
    const struct tacit_address *wanted;
    size_t count = addresses(policy, &wanted);
    for (size_t i = 0; i < count; i++)
        if (tacit_address_equal(&wanted[i], address))
            return true;
    return false;
}

static bool has(const struct listen_set *set, const struct tacit_address *address)
{
    for (size_t i = 0; i < set->count; i++)
        if (tacit_address_equal(&set->at[i].address, address))
            return true;
    return false;
}

static int cannot_listen(const struct tacit_policy *policy,
                         const struct tacit_address *address, int error,
                         char text[TACIT_FAULT_MAX])
{
    char at[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(address, at);
    snprintf(text, TACIT_FAULT_MAX, "%s: [host] listen = %s: %s",
             tacit_policy_path(policy), at, strerror(error));
    return TACIT_ESYSTEM;
}

/* Opens what the policy names and the set has not; on an error it is as before. */
static int open_wanted(struct listen_set *set, const struct tacit_policy *policy,
                       char text[TACIT_FAULT_MAX])
{
    const struct tacit_address *wanted;
    size_t count = addresses(policy, &wanted), before = set->count;
    if (count == 0 && tacit_policy_door(policy) == NULL) {
        snprintf(text, TACIT_FAULT_MAX,
                 "%s: [host] has no listen, expected one address at least "
                 "(or start the node with -dist_listen false)",
                 tacit_policy_path(policy));
        return TACIT_ECONFIG;
    }
    for (size_t i = 0; i < count; i++) {
        if (has(set, &wanted[i]))
            continue;
        int fd = set->count < LISTEN_SET_MAX ? socket_listen(&wanted[i]) : -1;
        if (fd < 0) {
            int full = set->count < LISTEN_SET_MAX ? errno : EMFILE;
            int error = cannot_listen(policy, &wanted[i], full, text);
            while (set->count > before)
                close(set->at[--set->count].fd);
            return error;
        }
        set->at[set->count].fd = fd;
        set->at[set->count++].address = wanted[i];
    }
    return TACIT_OK;
}

void listener_select(struct listener *l, int fd, int mode, bool on)
{
    (void)driver_select(l->port, (ErlDrvEvent)(intptr_t)fd, mode, on);
}

/* The nearer of two waits; -1 is none. */
static int64_t nearer(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void arm(struct listener *l)
{
    ErlDrvTime now = monotonic_ms();
    int64_t wait = tacit_pending_wait(&l->pending, now);
    wait = nearer(wait, registration_wait(l, now));
    wait = nearer(wait, l->paused ? TACIT_PENDING_PAUSE_MS : -1);
    if (wait < 0)
        driver_cancel_timer(l->port);
    else
        driver_set_timer(l->port, wait < 1 ? 1 : (unsigned long)wait);
}

/* --- accepting ---------------------------------------------------------------------- */

static void select_listeners(struct listener *l, bool on)
{
    for (size_t i = 0; i < l->sockets.count; i++)
        listener_select(l, l->sockets.at[i].fd,
                        on ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ, on);
}

void listener_starve(struct listener *l)
{
    incoming_evict(l);
    tacit_pending_starve(&l->pending, monotonic_ms());
    l->paused = true;
    select_listeners(l, false);
}

static void accept_some(struct listener *l, int listening)
{
    for (int i = 0; i < ACCEPT_BATCH && !l->paused; i++) {
        struct tacit_address peer;
        int fd = socket_accept(listening, &peer);
        if (fd >= 0)
            incoming_take(l, fd, &peer, monotonic_ms(), NULL);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM)
            listener_starve(l);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
    }
}

void listener_ready(struct listener *l, int fd)
{
    bool listening = false;
    for (size_t i = 0; i < l->sockets.count; i++)
        listening = listening || l->sockets.at[i].fd == fd;
    if (listening)
        accept_some(l, fd);
    else if (fd == l->registration.fd)
        registration_ready(l);
    else
        incoming_ready(l, fd);
    registration_tell(l); /* somebody may have been let in, or refused */
    arm(l);
}

void listener_timeout(struct listener *l)
{
    ErlDrvTime now = monotonic_ms();
    incoming_timeout(l, now);
    registration_timeout(l, now);
    if (l->paused) {
        l->paused = false;
        select_listeners(l, l->accepting);
    }
    arm(l);
}

void listener_accept(struct listener *l, ErlDrvTermData pid)
{
    l->acceptor = pid;
    l->accepting = true;
    select_listeners(l, true);
    registration_accept(l);
    arm(l);
}

uint32_t listener_creation(const struct listener *l)
{
    return l->registration.creation;
}

const struct tacit_address *listener_address(const struct listener *l)
{
    const struct tacit_address *addresses;
    size_t count = tacit_policy_listen(l->policy->policy, &addresses);
    return count > 0 ? addresses : NULL;
}

/* --- start and stop ----------------------------------------------------------------- */

int listener_start(ErlDrvPort port, const char *own_name, struct listener **ret_listener,
                   char text[TACIT_FAULT_MAX])
{
    struct listener *l = calloc(1, sizeof *l);
    struct policy_ref *policy = shared_policy();
    int error = l == NULL || policy == NULL
                    ? TACIT_ENOMEM
                    : open_wanted(&l->sockets, policy->policy, text);
    if (error) {
        policy_release(policy);
        free(l);
        return error;
    }
    l->port = port;
    l->policy = policy;
    snprintf(l->own_name, sizeof l->own_name, "%s", own_name);
    registration_start(l);
    arm(l);
    *ret_listener = l;
    return TACIT_OK;
}

/* At once free for the next to bind, whatever the poll thread still holds. */
static void close_listening(struct listener *l, int fd)
{
    shutdown(fd, SHUT_RDWR);
    listener_select(l, fd, ERL_DRV_READ | ERL_DRV_USE, false);
}

/* Listens on what the configuration in force names, and on nothing else. */
static void settle(struct listener *l)
{
    struct listen_set kept = {.count = 0};
    policy_release(l->policy);
    l->policy = shared_policy();
    for (size_t i = 0; i < l->sockets.count; i++) {
        if (is_wanted(&l->sockets.at[i].address, l->policy->policy))
            kept.at[kept.count++] = l->sockets.at[i];
        else
            close_listening(l, l->sockets.at[i].fd);
    }
    l->sockets = kept;
    if (l->accepting && !l->paused)
        select_listeners(l, true);
    registration_settle(l);
    arm(l);
}

int listener_try(struct listener *l, uint64_t reload, char text[TACIT_FAULT_MAX])
{
    if (l->trial.on) {
        l->trial.on = false; /* it has not come to its end, and never will */
        driver_demonitor_process(l->port, &l->trial.monitor);
        settle(l);
    }
    struct policy_ref *next = shared_candidate(reload);
    if (next == NULL) {
        snprintf(text, TACIT_FAULT_MAX, "another configuration came meanwhile");
        return TACIT_ESTATE;
    }
    l->trial.process = driver_caller(l->port);
    l->trial.reload = reload;
    int error = open_wanted(&l->sockets, next->policy, text);
    policy_release(next);
    if (error)
        return error;
    l->trial.on = true;
    if (driver_monitor_process(l->port, l->trial.process, &l->trial.monitor) == 0)
        return TACIT_OK;
    l->trial.on = false;
    settle(l);
    return TACIT_ESTATE; /* it is no more */
}

void listener_settle(struct listener *l)
{
    if (!l->trial.on || l->trial.process != driver_caller(l->port))
        return;
    l->trial.on = false;
    driver_demonitor_process(l->port, &l->trial.monitor);
    settle(l);
}

void listener_process_exit(struct listener *l, const ErlDrvMonitor *monitor)
{
    if (!l->trial.on || driver_compare_monitors(&l->trial.monitor, monitor) != 0)
        return;
    l->trial.on = false;
    shared_withdraw(l->trial.reload);
    settle(l);
}

void listener_stop(struct listener *l)
{
    incoming_stop(l);
    registration_stop(l);
    for (size_t i = 0; i < l->sockets.count; i++)
        close_listening(l, l->sockets.at[i].fd);
    policy_release(l->policy);
    free(l);
}

void listener_emergency_close(const struct listener *l)
{
    for (size_t i = 0; i < l->sockets.count; i++)
        shutdown(l->sockets.at[i].fd, SHUT_RDWR);
    if (l->registration.fd >= 0)
        shutdown(l->registration.fd, SHUT_RDWR);
}
