/*
 * What dashboards and OTP itself ask an inet port, answered for a link in inet's encoding
 * (prim_inet.erl): inet:getstat, peername, sockname, getopts.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cursor.h"
#include "carrier.h"

enum {
    REQUEST_PEER = 4,
    REQUEST_NAME = 5,
    REQUEST_GETOPTS = 8,
    REQUEST_GETSTAT = 11,

    REPLY_ERROR = 0,
    REPLY_OK = 1,

    FAMILY_INET = 1,
    FAMILY_INET6 = 2,

    REPLY_SIZE = 1024,
};

enum stat {
    STAT_RECV_CNT = 1,
    STAT_RECV_MAX,
    STAT_RECV_AVG,
    STAT_RECV_DVI,
    STAT_SEND_CNT,
    STAT_SEND_MAX,
    STAT_SEND_AVG,
    STAT_SEND_PEND,
    STAT_RECV_OCT,
    STAT_SEND_OCT,
};

static ErlDrvSSizeT give(struct tacit_writer *w, char **rbuf, size_t rlen)
{
    size_t len = tacit_written(w);
    if (w->bad)
        return -1;
    if (len > rlen && (*rbuf = driver_alloc(len)) == NULL)
        return -1;
    memcpy(*rbuf, w->start, len);
    return (ErlDrvSSizeT)len;
}

static void put_error(struct tacit_writer *w, const char *error)
{
    w->at = w->start;
    tacit_put_u8(w, REPLY_ERROR);
    tacit_put_bytes(w, error, strlen(error));
}

static void put_address(struct tacit_writer *w, const struct tacit_address *a)
{
    if (a->family == 0) {
        put_error(w, "enotconn");
        return;
    }
    tacit_put_u8(w, REPLY_OK);
    tacit_put_u8(w, a->family == 4 ? FAMILY_INET : FAMILY_INET6);
    tacit_put_u16(w, a->port);
    tacit_put_bytes(w, a->bytes, a->family == 4 ? 4 : 16);
}

static uint64_t average(uint64_t bytes, uint64_t count)
{
    return count == 0 ? 0 : bytes / count;
}

/*
 * recv_cnt counts reads that brought bytes: dist_util takes its standing still for a dead
 * peer, and a long message may take minutes. The largest packet and the deviation are not
 * kept: the average stands for the one, zero for the other.
 */
static uint64_t stat_of(const struct link *l, enum stat stat)
{
    switch (stat) {
    case STAT_RECV_CNT:
        return l->reads;
    case STAT_RECV_MAX:
    case STAT_RECV_AVG:
        return average(l->received_bytes, l->reads);
    case STAT_SEND_CNT:
        return l->sent_messages;
    case STAT_SEND_MAX:
    case STAT_SEND_AVG:
        return average(l->sent_bytes, l->sent_messages);
    case STAT_SEND_PEND:
        return link_pending(l);
    case STAT_RECV_OCT:
        return l->received_bytes;
    case STAT_SEND_OCT:
        return l->sent_bytes;
    default:
        return 0;
    }
}

static void put_stats(struct tacit_writer *w, const struct link *l, const uint8_t *stats,
                      size_t len)
{
    tacit_put_u8(w, REPLY_OK);
    for (size_t i = 0; i < len; i++) {
        if (stats[i] < STAT_RECV_CNT || stats[i] > STAT_SEND_OCT) {
            put_error(w, "einval");
            return;
        }
        tacit_put_u8(w, stats[i]);
        uint64_t value = stat_of(l, (enum stat)stats[i]);
        if (stats[i] >= STAT_RECV_OCT)
            tacit_put_u64(w, value);
        else
            tacit_put_u32(w, (uint32_t)value);
    }
}

/* Options with a value of their own here, as an inet port in the same role has them. */
static const struct {
    uint8_t option;
    uint32_t value;
} own_options[] = {
    {20, 2 * TACIT_RECORD_MAX}, /* buffer */
    {21, 0},                    /* header */
    {22, 1},                    /* active, true */
    {23, 4},                    /* packet, 4 */
    {24, 1},                    /* mode, binary */
    {25, 0},                    /* deliver, port */
    {26, 1},                    /* exit_on_close, true */
    {27, BUSY_HIGH},            /* high_watermark */
    {28, BUSY_LOW},             /* low_watermark */
};

/* Options that the socket itself answers. */
static const struct {
    uint8_t option;
    int level, name;
} socket_options[] = {
    {0, SOL_SOCKET, SO_REUSEADDR},  {1, SOL_SOCKET, SO_KEEPALIVE},
    {2, SOL_SOCKET, SO_DONTROUTE},  {6, SOL_SOCKET, SO_SNDBUF},
    {7, SOL_SOCKET, SO_RCVBUF},     {9, IPPROTO_IP, IP_TOS},
    {10, IPPROTO_TCP, TCP_NODELAY}, {16, IPPROTO_IPV6, IPV6_V6ONLY},
};

static void put_socket_option(struct tacit_writer *w, int fd, uint8_t option, int level,
                              int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (getsockopt(fd, level, name, &value, &len) < 0)
        return; /* inet, too, leaves out what the socket does not have */
    tacit_put_u8(w, option);
    tacit_put_u32(w, (uint32_t)value);
}

static bool put_option(struct tacit_writer *w, const struct link *l, uint8_t option)
{
    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++)
        if (own_options[i].option == option) {
            tacit_put_u8(w, option);
            tacit_put_u32(w, own_options[i].value);
            return true;
        }
    for (size_t i = 0; i < sizeof socket_options / sizeof *socket_options; i++)
        if (socket_options[i].option == option) {
            put_socket_option(w, l->fd, option, socket_options[i].level,
                              socket_options[i].name);
            return true;
        }
    return false;
}

static void put_options(struct tacit_writer *w, const struct link *l,
                        const uint8_t *options, size_t len)
{
    tacit_put_u8(w, REPLY_OK);
    for (size_t i = 0; i < len; i++)
        if (!put_option(w, l, options[i])) {
            put_error(w, "einval");
            return;
        }
}

ErlDrvSSizeT inet_control(const struct link *l, unsigned request, const uint8_t *buf,
                          size_t len, char **rbuf, size_t rlen)
{
    uint8_t space[REPLY_SIZE];
    struct tacit_writer w = tacit_writer(space, sizeof space);
    switch (request) {
    case REQUEST_PEER:
        put_address(&w, &l->peer_address);
        break;
    case REQUEST_NAME:
        put_address(&w, &l->local_address);
        break;
    case REQUEST_GETSTAT:
        put_stats(&w, l, buf, len);
        break;
    case REQUEST_GETOPTS:
        put_options(&w, l, buf, len);
        break;
    default:
        return -1;
    }
    return give(&w, rbuf, rlen);
}
