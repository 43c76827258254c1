/*
 * Messages from the emulator -> records -> socket.
 *
 * A lone message goes out at once. While more come, at most BATCH_US after each other,
 * they are batched: a zero timer runs as long as each of its turns finds something to
 * send, so that small messages share a record and records share a system call, and none
 * waits longer than one turn of the scheduler.
 *
 * Large pieces are sealed straight from the emulator's binaries; small ones are copied
 * together first.
 *
 * Of a message that is larger than a turn, or than what may be queued of records, the
 * rest waits unsealed at the end of the port's queue, where it lies: link_seal_queue goes
 * on with it when the records before it are sent. What comes meanwhile waits behind it.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "carrier.h"

enum {
    WRITE_VECTORS = 64,
    BATCH_SIZE = 3 * TACIT_RECORD_MAX, /* records that wait for one write */
    SEND_AT = 64 * 1024, /* sealed bytes that are worth a write of their own */
    LARGE_PIECE = 8192,  /* from here on sealing in place beats copying */
    CHUNK = 65472,       /* of a large piece a record: a multiple of the cache's lines */
    LONE_MAX = 2048,     /* a message that, alone, is content with a small batch */
    BATCH_US = 40,       /* less than a round trip: a lone caller is never held up */
    RECORD_OVERHEAD = TACIT_RECORD_HEADER + TACIT_TAG_MAX,
    SMALL_BATCH = RECORD_OVERHEAD + 4 + LONE_MAX,
    PUT_MAX = 1024 * 1024, /* bytes of one message that are sealed in one go */
    STEP = 2 * CHUNK,      /* of those that wait: fits an empty batch in any pieces */
};

/* --- records -> socket; what that does not take -> the port's queue ----------------- */

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
    bool busy = l->throttled || queued > (l->busy ? BUSY_LOW : BUSY_HIGH);
    if (busy != l->busy)
        set_busy_port(l->port, busy);
    l->busy = busy;
}

static void fail_write(struct link *l, int error)
{
    /* What the peer said before it went may still be unread: reading finds the end. That
     * is not left to the emulator: OTP 28 and later may poll a socket no more whose end
     * came together with data. */
    if (error == EPIPE || error == ECONNRESET) {
        l->read_pending = true;
        if (!l->flushing)
            link_arm(l);
        return;
    }
    link_fail(l, TACIT_ETRUNCATED, erl_errno_id(error), strerror(error));
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
    if (!l->failed)
        link_seal_batched(l);
    if (!l->failed)
        link_send_batch(l);
    link_check_busy(l);
}

