/*
 * Socket -> records -> messages to the emulator.
 *
 * Records are opened where they were read, except inside a long message: there they are
 * opened straight into the binary that the emulator will get.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

enum {
    SMALL_MESSAGE = 4096, /* below this a copy costs less than a binary of its own */
    BUFFER_SIZE = 2 * TACIT_RECORD_MAX,
    SMALL_BUFFER = 4096,       /* the large one costs as much as opening a lone message */
    READ_BUDGET = 1024 * 1024, /* bytes a callback reads, less what their records cost */
    LARGE_RECORD = 8 * 1024,   /* one that is better not moved */
    EXACT_AFTER_LARGE = 3,     /* records: a message's end and the next one's start */
};

/* --- records' data -> messages ------------------------------------------------------ */

/* One message of the distribution handshake: {tacit_data, Port, Data} to the owner. */
static void deliver_handshake(struct link *l, const uint8_t *bytes, size_t len)
{
    struct term t = {0};
    term_atom(&t, "tacit_data");
    term_port(&t, l->port);
    term_list(&t, bytes, len);
    term_tuple(&t, 3);
    l->wants_message = false;
    term_to_owner(&t, l->port);
}

/*
 * Every message that came in passes here, whole: the one place for a filter on what a
 * peer may do.
 */
static enum link_result deliver(struct link *l, ErlDrvBinary *binary,
                                const uint8_t *bytes, size_t len)
{
    int gone;
    if (tacit_keys_changing(l->channel)) /* or the clock is not asked */
        link_check_keys(l, erl_drv_monotonic_time(ERL_DRV_USEC));
    if (l->failed)
        return LINK_LIVES;
    l->received_messages++;
    l->keys.used = true;
    if (l->state == LINK_PASSIVE) {
        deliver_handshake(l, bytes, len);
        return LINK_LIVES;
    }
    if (binary != NULL && len >= SMALL_MESSAGE)
        gone = driver_output_binary(l->port, NULL, 0, binary, 0, len);
    else
        gone = driver_output(l->port, (char *)(uintptr_t)bytes, len);
    /* -1: the emulator has ended the link, for what the message was; l is gone. */
    return gone < 0 ? LINK_GONE : LINK_LIVES;
}

static enum link_result deliver_copy(struct link *l, const uint8_t *bytes, size_t len)
{
    if (len < SMALL_MESSAGE || l->state == LINK_PASSIVE)
        return deliver(l, NULL, bytes, len);
    ErlDrvBinary *binary = driver_alloc_binary(len);
    if (binary == NULL) {
        link_no_memory(l);
        return LINK_LIVES;
    }
    memcpy(binary->orig_bytes, bytes, len);
    enum link_result result = deliver(l, binary, (uint8_t *)binary->orig_bytes, len);
    driver_free_binary(binary);
    return result;
}

static enum link_result deliver_long(struct link *l, size_t len)
{
    ErlDrvBinary *binary = l->input.message;
    l->input.message = NULL;
    l->input.stream.memory = NULL;
    l->input.stream.cap = 0;
    enum link_result result = deliver(l, binary, (uint8_t *)binary->orig_bytes, len);
    driver_free_binary(binary);
    return result;
}

/* Memory of so many bytes for a long message. */
static bool grow(struct link *l, size_t size)
{
    struct link_input *in = &l->input;
    if (size <= in->stream.cap)
        return true;
    ErlDrvBinary *grown = in->message == NULL ? driver_alloc_binary(size)
                                              : driver_realloc_binary(in->message, size);
    if (grown == NULL) {
        link_no_memory(l);
        return false;
    }
    in->message = grown;
    in->stream.memory = (uint8_t *)grown->orig_bytes;
    in->stream.cap = size;
    return true;
}

static size_t max_message(const struct link *l)
{
    bool greets = l->state == LINK_PASSIVE && l->max_message > TACIT_STREAM_GREETING;
    return greets ? TACIT_STREAM_GREETING : l->max_message;
}

