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
 * recv_cnt counts records that opened: dist_util takes its standing still for a dead
 * peer. A long message spans many records. Bytes alone are no sign of life: somebody on
 * the wire who alters one length would have ticks fill a record that never opens. The
 * largest packet and the deviation are not kept: the average stands for the one, zero
 * for the other.
 */
static uint64_t stat_of(const struct link *l, enum stat stat)
{
    switch (stat) {
    case STAT_RECV_CNT:
        return l->received_records;
    case STAT_RECV_MAX:
    case STAT_RECV_AVG:
        return average(l->received_bytes, l->received_records);
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
    {23, 3},                    /* packet, 4 */
    {24, 1},                    /* mode, binary */
    {25, 0},                    /* deliver, port */
    {26, 1},                    /* exit_on_close, true */
    {27, BUSY_HIGH},            /* high_watermark */
    {28, BUSY_LOW},             /* low_watermark */
    {30, UINT32_MAX},           /* send_timeout, infinity */
    {31, 0},                    /* delay_send, false */
    {32, 0},                    /* packet_size, no limit of inet's kind */
    {35, 0},                    /* send_timeout_close, false */
    {36, 0},                    /* high_msgq_watermark: never busy by it */
    {37, 0},                    /* low_msgq_watermark */
    {39, 0},                    /* show_econnreset, false */
    {99, 0},                    /* debug, false */
};

/* Options that the socket itself answers, with an int. */
static const struct {
    uint8_t option;
    int level, name;
} socket_options[] = {
    {0, SOL_SOCKET, SO_REUSEADDR},
    {1, SOL_SOCKET, SO_KEEPALIVE},
    {2, SOL_SOCKET, SO_DONTROUTE},
    {4, SOL_SOCKET, SO_BROADCAST},
    {5, SOL_SOCKET, SO_OOBINLINE},
    {6, SOL_SOCKET, SO_SNDBUF},
    {7, SOL_SOCKET, SO_RCVBUF},
#ifdef SO_PRIORITY
    {8, SOL_SOCKET, SO_PRIORITY},
#endif
    {9, IPPROTO_IP, IP_TOS},
    {10, IPPROTO_TCP, TCP_NODELAY},
    {12, IPPROTO_IP, IP_MULTICAST_TTL},
    {13, IPPROTO_IP, IP_MULTICAST_LOOP},
    {16, IPPROTO_IPV6, IPV6_V6ONLY},
    {41, IPPROTO_IPV6, IPV6_TCLASS},
    {43, IPPROTO_IP, IP_RECVTOS},
    {44, IPPROTO_IPV6, IPV6_RECVTCLASS},
    {46, IPPROTO_IP, IP_TTL},
    {47, IPPROTO_IP, IP_RECVTTL},
};

enum {
    OPTION_LINGER = 3,
    OPTION_READ_PACKETS = 33, /* datagrams only: left out, as inet does */
    OPTION_RAW = 34,
    OPTION_NETNS = 38, /* left out where none is set */
    RAW_MAX = 256,
};

/* What the socket does not have is left out, as inet does. */
static void put_socket_option(struct tacit_writer *w, int fd, uint8_t option, int level,
                              int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    if (getsockopt(fd, level, name, &value, &len) < 0)
        return;
    tacit_put_u8(w, option);
    tacit_put_u32(w, (uint32_t)value);
}

static void put_linger(struct tacit_writer *w, int fd)
{
    struct linger value = {0};
    socklen_t len = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &len) < 0)
        return;
    tacit_put_u8(w, OPTION_LINGER);
    tacit_put_u32(w, (uint32_t)value.l_onoff);
    tacit_put_u32(w, (uint32_t)value.l_linger);
}

/* level, name, whether bytes come along, how many; the bytes. */
static bool put_raw(struct tacit_writer *w, int fd, struct tacit_reader *r)
{
    uint8_t value[RAW_MAX] = {0};
    uint32_t level = tacit_get_u32(r), name = tacit_get_u32(r);
    bool given = tacit_get_u8(r) != 0;
    uint32_t size = tacit_get_u32(r);
    if (size > sizeof value)
        return false;
    const uint8_t *bytes = tacit_get_bytes(r, given ? size : 0);
    if (bytes == NULL)
        return false;
    memcpy(value, bytes, given ? size : 0);
    socklen_t len = size;
    if (getsockopt(fd, (int)level, (int)name, value, &len) < 0)
        return true;
    tacit_put_u8(w, OPTION_RAW);
    tacit_put_u32(w, level);
    tacit_put_u32(w, name);
    tacit_put_u32(w, len);
    tacit_put_bytes(w, value, len);
    return true;
}

static bool put_option(struct tacit_writer *w, int fd, uint8_t option)
{
    for (size_t i = 0; i < sizeof own_options / sizeof *own_options; i++)
        if (own_options[i].option == option) {
            tacit_put_u8(w, option);
            tacit_put_u32(w, own_options[i].value);
            return true;
        }
    for (size_t i = 0; i < sizeof socket_options / sizeof *socket_options; i++)
        if (socket_options[i].option == option) {
            put_socket_option(w, fd, option, socket_options[i].level,
                              socket_options[i].name);
            return true;
        }
    if (option == OPTION_LINGER)
        put_linger(w, fd);
    return option == OPTION_LINGER || option == OPTION_READ_PACKETS ||
           option == OPTION_NETNS;
}

static void put_options(struct tacit_writer *w, const struct link *l,
                        const uint8_t *options, size_t len)
{
    struct tacit_reader r = tacit_reader(options, len);
    tacit_put_u8(w, REPLY_OK);
    while (tacit_left(&r) > 0) {
        uint8_t option = tacit_get_u8(&r);
        bool known =
            option == OPTION_RAW ? put_raw(w, l->fd, &r) : put_option(w, l->fd, option);
        if (!known) {
            put_error(w, "einval");
            return;
        }
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
