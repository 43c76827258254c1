/*
 * Socket -> records -> messages.
 *
 * A program may wait with select() or poll() for its connection's descriptor, the socket,
 * before it calls ei. But a record has many messages in it, and a read many records. So
 * the last byte of what was read stays in the socket, which is readable with it, until
 * no whole message is left here.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cursor.h"
#include "ei/fault.h"
#include "ei/link.h"
#include "ei/lock.h"

enum {
    KEPT = 1024 * 1024, /* what of it is kept for the next */
    INSIDE = 16 * 1024, /* so far from a message's end no byte is held back */
};

/* --- from the records' data to messages ----------------------------------------------
 */

/* Room for a message of that many bytes, behind its length. */
static int grow(struct cnode_input *in, size_t size)
{
    if (in->message != NULL && size <= in->stream.cap)
        return TACIT_OK;
    uint8_t *grown = realloc(in->message, TACIT_STREAM_LENGTH + size);
    if (grown == NULL)
        return TACIT_ENOMEM;
    in->message = grown;
    in->stream.memory = grown + TACIT_STREAM_LENGTH;
    in->stream.cap = size;
    return TACIT_OK;
}

/* A message of len bytes is whole: at bytes, or in memory already. */
static int whole(struct cnode_input *in, const uint8_t *bytes, size_t len)
{
    int error = grow(in, len);
    if (error)
        return error;
    struct tacit_writer w = tacit_writer(in->message, TACIT_STREAM_LENGTH);
    tacit_put_u32(&w, (uint32_t)len);
    if (len > 0 && bytes != in->stream.memory)
        memcpy(in->stream.memory, bytes, len);
    in->len = TACIT_STREAM_LENGTH + len;
    in->given = 0;
    return TACIT_OK;
}

static size_t max_message(const struct cnode_link *l)
{
    size_t max = tacit_policy_max_message(l->rules->policy);
    return l->up || max < TACIT_STREAM_GREETING ? max : TACIT_STREAM_GREETING;
}

static int too_long(struct cnode_link *l, size_t len)
{
    char text[RULING_TEXT];
    if (!l->up && len > TACIT_STREAM_GREETING) {
        cnode_link_close(l, TACIT_CLOSE_PROTOCOL,
                         "a distribution handshake message over 65535 bytes");
        return TACIT_EFORMAT;
    }
    snprintf(text, sizeof text,
             "a message of %zu bytes, over the receiver's max-message = %zu", len,
             tacit_policy_max_message(l->rules->policy));
    cnode_link_close(l, TACIT_CLOSE_TOO_BIG, text);
    return TACIT_ELIMIT;
}

/* Takes the next message of the opened data; *ret_dry: there is none. */
static int take_next(struct cnode_link *l, bool *ret_dry)
{
    struct cnode_input *in = &l->in;
    const uint8_t *bytes = NULL;
    size_t len = 0;
    *ret_dry = false;
    switch (tacit_stream_next(&in->stream, max_message(l), &bytes, &len)) {
    case TACIT_STREAM_MESSAGE:
    case TACIT_STREAM_LONG:
    case TACIT_STREAM_TICK:
        return whole(in, bytes, len);
    case TACIT_STREAM_MEMORY_WANTED:
        return grow(in, tacit_stream_room(&in->stream));
    case TACIT_STREAM_TOO_LONG:
        return too_long(l, len);
    case TACIT_STREAM_RECORD:
        break;
    }
    *ret_dry = true;
    return TACIT_OK;
}

/* --- from bytes to records' data -----------------------------------------------------
 */

static int take_close(struct cnode_link *l, const struct tacit_stream_record *close)
{
    char text[RULING_TEXT];
    snprintf(text, sizeof text, "the peer closed: %s%s%s",
             tacit_close_name(close->reason), close->text[0] != '\0' ? ": " : "",
             close->text);
    if (!l->up && close->reason == TACIT_CLOSE_DONE)
        cnode_link_dismissed(l, text, sizeof text);
    return cnode_link_fail(l, TACIT_ECLOSED, text);
}

