/* The port that listens: accepts, keeps strangers waiting for nothing, hands links on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"

struct listener {
    ErlDrvPort port;
    char own_name[TACIT_NAME_MAX + 1];
    struct policy_ref *policy; /* the one whose addresses are listened on */
    struct listen_set sockets;
    bool accepting, paused;
    ErlDrvTermData acceptor;
    ErlDrvTime event_credit; /* ms; a holder of the mesh key cannot fill the log */
    unsigned events_left_out;
    struct tacit_pending pending;
};

static struct conn *conn_of(struct tacit_pending_entry *e)
{
    return (struct conn *)(void *)((char *)e - offsetof(struct conn, pending));
}

static void select_socket(struct listener *l, int fd, int mode, bool on)
{
    (void)driver_select(l->port, (ErlDrvEvent)(intptr_t)fd, mode, on);
}

static void link_out(struct listener *l, struct conn *c)
{
    tacit_pending_remove(&l->pending, &c->pending);
    atomic_fetch_sub(&carrier_counters.pending, 1);
}

/* Ends a pending connection without a word. */
static void drop(struct listener *l, struct conn *c)
{
    if (!c->pending.first_seen)
        atomic_fetch_add(&carrier_counters.strangers, 1);
    link_out(l, c);
    select_socket(l, c->fd, ERL_DRV_READ | ERL_DRV_WRITE | ERL_DRV_USE, false);
    conn_free(c);
}

/* Makes room. */
static void evict(struct listener *l)
{
    struct tacit_pending_entry *victim = tacit_pending_victim(&l->pending);
    if (victim == NULL)
        return;
    atomic_fetch_add(&carrier_counters.evicted, 1);
    drop(l, conn_of(victim));
}

static void arm(struct listener *l)
{
    int64_t wait = tacit_pending_wait(&l->pending, monotonic_ms());
    if (l->paused && (wait < 0 || wait > TACIT_PENDING_PAUSE_MS))
        wait = TACIT_PENDING_PAUSE_MS;
    if (wait < 0)
        driver_cancel_timer(l->port);
    else
        driver_set_timer(l->port, wait < 1 ? 1 : (unsigned long)wait);
}

/* --- what the acceptor is told ------------------------------------------------------ */

/* Whether another event may be told now: EVENTS_BURST at once, one an EVENT_EVERY_MS. */
static bool event_allowed(struct listener *l)
{
    ErlDrvTime now = monotonic_ms();
    ErlDrvTime full = (ErlDrvTime)EVENTS_BURST * EVENT_EVERY_MS;
    if (l->event_credit < now - full)
        l->event_credit = now - full;
    if (l->event_credit + EVENT_EVERY_MS > now) {
        l->events_left_out++;
        return false;
    }
    l->event_credit += EVENT_EVERY_MS;
    return true;
}

/* {tacit_event, Port, Reason, Name, Fingerprint, Address, Line, Text}: for the log. */
static void tell_event(struct listener *l, const struct conn *c, const char *reason,
                       const char *text)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT] = "", address[TACIT_ADDRESS_TEXT];
    char left_out[64] = "", full[REASON_MAX + sizeof left_out];
    struct term t = {0};
    if (!event_allowed(l))
        return;
    if (l->events_left_out > 0)
        snprintf(left_out, sizeof left_out, " (%u lines left out)", l->events_left_out);
    l->events_left_out = 0;
    snprintf(full, sizeof full, "%s%s", text, left_out);
    if (c->handshake.state == TACIT_HANDSHAKE_DONE)
        tacit_fingerprint(c->handshake.peer_key, fingerprint);
    tacit_address_to_text(&c->peer_address, address);
    term_atom(&t, "tacit_event");
    term_port(&t, l->port);
    term_atom(&t, reason);
    term_binary(&t, c->handshake.peer.name);
    term_binary(&t, fingerprint);
    term_binary(&t, address);
    term_binary(&t, c->ruling.line);
    term_binary(&t, full);
    term_tuple(&t, 8);
    term_send(&t, l->port, l->acceptor);
}

/* {tacit_accept, Port, LinkPort, Name, Dynamic} */
static void tell_accept(struct listener *l, ErlDrvPort port,
                        const struct tacit_claim *peer)
{
    struct term t = {0};
    term_atom(&t, "tacit_accept");
    term_port(&t, l->port);
    term_port(&t, port);
    term_binary(&t, peer->name);
    term_atom(&t, peer->dynamic ? "true" : "false");
    term_tuple(&t, 5);
    term_send(&t, l->port, l->acceptor);
}

/* --- handshakes that are over ------------------------------------------------------- */

