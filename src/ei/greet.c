/*
 * Erlang's own handshake inside the channel: ei runs it, but does not ask whether the
 * other side is who the channel has proved it to be. A node's carrier does.
 */
#include <stdio.h>
#include <string.h>

#include "ei/fault.h"
#include "ei/link.h"
#include "guard/guard.h"

enum {
    DFLAG_PUBLISHED = 0x01, /* lib/kernel/include/dist.hrl */
};
#define DFLAG_NAME_ME (UINT64_C(0x2) << 32)

static int refuse(struct cnode_link *l, enum tacit_close reason, const char *text)
{
    cnode_link_close(l, reason, text);
    return TACIT_EREFUSED;
}

/* Either side's introduction. */
static int introduced(struct cnode_link *l, const uint8_t *message, size_t len)
{
    struct tacit_guard_hello hello;
    if (!tacit_guard_hello(message, len, !l->inbound, &hello))
        return refuse(l, TACIT_CLOSE_MISMATCH,
                      "the distribution handshake claims nothing that can be read");
    if (hello.name_len != strlen(l->peer.name) ||
        memcmp(hello.name, l->peer.name, hello.name_len) != 0 ||
        (hello.flags & DFLAG_NAME_ME) != 0)
        return refuse(l, TACIT_CLOSE_MISMATCH,
                      "the distribution handshake claims another name");
    pthread_mutex_lock(&l->lock);
    l->seen = hello.flags & DFLAG_PUBLISHED ? TACIT_VISIBLE : TACIT_HIDDEN;
    const char *fault = ruling_visibility_fault(l->ruling.visibility, l->seen);
    pthread_mutex_unlock(&l->lock);
    return *fault != '\0' ? refuse(l, TACIT_CLOSE_VISIBILITY, fault) : TACIT_OK;
}

int cnode_link_greeted(struct cnode_link *l, const uint8_t *message, size_t len)
{
    unsigned nth = l->greetings++;
    if (l->inbound)
        return nth == 0 ? introduced(l, message, len) : TACIT_OK;
    if (nth == 1)
        return introduced(l, message, len);
    for (size_t i = 1; nth == 0 && i < len && i < sizeof l->status; i++)
        l->status[i - 1] = message[i] > ' ' && message[i] < 127 ? (char)message[i] : '?';
    return TACIT_OK;
}

void cnode_link_dismissed(struct cnode_link *l, char *text, size_t cap)
{
    bool before_status = !l->inbound && l->greetings == 0;
    if (before_status)
        snprintf(l->status, sizeof l->status, "pending");
    snprintf(text, cap, "it ended Erlang's handshake: %s",
             before_status ? "it is just making a link with a node of this name"
                           : "another cookie?");
}
