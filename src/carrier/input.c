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
    SMALL_MESSAGE = 4096,      /* below this a copy costs less than a binary of its own */
    FIRST_GROWTH = 128 * 1024, /* a message's buffer grows with what arrives */
    HANDSHAKE_MESSAGE_MAX = 65535,
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

static enum link_result deliver_long(struct link *l)
{
    ErlDrvBinary *binary = l->input.message;
    size_t len = l->input.message_len;
    l->input.message = NULL;
    l->input.header_len = 0;
    enum link_result result = deliver(l, binary, (uint8_t *)binary->orig_bytes, len);
    driver_free_binary(binary);
    return result;
}

static bool grow(struct link *l, size_t more)
{
    struct link_input *in = &l->input;
    size_t need = in->message_got + more;
    size_t have = in->message == NULL ? 0 : (size_t)in->message->orig_size;
    if (need <= have)
        return true;
    size_t size = have * 2 < FIRST_GROWTH ? FIRST_GROWTH : have * 2;
    if (size > in->message_len)
        size = in->message_len;
    if (size < need)
        size = need;
    ErlDrvBinary *grown = in->message == NULL ? driver_alloc_binary(size)
                                              : driver_realloc_binary(in->message, size);
    if (grown == NULL) {
        link_no_memory(l);
        return false;
    }
    in->message = grown;
    return true;
}

static bool length_ok(struct link *l, size_t len)
{
    if (l->state == LINK_PASSIVE && len > HANDSHAKE_MESSAGE_MAX) {
        link_protocol_error(l, "a distribution handshake message over 65535 bytes");
        return false;
    }
    if (len > l->max_message) {
        char text[REASON_MAX];
        snprintf(text, sizeof text,
                 "a message of %zu bytes, over the receiver's max-message = %zu", len,
                 l->max_message);
        link_send_close(l, TACIT_CLOSE_TOO_BIG, text);
        link_fail(l, TACIT_ELIMIT, "too_big", text);
        return false;
    }
    return true;
}

static size_t take(struct link_input *in, uint8_t *to, size_t len)
{
    size_t n = in->plain_len < len ? in->plain_len : len;
    memcpy(to, in->plain, n);
    in->plain += n;
    in->plain_len -= n;
    return n;
}

static enum link_result consume(struct link *l)
{
    struct link_input *in = &l->input;
    if (in->message != NULL) {
        size_t left = in->message_len - in->message_got;
        size_t n = in->plain_len < left ? in->plain_len : left;
        if (!grow(l, n))
            return LINK_LIVES;
        in->message_got +=
            take(in, (uint8_t *)in->message->orig_bytes + in->message_got, n);
        return LINK_LIVES;
    }
    in->header_len += take(in, in->header + in->header_len, 4 - in->header_len);
    if (in->header_len < 4)
        return LINK_LIVES;
    size_t len = (size_t)in->header[0] << 24 | (size_t)in->header[1] << 16 |
                 (size_t)in->header[2] << 8 | in->header[3];
    if (len == 0) { /* a tick: the count of received bytes has moved, which is its use */
        in->header_len = 0;
        l->received_messages++;
        return LINK_LIVES;
    }
    if (!length_ok(l, len))
        return LINK_LIVES;
    if (len <= in->plain_len) {
        const uint8_t *bytes = in->plain;
        in->plain += len;
        in->plain_len -= len;
        in->header_len = 0;
        return deliver_copy(l, bytes, len);
    }
    in->message_len = len;
    in->message_got = 0;
    (void)grow(l, in->plain_len);
    return LINK_LIVES;
}

/* --- socket -> records -------------------------------------------------------------- */

static void take_close(struct link *l, const uint8_t *data, size_t len)
{
    enum tacit_close reason;
    char text[TACIT_CLOSE_TEXT_MAX + 1], full[REASON_MAX];
    if (tacit_close_parse(data, len, &reason, text)) {
        link_fail(l, TACIT_EFORMAT, "protocol", "a malformed close");
        return;
    }
    snprintf(full, sizeof full, "the peer closed: %s%s%s", tacit_close_name(reason),
             text[0] != '\0' ? ": " : "", text);
    link_fail(l, TACIT_ECLOSED, tacit_close_name(reason), full);
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
    uint8_t *record = in->buffer + in->start;
    uint8_t *to = record + TACIT_RECORD_HEADER;
    size_t tag = tacit_suite_tag(l->channel->suite), len;
    size_t most = size < TACIT_RECORD_HEADER + tag ? 0 : size - TACIT_RECORD_HEADER - tag;
    bool direct = in->message != NULL && l->state == LINK_ACTIVE &&
                  most <= in->message_len - in->message_got;
    if (direct) {
        if (!grow(l, most))
            return;
        to = (uint8_t *)in->message->orig_bytes + in->message_got;
    }
    enum tacit_record_type type;
    int error = tacit_channel_open(l->channel, record, size, to, &len, &type);
    in->start += size;
    if (size >= LARGE_RECORD)
        in->exact = EXACT_AFTER_LARGE;
    else if (in->exact > 0)
        in->exact--;
    if (error) {
        link_fail(l, error, tacit_error_name(error), "a record that does not open");
    } else if (type == TACIT_RECORD_CLOSE) {
        take_close(l, to, len);
    } else if (type == TACIT_RECORD_REKEY) {
        take_rekey(l, to, len);
    } else if (direct) {
        in->message_got += len;
    } else {
        in->plain = to;
        in->plain_len = len;
    }
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
        if (in->message != NULL && in->message_got == in->message_len) {
            if (deliver_long(l) == LINK_GONE)
                return LINK_GONE;
            continue;
        }
        if (in->plain_len > 0) {
            *budget -= MESSAGE_COST;
            if (consume(l) == LINK_GONE)
                return LINK_GONE;
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
    if (in->plain_len > 0 || in->buffer == NULL)
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
