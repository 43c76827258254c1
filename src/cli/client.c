/* One connection of the command to a door or a node. */
#include "cli/client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cursor.h"
#include "socket/socket.h"

enum {
    PART_MS = 2000, /* what a peer may take to hang up */
};

struct client *client_new(void)
{
    struct client *c =
        sodium_malloc(sizeof *c); /* its size keeps the AES state aligned */
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->fd = -1;
    return c;
}

/* --- addresses ---------------------------------------------------------------------- */

int client_resolve(const struct tacit_endpoint *endpoint, struct tacit_address *ret,
                   size_t max, size_t *ret_count, const char **ret_why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    size_t count = 0;
    int error = getaddrinfo(endpoint->host, NULL, &hints, &found);
    for (struct addrinfo *i = error == 0 ? found : NULL; i != NULL && count < max;
         i = i->ai_next) {
        socket_address(i->ai_addr, &ret[count]);
        ret[count].port = endpoint->port;
        count += ret[count].family != 0;
    }
    if (error == 0)
        freeaddrinfo(found);
    *ret_count = count;
    if (count == 0)
        *ret_why = error == 0 ? "no IP address" : gai_strerror(error);
    return count > 0 ? TACIT_OK : TACIT_ENAME;
}

/* --- bytes -------------------------------------------------------------------------- */

int64_t client_now_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Waits until the socket can be read or written; TACIT_ETIMEOUT: the deadline came. */
static int wait_for(const struct client *c, short events)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    for (;;) {
        int64_t left = (c->deadline - client_now_us() + 999) / 1000;
        if (left <= 0)
            return TACIT_ETIMEOUT; /* also where a peer never stops to talk */
        int n = poll(&p, 1, (int)left);
        if (n > 0)
            return TACIT_OK;
        if (n < 0 && errno != EINTR)
            return TACIT_ESYSTEM;
    }
}

int client_connect(struct client *c, const struct tacit_policy *policy,
                   const struct tacit_address *address, unsigned ms)
{
    c->deadline = client_now_us() + (int64_t)ms * 1000;
    c->at = c->end = NULL;
    c->fd = socket_connect(address, tacit_policy_source(policy, address->family));
    int error = c->fd < 0 ? TACIT_ESYSTEM : wait_for(c, POLLOUT);
    if (!error && (errno = socket_error(c->fd)) != 0)
        error = TACIT_ESYSTEM;
    return error;
}