void link_send_now(struct link *l)
{
    link_flush_output(l);
    if (!l->batching)
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

/* --- messages -> records ------------------------------------------------------------ */

/* Seals one record into the batch, which has room for it. */
static void seal_record(struct link *l, const void *bytes, size_t len)
{
    struct link_output *o = &l->output;
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    uint8_t *record = (uint8_t *)o->batch->orig_bytes + o->sealed;
    size_t size;
    int error = tacit_channel_seal(l->channel, TACIT_RECORD_DATA, &iov, 1, record,
                                   (size_t)o->batch->orig_size - o->sealed, &size);
    if (error)
        link_fail(l, error, error == TACIT_ELIMIT ? "key_limit" : tacit_error_name(error),
                  tacit_error_text(error));
    else
        o->sealed += size;
}

/* Seals what was batched, where it lies. */
void link_seal_batched(struct link *l)
{
    struct link_output *o = &l->output;
    size_t len = o->data_len;
    o->data_len = 0;
    if (len > 0)
        seal_record(l, o->batch->orig_bytes + o->sealed + TACIT_RECORD_HEADER, len);
}

/* How much data the batch's next record can have. */
static size_t room(const struct link_output *o)
{
    size_t left = o->batch == NULL ? 0 : (size_t)o->batch->orig_size - o->sealed;
    left = left < RECORD_OVERHEAD ? 0 : left - RECORD_OVERHEAD;
    return left < TACIT_RECORD_DATA_MAX ? left : TACIT_RECORD_DATA_MAX;
}

static bool new_batch(struct link *l, size_t size)
{
    l->output.batch = driver_alloc_binary(size);
    if (l->output.batch == NULL)
        link_no_memory(l);
    return l->output.batch != NULL;
}

/* Makes room for at least len bytes of data, which fit an empty batch. */
static bool make_room(struct link *l, size_t len)
{
    struct link_output *o = &l->output;
    if (o->batch != NULL && room(o) < len)
        link_send_batch(l);
    return !l->failed && (o->batch != NULL || new_batch(l, BATCH_SIZE));
}

void link_queue_record(struct link *l, const uint8_t *record, size_t len)
{
    struct link_output *o = &l->output;
    if (o->batch == NULL && !new_batch(l, l->batching ? BATCH_SIZE : SMALL_BATCH))
        return;
    if (!make_room(l, len))
        return;
    memcpy(o->batch->orig_bytes + o->sealed, record, len);
    o->sealed += len;
}

static void put_small(struct link *l, const void *bytes, size_t len)
{
    struct link_output *o = &l->output;
    const char *from = bytes;
    while (len > 0 && !l->failed) {
        if (o->data_len == 0 && !make_room(l, 1024))
            return;
        size_t left = room(o) - o->data_len, take = len < left ? len : left;
        memcpy(o->batch->orig_bytes + o->sealed + TACIT_RECORD_HEADER + o->data_len, from,
               take);
        o->data_len += take;
        from += take;
        len -= take;
        if (take == left)
            link_seal_batched(l);
    }
}

static void put(struct link *l, const void *bytes, size_t len)
{
    const char *from = bytes;
    if (len >= LARGE_PIECE)
        link_seal_batched(l);
    while (len >= LARGE_PIECE && !l->failed) {
        size_t take = len < CHUNK ? len : CHUNK;
        if (!make_room(l, take))
            return;
        seal_record(l, from, take);
        from += take;
        len -= take;
    }
    put_small(l, from, len);
}

static void write_length(uint8_t header[4], size_t size)
{
    header[0] = (uint8_t)(size >> 24);
    header[1] = (uint8_t)(size >> 16);
    header[2] = (uint8_t)(size >> 8);
    header[3] = (uint8_t)size;
}

/* Starts a message: its length, in front of it. */
static inline bool put_length(struct link *l, size_t size)
{
    uint8_t header[4];
    bool alone = !l->batching && size <= LONE_MAX;
    if (l->output.batch == NULL && !new_batch(l, alone ? SMALL_BATCH : BATCH_SIZE))
        return false;
    write_length(header, size);
    put_small(l, header, sizeof header);
    return true;
}

static void put_message(struct link *l, const ErlIOVec *message)
{
    if (!put_length(l, message->size))
        return;
    for (int i = 0; i < message->vsize; i++) {
        const SysIOVec *piece = &message->iov[i];
        if (piece->iov_len == 0) /* the driver's own slot */
            continue;
        if (piece->iov_len < LARGE_PIECE)
            put_small(l, piece->iov_base, piece->iov_len);
        else
            put(l, piece->iov_base, piece->iov_len);
    }
}

/* --- large messages ----------------------------------------------------------------- */

/* The message's bytes from `done` on wait in the port's queue, unsealed. */
static void keep(struct link *l, ErlIOVec *message, size_t done)
{
    if (driver_enqv(l->port, message, done)) {
        link_no_memory(l);
        return;
    }
    l->unsealed += message->size - done;
    link_select(l, l->selected_read, true);
}

/* All of it, behind what waits already. */
static void keep_behind(struct link *l, ErlIOVec *message)
{
    char header[4];
    write_length((uint8_t *)header, message->size);
    if (driver_enq(l->port, header, sizeof header)) {
        link_no_memory(l);
        return;
    }
    l->unsealed += sizeof header;
    keep(l, message, 0);
}

/* Seals as much of it as there may be at once: so many bytes. */
static size_t put_pieces(struct link *l, const ErlIOVec *message)
{
    size_t done = 0;
    for (int i = 0; i < message->vsize; i++) {
        const char *from = message->iov[i].iov_base;
        size_t left = message->iov[i].iov_len;
        while (left > 0) {
            size_t take = left < CHUNK ? left : CHUNK;
            if (l->failed || done >= PUT_MAX || link_pending(l) >= BUSY_HIGH)
                return done;
            put(l, from, take);
            from += take;
            left -= take;
            done += take;
        }
    }
    return done;
}

/* How many of its bytes were sealed. */
static size_t put_large(struct link *l, ErlIOVec *message)
{
    if (l->unsealed > 0) {
        keep_behind(l, message);
        return 0;
    }
    if (!put_length(l, message->size))
        return 0;
    size_t done = put_pieces(l, message);
    if (done == message->size)
        return done;
    link_flush_output(l); /* comes before the rest */
    if (!l->failed)
        keep(l, message, done);
    return done;
}

/* Seals the next STEP bytes that wait: records before them are all sent. */
static size_t seal_step(struct link *l)
{
    int count;
    size_t left = l->unsealed < STEP ? l->unsealed : STEP, step = left;
    if (l->output.batch != NULL && l->output.batch->orig_size < BATCH_SIZE)
        link_free_output(l);
    if (l->output.batch == NULL && !new_batch(l, BATCH_SIZE))
        return 0;
    const SysIOVec *queue = driver_peekq(l->port, &count);
    for (int i = 0; i < count && left > 0 && !l->failed; i++) {
        size_t len = queue[i].iov_len < left ? queue[i].iov_len : left;
        put(l, queue[i].iov_base, len);
        left -= len;
    }
    driver_deq(l->port, step);
    l->unsealed -= step;
    return step;
}

void link_seal_queue(struct link *l)
{
    size_t sealed = 0;
    ErlDrvTime now = erl_drv_monotonic_time(ERL_DRV_USEC);
    link_check_keys(l, now);
    link_flush_output(l); /* what was to go at once: a batch begins empty */
    while (l->unsealed > 0 && link_queued(l) == 0 && !l->failed && sealed < TURN_MAX) {
        sealed += seal_step(l);
        link_flush_output(l);
    }
    if (link_refresh_keys(l, now))
        link_flush_output(l);
    if (!l->batching)
        link_free_output(l);
}

/* --- from the emulator -------------------------------------------------------------- */

/* Whether this message follows the one before so closely that more may come. */
static bool follows_closely(struct link *l)
{
    ErlDrvTime now = erl_drv_monotonic_time(ERL_DRV_USEC);
    bool close = now - l->last_output < BATCH_US;
    l->last_output = now;
    return close;
}

/* The emulator would go on for megabytes: now and then others are to have the scheduler.
 */
static void account(struct link *l, size_t bytes)
{
    l->turn_bytes += bytes;
    if (l->turn_bytes > TURN_MAX && l->state == LINK_ACTIVE && !l->throttled) {
        l->throttled = true;
        link_arm(l);
    }
}

/* Asked here and not with each message: nothing is sealed that does not come by. */
static void flush_fresh(struct link *l)
{
    link_refresh_keys(l, l->last_output);
    link_flush_output(l);
}

void link_output(struct link *l, ErlIOVec *message)
{
    size_t sealed = message->size;
    if (l->failed || l->channel == NULL)
        return;
    if (follows_closely(l) && l->state == LINK_ACTIVE && !l->batching) {
        l->batching = true;
        link_arm(l);
    }
    if (message->size > 0 && tacit_keys_changing(l->channel))
        link_check_keys(l, l->last_output);
    if (l->failed) {
        link_arm(l);
        return;
    }
    if (sealed > CHUNK || l->unsealed > 0)
        sealed = put_large(l, message);
    else
        put_message(l, message);
    l->sent_messages++;
    l->keys.used |= message->size > 0;
    account(l, sealed);
    if (!l->batching || l->output.sealed >= SEND_AT)
        flush_fresh(l);
    else
        link_check_busy(l);
    if (!l->batching)
        link_free_output(l);
    if (l->failed)
        link_arm(l);
}

void link_tick(struct link *l)
{
    static const uint8_t tick[4] = {0};
    if (l->failed || l->channel == NULL)
        return;
    /* A batch that stays, while messages are batched, is to have room for any of them.
     * In a message that waits there is no place for a tick, and no need. */
    if (l->unsealed == 0 &&
        (l->output.batch != NULL || new_batch(l, l->batching ? BATCH_SIZE : SMALL_BATCH)))
        put_small(l, tick, sizeof tick);
    l->sent_messages++;
    link_send_now(l);
    link_arm(l);
}

void link_turn(struct link *l)
{
    bool rested = l->throttled;
    l->throttled = false;
    l->turn_bytes = 0;
    if (rested)
        link_check_busy(l);
    if (!l->batching)
        return;
    if (l->output.sealed + l->output.data_len > 0) {
        flush_fresh(l);
        return; /* more may come: another turn */
    }
    l->batching = false;
    link_free_output(l);
}

void link_free_output(struct link *l)
{
    if (l->output.batch != NULL)
        driver_free_binary(l->output.batch);
    l->output = (struct link_output){0};
}
