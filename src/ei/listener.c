/* A C node that is called: its sockets, and those who are not let in yet. */
#include "ei/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ei/fault.h"
#include "ei/lock.h"
#include "ei/ready.h"
#include "socket/socket.h"

enum {
    BATCH = 32, /* accepted at once */
};

struct cnode_caller {
    struct tacit_pending_entry entry;
    struct cnode_link *link;
    short events; /* that are waited for */
    short seen;   /* that came */
    struct cnode_caller *next;
};

static int64_t now_ms(void)
{
    return wire_now_us() / 1000;
}

/* --- who is not let in yet -----------------------------------------------------------
 */

/* Takes it off the list; its link is the caller's. */
static struct cnode_link *forget(struct cnode_listener *s, struct cnode_caller *c)
{
    struct cnode_link *l = c->link;
    struct cnode_caller **at = &s->callers;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    cnode_ready_remove(s->fd, l->fd);
    tacit_pending_remove(&s->pending, &c->entry);
    free(c);
    return l;
}

static void evict(struct cnode_listener *s)
{
    struct tacit_pending_entry *victim = tacit_pending_victim(&s->pending);
    for (struct cnode_caller *c = s->callers; c != NULL && victim != NULL; c = c->next)
        if (&c->entry == victim) {
            cnode_link_free(forget(s, c));
            return;
        }
}

void cnode_starve(struct cnode_listener *s)
{
    evict(s);
    tacit_pending_starve(&s->pending, now_ms());
    s->paused_until = now_ms() + TACIT_PENDING_PAUSE_MS;
}

void cnode_take_caller(struct cnode_listener *s, int fd, const struct tacit_address *peer,
                       int64_t age_ms, const uint8_t *first)
{
    if (s->pending.count >= TACIT_PENDING_MAX)
        evict(s);
    struct cnode_caller *c = calloc(1, sizeof *c);
    struct cnode_link *l = c != NULL ? cnode_link_new(s->node, fd) : NULL;
    if (l == NULL) {
        close(fd);
        free(c);
        return;
    }
    if (cnode_link_answer(l, peer, first) != TACIT_OK) {
        cnode_link_free(l);
        free(c);
        return;
    }
    (void)cnode_ready_add(s->fd, fd);
    c->link = l;
    c->seen = POLLIN;
    c->next = s->callers;
    s->callers = c;
    tacit_pending_add(&s->pending, &c->entry, peer, now_ms() - age_ms);
}

static bool is_paused(const struct cnode_listener *s)
{
    return now_ms() < s->paused_until;
}

static void accept_some(struct cnode_listener *s, int socket)
{
    for (int i = 0; i < BATCH && !is_paused(s); i++) {
        struct tacit_address peer;
        int fd = socket_accept(socket, &peer);
        if (fd >= 0)
            cnode_take_caller(s, fd, &peer, 0, NULL);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM)
            cnode_starve(s);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
    }
}

/* Goes on with all for whom there is something to do; the first that is let in. */
static struct cnode_link *step_all(struct cnode_listener *s)
{
    struct cnode_caller *next;
    int64_t now = now_ms();
    for (struct cnode_caller *c = s->callers; c != NULL; c = next) {
        next = c->next;
        enum cnode_step step = c->events == POLLOUT ? CNODE_WRITE : CNODE_READ;
        if (c->seen != 0)
            step = cnode_link_step(c->link);
        c->seen = 0;
        c->events = step == CNODE_WRITE ? POLLOUT : POLLIN;
        c->entry.first_seen = c->link->first_seen;
        if (step == CNODE_UP)
            return forget(s, c);
        if (step == CNODE_GONE ||
            tacit_pending_deadline(&s->pending, &c->entry, now) <= now)
            cnode_link_free(forget(s, c));
    }
    return NULL;
}

/* --- waiting -------------------------------------------------------------------------
 */

/* When there is something to do without anything to read. */
static int64_t next_moment(const struct cnode_listener *s, int64_t deadline)
{
    int64_t now = now_ms();
    int64_t waits[] = {tacit_pending_wait(&s->pending, now),
                       tacit_place_wait(&s->place, now),
                       is_paused(s) ? s->paused_until - now : -1};
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t moment = wire_now_us() + waits[i] * 1000;
        if (waits[i] >= 0 && moment < deadline)
            deadline = moment;
    }
    return deadline;
}

static void put(struct pollfd *p, nfds_t *n, int fd, short events)
{
    p[(*n)++] = (struct pollfd){.fd = fd, .events = events};
}

