/* One link: what its session asks, its handshake as a caller, its end. */
#include "ei/link.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ei/fault.h"
#include "socket/socket.h"

enum {
    PART_MS = 2000,      /* what a peer may take to hang up */
    PART_EARLY_MS = 500, /* one with whom there was no link yet */
};

/* --- the beginning -------------------------------------------------------------------
 */

struct cnode_link *cnode_link_new(struct cnode *node, int fd)
{
    struct cnode_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->session = tacit_secret_alloc(sizeof *l->session);
    l->channel = tacit_secret_alloc(sizeof *l->channel);
    if (l->session == NULL || l->channel == NULL) {
        tacit_secret_free(l->session);
        tacit_secret_free(l->channel);
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->reading, NULL);
    pthread_mutex_init(&l->writing, NULL);
    pthread_mutex_init(&l->lock, NULL);
    l->node = cnode_hold(node);
    l->rules = cnode_rules_of(node);
    l->reviewed = l->rules->generation;
    l->process = cnode_process();
    l->fd = fd;
    l->setup_until = WIRE_NEVER;
    l->failed = TACIT_ESTATE; /* until there is a channel */
    return l;
}

/* Rules that change are asked about it from now on. */
static void enlist(struct cnode_link *l)
{
    struct cnode *node = l->node;
    pthread_mutex_lock(&node->links_lock);
    l->next = node->links;
    if (l->next != NULL)
        l->next->previous = l;
    node->links = l;
    pthread_mutex_unlock(&node->links_lock);
}

static void delist(struct cnode_link *l)
{
    struct cnode *node = l->node;
    pthread_mutex_lock(&node->links_lock);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else if (node->links == l)
        node->links = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    l->next = l->previous = NULL;
    pthread_mutex_unlock(&node->links_lock);
}

int cnode_link_begin(struct cnode_link *l)
{
    struct tacit_session *s = l->session;
    l->in.raw = malloc(LINK_RAW + LINK_OUT);
    if (l->in.raw == NULL)
        return TACIT_ENOMEM;
    l->out = l->in.raw + LINK_RAW;
    int error = tacit_session_take(s, l->channel);
    if (error)
        return error;
    l->peer = s->handshake.peer;
    if (l->peer.certificate_len > 0)
        memcpy(l->certificate, l->peer.certificate, l->peer.certificate_len);
    l->peer.certificate = l->certificate;
    memcpy(l->peer_key, s->handshake.peer_key, sizeof l->peer_key);
    tacit_pair_key_id(s->policy, l->peer_key, l->pair_key_id);
    l->ruling = s->ruling;
    tacit_secret_free(s);
    l->session = NULL;
    tacit_keys_begin(&l->keys, l->rules->policy, wire_now_us());
    l->failed = TACIT_OK;
    enlist(l);
    return TACIT_OK;
}

/* --- what the session asks -----------------------------------------------------------
 */

enum tacit_session_event cnode_link_start(struct cnode_link *l, enum noise_role role)
{
    const struct tacit_policy *policy = l->rules->policy;
    struct tacit_session_config config = {
        .role = role,
        .policy = policy,
        .own_name = l->node->name,
        .wanted = l->wanted,
        .hidden_keys = cnode_hidden_keys(l->node, policy),
        .now = (uint64_t)time(NULL),
    };
    enum tacit_session_event event = tacit_session_start(l->session, &config);
    if (event != TACIT_SESSION_MORE || role == NOISE_RESPONDER)
        return event;
    /* Our own first message, sent back to us, is a replay too. */
    int error = cnode_admission_first(l->node, NULL, tacit_session_ephemeral(l->session),
                                      config.now);
    return error ? tacit_session_fail(l->session, error) : event;
}

static enum tacit_session_event decide_peer(struct cnode_link *l)
{
    struct tacit_session *s = l->session;
    struct tacit_now now = cnode_now(l->node);
    bool revoked = cnode_is_revoked(l->node, s->policy, s->handshake.peer_key);
    enum tacit_session_event event = tacit_session_peer(s, &l->address, &now, revoked);
    if (event == TACIT_SESSION_UP)
        cnode_signed(l->node, &now, s->ruling.signed_at);
    return event;
}

enum tacit_session_event cnode_link_decide(struct cnode_link *l,
                                           enum tacit_session_event event)
{
    struct tacit_session *s = l->session;
    if (event == TACIT_SESSION_PEER)
        return decide_peer(l);
    if (event != TACIT_SESSION_FIRST)
        return event;
    int error = cnode_admission_first(l->node, &l->address, tacit_session_ephemeral(s),
                                      s->handshake.first.time);
    return tacit_session_first(s, error);
}

/* --- dialling ------------------------------------------------------------------------
 */

