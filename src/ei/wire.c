/* Bytes and sessions over a socket, each step within a deadline. */
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
            return TACIT_ETRUNCATED;
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
            return TACIT_ETRUNCATED;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

enum tacit_session_event wire_session(int fd, struct tacit_session *session,
                                      enum tacit_session_event event, int64_t deadline)
{
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    for (;;) {
        const uint8_t *out;
        size_t used, len = tacit_session_output(session, &out);
        int error = wire_send(fd, out, len, deadline);
        if (error)
            return tacit_session_fail(session, error);
        tacit_session_sent(session, len);
        if (event != TACIT_SESSION_MORE)
            return event;
        size_t wants = tacit_session_wants(session);
        error = wire_receive(fd, bytes, wants, deadline);
        if (error)
            return tacit_session_fail(session, error);
        event = tacit_session_feed(session, bytes, wants, &used);
    }
}
