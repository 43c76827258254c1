/* How a link comes to be: one that was accepted is taken over, or a node is dialled. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

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
    tacit_session_mesh_key(s, l->mesh_mark);
    tacit_pair_mark(c->policy->policy, l->peer_key, l->pair_mark);
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
    else if (error == TACIT_ECUT)
        snprintf(
            text, sizeof text,
            "it closed without an answer: no node of that name, another mesh key, or no "
            "Tacit there");
    else
        snprintf(text, sizeof text, "%s", tacit_error_text(error));
    link_doom(l, error, tacit_error_name(error), text);
}

static void handshake_done(struct link *l)
{
    int error = establish(l, l->conn);
    if (error) {
        link_doom(l, error, tacit_error_name(error), tacit_error_text(error));
        return;
    }
    conn_free(l->conn);
    l->conn = NULL;
    link_select(l, false, false);
    link_review(l); /* the rules may have changed since the handshake began */
    if (!l->doomed)
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
        link_doom(l, TACIT_ESYSTEM, erl_errno_id(error), strerror(error));
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
