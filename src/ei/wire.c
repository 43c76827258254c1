/* Bytes and handshakes over a socket, each step within a deadline. */
#include "ei/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "socket/socket.h"

int64_t wire_now_us(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t wire_deadline(unsigned ms)
{
    return wire_now_us() + (int64_t)ms * 1000;
}

int wire_poll_ms(int64_t deadline)
{
    if (deadline == WIRE_NEVER)
        return -1;
    int64_t left = (deadline - wire_now_us() + 999) / 1000;
    return left > INT_MAX ? INT_MAX : left < 0 ? 0 : (int)left;
}

int wire_wait(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int ms = wire_poll_ms(deadline);
        if (ms == 0)
            return TACIT_ETIMEOUT; /* also where a peer never stops to talk */
        int n = poll(&p, 1, ms);
        if (n > 0)
            return TACIT_OK;
        if (n < 0 && errno != EINTR)
            return TACIT_ESYSTEM;
    }
}

static bool passing(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

int wire_send(int fd, const uint8_t *bytes, size_t len, int64_t deadline)
{
    while (len > 0) {
        int error = wire_wait(fd, POLLOUT, deadline);
        if (error)
            return error;
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && !passing(n))
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

int wire_receive(int fd, uint8_t *bytes, size_t len, int64_t deadline)
{
    while (len > 0) {
        int error = wire_wait(fd, POLLIN, deadline);
        if (error)
            return error;
        ssize_t n = recv(fd, bytes, len, 0);
        if (n == 0 || (n < 0 && !passing(n)))
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

struct tacit_channel_config wire_config(const struct tacit_policy *policy,
                                        const char *own_name,
                                        const struct tacit_channel_rules *rules,
                                        void *context)
{
    struct tacit_channel_config config = {
        .role = NOISE_INITIATOR,
        .identity = tacit_policy_identity(policy),
        .suites = tacit_policy_suites(policy),
        .own_name = own_name,
        .now = (uint64_t)time(NULL),
        .rules = rules,
        .context = context,
    };
    config.mesh_key_count = tacit_policy_mesh_keys(policy, &config.mesh_keys);
    config.certificate_len = tacit_policy_own_certificate(policy, &config.certificate);
    return config;
}

int wire_handshake(int fd, struct tacit_handshake *hs, int64_t deadline,
                   struct tacit_channel *ret_channel)
{
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    int error = TACIT_OK;
    while (!error) {
        const uint8_t *out;
        size_t used, len = tacit_handshake_output(hs, &out);
        error = wire_send(fd, out, len, deadline);
        tacit_handshake_sent(hs, len);
        if (error || hs->state == TACIT_HANDSHAKE_DONE)
            break;
        size_t wants = tacit_handshake_wants(hs);
        error = wire_receive(fd, bytes, wants, deadline);
        if (!error)
            error = tacit_handshake_feed(hs, bytes, wants, &used);
    }
    return error ? error : tacit_handshake_finish(hs, ret_channel);
}
