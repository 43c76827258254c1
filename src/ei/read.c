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
    FIRST_GROWTH = 64 * 1024, /* a message's buffer grows with what arrives */
    KEPT = 1024 * 1024,       /* what of it is kept for the next */
    INSIDE = 16 * 1024,       /* so far from a message's end no byte is held back */
    GREETING_MAX = 65535,     /* bytes of a message of Erlang's handshake */
};

/* --- from the records' data to messages ----------------------------------------------
 */

/* Room for `more` bytes of the message. */
static int grow(struct cnode_input *in, size_t more)
{
    size_t need = in->got + more, size = 2 * in->cap;
    if (need <= in->cap)
        return TACIT_OK;
    if (size < FIRST_GROWTH)
        size = FIRST_GROWTH;
    if (size > in->len)
        size = in->len;
    if (size < need)
        size = need;
    uint8_t *grown = realloc(in->message, size);
    if (grown == NULL)
        return TACIT_ENOMEM;
    in->message = grown;
    in->cap = size;
    return TACIT_OK;
}

static size_t take(struct cnode_input *in, uint8_t *to, size_t len)
{
    size_t n = in->plain_len < len ? in->plain_len : len;
    memcpy(to, in->plain, n);
    in->plain += n;
    in->plain_len -= n;
    return n;
}

static const char greeting_too_long[] =
    "a distribution handshake message over 65535 bytes";

/* The length is there: whether a message of that length may come. */
static int start_message(struct cnode_link *l)
{
    struct cnode_input *in = &l->in;
    struct tacit_reader r = tacit_reader(in->header, sizeof in->header);
    size_t len = tacit_get_u32(&r);
    size_t max = tacit_policy_max_message(l->rules->policy);
    char text[RULING_TEXT];
    in->header_len = 0;
    if (!l->up && len > GREETING_MAX) {
        cnode_link_close(l, TACIT_CLOSE_PROTOCOL, greeting_too_long);
        return TACIT_EFORMAT;
    }
    if (len > max) {
        snprintf(text, sizeof text,
                 "a message of %zu bytes, over the receiver's max-message = %zu", len,
                 max);
        cnode_link_close(l, TACIT_CLOSE_TOO_BIG, text);
        return TACIT_ELIMIT;
    }
    in->len = sizeof in->header + len;
    in->got = in->given = 0;
    int error = grow(in, sizeof in->header);
    if (!error)
        memcpy(in->message, in->header, sizeof in->header);
    in->got = sizeof in->header;
    return error;
}

/* Takes one step through the opened data. */
static int consume(struct cnode_link *l)
{
    struct cnode_input *in = &l->in;
    if (in->len == 0) {
        in->header_len +=
            take(in, in->header + in->header_len, sizeof in->header - in->header_len);
        return in->header_len == sizeof in->header ? start_message(l) : TACIT_OK;
    }
    size_t left = in->len - in->got;
    size_t n = in->plain_len < left ? in->plain_len : left;
    int error = grow(in, n);
    if (!error)
        in->got += take(in, in->message + in->got, n);
    return error;
}

/* --- from bytes to records' data -----------------------------------------------------
 */

static int take_close(struct cnode_link *l, const uint8_t *data, size_t len)
{
    enum tacit_close reason;
    char text[TACIT_CLOSE_TEXT_MAX + 1], full[RULING_TEXT];
    int error = tacit_close_parse(data, len, &reason, text);
    if (error)
        return cnode_link_fail(l, error, "a malformed close");
    snprintf(full, sizeof full, "the peer closed: %s%s%s", tacit_close_name(reason),
             text[0] != '\0' ? ": " : "", text);
    if (!l->up && reason == TACIT_CLOSE_DONE)
        cnode_link_dismissed(l, full, sizeof full);
    return cnode_link_fail(l, TACIT_ECLOSED, full);
}