/* What is not data: fresh keys, or the end. */
static int take_control(struct cnode_link *l, const struct tacit_stream_record *record)
{
    const char *why;
    if (record->type == TACIT_RECORD_CLOSE)
        return take_close(l, record);
    pthread_mutex_lock(&l->lock);
    int error = cnode_link_take_rekey(l, record->data, record->len, &why);
    pthread_mutex_unlock(&l->lock);
    if (!error)
        return cnode_link_flush_some(l);
    cnode_link_close(
        l, error == TACIT_ELIMIT ? TACIT_CLOSE_KEY_LIMIT : TACIT_CLOSE_PROTOCOL, why);
    return error;
}

/* Opens the record at the front, of size bytes, in place or into the message. */
static int open_record(struct cnode_link *l, size_t size)
{
    struct cnode_input *in = &l->in;
    struct tacit_stream_record record;
    pthread_mutex_lock(&l->lock);
    int error = grow(in, tacit_stream_room_for(&in->stream, l->channel, size));
    if (error) {
        pthread_mutex_unlock(&l->lock);
        return error;
    }
    error =
        tacit_stream_open(&in->stream, l->channel, in->raw + in->start, size, &record);
    bool used =
        !error && record.type == TACIT_RECORD_DATA && record.len > TACIT_STREAM_LENGTH;
    l->keys.used |= used;
    pthread_mutex_unlock(&l->lock);
    in->start += size;
    if (error)
        return cnode_link_fail(l, error, record.text);
    if (used && (error = cnode_link_check_keys(l)) != TACIT_OK)
        return error;
    if (record.type == TACIT_RECORD_DATA)
        return TACIT_OK;
    in->control = true;
    return take_control(l, &record);
}

/* The byte that was held back: nothing is left for which the socket should be readable.
 */
static void let_go(struct cnode_link *l)
{
    uint8_t known;
    if (l->in.held)
        (void)recv(l->fd, &known, 1, MSG_DONTWAIT);
    l->in.held = false;
}

/* How many bytes may come before any of them can end the message that comes in. */
static size_t inside(const struct cnode_input *in)
{
    size_t have = in->end - in->start, left = in->stream.len - in->stream.got;
    return left > have + INSIDE ? left - have : 0;
}

/* As recv(), but the last byte stays in the socket; one that did so before has been
 * counted. */
static ssize_t receive_holding(struct cnode_link *l, uint8_t *at, size_t cap)
{
    struct cnode_input *in = &l->in;
    bool again = in->held;
    ssize_t n = recv(l->fd, at - again, cap + again, MSG_PEEK | MSG_DONTWAIT);
    if (again && n <= 1) { /* nothing new: who waits now waits for more than that */
        let_go(l);
        errno = EAGAIN;
        return -1;
    }
    /* The same bytes once more, to have them out of the socket. */
    for (ssize_t taken = 0, some; taken < n - 1; taken += some) {
        some = recv(l->fd, at - again + taken, (size_t)(n - 1 - taken), MSG_DONTWAIT);
        if (some <= 0)
            return 0;
    }
    in->held = n > 0;
    return n - (n > 0 && again);
}