/* Authenticated, but not allowed: it gets the reason inside the seal. */
static void refuse(struct listener *l, struct conn *c)
{
    struct tacit_channel *channel = aligned_alloc(16, (sizeof *channel + 15) & ~15ul);
    enum tacit_close reason = c->ruling.reason;
    const char *name = c->handshake.peer.name, *text = c->ruling.text;
    atomic_fetch_add(&carrier_counters.refused, 1);
    shared_note_refusal(name, true, tacit_close_name(reason), ruling_for_us(&c->ruling));
    tell_event(l, c, tacit_close_name(reason), ruling_for_us(&c->ruling));
    if (channel != NULL && tacit_handshake_finish(&c->handshake, channel) == TACIT_OK) {
        uint8_t record[TACIT_RECORD_HEADER + 512];
        size_t len;
        if (tacit_channel_seal_close(channel, reason, text, record, sizeof record,
                                     &len) == TACIT_OK) {
            ssize_t sent = write(c->fd, record, len); /* fits: nothing was sent before */
            (void)sent;
            shutdown(c->fd, SHUT_WR);
        }
        tacit_channel_wipe(channel);
    }
    free(channel);
    c->silent = true; /* until it has read that and goes, or its deadline comes */
}

/* Gives the socket a port of its own, owned by the acceptor, and announces it. */
static void hand_over(struct listener *l, struct conn *c)
{
    struct carrier_port *p = driver_alloc(sizeof *p);
    struct link *link = p == NULL ? NULL : link_take(c);
    if (link == NULL) {
        driver_free(p);
        drop(l, c);
        return;
    }
    char driver[] = "tacit_drv";
    int fd = c->fd;
    *p = (struct carrier_port){.link = link};
    link_out(l, c);
    /* Without USE: the descriptor lives on, in another port. */
    select_socket(l, fd, ERL_DRV_READ | ERL_DRV_WRITE, false);
    p->port = driver_create_port(l->port, l->acceptor, driver, (ErlDrvData)p);
    if (p->port == (ErlDrvPort)(intptr_t)-1) {
        /* The acceptor is gone, and stop was not called: undo by hand. */
        select_socket(l, fd, ERL_DRV_USE, false);
        link->fd = -1;
        link_stop(link);
        driver_free(p);
        return;
    }
    link_adopt(link, p->port);
    tell_accept(l, p->port, &link->peer);
}

/* Why a holder of the mesh key came no further, where there is a word to say. */
static void tell_failed(struct listener *l, const struct conn *c, int error)
{
    if (c->silent)
        return; /* it was refused, which is told already */
    if (c->handshake.peer.version == 0)
        tell_event(l, c, "version", tacit_error_text(TACIT_EVERSION));
    else if (c->handshake.peer.suite == 0)
        tell_event(l, c, "suite", tacit_error_text(TACIT_ESUITE));
    else if (error == TACIT_EAUTH)
        tell_event(l, c, "auth", "message 3 does not open: another pair key?");
}

/* A first message that verifies but is out of time is worth a line: a clock is wrong. */
static void fail(struct listener *l, struct conn *c, int error)
{
    if (error == TACIT_ETIME && !c->pending.first_seen) {
        char text[REASON_MAX];
        snprintf(text, sizeof text,
                 "a first message under the mesh key is %d s %s this host's clock",
                 abs(c->skew), c->skew < 0 ? "behind" : "ahead of");
        tell_event(l, c, "clock", text);
    }
    if (c->pending.first_seen) {
        tell_failed(l, c, error);
        drop(l, c);
        return;
    }
    if (error == TACIT_ECUT) {
        drop(l, c);
        return;
    }
    c->silent = true; /* a stranger: not a byte, and no sign of having understood */
    select_socket(l, c->fd, ERL_DRV_WRITE, false);
    select_socket(l, c->fd, ERL_DRV_READ | ERL_DRV_USE, true);
}

static void advance(struct listener *l, struct conn *c)
{
    int error;
    switch (conn_advance(c, &error)) {
    case CONN_READ:
        select_socket(l, c->fd, ERL_DRV_WRITE, false);
        select_socket(l, c->fd, ERL_DRV_READ | ERL_DRV_USE, true);
        break;
    case CONN_WRITE:
        select_socket(l, c->fd, ERL_DRV_READ, false);
        select_socket(l, c->fd, ERL_DRV_WRITE | ERL_DRV_USE, true);
        break;
    case CONN_DONE:
        if (c->handshake.verdict)
            refuse(l, c);
        else
            hand_over(l, c);
        break;
    case CONN_FAILED:
        fail(l, c, error);
        break;
    }
}

/* --- accepting ---------------------------------------------------------------------- */

