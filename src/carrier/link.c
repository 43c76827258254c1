/*
 * One link: how it comes to be, whether it may go on, the callbacks of its port, its one
 * timer, its end.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"

/* The peer's fingerprint, once it showed a key. */
static void peer_fingerprint(const struct link *l, char text[TACIT_FINGERPRINT_TEXT])
{
    const uint8_t *key =
        l->conn != NULL ? l->conn->session.handshake.peer_key : l->peer_key;
    text[0] = '\0';
    if (!sodium_is_zero(key, NOISE_DHLEN))
        tacit_fingerprint(key, text);
}

/*
 * {tacit_down, Port, Reason, Text, Fingerprint, Line}, or for a live link what dist_util
 * waits for.
 */
static void tell_down(struct link *l)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    struct term t = {0};
    bool active = l->state == LINK_ACTIVE;
    term_atom(&t, active ? "tcp_closed" : "tacit_down");
    term_port(&t, l->port);
    if (!active) {
        peer_fingerprint(l, fingerprint);
        term_atom(&t, l->failed_reason);
        term_binary(&t, l->failed_text);
        term_binary(&t, fingerprint);
        term_binary(&t, l->conn != NULL ? l->conn->session.ruling.line : l->line);
    }
    term_tuple(&t, active ? 2 : 6);
    term_to_owner(&t, l->port);
}

void link_fail(struct link *l, int error, const char *reason, const char *text)
{
    if (l->failed)
        return;
    l->failed = error;
    snprintf(l->failed_reason, sizeof l->failed_reason, "%s", reason);
    snprintf(l->failed_text, sizeof l->failed_text, "%s", text);
    const char *name = l->peer.name[0] != '\0' ? l->peer.name
                       : l->conn != NULL       ? l->conn->wanted
                                               : "";
    if (name[0] != '\0')
        shared_note_refusal(name, !l->initiator, l->failed_reason, l->failed_text);
}

void link_protocol_error(struct link *l, const char *text)
{
    link_send_close(l, TACIT_CLOSE_PROTOCOL, text);
    link_fail(l, TACIT_EFORMAT, "protocol", text);
}

void link_no_memory(struct link *l)
{
    link_fail(l, TACIT_ENOMEM, "no_memory", "out of memory");
}

/* Ends a failed link: the owner is told first, then the port goes. Touch nothing after.
 */
static void end(struct link *l)
{
    tell_down(l);
    driver_exit(l->port, 0);
}

void link_arm(struct link *l)
{
    if (l->failed || l->batching || l->throttled || l->read_pending) {
        driver_set_timer(l->port, 0);
    } else if (l->deadline != 0) {
        ErlDrvTime wait = l->deadline - monotonic_ms();
        driver_set_timer(l->port, wait < 0 ? 0 : (unsigned long)wait);
    } else {
        driver_cancel_timer(l->port);
    }
}

void link_select(struct link *l, bool read, bool write)
{
    ErlDrvEvent event = (ErlDrvEvent)(intptr_t)l->fd;
    if (read != l->selected_read)
        driver_select(l->port, event, read ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ,
                      read);
    if (write != l->selected_write)
        driver_select(l->port, event, write ? ERL_DRV_WRITE | ERL_DRV_USE : ERL_DRV_WRITE,
                      write);
    l->selected_read = read;
    l->selected_write = write;
}

/* The end of a callback: nothing may touch the link after this. */
static void settle(struct link *l)
{
    if (l->failed)
        end(l);
    else if (!l->flushing)
        link_arm(l); /* a port that closes has one deadline, whatever still comes in */
}

void link_ready_read(struct link *l)
{
    if (l->state == LINK_HANDSHAKE)
        link_handshake(l);
    else if (link_read(l) == LINK_GONE)
        return;
    settle(l);
}

void link_ready_write(struct link *l)
{
    if (l->state == LINK_CONNECTING)
        link_connected(l);
    else if (l->state == LINK_HANDSHAKE)
        link_handshake(l);
    else
        link_send_queue(l);
    settle(l);
}

static void out_of_time(struct link *l)
{
    if (l->state < LINK_HANDSHAKE)
        link_fail(l, TACIT_ETIMEOUT, "etimedout", "no answer to TCP's connect");
    else
        link_fail(
            l, TACIT_ETIMEOUT, "handshake_timeout",
            "connected, but no answer: another mesh key, a wrong clock, another node, or "
            "no Tacit there");
}

void link_timeout(struct link *l)
{
    if (l->flushing) {
        driver_exit(l->port, 0); /* the peer does not read: the rest is lost */
        return;
    }
    if (l->deadline != 0 && l->deadline <= monotonic_ms())
        out_of_time(l);
    if (l->read_pending) {
        l->read_pending = false;
        if (!l->failed && link_read(l) == LINK_GONE)
            return;
    }
    if (!l->failed)
        link_turn(l);
    settle(l);
}

void link_flush(struct link *l)
{
    l->flushing = true;
    driver_set_timer(l->port, FLUSH_DEADLINE_MS);
}