/* Waits, and takes what came. p has room for all. */
static int wait_once(struct cnode_listener *s, int64_t deadline, struct pollfd *p)
{
    nfds_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        put(p, &n, is_paused(s) ? -1 : s->sockets[i], POLLIN);
    put(p, &n, s->door, POLLIN);
    for (struct cnode_caller *c = s->callers; c != NULL; c = c->next)
        put(p, &n, c->link->fd, c->events);
    int64_t left = next_moment(s, deadline);
    left = left == WIRE_NEVER ? -1 : (left - wire_now_us() + 999) / 1000;
    if (poll(p, n, left > 1000 || left < 0 ? 1000 : (int)left) < 0 && errno != EINTR)
        return TACIT_ESYSTEM;
    n = s->count + 1;
    for (struct cnode_caller *c = s->callers; c != NULL; c = c->next)
        c->seen = p[n++].revents;
    for (size_t i = 0; i < s->count; i++)
        if (p[i].revents != 0)
            accept_some(s, s->sockets[i]);
    cnode_place_step(s, p[s->count].revents != 0);
    return TACIT_OK;
}

static int accept_one(struct cnode_listener *s, int64_t deadline, struct cnode_link **ret)
{
    struct pollfd *p = malloc((TACIT_PENDING_MAX + TACIT_LISTEN_MAX + 2) * sizeof *p);
    int error = p == NULL ? TACIT_ENOMEM : TACIT_OK;
    while (!error) {
        *ret = step_all(s);
        cnode_place_tell(s); /* somebody may have been let in, or refused */
        if (*ret != NULL)
            break;
        error = atomic_load(&s->closing)    ? TACIT_ECLOSED
                : wire_now_us() >= deadline ? TACIT_ETIMEOUT
                                            : wait_once(s, deadline, p);
    }
    free(p);
    if (error)
        return cnode_fault(error, "%s: %s", s->node->name,
                           s->place.fault[0] != '\0' ? s->place.fault
                                                     : tacit_error_text(error));
    (*ret)->setup_until = wire_deadline(LINK_SETUP_MS);
    return TACIT_OK;
}

int cnode_accept(struct cnode_listener *s, int64_t deadline, struct cnode_link **ret_link)
{
    if (cnode_lock(&s->accepting, deadline) != TACIT_OK)
        return cnode_fault(TACIT_ETIMEOUT, "another thread accepts: time is up");
    int error = accept_one(s, deadline, ret_link);
    pthread_mutex_unlock(&s->accepting);
    return error;
}

/* --- start and stop ------------------------------------------------------------------
 */

static int open_sockets(struct cnode_listener *s)
{
    const struct tacit_policy *policy = s->rules->policy;
    const struct tacit_address *addresses;
    char shown[TACIT_ADDRESS_TEXT];
    size_t count = tacit_policy_listen(policy, &addresses);
    if (count == 0)
        return cnode_fault(TACIT_ECONFIG,
                           "%s: [host] has neither listen nor door: expected one of them",
                           tacit_policy_path(policy));
    for (size_t i = 0; i < count; i++) {
        int fd = socket_listen(&addresses[i]);
        tacit_address_to_text(&addresses[i], shown);
        if (fd < 0)
            return cnode_fault(TACIT_ESYSTEM, "%s: [host] listen = %s: %s%s",
                               tacit_policy_path(policy), shown, strerror(errno),
                               errno == EADDRINUSE
                                   ? ": for several nodes of a host there "
                                     "is secure-epmd and [host] door"
                                   : "");
        s->sockets[s->count++] = fd;
        if (cnode_ready_add(s->fd, fd) < 0)
            return cnode_fault(TACIT_ESYSTEM, "%s: %s", shown, strerror(errno));
    }
    return TACIT_OK;
}

int cnode_listen(struct cnode *node, struct cnode_listener **ret_listener)
{
    struct cnode_listener *s = calloc(1, sizeof *s);
    if (s == NULL)
        return cnode_fault(TACIT_ENOMEM, "out of memory");
    pthread_mutex_init(&s->accepting, NULL);
    s->node = cnode_hold(node);
    s->rules = cnode_rules_of(node);
    s->door = -1;
    tacit_place_start(&s->place, tacit_policy_door(s->rules->policy), node->name,
                      now_ms());
    s->fd = cnode_ready_new();
    int error = s->fd < 0 ? cnode_fault(TACIT_ESYSTEM, "%s", strerror(errno)) : TACIT_OK;
    if (!error)
        error =
            s->place.state != TACIT_PLACE_NONE ? cnode_place_start(s) : open_sockets(s);
    if (error) {
        int saved = errno;
        cnode_listener_free(s);
        errno = saved;
        return error;
    }
    *ret_listener = s;
    return TACIT_OK;
}

void cnode_listener_abandon(struct cnode_listener *s)
{
    if (s == NULL)
        return;
    for (struct cnode_caller *c = s->callers; c != NULL; c = c->next)
        cnode_link_abandon(c->link);
    for (size_t i = 0; i < s->count; i++)
        close(s->sockets[i]);
    cnode_place_leave(s);
    close(s->fd);
}

void cnode_listener_free(struct cnode_listener *s)
{
    if (s == NULL)
        return;
    while (s->callers != NULL)
        cnode_link_free(forget(s, s->callers));
    cnode_place_leave(s);
    while (s->count > 0)
        close(s->sockets[--s->count]);
    if (s->fd >= 0)
        close(s->fd);
    pthread_mutex_destroy(&s->accepting);
    cnode_rules_release(s->rules);
    cnode_release(s->node);
    free(s);
}