static void too_long(struct link *l, size_t len)
{
    if (l->state == LINK_PASSIVE && len > TACIT_STREAM_GREETING) {
        link_protocol_error(l, "a distribution handshake message over 65535 bytes");
        return;
    }
    char text[REASON_MAX];
    snprintf(text, sizeof text,
             "a message of %zu bytes, over the receiver's max-message = %zu", len,
             l->max_message);
    link_send_close(l, TACIT_CLOSE_TOO_BIG, text);
    link_fail(l, TACIT_ELIMIT, "too_big", text);
}

/* Delivers the next message of what was opened; *ret_dry: there is none. */
static enum link_result deliver_next(struct link *l, bool *ret_dry)
{
    struct tacit_stream *s = &l->input.stream;
    const uint8_t *bytes;
    size_t len;
    *ret_dry = false;
    switch (tacit_stream_next(s, max_message(l), &bytes, &len)) {
    case TACIT_STREAM_MESSAGE:
        return deliver_copy(l, bytes, len);
    case TACIT_STREAM_LONG:
        return deliver_long(l, len);
    case TACIT_STREAM_TICK: /* the count of received bytes has moved, which is its use */
        l->received_messages++;
        break;
    case TACIT_STREAM_MEMORY_WANTED:
        (void)grow(l, tacit_stream_room(s));
        break;
    case TACIT_STREAM_TOO_LONG:
        too_long(l, len);
        break;
    case TACIT_STREAM_RECORD:
        *ret_dry = true;
        break;
    }
    return LINK_LIVES;
}

/* --- socket -> records -------------------------------------------------------------- */

static void take_close(struct link *l, const struct tacit_stream_record *close)
{
    char text[REASON_MAX];
    snprintf(text, sizeof text, "the peer closed: %s%s%s",
             tacit_close_name(close->reason), close->text[0] != '\0' ? ": " : "",
             close->text);
    link_fail(l, TACIT_ECLOSED, tacit_close_name(close->reason), text);
}

static void take_rekey(struct link *l, const uint8_t *data, size_t len)
{
    int error = link_take_rekey(l, data, len);
    if (error == TACIT_ELIMIT)
        link_fail(l, error, "key_limit", tacit_error_text(error));
    else if (error)
        link_protocol_error(l, tacit_keys_unexpected);
    else
        link_send_now(l);
}

/* Opens the record at the front, of size bytes, into place or into the long message. */
static void open_record(struct link *l, size_t size)
{
    struct link_input *in = &l->input;
    struct tacit_stream_record record;
    if (!grow(l, tacit_stream_room_for(&in->stream, l->channel, size)))
        return;
    int error =
        tacit_stream_open(&in->stream, l->channel, in->buffer + in->start, size, &record);
    in->start += size;
    if (size >= LARGE_RECORD)
        in->exact = EXACT_AFTER_LARGE;
    else if (in->exact > 0)
        in->exact--;
    if (error)
        link_fail(l, error,
                  record.type == TACIT_RECORD_CLOSE ? "protocol"
                                                    : tacit_error_name(error),
                  record.text);
    else if (record.type == TACIT_RECORD_CLOSE)
        take_close(l, &record);
    else if (record.type == TACIT_RECORD_REKEY)
        take_rekey(l, record.data, record.len);
    if (!error)
        l->received_records++;
    l->passed_first = true;
}

/* Whether there is reason to go on with what was read. */
static bool may_deliver(const struct link *l)
{
    return !l->failed &&
           (l->state == LINK_ACTIVE || (l->state == LINK_PASSIVE && l->wants_message));
}

/* Delivers from the buffer until it runs dry, or nobody wants more, or it is time for
 * others. */
static enum link_result deliver_buffered(struct link *l, int64_t *budget)
{
    struct link_input *in = &l->input;
    while (may_deliver(l) && *budget > 0) {
        bool dry;
        if (deliver_next(l, &dry) == LINK_GONE)
            return LINK_GONE;
        if (!dry) {
            *budget -= MESSAGE_COST;
            continue;
        }
        size_t have = in->end - in->start;
        size_t size = tacit_record_size(in->buffer + in->start, have);
        if (size == 0 || size > have)
            break;
        *budget -= RECORD_COST;
        open_record(l, size);
    }
    return LINK_LIVES;
}

