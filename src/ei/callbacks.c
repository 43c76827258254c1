/* What ei calls: a link behind each of its contexts. */
#include "ei/callbacks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ei/context.h"
#include "ei/fault.h"
#include "ei/race.h"

enum {
    PACKET_HEADER = 4,     /* of every message, those of Erlang's handshake too */
    SHARE_MIN_US = 500000, /* nothing is gained by less than this for one address */
};

static _Thread_local struct cnode_target *target;

void cnode_set_target(struct cnode_target *new_target)
{
    target = new_target;
}

static int64_t deadline_of(unsigned ms)
{
    return ms == EI_SCLBK_INF_TMO ? WIRE_NEVER : wire_deadline(ms);
}

static int on_socket(void **ctx, void *setup_ctx)
{
    *ctx = cnode_context_new(setup_ctx, NULL);
    return *ctx == NULL ? ENOMEM : 0;
}

static int on_close(void *ctx)
{
    struct cnode_context *c = target != NULL ? cnode_context_enter(ctx) : NULL;
    if (c != NULL) { /* a connect that failed */
        if (c->link != NULL)
            memcpy(target->status, c->link->status, sizeof target->status);
        cnode_context_leave(c);
    }
    cnode_context_close(ctx);
    return 0;
}

/* --- connecting ----------------------------------------------------------------------
 */

static int tell_unconnected(const struct wire_race *race, int error)
{
    return cnode_fault(error, "%s%s%s", target->name,
                       wire_race_has_address(race) ? " at " : ": ", wire_race_why(race));
}

/* What a handshake may take where another address is left: half of the time. */
static int64_t share(const struct wire_race *race)
{
    int64_t now = wire_now_us(), left = target->deadline - now;
    if (target->deadline == WIRE_NEVER || wire_race_is_over(race))
        return target->deadline;
    return now + (left / 2 > SHARE_MIN_US ? left / 2 : SHARE_MIN_US);
}

/* At the next address. *ret_again: nobody is there who knows us, another may be left. */
static int dial_next(struct cnode_context *c, struct wire_race *race, bool *ret_again)
{
    struct wire_connection connection;
    *ret_again = false;
    int error = wire_race_next(race, &connection);
    if (error)
        return tell_unconnected(race, error);
    c->link = cnode_link_new(c->node, connection.fd);
    if (c->link == NULL) {
        close(connection.fd);
        return cnode_fault(TACIT_ENOMEM, "out of memory");
    }
    error = cnode_link_dial(c->link, target->name, share(race));
    c->link->setup_until = target->deadline;
    if ((error != TACIT_ETRUNCATED && error != TACIT_ETIMEOUT) ||
        c->link->session->handshake.peer.name[0] != '\0' || wire_race_is_over(race))
        return error;
    cnode_link_free(c->link);
    c->link = NULL;
    *ret_again = true;
    return error;
}

static int dial(struct cnode_context *c)
{
    struct cnode_rules *rules = cnode_rules_of(c->node);
    struct wire_race *race =
        wire_race_new(rules->policy, &target->endpoint, target->deadline);
    bool again = race != NULL;
    int error = race != NULL ? TACIT_OK : cnode_fault(TACIT_ENOMEM, "out of memory");
    while (again)
        error = dial_next(c, race, &again);
    wire_race_free(race);
    cnode_rules_release(rules);
    return cnode_errno(error);
}

static int on_connect(void *ctx, void *addr, int len, unsigned ms)
{
    struct cnode_context *c;
    (void)addr, (void)len, (void)ms; /* the target has them all */
    if (target == NULL)
        return cnode_fault(ENOTSUP,
                           "expected tacit_ei_connect: ei_connect would ask epmd");
    c = cnode_context_enter(ctx);
    if (c == NULL)
        return EBADF;
    int error = dial(c);
    cnode_context_leave(c);
    return error;
}

/* --- messages ------------------------------------------------------------------------
 */

static int on_writev(void *ctx, const void *iov, int count, ssize_t *len, unsigned ms)
{
    struct cnode_context *c = cnode_context_enter(ctx);
    const struct iovec *pieces = iov;
    if (c == NULL)
        return EBADF;
    int error =
        c->link == NULL
            ? ENOTCONN
            : cnode_errno(cnode_link_write(c->link, pieces, count, deadline_of(ms)));
    *len = 0;
    for (int i = 0; i < count && !error; i++)
        *len += (ssize_t)pieces[i].iov_len;
    cnode_context_leave(c);
    return error;
}