static void select_listeners(struct listener *l, bool on)
{
    for (size_t i = 0; i < l->sockets.count; i++)
        select_socket(l, l->sockets.at[i].fd,
                      on ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ, on);
}

static void pause_accepting(struct listener *l)
{
    evict(l);
    tacit_pending_starve(&l->pending, monotonic_ms());
    l->paused = true;
    select_listeners(l, false);
}

static void take_socket(struct listener *l, int fd, const struct tacit_address *peer)
{
    int error;
    if (l->pending.count >= TACIT_PENDING_MAX)
        evict(l);
    struct conn *c = conn_new(fd, NOISE_RESPONDER, l->own_name, false, "", &error);
    if (c == NULL) {
        close(fd);
        return;
    }
    atomic_fetch_add(&carrier_counters.accepted, 1);
    c->peer_address = *peer;
    tacit_pending_add(&l->pending, &c->pending, peer, monotonic_ms());
    atomic_fetch_add(&carrier_counters.pending, 1);
    advance(l, c);
}

static void accept_some(struct listener *l, int listening)
{
    for (int i = 0; i < ACCEPT_BATCH && !l->paused; i++) {
        struct tacit_address peer;
        int fd = socket_accept(listening, &peer);
        if (fd >= 0)
            take_socket(l, fd, &peer);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                 errno == ENOMEM)
            pause_accepting(l);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
    }
}

void listener_ready(struct listener *l, int fd)
{
    for (size_t i = 0; i < l->sockets.count; i++)
        if (l->sockets.at[i].fd == fd) {
            accept_some(l, fd);
            arm(l);
            return;
        }
    for (struct tacit_pending_entry *e = l->pending.oldest; e != NULL; e = e->next)
        if (conn_of(e)->fd == fd) {
            advance(l, conn_of(e));
            break;
        }
    arm(l);
}

void listener_timeout(struct listener *l)
{
    ErlDrvTime now = monotonic_ms();
    struct tacit_pending_entry *next;
    for (struct tacit_pending_entry *e = l->pending.oldest; e != NULL; e = next) {
        next = e->next;
        if (tacit_pending_deadline(&l->pending, e, now) <= now)
            drop(l, conn_of(e));
    }
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
}

const struct tacit_address *listener_address(const struct listener *l)
{
    const struct tacit_address *addresses;
    tacit_policy_listen(l->policy->policy, &addresses);
    return addresses;
}

/* --- start and stop ----------------------------------------------------------------- */

int listener_start(ErlDrvPort port, const char *own_name, struct listener **ret_listener,
                   char text[TACIT_FAULT_MAX])
{
    struct listener *l = calloc(1, sizeof *l);
    struct policy_ref *policy = shared_policy();
    int error = l == NULL || policy == NULL
                    ? TACIT_ENOMEM
                    : listen_set_open(&l->sockets, policy->policy, text);
    if (error) {
        policy_release(policy);
        free(l);
        return error;
    }
    l->port = port;
    l->policy = policy;
    /* Erlang's monotonic time is negative: a zero would lie centuries ahead. */
    l->event_credit = monotonic_ms() - (ErlDrvTime)EVENTS_BURST * EVENT_EVERY_MS;
    snprintf(l->own_name, sizeof l->own_name, "%s", own_name);
    *ret_listener = l;
    return TACIT_OK;
}

/* At once free for the next to bind, whatever the poll thread still holds. */
static void close_listening(struct listener *l, int fd)
{
    shutdown(fd, SHUT_RDWR);
    select_socket(l, fd, ERL_DRV_READ | ERL_DRV_USE, false);
}

int listener_try(struct listener *l, char text[TACIT_FAULT_MAX])
{
    struct policy_ref *next = shared_candidate();
    int error =
        next == NULL ? TACIT_ESTATE : listen_set_open(&l->sockets, next->policy, text);
    policy_release(next);
    return error;
}

void listener_settle(struct listener *l)
{
    struct listen_set kept = {.count = 0};
    policy_release(l->policy);
    l->policy = shared_policy();
    for (size_t i = 0; i < l->sockets.count; i++) {
        if (listen_set_wanted(&l->sockets.at[i].address, l->policy->policy))
            kept.at[kept.count++] = l->sockets.at[i];
        else
            close_listening(l, l->sockets.at[i].fd);
    }
    l->sockets = kept;
    if (l->accepting && !l->paused)
        select_listeners(l, true);
}

void listener_stop(struct listener *l)
{
    while (l->pending.oldest != NULL)
        drop(l, conn_of(l->pending.oldest));
    for (size_t i = 0; i < l->sockets.count; i++)
        close_listening(l, l->sockets.at[i].fd);
    policy_release(l->policy);
    free(l);
}
