/*
 * The handshake with one that dialled us, step by step: strangers come, too, and nobody
 * may hold up another. As a node's driver has it (src/carrier/incoming.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "door/protocol.h"
#include "ei/link.h"

static bool passing(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Nothing is said any more: what it says is forgotten, a bounded amount at a time. */
static enum cnode_step discard(struct cnode_link *l)
{
    uint8_t waste[4096];
    ssize_t n = recv(l->fd, waste, sizeof waste, MSG_DONTWAIT);
    return n > 0 || passing(n) ? CNODE_READ : CNODE_GONE;
}

/* Authenticated, but not allowed: it has got the reason inside the seal. */
static enum cnode_step refused(struct cnode_link *l)
{
    cnode_admission_known(l->node, &l->address, false);
    shutdown(l->fd, SHUT_WR);
    l->silent = true; /* until it has read that and goes, or its time is over */
    return CNODE_READ;
}

static enum cnode_step begin(struct cnode_link *l)
{
    if (cnode_link_begin(l) != TACIT_OK)
        return CNODE_GONE;
    cnode_admission_known(l->node, &l->address, true);
    return CNODE_UP;
}

/* All that the session had to say is sent; what it has come to by that. */
static enum cnode_step over(struct cnode_link *l)
{
    switch (l->event) {
    case TACIT_SESSION_UP:
        return begin(l);
    case TACIT_SESSION_REFUSED:
        return refused(l);
    case TACIT_SESSION_SILENT:
        l->silent = true; /* not a byte, and no sign of having understood */
        return discard(l);
    default:
        return CNODE_GONE; /* nor are there names to be asked for */
    }
}

static void feed(struct cnode_link *l, const uint8_t *bytes, size_t len)
{
    size_t used;
    l->event = tacit_session_feed(l->session, bytes, len, &used);
    l->event = cnode_link_decide(l, l->event);
    l->first_seen = l->session->first_seen;
}

int cnode_link_answer(struct cnode_link *l, const struct tacit_address *address,
                      const uint8_t *first)
{
    l->inbound = true;
    l->address = *address;
    l->event = cnode_link_start(l, NOISE_RESPONDER);
    if (l->event == TACIT_SESSION_MORE && first != NULL)
        feed(l, first, TACIT_DOOR_FIRST);
    return l->event == TACIT_SESSION_FAILED ? l->session->error : TACIT_OK;
}

enum cnode_step cnode_link_step(struct cnode_link *l)
{
    while (!l->silent) {
        uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
        const uint8_t *out;
        size_t len = tacit_session_output(l->session, &out);
        ssize_t n = len > 0 ? send(l->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (n < 0)
            return passing(n) ? CNODE_WRITE : CNODE_GONE;
        tacit_session_sent(l->session, (size_t)n);
        if ((size_t)n < len)
            continue;
        if (l->event != TACIT_SESSION_MORE)
            return over(l);
        /* Never past the handshake: what follows is the link's. */
        n = recv(l->fd, bytes, tacit_session_wants(l->session), MSG_DONTWAIT);
        if (n <= 0)
            return passing(n) ? CNODE_READ : CNODE_GONE;
        feed(l, bytes, (size_t)n);
    }
    return discard(l);
}
