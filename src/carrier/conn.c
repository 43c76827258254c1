/* A socket on which a handshake runs, in either role, and what its session asks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

/* --- the beginning ------------------------------------------------------------------ */

static void start(struct conn *c, enum noise_role role)
{
    struct tacit_session_config config = {
        .role = role,
        .policy = c->policy->policy,
        .own_name = c->own_name,
        .own_dynamic = c->own_dynamic,
        .gives_names = true,
        .wanted = c->wanted,
        .hidden_keys = shared_hidden_keys(c->policy->policy),
        .now = wall_clock(),
    };
    c->event = tacit_session_start(&c->session, &config);
    /* Our own first message, sent back to us, is a replay too. */
    if (c->event == TACIT_SESSION_MORE && role == NOISE_INITIATOR)
        gate_own(tacit_session_ephemeral(&c->session), config.now);
}

void conn_start(struct conn *c)
{
    start(c, NOISE_INITIATOR);
}

static struct conn *conn_new(int fd, const struct tacit_address *peer,
                             const char *own_name, int *ret_error)
{
    struct conn *c = tacit_secret_alloc(sizeof *c);
    *ret_error = TACIT_ENOMEM;
    if (c == NULL)
        return NULL;
    c->fd = fd;
    c->peer_address = *peer;
    c->policy = shared_policy();
    snprintf(c->own_name, sizeof c->own_name, "%s", own_name);
    if (c->policy != NULL)
        return c;
    *ret_error = TACIT_ESTATE;
    conn_free(c);
    return NULL;
}

struct conn *conn_answer(int fd, const struct tacit_address *peer, const char *own_name,
                         int *ret_error)
{
    struct conn *c = conn_new(fd, peer, own_name, ret_error);
    if (c == NULL)
        return NULL;
    start(c, NOISE_RESPONDER);
    if (c->event == TACIT_SESSION_MORE)
        return c;
    *ret_error = c->session.error;
    conn_free(c);
    return NULL;
}

struct conn *conn_dial(int fd, const struct tacit_address *peer, const char *own_name,
                       bool own_dynamic, const char *wanted, int *ret_error)
{
    struct conn *c = conn_new(fd, peer, own_name, ret_error);
    if (c == NULL)
        return NULL;
    c->own_dynamic = own_dynamic;
    snprintf(c->wanted, sizeof c->wanted, "%s", wanted);
    return c;
}

void conn_free(struct conn *c)
{
    if (c == NULL)
        return;
    tacit_session_wipe(&c->session);
    tacit_secret_free(c->requester);
    policy_release(c->policy);
    tacit_secret_free(c);
}

/* --- what the session asks ---------------------------------------------------------- */

/* Seen before, out of time, or on its way to another node when it was recorded. */
static void count_stranger(const struct conn *c)
{
    int error = c->session.error;
    if (error == TACIT_ENAME || error == TACIT_EREPLAY || error == TACIT_ETIME)
        atomic_fetch_add(&carrier_counters.replays, 1);
}

static void decide_first(struct conn *c)
{
    struct tacit_session *s = &c->session;
    int error = gate_first(&c->peer_address, tacit_session_ephemeral(s),
                           s->handshake.first.time, &c->skew);
    c->event = tacit_session_first(s, error);
    c->pending.first_seen = s->first_seen;
    if (error == TACIT_ELIMIT)
        atomic_fetch_add(&carrier_counters.limited, 1);
    if (c->event == TACIT_SESSION_MORE)
        atomic_fetch_add(&carrier_counters.exchanges, 1);
}

static void decide_peer(struct conn *c)
{
    struct tacit_session *s = &c->session;
    struct tacit_now now = gate_now();
    c->event = tacit_session_peer(s, &c->peer_address, &now,
                                  shared_is_revoked(s->handshake.peer_key));
    if (c->event == TACIT_SESSION_FAILED)
        return;
    atomic_fetch_add(&carrier_counters.handshakes, 1);
    if (c->event == TACIT_SESSION_UP)
        gate_signed(&now, s->ruling.signed_at);
}

void conn_feed(struct conn *c, const uint8_t *bytes, size_t len)
{
    size_t used;
    c->event = tacit_session_feed(&c->session, bytes, len, &used);
    if (c->event == TACIT_SESSION_FIRST)
        decide_first(c);
    else if (c->event == TACIT_SESSION_PEER)
        decide_peer(c);
    if (c->event == TACIT_SESSION_SILENT)
        count_stranger(c);
}

/* --- bytes -------------------------------------------------------------------------- */

/* The socket gives or takes no more; a refusal stays one, whether it is heard or not. */
static enum conn_state truncated(struct conn *c)
{
    if (c->event != TACIT_SESSION_REFUSED)
        c->event = tacit_session_fail(&c->session, TACIT_ETRUNCATED);
    return CONN_OVER;
}

static bool is_passing(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

/* Sends what the session has to say. CONN_READ: all of it is sent. */
static enum conn_state send_output(struct conn *c)
{
    const uint8_t *bytes;
    size_t len;
    while ((len = tacit_session_output(&c->session, &bytes)) > 0) {
        ssize_t n = write(c->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return is_passing(n) ? CONN_WRITE : truncated(c);
        bool answers = c->session.handshake.config.role == NOISE_RESPONDER;
        if (answers && !c->session.first_seen)
            atomic_fetch_add(&carrier_counters.unauthenticated_bytes, (uint64_t)n);
        tacit_session_sent(&c->session, (size_t)n);
    }
    return CONN_READ;
}

/* Nothing is said any more: whatever the peer says is forgotten, a bounded amount at a
 * time. */
static enum conn_state discard(struct conn *c)
{
    uint8_t waste[4096];
    ssize_t n = read(c->fd, waste, sizeof waste);
    return n > 0 || is_passing(n) || (n < 0 && errno == EINTR) ? CONN_READ : truncated(c);
}

enum conn_state conn_advance(struct conn *c)
{
    if (c->silent)
        return discard(c);
    for (;;) {
        enum conn_state state = send_output(c);
        if (state != CONN_READ)
            return state;
        if (c->event != TACIT_SESSION_MORE)
            return CONN_OVER;
        /* Never past the handshake: what follows is the link's. */
        uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
        ssize_t n = read(c->fd, bytes, tacit_session_wants(&c->session));
        if (n < 0 && errno == EINTR)
            continue;
        if (is_passing(n))
            return CONN_READ;
        if (n <= 0)
            return truncated(c);
        conn_feed(c, bytes, (size_t)n);
    }
}