/* Moves the rest to the front, and gives an empty buffer back. */
static void tidy(struct link_input *in)
{
    if (in->stream.data_len > 0 || in->buffer == NULL)
        return;
    if (in->start == in->end) {
        driver_free(in->buffer);
        in->buffer = NULL;
        in->start = in->end = 0;
    } else if (in->start > 0) {
        memmove(in->buffer, in->buffer + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
}

/* A small buffer does until something does not fit it. */
static bool have_buffer(struct link *l)
{
    struct link_input *in = &l->input;
    if (in->buffer != NULL && in->size == BUFFER_SIZE)
        return true;
    size_t size = in->buffer == NULL && !in->much ? SMALL_BUFFER : BUFFER_SIZE;
    uint8_t *buffer = driver_alloc(size);
    if (buffer == NULL) {
        link_no_memory(l);
        return false;
    }
    if (in->end > 0)
        memcpy(buffer, in->buffer, in->end);
    driver_free(in->buffer);
    in->buffer = buffer;
    in->size = size;
    return true;
}

/* The peer's end without a sealed close. Before its first record a reset says no more
 * than an end: it did not read what we sent behind message 3. */
static void truncated(struct link *l, int error)
{
    if (l->initiator && !l->passed_first && (error == 0 || error == ECONNRESET))
        link_fail(l, TACIT_ETRUNCATED, "unconfirmed",
                  "it closed without a word: refused, another pair key, or tampering");
    else if (error)
        link_fail(l, TACIT_ETRUNCATED, erl_errno_id(error), strerror(error));
    else
        link_fail(l, TACIT_ETRUNCATED, "truncated", tacit_error_text(TACIT_ETRUNCATED));
}

/*
 * How much to read: as much as there is room for, or, where large records come, to the
 * end of the present one and the next one's length, so that nothing of another has to be
 * moved to the front.
 */
static size_t to_read(const struct link_input *in)
{
    size_t have = in->end - in->start;
    size_t size = tacit_record_size(in->buffer + in->start, have);
    size_t room = in->size - in->end;
    if (size < LARGE_RECORD && (size <= have || in->exact == 0))
        return room;
    return size - have + TACIT_RECORD_HEADER < room ? size - have + TACIT_RECORD_HEADER
                                                    : room;
}

/* Reads once; false: there is nothing more to read now, or the link is failed. */
static bool read_once(struct link *l, int64_t *budget)
{
    struct link_input *in = &l->input;
    if (!have_buffer(l))
        return false;
    size_t wanted = to_read(in);
    ssize_t n;
    do {
        n = read(l->fd, in->buffer + in->end, wanted);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (n <= 0) {
        truncated(l, n < 0 ? errno : 0);
        return false;
    }
    in->end += (size_t)n;
    in->much = (size_t)n >= SMALL_BUFFER || in->exact > 0;
    l->received_bytes += (size_t)n;
    *budget -= n;
    return (size_t)n == wanted;
}

enum link_result link_read(struct link *l)
{
    int64_t budget = READ_BUDGET;
    bool more = true;
    if (deliver_buffered(l, &budget) == LINK_GONE)
        return LINK_GONE;
    tidy(&l->input);
    while (more && may_deliver(l) && budget > 0) {
        more = read_once(l, &budget);
        if (deliver_buffered(l, &budget) == LINK_GONE)
            return LINK_GONE;
        tidy(&l->input);
    }
    if (budget <= 0)
        l->read_pending = true; /* what is left comes in the next turn */
    if (budget < READ_BUDGET &&
        link_refresh_keys(l, erl_drv_monotonic_time(ERL_DRV_USEC)))
        link_send_now(l);
    if (!l->failed)
        link_select(l, may_deliver(l), l->selected_write);
    if (budget < READ_BUDGET)
        erl_drv_consume_timeslice(l->port,
                                  (int)(1 + 80 * (READ_BUDGET - budget) / READ_BUDGET));
    return LINK_LIVES;
}

void link_free_input(struct link *l)
{
    driver_free(l->input.buffer);
    if (l->input.message != NULL)
        driver_free_binary(l->input.message);
    l->input = (struct link_input){0};
}
