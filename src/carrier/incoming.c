/* Connections that come in, until each is a link or gone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"
#include "channel/directory.h"

static struct conn *conn_of(struct tacit_pending_entry *e)
{
    return (struct conn *)(void *)((char *)e - offsetof(struct conn, pending));
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
    listener_select(l, c->fd, ERL_DRV_READ | ERL_DRV_WRITE | ERL_DRV_USE, false);
    conn_free(c);
}

void incoming_evict(struct listener *l)
{
    struct tacit_pending_entry *victim = tacit_pending_victim(&l->pending);
    if (victim == NULL)
        return;
    atomic_fetch_add(&carrier_counters.evicted, 1);
    drop(l, conn_of(victim));
}

/* --- one who asks for the names of nodes: it hears this one, and no other ------- */

struct requester {
    struct tacit_channel channel;
    size_t got;
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
};

static int requester_start(struct conn *c)
{
    c->requester = tacit_secret_alloc(sizeof *c->requester);
    if (c->requester == NULL)
        return TACIT_ENOMEM;
    return tacit_session_take(&c->session, &c->requester->channel);
}

/* All of it fits the socket: little was sent before. */
static int answer(struct conn *c, const char *name)
{
    uint8_t out[TACIT_DIRECTORY_ANSWER_MAX];
    const char *const names[] = {name};
    size_t from = 0, len;
    for (bool done = false; !done;) {
        int error = tacit_directory_answer(&c->requester->channel, names, 1, &from, out,
                                           &len, &done);
        if (!error && write(c->fd, out, len) != (ssize_t)len)
            error = TACIT_ETRUNCATED;
        if (error)
            return error;
    }
    shutdown(c->fd, SHUT_WR);
    c->silent = true; /* until it has read that and goes, or its deadline comes */
    return TACIT_OK;
}

static enum conn_state requester_failed(struct conn *c, int error)
{
    c->event = tacit_session_fail(&c->session, error);
    return CONN_OVER;
}

