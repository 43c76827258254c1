/* Messages -> records -> socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "ei/fault.h"
#include "ei/link.h"
#include "ei/lock.h"

enum {
    PIECES_MAX = 8, /* of one record */
};

/* --- what is sealed goes out -------------------------------------------------------- */

/* Once, with the lock held; *ret_left: there is more. */
static int send_some(struct cnode_link *l, bool *ret_left)
{
    ssize_t n = 0;
    if (l->out_at < l->out_end)
        n = send(l->fd, l->out + l->out_at, l->out_end - l->out_at,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        return TACIT_ETRUNCATED;
    l->out_at += n > 0 ? (size_t)n : 0;
    *ret_left = l->out_at < l->out_end;
    if (!*ret_left)
        l->out_at = l->out_end = 0;
    return TACIT_OK;
}

int cnode_link_flush_some(struct cnode_link *l)
{
    bool left;
    pthread_mutex_lock(&l->lock);
    int error = send_some(l, &left);
    pthread_mutex_unlock(&l->lock);
    return error;
}

/* Until nothing is left. */
static int flush(struct cnode_link *l, int64_t deadline)
{
    for (;;) {
        bool left = false;
        pthread_mutex_lock(&l->lock);
        int error = send_some(l, &left);
        pthread_mutex_unlock(&l->lock);
        if (error || !left)
            return error;
        error = wire_wait(l->fd, POLLOUT, deadline);
        if (error)
            return error;
    }
}

/* --- fresh keys ----------------------------------------------------------------------
 */

static void lend(const struct cnode_link *l, struct tacit_rekey_keys *ret_keys)
{
    ret_keys->identity = tacit_policy_identity(l->rules->policy);
    ret_keys->peer_key = l->peer_key;
    tacit_policy_pair_key(l->rules->policy, l->peer_key, &ret_keys->pair_key);
}

int cnode_link_refresh(struct cnode_link *l)
{
    int64_t now = wire_now_us();
    struct tacit_rekey_keys keys;
    size_t len;
    if (!l->up || !tacit_keys_due(&l->keys, l->channel, now))
        return TACIT_OK;
    lend(l, &keys);
    int error = tacit_keys_offer(&l->keys, l->channel, &keys, now, l->out + l->out_end,
                                 LINK_OUT - l->out_end, &len);
    tacit_wipe(&keys, sizeof keys);
    l->out_end += error ? 0 : len;
    return error;
}

int cnode_link_check_keys(struct cnode_link *l)
{
    pthread_mutex_lock(&l->lock);
    bool overdue =
        !l->failed && l->up && tacit_keys_overdue(&l->keys, l->channel, wire_now_us());
    pthread_mutex_unlock(&l->lock);
    if (!overdue)
        return TACIT_OK;
    cnode_link_close(l, TACIT_CLOSE_KEY_LIMIT, tacit_keys_too_late);
    return TACIT_ELIMIT;
}

int cnode_link_take_rekey(struct cnode_link *l, const uint8_t *data, size_t len,
                          const char **ret_why)
{
    struct tacit_rekey_keys keys;
    int64_t now = wire_now_us();
    size_t answer = 0;
    *ret_why = tacit_keys_too_often;
    if (tacit_keys_refuse(&l->keys, l->channel, data, len, now))
        return TACIT_EFORMAT;
    lend(l, &keys);
    int error = tacit_keys_take(&l->keys, l->channel, &keys, now, data, len,
                                l->out + l->out_end, LINK_OUT - l->out_end, &answer);
    tacit_wipe(&keys, sizeof keys);
    l->out_end += error ? 0 : answer;
    *ret_why = error == TACIT_ELIMIT ? tacit_error_text(error) : tacit_keys_unexpected;
    return error;
}

/* --- messages ------------------------------------------------------------------------
 */

/* What is left of a message's pieces. */
struct rest {
    const struct iovec *iov;
    int count;
    size_t taken; /* of the first */
};

static size_t rest_size(const struct rest *rest)
{
    size_t size = 0;
    for (int i = 0; i < rest->count; i++)
        size += rest->iov[i].iov_len;
    return size - rest->taken;
}

/* Takes the pieces of the next record off the rest: how many. */
static int next_pieces(struct rest *rest, struct iovec pieces[PIECES_MAX])
{
    size_t room = TACIT_RECORD_DATA_MAX;
    int n = 0;
    while (rest->count > 0 && n < PIECES_MAX && room > 0) {
        size_t left = rest->iov->iov_len - rest->taken;
        size_t size = left < room ? left : room;
        if (size > 0)
            pieces[n++] = (struct iovec){(char *)rest->iov->iov_base + rest->taken, size};
        room -= size;
        rest->taken += size;
        if (rest->taken == rest->iov->iov_len) {
            rest->iov++;
            rest->count--;
            rest->taken = 0;
        }
    }
    return n;
}

/* Seals the next record. What was sealed before has been sent, but for control records.
 */
static int seal_next(struct cnode_link *l, struct rest *rest)
{
    struct iovec pieces[PIECES_MAX];
    size_t len = 0;
    int count = next_pieces(rest, pieces);
    pthread_mutex_lock(&l->lock);
    int error = l->failed ? l->failed : cnode_link_refresh(l);
    if (!error)
        error = tacit_channel_seal(l->channel, TACIT_RECORD_DATA, pieces, count,
                                   l->out + l->out_end, LINK_OUT - l->out_end, &len);
    l->out_end += len;
    pthread_mutex_unlock(&l->lock);
    return error;
}

static int write_all(struct cnode_link *l, struct rest *rest, int64_t deadline)
{
    int error = flush(l, deadline); /* what is left of an answer of the reader's */
    if (error == TACIT_ETIMEOUT)
        return error;
    while (!error && rest_size(rest) > 0) {
        error = seal_next(l, rest);
        if (!error)
            error = flush(l, deadline);
    }
    /* A time-out is this call's; for all others the link is at its end. */
    if (error == TACIT_ETIMEOUT)
        (void)cnode_link_fail(l, TACIT_ECLOSED, "time was up in the middle of a message");
    else if (error)
        (void)cnode_link_fail(l, error, tacit_error_text(error));
    return error;
}

int cnode_link_write(struct cnode_link *l, const struct iovec *iov, int count,
                     int64_t deadline)
{
    struct rest rest = {.iov = iov, .count = count};
    bool tick = rest_size(&rest) <= 4;
    if (deadline > l->setup_until)
        deadline = l->setup_until;
    if (cnode_lock(&l->writing, deadline) != TACIT_OK)
        return cnode_fault(TACIT_ETIMEOUT, "another thread writes: time is up");
    int error = cnode_link_review(l);
    if (!error && !tick)
        error = cnode_link_check_keys(l);
    if (!error)
        error = write_all(l, &rest, deadline);
    pthread_mutex_lock(&l->lock);
    l->keys.used |= !tick;
    pthread_mutex_unlock(&l->lock);
    if (error)
        cnode_link_explain(l, error);
    pthread_mutex_unlock(&l->writing);
    return error;
}
