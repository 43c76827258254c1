/* Sealed records -> socket, and what the socket does not take -> the port's queue. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "carrier.h"

enum {
    WRITE_VECTORS = 64,
};

size_t link_pending(const struct link *l)
{
    return driver_sizeq(l->port) + l->output.sealed + l->output.data_len;
}

size_t link_queued(const struct link *l)
{
    return driver_sizeq(l->port) - l->unsealed;
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

/* Puts records behind those that are queued, and before what is not sealed. */
static int insert(struct link *l, const char *bytes, size_t len)
{
    int count;
    size_t before = link_queued(l), at = 0;
    ErlDrvBinary *records = driver_alloc_binary(before + len);
    if (records == NULL)
        return -1;
    const SysIOVec *queue = driver_peekq(l->port, &count);
    for (int i = 0; i < count && at < before; i++) {
        size_t n = queue[i].iov_len < before - at ? queue[i].iov_len : before - at;
        memcpy(records->orig_bytes + at, queue[i].iov_base, n);
        at += n;
    }
    memcpy(records->orig_bytes + before, bytes, len);
    driver_deq(l->port, before);
    int failed = driver_pushq_bin(l->port, records, 0, before + len);
    driver_free_binary(records); /* the queue keeps its own reference */
    return failed;
}

/* Queues what the socket did not take: a batch that is nearly full as it is, else a copy,
 * or many a slow link would hold far more memory than it sends. */
static void enqueue(struct link *l, size_t offset, size_t len)
{
    struct link_output *o = &l->output;
    int failed;
    if (l->unsealed > 0) {
        failed = insert(l, o->batch->orig_bytes + offset, len);
    } else if (len < (size_t)o->batch->orig_size / 5 * 4) {
        failed = driver_enq(l->port, o->batch->orig_bytes + offset, len);
    } else {
        failed = driver_enq_bin(l->port, o->batch, offset, len);
        driver_free_binary(o->batch);
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
    ssize_t sent = link_queued(l) > 0 ? 0 : write_some(l, o->batch->orig_bytes, len);
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

/* The first records of the queue, for one system call: how many pieces. */
static int queued_records(const struct link *l, struct iovec ret[WRITE_VECTORS])
{
    int count, n = 0;
    size_t left = link_queued(l);
    const SysIOVec *queue = driver_peekq(l->port, &count);
    for (; n < count && n < WRITE_VECTORS && left > 0; n++) {
        ret[n].iov_base = queue[n].iov_base;
        ret[n].iov_len = queue[n].iov_len < left ? queue[n].iov_len : left;
        left -= ret[n].iov_len;
    }
    return n;
}

static void send_records(struct link *l)
{
    struct iovec records[WRITE_VECTORS];
    int count;
    while ((count = queued_records(l, records)) > 0) {
        ssize_t n = writev(l->fd, records, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            fail_write(l, errno);
            driver_deq(l->port, driver_sizeq(l->port));
            l->unsealed = 0;
            return;
        }
        l->sent_bytes += (size_t)n;
        driver_deq(l->port, (ErlDrvSizeT)n);
    }
}

void link_send_queue(struct link *l)
{
    send_records(l);
    if (l->unsealed > 0 && link_queued(l) == 0)
        link_seal_queue(l);
    link_select(l, l->selected_read, driver_sizeq(l->port) > 0);
    link_check_busy(l);
}