void link_send_close(struct link *l, enum tacit_close reason, const char *text)
{
    uint8_t record[TACIT_RECORD_HEADER + 512];
    size_t len;
    if (l->channel == NULL || driver_sizeq(l->port) > 0)
        return;
    link_flush_output(l);
    if (driver_sizeq(l->port) > 0 ||
        tacit_channel_seal_close(l->channel, reason, text, record, sizeof record, &len))
        return;
    ssize_t sent = write(l->fd, record, len); /* a hint to the peer: best effort */
    (void)sent;
}

/* Unread input would turn the close into a reset, which can overtake our last words. */
static void drain(int fd)
{
    uint8_t waste[4096];
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 16; i++)
        if (read(fd, waste, sizeof waste) <= 0)
            return;
}

void link_set_up(struct link *l, bool is_active)
{
    if (l->setting_up)
        shared_setup_leave(l->peer_key);
    if (l->new_name && is_active)
        shared_setup_named(l->peer_key);
    l->setting_up = l->new_name = false;
}

void link_stop(struct link *l)
{
    link_set_up(l, false);
    if (l->fd >= 0) {
        if (l->channel != NULL && !l->failed) {
            link_send_close(l, TACIT_CLOSE_DONE, "");
            shared_note_refusal(l->peer.name, !l->initiator, "closed",
                                "this node ended the link");
        }
        drain(l->fd);
        driver_select(l->port, (ErlDrvEvent)(intptr_t)l->fd,
                      ERL_DRV_READ | ERL_DRV_WRITE | ERL_DRV_USE, 0);
    }
    due_clear(&l->due);
    link_free_input(l);
    link_free_output(l);
    conn_free(l->conn);
    tacit_secret_free(l->channel);
    identity_release(l->identity);
    free(l->certificate);
    free(l);
}

void link_emergency_close(const struct link *l)
{
    if (l->fd >= 0)
        shutdown(l->fd, SHUT_RDWR);
}

/* --- whether it may go on: asked again when anything that counts is another -----------
 */

const char *link_visibility_fault(const struct link *l)
{
    return ruling_visibility_fault(l->visibility, l->seen);
}

static int still_allowed(struct link *l, const struct tacit_policy *policy,
                         struct ruling *ret_ruling)
{
    const struct tacit_review facts = {
        .peer = &l->peer,
        .peer_key = l->peer_key,
        .address = &l->peer_address,
        .inbound = !l->initiator,
        .suite = l->channel->suite,
        .seen = l->seen,
        .pair_key_id = l->pair_key_id,
    };
    struct tacit_now now = gate_now();
    int error =
        tacit_review(&facts, policy, &now, shared_is_revoked(l->peer_key), ret_ruling);
    if (!error)
        gate_signed(&now, ret_ruling->signed_at);
    l->visibility = ret_ruling->visibility;
    return error;
}

void link_review(struct link *l)
{
    struct policy_ref *policy = shared_policy();
    struct ruling ruling;
    /* A link with a door is no node's, and over with the answer. */
    bool with_door = strcmp(l->peer.name, TACIT_DOOR_NAME) == 0;
    if (l->channel == NULL || l->failed || policy == NULL || with_door) {
        policy_release(policy); /* the end of its handshake asks the same */
        return;
    }
    tacit_keys_limit(&l->keys, policy->policy);
    int error = still_allowed(l, policy->policy, &ruling);
    policy_release(policy);
    memcpy(l->line, ruling.line, sizeof l->line);
    due_set(&l->due, driver_mk_port(l->port), error ? TACIT_NEVER : ruling.until);
    if (!error)
        return;
    gate_known(&l->peer_address, false);
    link_send_close(l, ruling.reason, ruling.text);
    link_fail(l, error, tacit_close_name(ruling.reason), ruling_for_us(&ruling));
    link_arm(l);
}

/* --- how it comes to be: taken over from a listener, or dialled --------------------- */

static struct link *link_new(int fd)
{
    struct link *l = calloc(1, sizeof *l);
    if (l != NULL)
        l->fd = fd;
    return l;
}

/* What the peer said of itself, which the handshake is about to forget. */
static int keep_claim(struct link *l, const struct tacit_claim *claim)
{
    l->peer = *claim;
    if (claim->certificate_len == 0)
        return TACIT_OK;
    l->certificate = malloc(claim->certificate_len);
    l->peer.certificate = l->certificate;
    if (l->certificate == NULL) {
        l->peer.certificate_len = 0;
        return TACIT_ENOMEM;
    }
    memcpy(l->certificate, claim->certificate, claim->certificate_len);
    return TACIT_OK;
}