static int on_write(void *ctx, const char *buf, ssize_t *len, unsigned ms)
{
    struct iovec piece = {(void *)(uintptr_t)buf, (size_t)*len};
    return on_writev(ctx, &piece, 1, len, ms);
}

static int on_read(void *ctx, char *buf, ssize_t *len, unsigned ms)
{
    struct cnode_context *c = cnode_context_enter(ctx);
    size_t size = (size_t)*len;
    if (c == NULL)
        return EBADF;
    int error = c->link == NULL
                    ? ENOTCONN
                    : cnode_errno(cnode_link_read(c->link, buf, &size, deadline_of(ms)));
    *len = error ? 0 : (ssize_t)size;
    if (*len > 0) /* 0: its end, as a socket has it */
        cnode_well();
    cnode_context_leave(c);
    return error;
}

/* --- the rest ------------------------------------------------------------------------
 */

static int on_header_size(void *ctx, int *size)
{
    (void)ctx;
    *size = PACKET_HEADER;
    return 0;
}

static int on_complete(void *ctx)
{
    struct cnode_context *c = cnode_context_enter(ctx);
    if (c == NULL)
        return EBADF;
    c->link->up = true;
    c->link->setup_until = WIRE_NEVER;
    if (target != NULL)
        memcpy(target->status, c->link->status, sizeof target->status);
    cnode_context_leave(c);
    return 0;
}

static int on_get_fd(void *ctx, int *fd)
{
    struct cnode_context *c = cnode_context_enter(ctx);
    int error = c == NULL || (c->link == NULL && c->listener == NULL) ? EBADF : 0;
    if (!error)
        *fd = c->link != NULL ? c->link->fd : c->listener->fd;
    if (c != NULL)
        cnode_context_leave(c);
    return error;
}

/* --- being called --------------------------------------------------------------------
 */

/* Where is the configuration's to say: ei's address is not looked at. */
static int on_listen(void *ctx, void *addr, int *len, int backlog)
{
    struct cnode_context *c = cnode_context_enter(ctx);
    (void)addr, (void)len, (void)backlog;
    if (c == NULL)
        return EBADF;
    int error = cnode_errno(cnode_listen(c->node, &c->listener));
    cnode_context_leave(c);
    return error;
}

/* ei knows IPv4 only: of another peer it is told zeros. */
static void tell_address(const struct tacit_address *peer, void *addr, int *len)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    if (peer->family == 4) {
        memcpy(&sa.sin_addr, peer->bytes, 4);
        sa.sin_port = htons(peer->port);
    }
    if (*len > (int)sizeof sa)
        *len = sizeof sa;
    memcpy(addr, &sa, (size_t)*len);
}

static int on_accept(void **ctx, void *addr, int *len, unsigned ms)
{
    struct cnode_context *c = cnode_context_enter(*ctx);
    struct cnode_link *l;
    if (c == NULL)
        return EBADF;
    int error = c->listener == NULL
                    ? EINVAL
                    : cnode_errno(cnode_accept(c->listener, deadline_of(ms), &l));
    if (!error) {
        tell_address(&l->address, addr, len);
        void *accepted = cnode_context_new(c->node, l);
        error = accepted == NULL ? ENOMEM : 0;
        if (error)
            cnode_link_free(l);
        else
            *ctx = accepted;
    }
    cnode_context_leave(c);
    return error;
}

ei_socket_callbacks cnode_callbacks = {
    .flags = EI_SCLBK_FLG_FULL_IMPL, /* each keeps its time by itself */
    .socket = on_socket,
    .close = on_close,
    .listen = on_listen,
    .EI_ACCEPT_NAME = on_accept,
    .connect = on_connect,
    .writev = on_writev,
    .write = on_write,
    .read = on_read,
    .handshake_packet_header_size = on_header_size,
    .connect_handshake_complete = on_complete,
    .accept_handshake_complete = on_complete,
    .get_fd = on_get_fd,
};