int client_send(struct client *c, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        int error = wait_for(c, POLLOUT);
        if (error)
            return error;
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

static int receive_all(struct client *c, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        int error = wait_for(c, POLLIN);
        if (error)
            return error;
        ssize_t n = recv(c->fd, bytes, len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

/* --- the channel -------------------------------------------------------------------- */

int client_handshake(struct client *c, const struct tacit_policy *policy,
                     const char *own_name, const char *wanted,
                     const struct tacit_channel_rules *rules, void *context)
{
    struct tacit_channel_config config = {
        .role = NOISE_INITIATOR,
        .identity = tacit_policy_identity(policy),
        .suites = tacit_policy_suites(policy),
        .own_name = own_name,
        .wanted = wanted,
        .now = (uint64_t)time(NULL),
        .rules = rules,
        .context = context,
    };
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    config.mesh_key_count = tacit_policy_mesh_keys(policy, &config.mesh_keys);
    config.certificate_len = tacit_policy_own_certificate(policy, &config.certificate);
    int error = tacit_handshake_init(&c->handshake, &config);
    while (!error) {
        const uint8_t *out;
        size_t used, len = tacit_handshake_output(&c->handshake, &out);
        error = client_send(c, out, len);
        tacit_handshake_sent(&c->handshake, len);
        if (error || c->handshake.state == TACIT_HANDSHAKE_DONE)
            break;
        size_t wants = tacit_handshake_wants(&c->handshake);
        error = receive_all(c, bytes, wants);
        if (!error)
            error = tacit_handshake_feed(&c->handshake, bytes, wants, &used);
    }
    if (!error)
        error = tacit_handshake_finish(&c->handshake, &c->channel);
    c->open = !error;
    return error;
}

int client_receive(struct client *c, size_t *ret_len)
{
    int error = receive_all(c, c->record, TACIT_RECORD_HEADER);
    size_t len = error ? 0 : tacit_record_size(c->record, TACIT_RECORD_HEADER);
    if (!error)
        error =
            receive_all(c, c->record + TACIT_RECORD_HEADER, len - TACIT_RECORD_HEADER);
    *ret_len = len;
    return error;
}

/* --- distribution messages ---------------------------------------------------------- */

int client_send_message(struct client *c, const uint8_t *message, size_t len)
{
    uint8_t length[4], out[TACIT_RECORD_HEADER + CLIENT_MESSAGE_MAX + TACIT_TAG_MAX];
    struct tacit_writer w = tacit_writer(length, sizeof length);
    struct iovec iov[] = {{length, sizeof length}, {(void *)(uintptr_t)message, len}};
    size_t size;
    tacit_put_u32(&w, (uint32_t)len);
    int error = tacit_channel_seal(&c->channel, TACIT_RECORD_DATA, iov, 2, out,
                                   sizeof out, &size);
    return error ? error : client_send(c, out, size);
}

/* Opens the next record: its data is at c->at. */
static int next_record(struct client *c)
{
    enum tacit_record_type type;
    size_t size, len;
    uint8_t *data = c->record + TACIT_RECORD_HEADER;
    int error = client_receive(c, &size);
    if (!error)
        error = tacit_channel_open(&c->channel, c->record, size, data, &len, &type);
    if (!error && type == TACIT_RECORD_DATA) {
        c->at = data;
        c->end = data + len;
        return TACIT_OK;
    }
    c->open = false; /* nobody listens any more */
    if (!error && type != TACIT_RECORD_CLOSE)
        error = TACIT_EFORMAT;
    if (!error)
        error = tacit_close_parse(data, len, &c->reason, c->text);
    return error ? error : TACIT_ECLOSED;
}

static int take(struct client *c, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        int error = c->at == c->end ? next_record(c) : TACIT_OK;
        if (error)
            return error;
        size_t piece = (size_t)(c->end - c->at) < len ? (size_t)(c->end - c->at) : len;
        memcpy(bytes, c->at, piece);
        c->at += piece;
        bytes += piece;
        len -= piece;
    }
    return TACIT_OK;
}

int client_receive_message(struct client *c, uint8_t *message, size_t cap,
                           size_t *ret_len)
{
    uint8_t length[4];
    uint32_t len = 0;
    while (len == 0) {
        int error = take(c, length, sizeof length);
        if (error)
            return error;
        struct tacit_reader r = tacit_reader(length, sizeof length);
        len = tacit_get_u32(&r);
    }
    if (len > cap)
        return TACIT_ESPACE;
    *ret_len = len;
    return take(c, message, len);
}

/* --- the end ------------------------------------------------------------------------ */

/*
 * The peer is told that nothing more comes: a connection without that was cut. Then its
 * end is waited for, so that nothing of this one is left there when the command is over.
 */
static void part(struct client *c)
{
    uint8_t out[TACIT_RECORD_HEADER + TACIT_CONTROL_MAX + TACIT_TAG_MAX];
    size_t len;
    c->deadline = client_now_us() + (int64_t)PART_MS * 1000;
    if (tacit_channel_seal_close(&c->channel, TACIT_CLOSE_DONE, "", out, sizeof out,
                                 &len) == TACIT_OK &&
        client_send(c, out, len) == TACIT_OK) {
        shutdown(c->fd, SHUT_WR);
        while (receive_all(c, out, 1) == TACIT_OK)
            ;
    }
}

void client_close(struct client *c)
{
    if (c->open)
        part(c);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->open = false;
    tacit_handshake_wipe(&c->handshake);
    tacit_channel_wipe(&c->channel);
}

void client_free(struct client *c)
{
    if (c != NULL)
        client_close(c);
    sodium_free(c);
}
