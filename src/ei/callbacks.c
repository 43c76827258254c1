/* What ei calls: a link behind each of its contexts. */
#include "ei/callbacks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ei/fault.h"
#include "ei/listener.h"

enum {
    PACKET_HEADER = 4,     /* of every message, those of Erlang's handshake too */
    SHARE_MIN_US = 500000, /* nothing is gained by less than this for one address */
};

/* What ei has as a context: a link, once there is one, or a listener. */
struct cnode_socket {
    struct cnode *node;
    struct cnode_link *link;
    struct cnode_listener *listener; /* or it listens */
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
    struct cnode_socket *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ENOMEM;
    s->node = cnode_hold(setup_ctx);
    *ctx = s;
    return 0;
}

static int on_close(void *ctx)
{
    struct cnode_socket *s = ctx;
    if (target != NULL && s->link != NULL) /* a connect that failed */
        memcpy(target->status, s->link->status, sizeof target->status);
    cnode_link_free(s->link);
    cnode_listener_free(s->listener);
    cnode_release(s->node);
    free(s);
    return 0;
}

/* --- connecting ----------------------------------------------------------------------
 */

/* The first address that answers; each gets its share of the time. */
static int connect_tcp(const struct tacit_policy *policy, int *ret_fd)
{
    int error = TACIT_ENAME;
    for (size_t i = 0; i < target->count; i++) {
        int64_t until = target->deadline, now = wire_now_us();
        if (until != WIRE_NEVER && i + 1 < target->count) {
            int64_t share = (until - now) / (int64_t)(target->count - i);
            share = share < SHARE_MIN_US ? SHARE_MIN_US : share;
            until = now + share < until ? now + share : until;
        }
        error = wire_connect(policy, &target->addresses[i], until, ret_fd);
        if (!error)
            return TACIT_OK;
        char shown[TACIT_ADDRESS_TEXT];
        tacit_address_to_text(&target->addresses[i], shown);
        (void)cnode_fault(error, "%s at %s: %s", target->name, shown,
                          error == TACIT_ETIMEOUT ? "no answer" : strerror(errno));
    }
    return error;
}

static int on_connect(void *ctx, void *addr, int len, unsigned ms)
{
    struct cnode_socket *s = ctx;
    int fd;
    (void)addr, (void)len, (void)ms; /* the target has them all */
    if (target == NULL)
        return cnode_fault(ENOTSUP,
                           "expected tacit_ei_connect: ei_connect would ask epmd");
    struct cnode_rules *rules = cnode_rules_of(s->node);
    int error = connect_tcp(rules->policy, &fd);
    cnode_rules_release(rules);
    if (error)
        return cnode_errno(error);
    s->link = cnode_link_new(s->node, fd);
    if (s->link == NULL) {
        close(fd);
        return cnode_fault(ENOMEM, "memory ran out");
    }
    return cnode_errno(cnode_link_dial(s->link, target->name, target->deadline));
}

/* --- messages ------------------------------------------------------------------------
 */

static int on_writev(void *ctx, const void *iov, int count, ssize_t *len, unsigned ms)
{
    struct cnode_socket *s = ctx;
    const struct iovec *pieces = iov;
    if (s->link == NULL)
        return ENOTCONN;
    int error = cnode_link_write(s->link, pieces, count, deadline_of(ms));
    *len = 0;
    for (int i = 0; i < count && !error; i++)
        *len += (ssize_t)pieces[i].iov_len;
    return cnode_errno(error);
}

static int on_write(void *ctx, const char *buf, ssize_t *len, unsigned ms)
{
    struct iovec piece = {(void *)(uintptr_t)buf, (size_t)*len};
    return on_writev(ctx, &piece, 1, len, ms);
}

static int on_read(void *ctx, char *buf, ssize_t *len, unsigned ms)
{
    struct cnode_socket *s = ctx;
    size_t size = (size_t)*len;
    if (s->link == NULL)
        return ENOTCONN;
    int error = cnode_link_read(s->link, buf, &size, deadline_of(ms));
    *len = error ? 0 : (ssize_t)size;
    return cnode_errno(error);
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
    struct cnode_socket *s = ctx;
    s->link->up = true;
    s->link->setup_until = WIRE_NEVER;
    if (target != NULL)
        memcpy(target->status, s->link->status, sizeof target->status);
    return 0;
}

static int on_get_fd(void *ctx, int *fd)
{
    struct cnode_socket *s = ctx;
    if (s->link == NULL && s->listener == NULL)
        return EBADF;
    *fd = s->link != NULL ? s->link->fd : s->listener->fd;
    return 0;
}

/* --- being called --------------------------------------------------------------------
 */

/* Where is the configuration's to say: ei's address is not looked at. */
static int on_listen(void *ctx, void *addr, int *len, int backlog)
{
    struct cnode_socket *s = ctx;
    (void)addr, (void)len, (void)backlog;
    return cnode_errno(cnode_listen(s->node, &s->listener));
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
    const struct cnode_socket *s = *ctx;
    struct cnode_socket *accepted;
    struct cnode_link *l;
    void *new_ctx;
    if (s->listener == NULL)
        return EINVAL;
    int error = cnode_accept(s->listener, deadline_of(ms), &l);
    if (error)
        return cnode_errno(error);
    error = on_socket(&new_ctx, s->node);
    if (error) {
        cnode_link_free(l);
        return error;
    }
    accepted = new_ctx;
    accepted->link = l;
    tell_address(&l->address, addr, len);
    *ctx = accepted;
    return 0;
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