/* Why the handshake came no further: for people. */
static int explain(const struct cnode_link *l, const char *wanted)
{
    const struct tacit_handshake *hs = &l->session->handshake;
    int error = l->session->error;
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    if (hs->peer.name[0] == '\0' &&
        (error == TACIT_ETRUNCATED || error == TACIT_ETIMEOUT))
        return cnode_fault(error,
                           "%s: connected, but no answer: another mesh key, a wrong "
                           "clock, no node of that name, or no Tacit there",
                           wanted);
    if (hs->peer.name[0] != '\0' && strcmp(hs->peer.name, wanted) != 0)
        return cnode_fault(error, "%s: %s answers", wanted, hs->peer.name);
    if (error != TACIT_EREFUSED)
        return cnode_fault(error, "%s: %s", wanted, tacit_error_text(error));
    tacit_fingerprint(hs->peer_key, fingerprint);
    return cnode_fault(error, "%s: %s: it has shown the key %s", wanted,
                       ruling_of_ours(&l->session->ruling), fingerprint);
}

int cnode_link_dial(struct cnode_link *l, const char *wanted, int64_t deadline)
{
    snprintf(l->wanted, sizeof l->wanted, "%s", wanted);
    socket_peer(l->fd, &l->address);
    l->setup_until = deadline;
    enum tacit_session_event event = cnode_link_start(l, NOISE_INITIATOR);
    event = wire_session(l->fd, l->session, event, deadline);
    event = cnode_link_decide(l, event);
    event = wire_session(l->fd, l->session, event, deadline);
    if (event != TACIT_SESSION_UP)
        return explain(l, wanted);
    int error = cnode_link_begin(l);
    return error ? cnode_fault(error, "%s: %s", wanted, tacit_error_text(error)) : error;
}

/* --- the end -------------------------------------------------------------------------
 */

int cnode_link_fail(struct cnode_link *l, int error, const char *text)
{
    pthread_mutex_lock(&l->lock);
    if (l->failed == TACIT_OK) {
        l->failed = error;
        snprintf(l->why, sizeof l->why, "%s", text);
    }
    pthread_mutex_unlock(&l->lock);
    return error;
}

void cnode_link_explain(struct cnode_link *l, int error)
{
    const char *who = l->peer.name[0] != '\0' ? l->peer.name : l->wanted;
    pthread_mutex_lock(&l->lock);
    if (l->failed)
        (void)cnode_fault(error, "%s: %s", who, l->why);
    else
        (void)cnode_fault(error, "%s: %s", who, tacit_error_text(error));
    pthread_mutex_unlock(&l->lock);
}

void cnode_link_close(struct cnode_link *l, enum tacit_close reason, const char *text)
{
    size_t len = 0;
    pthread_mutex_lock(&l->lock);
    if (l->failed == TACIT_OK) {
        int error = tacit_channel_seal_close(
            l->channel, reason, text, l->out + l->out_end, LINK_OUT - l->out_end, &len);
        l->out_end += error ? 0 : len;
        l->failed = TACIT_ECLOSED;
        snprintf(l->why, sizeof l->why, "%s",
                 *text != '\0' ? text : "this program has closed it");
    }
    pthread_mutex_unlock(&l->lock);
    (void)cnode_link_flush_some(l);
}

/* What the system has of it is still sent; what it has not got rid of is cut short. */
void cnode_link_wake(struct cnode_link *l)
{
    shutdown(l->fd, SHUT_RDWR);
}

/*
 * The peer reads all that was sent to it, also where it has not been read itself: a
 * socket that is closed with something to read is reset. And when the program is over
 * nothing of the link is left there.
 */
static void part(struct cnode_link *l)
{
    int64_t deadline = wire_deadline(l->up ? PART_MS : PART_EARLY_MS);
    bool peer_ended = l->failed == TACIT_ETRUNCATED;
    cnode_link_close(l, TACIT_CLOSE_DONE, "");
    if (peer_ended || wire_send(l->fd, l->out + l->out_at, l->out_end - l->out_at,
                                deadline) != TACIT_OK)
        return;
    shutdown(l->fd, SHUT_WR);
    ssize_t n = 1;
    while (n > 0 && wire_wait(l->fd, POLLIN, deadline) == TACIT_OK) {
        n = recv(l->fd, l->in.raw, LINK_RAW, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            n = 1;
    }
}

void cnode_link_abandon(struct cnode_link *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    if (l->session != NULL)
        tacit_wipe(l->session, sizeof *l->session);
    tacit_wipe(l->channel, sizeof *l->channel);
}

void cnode_link_free(struct cnode_link *l)
{
    if (l == NULL)
        return;
    delist(l);
    if (l->session == NULL)
        part(l);
    close(l->fd);
    tacit_secret_free(l->session);
    tacit_secret_free(l->channel);
    pthread_mutex_destroy(&l->reading);
    pthread_mutex_destroy(&l->writing);
    pthread_mutex_destroy(&l->lock);
    free(l->in.message);
    if (l->in.raw != NULL)
        sodium_memzero(l->in.raw, LINK_RAW + LINK_OUT);
    free(l->in.raw);
    cnode_rules_release(l->rules);
    cnode_release(l->node);
    sodium_memzero(l, sizeof *l);
    free(l);
}
