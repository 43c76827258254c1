/* Sealed records -> socket, and what the socket does not take -> the port's queue. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "carrier.h"

enum {
    COPY_MAX = 16 * 1024, /* a smaller rest is queued as a copy, not by its whole batch */
    WRITE_VECTORS = 64,
};

size_t link_pending(const struct link *l)
{
    return driver_sizeq(l->port) + l->output.sealed + l->output.data_len;
}

void link_check_busy(struct link *l)
{
    size_t queued = driver_sizeq(l->port);
    bool busy = l->resting || queued > (l->busy ? BUSY_LOW : BUSY_HIGH);
    if (busy != l->busy)
        set_busy_port(l->port, busy);
    l->busy = busy;
}

static void fail_write(struct link *l, int error)
{
    /* What the peer said before it went may still be unread: reading finds the end. */
    if (error == EPIPE || error == ECONNRESET)
        return;
    link_doom(l, TACIT_ECUT, erl_errno_id(error), strerror(error));
}

/* How much of the bytes the socket takes now; -1 after an error. */
static ssize_t write_some(struct link *l, const void *bytes, size_t len)
{
    ssize_t n;
    do {
        n = write(l->fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        n = 0;
    if (n < 0)
        fail_write(l, errno);
    else
        l->sent_bytes += (size_t)n;
    return n;
}

/* Queues what the socket did not take. Gives the batch away if that is large. */
static void enqueue(struct link *l, size_t offset, size_t len)
{
    struct link_output *o = &l->output;
    int failed;
    if (len <= COPY_MAX) {
        failed = driver_enq(l->port, o->batch->orig_bytes + offset, len);
    } else {
        failed = driver_enq_bin(l->port, o->batch, offset, len);
        driver_free_binary(o->batch); /* the queue keeps its own reference */
        o->batch = NULL;
    }
    if (failed)
        link_no_memory(l);
    else
        link_select(l, l->selected_read, true);
}

void link_send_batch(struct link *l)
{
    struct link_output *o = &l->output;
    size_t len = o->sealed;
    o->sealed = 0;
    if (len == 0)
        return;
    ssize_t sent =
        driver_sizeq(l->port) > 0 ? 0 : write_some(l, o->batch->orig_bytes, len);
    if (sent >= 0 && (size_t)sent < len)
        enqueue(l, (size_t)sent, len - (size_t)sent);
}

void link_flush_output(struct link *l)
{
    if (!l->doomed)
        link_seal_gathered(l);
    if (!l->doomed)
        link_send_batch(l);
    link_check_busy(l);
}

void link_send_now(struct link *l)
{
    link_flush_output(l);
    if (!l->gathering)
        link_free_output(l);
}

void link_send_queue(struct link *l)
{
    int count;
    SysIOVec *queue;
    while ((queue = driver_peekq(l->port, &count)) != NULL && count > 0) {
        ssize_t n = writev(l->fd, (struct iovec *)queue,
                           count > WRITE_VECTORS ? WRITE_VECTORS : count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            fail_write(l, errno);
            driver_deq(l->port, driver_sizeq(l->port));
            break;
        }
        l->sent_bytes += (size_t)n;
        driver_deq(l->port, (ErlDrvSizeT)n);
    }
    link_select(l, l->selected_read, driver_sizeq(l->port) > 0);
    link_check_busy(l);
}