/* Once; *ret_more: there was something. The buffer holds no whole record. */
static int receive_some(struct cnode_link *l, bool *ret_more)
{
    struct cnode_input *in = &l->in;
    if (in->start > 0) {
        memmove(in->raw, in->raw + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    size_t room = LINK_RAW - in->end, safe = inside(in);
    ssize_t n;
    if (safe > 0 || in->end == 0) /* the byte is of a record that was opened */
        let_go(l);
    if (safe > 0)
        n = recv(l->fd, in->raw + in->end, safe < room ? safe : room, MSG_DONTWAIT);
    else
        n = receive_holding(l, in->raw + in->end, room);
    *ret_more = n > 0;
    if (n == 0)
        return cnode_link_fail(l, TACIT_ETRUNCATED, "it closed without a word");
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        return cnode_link_fail(l, TACIT_ETRUNCATED, strerror(errno));
    in->end += n > 0 ? (size_t)n : 0;
    return TACIT_OK;
}

/* --- waiting --------------------------------------------------------------------------
 */

/* Until there is something to read, or to send that a record read has asked for. */
static int wait_for_more(struct cnode_link *l, int64_t deadline)
{
    int64_t until = cnode_link_next_review(l);
    int error = cnode_link_flush_some(l);
    pthread_mutex_lock(&l->lock);
    short events = l->out_at < l->out_end ? POLLIN | POLLOUT : POLLIN;
    pthread_mutex_unlock(&l->lock);
    if (!error)
        error = wire_wait(l->fd, events, deadline < until ? deadline : until);
    if (error == TACIT_ETIMEOUT && until < deadline)
        error = TACIT_OK;
    return error ? error : cnode_link_review(l);
}

/*
 * Nothing came but what is no message, fresh keys say: a program that waits for several
 * descriptors, and was told that there is something to read, must not be held up here. ei
 * takes it for a tick.
 */
static bool is_idle(const struct cnode_link *l)
{
    const struct cnode_input *in = &l->in;
    return l->up && in->control && in->stream.len == 0 && in->stream.header_len == 0 &&
           in->start == in->end;
}

/* Until a message is whole. */
static int fill(struct cnode_link *l, int64_t deadline)
{
    struct cnode_input *in = &l->in;
    int error = cnode_link_review(l);
    bool came = false; /* something, in this call */
    in->control = false;
    while (!error && in->len == 0) {
        size_t have = in->end - in->start;
        size_t size = tacit_record_size(in->raw + in->start, have);
        bool more = true, dry;
        error = take_next(l, &dry);
        if (error || !dry)
            continue;
        if (l->failed && l->failed != TACIT_ETRUNCATED) /* cut: what came is still good */
            error = l->failed;
        else if (size > 0 && size <= have)
            error = open_record(l, size);
        else if (came && wire_poll_ms(deadline) == 0)
            error = TACIT_ETIMEOUT; /* also where a peer never stops to send no message */
        else
            came = (error = receive_some(l, &more)) == TACIT_OK && more;
        if (!error && !more)
            error = is_idle(l) ? whole(in, NULL, 0) : wait_for_more(l, deadline);
    }
    return error;
}

/* Whether what is here has, or may have, a whole message. */
static bool is_pending(const struct cnode_input *in)
{
    struct tacit_reader r = tacit_reader(in->stream.data, in->stream.data_len);
    size_t len = tacit_get_u32(&r), have = in->end - in->start;
    if (!r.bad && tacit_left(&r) >= len)
        return true;
    size_t size = tacit_record_size(in->raw + in->start, have);
    return size > 0 && size <= have;
}

/* Gives the next bytes of the whole message. */
static void give(struct cnode_link *l, char *buf, size_t *len)
{
    struct cnode_input *in = &l->in;
    size_t left = in->len - in->given;
    if (*len > left)
        *len = left;
    memcpy(buf, in->message + in->given, *len);
    in->given += *len;
    if (in->given < in->len)
        return;
    in->len = in->given = 0;
    if (!is_pending(in))
        let_go(l);
    if (in->stream.cap > KEPT) {
        free(in->message);
        in->message = in->stream.memory = NULL;
        in->stream.cap = 0;
    }
}

int cnode_link_read(struct cnode_link *l, char *buf, size_t *len, int64_t deadline)
{
    struct cnode_input *in = &l->in;
    if (deadline > l->setup_until)
        deadline = l->setup_until;
    if (cnode_lock(&l->reading, deadline) != TACIT_OK)
        return cnode_fault(TACIT_ETIMEOUT, "another thread reads: time is up");
    int error = TACIT_OK;
    if (in->len == 0) {
        error = fill(l, deadline);
        if (!error && !l->up)
            error = cnode_link_greeted(l, in->message + TACIT_STREAM_LENGTH,
                                       in->len - TACIT_STREAM_LENGTH);
    }
    if (!error)
        give(l, buf, len);
    else if (error == TACIT_ETIMEOUT)
        (void)cnode_fault(error, "%s: no message: time is up", l->peer.name);
    else
        cnode_link_explain(l, error);
    pthread_mutex_unlock(&l->reading);
    if (error != TACIT_ECLOSED && error != TACIT_ETRUNCATED)
        return error;
    *len = 0; /* as a socket has it */
    return TACIT_OK;
}
