/*
 * Messages from the emulator -> records -> socket.
 *
 * A lone message goes out at once. While more keep coming they are gathered: a zero timer
 * runs as long as each of its turns finds something to send, so that small messages share
 * a record and a system call, and none waits longer than one turn of the scheduler.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "carrier.h"

enum {
    COPY_MAX =
        16 * 1024, /* a smaller rest is queued as a copy, not by its whole record */
    WRITE_VECTORS = 64,
};

size_t link_pending(const struct link *l)
{
    return driver_sizeq(l->port) + l->output.data_len;
}

static void check_busy(struct link *l)
{
    size_t queued = driver_sizeq(l->port);
    if (!l->busy && queued > BUSY_HIGH) {
        l->busy = true;
        set_busy_port(l->port, 1);
    } else if (l->busy && queued < BUSY_LOW) {
        l->busy = false;
        set_busy_port(l->port, 0);
    }
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

/* Queues what the socket did not take. Gives the record's binary away if it is large. */
static void enqueue(struct link *l, size_t offset, size_t len)
{
    struct link_output *o = &l->output;
    int failed;
    if (len <= COPY_MAX) {
        failed = driver_enq(l->port, o->record->orig_bytes + offset, len);
    } else {
        failed = driver_enq_bin(l->port, o->record, offset, len);
        driver_free_binary(o->record); /* the queue keeps its own reference */
        o->record = NULL;
    }
    if (failed)
        link_doom(l, TACIT_ENOMEM, "no_memory", "memory ran out");
    else
        link_select(l, l->selected_read, true);
}

/* Seals the gathered data where it lies and sends it. */
static void send_record(struct link *l)
{
    struct link_output *o = &l->output;
    uint8_t *record = (uint8_t *)o->record->orig_bytes;
    struct iovec iov = {.iov_base = record + TACIT_RECORD_HEADER, .iov_len = o->data_len};
    size_t len;
    int error = tacit_channel_seal(l->channel, TACIT_RECORD_DATA, &iov, 1, record,
                                   TACIT_RECORD_MAX, &len);
    o->data_len = 0;
    if (error) {
        link_doom(l, error, error == TACIT_ELIMIT ? "keys_worn" : tacit_error_name(error),
                  tacit_error_text(error));
        return;
    }
    ssize_t sent = driver_sizeq(l->port) > 0 ? 0 : write_some(l, record, len);
    if (sent >= 0 && (size_t)sent < len)
        enqueue(l, (size_t)sent, len - (size_t)sent);
}

static void put(struct link *l, const void *bytes, size_t len)
{
    struct link_output *o = &l->output;
    const char *from = bytes;
    while (len > 0 && !l->doomed) {
        if (o->record == NULL)
            o->record = driver_alloc_binary(TACIT_RECORD_MAX);
        if (o->record == NULL) {
            link_doom(l, TACIT_ENOMEM, "no_memory", "memory ran out");
            return;
        }
        size_t take = TACIT_RECORD_DATA_MAX - o->data_len;
        if (take > len)
            take = len;
        memcpy(o->record->orig_bytes + TACIT_RECORD_HEADER + o->data_len, from, take);
        o->data_len += take;
        from += take;
        len -= take;
        if (o->data_len == TACIT_RECORD_DATA_MAX)
            send_record(l);
    }
}

static void put_message(struct link *l, const ErlIOVec *message)
{
    uint32_t size = (uint32_t)message->size;
    uint8_t header[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16),
                         (uint8_t)(size >> 8), (uint8_t)size};
    put(l, header, sizeof header);
    for (int i = 0; i < message->vsize; i++)
        put(l, message->iov[i].iov_base, message->iov[i].iov_len);
    l->sent_messages++;
}

void link_flush_output(struct link *l)
{
    if (l->output.data_len > 0 && !l->doomed)
        send_record(l);
    check_busy(l);
}

void link_output(struct link *l, const ErlIOVec *message)
{
    if (l->doomed || l->channel == NULL)
        return;
    put_message(l, message);
    if (l->gathering) {
        check_busy(l); /* its timer runs already */
    } else {
        link_flush_output(l);
        l->gathering = l->state == LINK_ACTIVE;
        link_arm(l);
    }
}

void link_tick(struct link *l)
{
    static const uint8_t tick[4] = {0};
    if (l->doomed || l->channel == NULL)
        return;
    put(l, tick, sizeof tick);
    l->sent_messages++;
    link_flush_output(l);
    link_arm(l);
}

void link_gather_timeout(struct link *l)
{
    if (l->output.data_len > 0) {
        link_flush_output(l);
        return; /* more may come: another turn */
    }
    l->gathering = false;
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
    check_busy(l);
}

void link_free_output(struct link *l)
{
    if (l->output.record != NULL)
        driver_free_binary(l->output.record);
    l->output = (struct link_output){0};
}