/* The handshake is done: from here on there are records. */
static int establish(struct link *l, struct conn *c)
{
    struct tacit_session *s = &c->session;
    if (keep_claim(l, &s->handshake.peer) != TACIT_OK)
        return TACIT_ENOMEM;
    l->channel = tacit_secret_alloc(sizeof *l->channel);
    if (l->channel == NULL)
        return TACIT_ENOMEM;
    int error = tacit_session_take(s, l->channel);
    if (error)
        return error;
    l->identity = identity_hold(c->policy->identity);
    tacit_keys_begin(&l->keys, c->policy->policy, erl_drv_monotonic_time(ERL_DRV_USEC));
    l->state = LINK_PASSIVE;
    socket_keep_short(c->fd);
    memcpy(l->peer_key, s->handshake.peer_key, sizeof l->peer_key);
    l->peer_address = c->peer_address;
    memcpy(l->line, s->ruling.line, sizeof l->line);
    l->visibility = s->ruling.visibility;
    tacit_session_mesh_key(s, l->mesh_key_id);
    tacit_pair_key_id(c->policy->policy, l->peer_key, l->pair_key_id);
    socket_local(c->fd, &l->local_address);
    l->max_message = tacit_policy_max_message(c->policy->policy);
    l->since = monotonic_ms();
    l->deadline = 0; /* dist_util has its own from here on */
    return TACIT_OK;
}

struct link *link_take(struct conn *c)
{
    struct link *l = link_new(c->fd);
    if (l == NULL)
        return NULL;
    if (establish(l, c) != TACIT_OK) {
        tacit_secret_free(l->channel);
        free(l->certificate);
        free(l);
        return NULL;
    }
    l->conn = c;
    return l;
}

void link_adopt(struct link *l, ErlDrvPort port)
{
    l->port = port;
    conn_free(l->conn);
    l->conn = NULL;
    link_review(l); /* the rules may have changed since the handshake began */
}

int link_connect(ErlDrvPort port, const char *own_name, bool own_dynamic,
                 const char *wanted, const struct tacit_address *address,
                 unsigned timeout_ms, struct link **ret_link)
{
    struct policy_ref *policy = shared_policy();
    if (policy == NULL)
        return TACIT_ESTATE;
    int fd =
        socket_connect(address, tacit_policy_source(policy->policy, address->family));
    policy_release(policy);
    if (fd < 0)
        return TACIT_ESYSTEM;
    int error = TACIT_ENOMEM;
    struct link *l = link_new(fd);
    if (l != NULL)
        l->conn = conn_dial(fd, address, own_name, own_dynamic, wanted, &error);
    if (l == NULL || l->conn == NULL) {
        free(l);
        close(fd);
        return error;
    }
    l->port = port;
    l->initiator = true;
    l->deadline = monotonic_ms() + timeout_ms;
    link_select(l, false, true);
    link_arm(l);
    *ret_link = l;
    return TACIT_OK;
}

/* {tacit_connected, Port} */
static void tell_connected(struct link *l)
{
    struct term t = {0};
    term_atom(&t, "tacit_connected");
    term_port(&t, l->port);
    term_tuple(&t, 2);
    term_to_owner(&t, l->port);
}

/* {tacit_up, Port, Name, Fingerprint}: the peer is who it should be. */
static void tell_up(struct link *l)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    struct term t = {0};
    tacit_fingerprint(l->peer_key, fingerprint);
    term_atom(&t, "tacit_up");
    term_port(&t, l->port);
    term_binary(&t, l->peer.name);
    term_binary(&t, fingerprint);
    term_tuple(&t, 4);
    term_to_owner(&t, l->port);
}

static void handshake_failed(struct link *l)
{
    char text[REASON_MAX];
    const struct tacit_session *session = &l->conn->session;
    int error = session->error;
    if (error == TACIT_ENAME)
        snprintf(text, sizeof text, "the node that answers is %.200s",
                 session->handshake.peer.name);
    else if (error == TACIT_EREFUSED)
        snprintf(text, sizeof text, "%s", ruling_of_ours(&session->ruling));
    else if (error == TACIT_ETRUNCATED)
        snprintf(
            text, sizeof text,
            "it closed without an answer: no node of that name, another mesh key, or no "
            "Tacit there");
    else
        snprintf(text, sizeof text, "%s", tacit_error_text(error));
    link_fail(l, error, tacit_error_name(error), text);
}

static void handshake_done(struct link *l)
{
    int error = establish(l, l->conn);
    if (error) {
        link_fail(l, error, tacit_error_name(error), tacit_error_text(error));
        return;
    }
    conn_free(l->conn);
    l->conn = NULL;
    link_select(l, false, false);
    link_review(l); /* the rules may have changed since the handshake began */
    if (!l->failed)
        tell_up(l);
}

void link_handshake(struct link *l)
{
    switch (conn_advance(l->conn)) {
    case CONN_READ:
        link_select(l, true, false);
        break;
    case CONN_WRITE:
        link_select(l, false, true);
        break;
    case CONN_OVER:
        if (l->conn->event == TACIT_SESSION_FAILED)
            handshake_failed(l);
        else
            handshake_done(l);
        break;
    }
}

void link_connected(struct link *l)
{
    int error = socket_error(l->fd);
    if (error) {
        link_fail(l, TACIT_ESYSTEM, erl_errno_id(error), strerror(error));
        return;
    }
    l->state = LINK_CONNECTED;
    link_select(l, false, false);
    tell_connected(l);
}

void link_proceed(struct link *l, unsigned timeout_ms)
{
    l->deadline = monotonic_ms() + timeout_ms;
    l->state = LINK_HANDSHAKE;
    conn_start(l->conn);
    link_handshake(l);
    link_arm(l);
}
