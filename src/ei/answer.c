/*
 * The handshake with one that dialled us, step by step: strangers come, too, and nobody
 * may hold up another. As a node's driver has it (src/carrier/incoming.c).
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "door/protocol.h"
#include "ei/link.h"

int cnode_link_answer(struct cnode_link *l, const struct tacit_address *address,
                      const uint8_t *first)
{
    struct tacit_channel_config config =
        wire_config(l->rules->policy, l->node->name, &cnode_link_rules, l);
    size_t used;
    config.role = NOISE_RESPONDER;
    config.hidden_keys = cnode_hidden_keys(l->node, l->rules->policy);
    l->inbound = true;
    l->address = *address;
    int error = tacit_handshake_init(l->handshake, &config);
    if (!error && first != NULL &&
        tacit_handshake_feed(l->handshake, first, TACIT_DOOR_FIRST, &used) != TACIT_OK) {
        l->silent = true;
        error = l->first_seen ? TACIT_ECLOSED : TACIT_OK; /* as below */
    }
    return error;
}

static bool passing(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* A stranger: what it says is read and forgotten, a bounded amount at a time. */
static enum cnode_step discard(struct cnode_link *l)
{
    uint8_t waste[4096];
    ssize_t n = recv(l->fd, waste, sizeof waste, MSG_DONTWAIT);
    return n > 0 || passing(n) ? CNODE_READ : CNODE_GONE;
}

/* Authenticated, but not allowed: it gets the reason inside the seal. */
static enum cnode_step refuse(struct cnode_link *l)
{
    cnode_guard_known(l->node, &l->address, false);
    if (tacit_handshake_finish(l->handshake, l->channel) != TACIT_OK)
        return CNODE_GONE;
    l->failed = TACIT_OK;
    cnode_link_close(l, l->ruling.reason, l->ruling.text);
    shutdown(l->fd, SHUT_WR);
    l->silent = true; /* until it has read that and goes, or its time is over */
    return CNODE_READ;
}

static enum cnode_step finish(struct cnode_link *l)
{
    if (l->handshake->verdict != TACIT_OK)
        return refuse(l);
    if (l->handshake->directory ||
        tacit_handshake_finish(l->handshake, l->channel) != TACIT_OK)
        return CNODE_GONE;
    cnode_link_begin(l);
    cnode_guard_known(l->node, &l->address, true);
    return CNODE_UP;
}

enum cnode_step cnode_link_step(struct cnode_link *l)
{
    struct tacit_handshake *hs = l->handshake;
    while (!l->silent) {
        uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
        const uint8_t *out;
        size_t used, len = tacit_handshake_output(hs, &out);
        ssize_t n = len > 0 ? send(l->fd, out, len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        if (n < 0)
            return passing(n) ? CNODE_WRITE : CNODE_GONE;
        tacit_handshake_sent(hs, (size_t)n);
        if ((size_t)n < len)
            continue;
        if (hs->state == TACIT_HANDSHAKE_DONE)
            return finish(l);
        /* Never past the handshake: what follows is the link's. */
        n = recv(l->fd, bytes, tacit_handshake_wants(hs), MSG_DONTWAIT);
        if (n <= 0)
            return passing(n) ? CNODE_READ : CNODE_GONE;
        if (tacit_handshake_feed(hs, bytes, (size_t)n, &used) == TACIT_OK)
            continue;
        if (l->first_seen)
            return CNODE_GONE;
        l->silent = true; /* not a byte, and no sign of having understood */
    }
    return discard(l);
}