static enum conn_state requester_advance(struct conn *c, const char *name)
{
    struct requester *a = c->requester;
    for (;;) {
        size_t size = tacit_record_size(a->question, a->got); /* 0: not known yet */
        size_t whole = size == 0 ? TACIT_RECORD_HEADER : size;
        if (whole > sizeof a->question)
            return requester_failed(c, TACIT_EFORMAT);
        if (size > 0 && a->got == size)
            break;
        ssize_t n = read(c->fd, a->question + a->got, whole - a->got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CONN_READ;
        if (n <= 0)
            return requester_failed(c, TACIT_ETRUNCATED);
        a->got += (size_t)n;
    }
    int error = tacit_directory_question(&a->channel, a->question, a->got);
    if (!error)
        error = answer(c, name);
    return error ? requester_failed(c, error) : CONN_READ;
}

/* --- handshakes that are over ------------------------------------------------------- */

/* The last words to a peer, inside the seal: they fit, nothing was sent before. */
static void say_close(int fd, struct tacit_channel *channel, enum tacit_close reason,
                      const char *text)
{
    uint8_t record[TACIT_RECORD_HEADER + 512];
    size_t len;
    if (tacit_channel_seal_close(channel, reason, text, record, sizeof record, &len))
        return;
    ssize_t sent = write(fd, record, len);
    (void)sent;
    shutdown(fd, SHUT_WR);
}

/* Nothing more is said: it stays until it has read what was, and its deadline comes. */
static void hush(struct listener *l, struct conn *c)
{
    c->silent = true;
    listener_select(l, c->fd, ERL_DRV_WRITE, false);
    listener_select(l, c->fd, ERL_DRV_READ | ERL_DRV_USE, true);
}

/* Authenticated, but not allowed: it has got the reason inside the seal. */
static void refused(struct listener *l, struct conn *c)
{
    const struct ruling *ruling = &c->session.ruling;
    const char *reason = tacit_close_name(ruling->reason);
    atomic_fetch_add(&carrier_counters.refused, 1);
    if (ruling->reason != TACIT_CLOSE_BUSY) /* that is no fault of the one who comes */
        gate_known(&c->peer_address, false);
    shared_note_refusal(c->session.handshake.peer.name, true, reason,
                        ruling_for_us(ruling));
    tell_event(l, c, reason, ruling_for_us(ruling));
    shutdown(c->fd, SHUT_WR);
    hush(l, c);
}

/*
 * No port can be made for the link: none is left, or the acceptor is gone. Its peer hears
 * so, and its connection is a pending one again, until it has read that.
 */
static void take_back(struct listener *l, struct carrier_port *p)
{
    static const char text[] = "this node has no port left for another link (erl's +Q)";
    struct link *link = p->link;
    struct conn *c = link->conn;
    atomic_fetch_add(&carrier_counters.refused, 1);
    shared_note_refusal(link->peer.name, true, tacit_close_name(TACIT_CLOSE_BUSY), text);
    tell_event(l, c, tacit_close_name(TACIT_CLOSE_BUSY), text);
    say_close(c->fd, link->channel, TACIT_CLOSE_BUSY, text);
    hush(l, c);
    link->conn = NULL;
    link->fd = -1;
    link_stop(link); /* by hand: the emulator does not */
    driver_free(p);
}

static void advance(struct listener *l, struct conn *c);

/* Allowed, but it is just setting up as many as it may: no port is made for it. */
static void put_off(struct listener *l, struct conn *c)
{
    c->event = tacit_session_refuse(
        &c->session, TACIT_CLOSE_BUSY,
        "as many links of this key, or of all, are just being set up as may be");
    advance(l, c);
}

/* Gives the socket a port of its own, owned by the acceptor, and announces it. */
static void hand_over(struct listener *l, struct conn *c)
{
    if (!shared_setup_enter(c->session.handshake.peer_key)) {
        put_off(l, c);
        return;
    }
    struct carrier_port *p = driver_alloc(sizeof *p);
    struct link *link = p == NULL ? NULL : link_take(c);
    if (link == NULL) {
        shared_setup_leave(c->session.handshake.peer_key);
        driver_free(p);
        drop(l, c);
        return;
    }
    link->setting_up = true;
    char driver[] = "tacit_drv";
    int fd = c->fd;
    *p = (struct carrier_port){.link = link};
    gate_known(&c->peer_address, true);
    /* Without USE: the descriptor lives on, in another port. */
    listener_select(l, fd, ERL_DRV_READ | ERL_DRV_WRITE, false);
    p->port = driver_create_port(l->port, l->acceptor, driver, (ErlDrvData)p);
    if (p->port == (ErlDrvPort)(intptr_t)-1) {
        take_back(l, p);
        return;
    }
    link_out(l, c);
    link_adopt(link, p->port);
    tell_accept(l, p->port, &link->peer);
}

/* --- handshakes that failed --------------------------------------------------------- */

static void tell_wanted(struct listener *l, const struct conn *c)
{
    char text[REASON_MAX];
    snprintf(text, sizeof text, "it wants %.200s, which this node is not",
             c->session.wanted);
    tell_event(l, c, "name", text);
}

/* A first message that verifies but is out of time is worth a line: a clock is wrong. */
static void tell_clock(struct listener *l, const struct conn *c)
{
    char text[REASON_MAX];
    snprintf(text, sizeof text,
             "a first message under the mesh key is %d s %s this host's clock",
             abs(c->skew), c->skew < 0 ? "behind" : "ahead of");
    tell_event(l, c, "clock", text);
}

/* A stranger: not a byte, and no sign of having understood. */
static void stranger(struct listener *l, struct conn *c)
{
    if (c->session.error == TACIT_ENAME)
        tell_wanted(l, c);
    else if (c->session.error == TACIT_ETIME)
        tell_clock(l, c);
    hush(l, c);
}

/* Why a holder of the mesh key came no further, where there is a word to say. */
static void tell_failed(struct listener *l, const struct conn *c)
{
    int error = c->session.error;
    const struct tacit_claim *peer = &c->session.handshake.peer;
    if (error == TACIT_ELIMIT)
        tell_event(l, c, "limit",
                   "more first messages under the mesh key than are answered");
    else if (peer->version == 0)
        tell_event(l, c, "version", tacit_error_text(TACIT_EVERSION));
    else if (peer->suite == 0)
        tell_event(l, c, "suite", tacit_error_text(TACIT_ESUITE));
    else if (error == TACIT_EAUTH)
        tell_event(l, c, "auth", "message 3 does not open: another pair key?");
}

static void failed(struct listener *l, struct conn *c)
{
    if (c->session.first_seen)
        tell_failed(l, c);
    drop(l, c);
}

/* It wants no node: no port and no process is made for it, and it stays pending. */
static void take_requester(struct listener *l, struct conn *c)
{
    if (requester_start(c) != TACIT_OK)
        drop(l, c);
    else
        advance(l, c);
}

static void over(struct listener *l, struct conn *c)
{
    if (c->silent) { /* what there was to say was said: now it is gone */
        drop(l, c);
        return;
    }
    switch (c->event) {
    case TACIT_SESSION_UP:
        hand_over(l, c);
        break;
    case TACIT_SESSION_DIRECTORY:
        take_requester(l, c);
        break;
    case TACIT_SESSION_REFUSED:
        refused(l, c);
        break;
    case TACIT_SESSION_SILENT:
        stranger(l, c);
        break;
    default:
        failed(l, c);
        break;
    }
}

static void advance(struct listener *l, struct conn *c)
{
    bool asks = c->requester != NULL && !c->silent;
    switch (asks ? requester_advance(c, l->own_name) : conn_advance(c)) {
    case CONN_READ:
        listener_select(l, c->fd, ERL_DRV_WRITE, false);
        listener_select(l, c->fd, ERL_DRV_READ | ERL_DRV_USE, true);
        break;
    case CONN_WRITE:
        listener_select(l, c->fd, ERL_DRV_READ, false);
        listener_select(l, c->fd, ERL_DRV_WRITE | ERL_DRV_USE, true);
        break;
    case CONN_OVER:
        over(l, c);
        break;
    }
}

/* --- from the first moment to the last ------------------------------------------------
 */

void incoming_take(struct listener *l, int fd, const struct tacit_address *peer,
                   ErlDrvTime accepted, const uint8_t *first)
{
    int error;
    if (l->pending.count >= TACIT_PENDING_MAX)
        incoming_evict(l);
    struct conn *c = conn_answer(fd, peer, l->own_name, &error);
    if (c == NULL) {
        close(fd);
        return;
    }
    atomic_fetch_add(&carrier_counters.accepted, 1);
    tacit_pending_add(&l->pending, &c->pending, peer, accepted);
    atomic_fetch_add(&carrier_counters.pending, 1);
    if (first != NULL)
        conn_feed(c, first, TACIT_DOOR_FIRST);
    advance(l, c);
}

void incoming_ready(struct listener *l, int fd)
{
    for (struct tacit_pending_entry *e = l->pending.oldest; e != NULL; e = e->next)
        if (conn_of(e)->fd == fd) {
            advance(l, conn_of(e));
            return;
        }
}

void incoming_timeout(struct listener *l, ErlDrvTime now)
{
    struct tacit_pending_entry *next;
    for (struct tacit_pending_entry *e = l->pending.oldest; e != NULL; e = next) {
        next = e->next;
        if (tacit_pending_deadline(&l->pending, e, now) <= now)
            drop(l, conn_of(e));
    }
}

void incoming_stop(struct listener *l)
{
    while (l->pending.oldest != NULL)
        drop(l, conn_of(l->pending.oldest));
}