/* What is not data: fresh keys, or the end. */
static int take_control(struct cnode_link *l, enum tacit_record_type type,
                        const uint8_t *data, size_t len)
{
    const char *why;
    if (type == TACIT_RECORD_CLOSE)
        return take_close(l, data, len);
    pthread_mutex_lock(&l->lock);
    int error = cnode_link_take_rekey(l, data, len, &why);
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
    uint8_t *record = in->raw + in->start, *to = record + TACIT_RECORD_HEADER;
    size_t most = size - TACIT_RECORD_HEADER, len = 0;
    enum tacit_record_type type = TACIT_RECORD_DATA;
    bool direct = in->len > 0 && most <= in->len - in->got;
    int error = direct ? grow(in, most) : TACIT_OK;
    if (error)
        return error;
    if (direct)
        to = in->message + in->got;
    pthread_mutex_lock(&l->lock);
    error = tacit_channel_open(l->channel, record, size, to, &len, &type);
    bool used = !error && type == TACIT_RECORD_DATA && len > sizeof in->header;
    l->keys.used |= used;
    pthread_mutex_unlock(&l->lock);
    in->start += size;
    if (error)
        return cnode_link_fail(l, error, "a record that does not open");
    if (used && (error = cnode_link_check_keys(l)) != TACIT_OK)
        return error;
    if (type != TACIT_RECORD_DATA) {
        in->control = true;
        return take_control(l, type, to, len);
    }
    if (direct) {
        in->got += len;
    } else {
        in->plain = to;
        in->plain_len = len;
    }
    return TACIT_OK;
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
    size_t have = in->end - in->start, left = in->len - in->got;
    return left > have + INSIDE ? left - have : 0;
}

/* As recv(), but the last byte stays in the socket; one that did so before has been
 * counted. */
static ssize_t receive_holding(struct cnode_link *l, uint8_t *at, size_t cap)
{
    struct cnode_input *in = &l->in;
    bool again = in->held;
    ssize_t n = recv(l->fd, at - again, cap + again, MSG_PEEK | MSG_DONTWAIT);
    if (again && n <= 1) { /* nothing new: whoever waits now waits for more than that */
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
    size_t room = sizeof in->raw - in->end, safe = inside(in);
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
    return l->up && in->control && in->len == 0 && in->header_len == 0 &&
           in->start == in->end;
}

static int make_tick(struct cnode_link *l)
{
    memset(l->in.header, 0, sizeof l->in.header);
    return start_message(l);
}

/* Until a message is whole. */
static int fill(struct cnode_link *l, int64_t deadline)
{
    struct cnode_input *in = &l->in;
    int error = cnode_link_review(l);
    in->control = false;
    while (!error && (in->len == 0 || in->got < in->len)) {
        size_t have = in->end - in->start;
        size_t size = tacit_record_size(in->raw + in->start, have);
        bool more = true;
        if (in->plain_len > 0)
            error = consume(l);
        else if (l->failed &&
                 l->failed != TACIT_ETRUNCATED) /* cut: what came is still good */
            error = l->failed;
        else if (size > 0 && size <= have)
            error = open_record(l, size);
        else
            error = receive_some(l, &more);
        if (!error && !more)
            error = is_idle(l) ? make_tick(l) : wait_for_more(l, deadline);
    }
    return error;
}

/* Whether what is here has, or may have, a whole message. */
static bool is_pending(const struct cnode_input *in)
{
    struct tacit_reader r = tacit_reader(in->plain, in->plain_len);
    size_t len = tacit_get_u32(&r), have = in->end - in->start;
    if (!r.bad && in->plain_len - sizeof in->header >= len)
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
    in->len = in->got = in->given = 0;
    if (!is_pending(in))
        let_go(l);
    if (in->cap > KEPT) {
        free(in->message);
        in->message = NULL;
        in->cap = 0;
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
    if (in->len == 0 || in->got < in->len) {
        error = fill(l, deadline);
        if (!error && !l->up)
            error = cnode_link_greeted(l, in->message + 4, in->len - 4);
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
