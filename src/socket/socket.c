#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket/socket.h"

enum {
    UNSENT_MAX = 256 * 1024,   /* bytes: a quarter of a millisecond at a GB/s */
    NEAR_US = 1000,            /* a round trip within a site */
    NEAR_WINDOW = 1024 * 1024, /* is well filled by this many bytes */
};

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage space;
};

static socklen_t to_sockaddr(const struct tacit_address *address, union any_address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (address->family == 4) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(address->port);
        memcpy(&ret->v4.sin_addr, address->bytes, 4);
        return sizeof ret->v4;
    }
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(address->port);
    ret->v6.sin6_scope_id = address->scope;
    memcpy(&ret->v6.sin6_addr, address->bytes, 16);
    return sizeof ret->v6;
}

void socket_address(const struct sockaddr *any, struct tacit_address *ret)
{
    const union any_address *from = (const union any_address *)any;
    memset(ret, 0, sizeof *ret);
    if (any->sa_family == AF_INET) {
        ret->family = 4;
        ret->port = ntohs(from->v4.sin_port);
        memcpy(ret->bytes, &from->v4.sin_addr, 4);
    } else if (any->sa_family == AF_INET6) {
        ret->family = 6;
        ret->port = ntohs(from->v6.sin6_port);
        ret->scope = from->v6.sin6_scope_id;
        memcpy(ret->bytes, &from->v6.sin6_addr, 16);
    }
}

static int close_keeping_errno(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

int socket_prepare(int fd)
{
    if (fd >= 0 && fd <= STDERR_FILENO) {
        int other = fcntl(fd, F_DUPFD, STDERR_FILENO + 1);
        close_keeping_errno(fd);
        if (other < 0)
            return -1;
        fd = other;
    }
    int flags = fcntl(fd, F_GETFL, 0);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return close_keeping_errno(fd);
    return fd;
}

static int new_socket(const struct tacit_address *address)
{
    int fd = socket(address->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
    return fd < 0 ? -1 : socket_prepare(fd);
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

int socket_listen(const struct tacit_address *address)
{
    union any_address sa;
    socklen_t len = to_sockaddr(address, &sa);
    int fd = new_socket(address);
    if (fd < 0)
        return -1;
    if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
        (address->family == 6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0) ||
        bind(fd, &sa.any, len) < 0 || listen(fd, 512) < 0)
        return close_keeping_errno(fd);
    return fd;
}

int socket_accept(int listener, struct tacit_address *ret_peer)
{
    union any_address sa = {.v6 = {0}};
    socklen_t len = sizeof sa;
    int fd = accept(listener, &sa.any, &len);
    if (fd < 0)
        return -1;
    socket_address(&sa.any, ret_peer);
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return socket_prepare(fd);
}

int socket_adopt(int fd, struct tacit_address *ret_peer)
{
    int type = 0, domain = 0;
    socklen_t len = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
        return close_keeping_errno(fd);
    if (type != SOCK_STREAM || (domain != AF_INET && domain != AF_INET6)) {
        errno = EPROTOTYPE;
        return close_keeping_errno(fd);
    }
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    socket_peer(fd, ret_peer);
    return socket_prepare(fd);
}

int socket_connect(const struct tacit_address *peer, const struct tacit_address *source)
{
    union any_address sa;
    int fd = new_socket(peer);
    if (fd < 0)
        return -1;
    (void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (source != NULL) {
        socklen_t len = to_sockaddr(source, &sa);
        if (bind(fd, &sa.any, len) < 0)
            return close_keeping_errno(fd);
    }
    socklen_t len = to_sockaddr(peer, &sa);
    if (connect(fd, &sa.any, len) < 0 && errno != EINPROGRESS && errno != EINTR)
        return close_keeping_errno(fd);
    return fd;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

void socket_keep_short(int fd)
{
#ifdef TCP_NOTSENT_LOWAT
    (void)set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
#endif
#if defined(TCP_INFO) && defined(TCP_WINDOW_CLAMP)
    struct tcp_info info;
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
        info.tcpi_rtt < NEAR_US)
        (void)set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, NEAR_WINDOW);
#endif
}

void socket_local(int fd, struct tacit_address *ret_local)
{
    union any_address sa;
    socklen_t len = sizeof sa;
    memset(&sa, 0, sizeof sa);
    if (getsockname(fd, &sa.any, &len) < 0)
        memset(&sa, 0, sizeof sa);
    socket_address(&sa.any, ret_local);
}

void socket_peer(int fd, struct tacit_address *ret_peer)
{
    union any_address sa;
    socklen_t len = sizeof sa;
    memset(&sa, 0, sizeof sa);
    if (getpeername(fd, &sa.any, &len) < 0)
        memset(&sa, 0, sizeof sa);
    socket_address(&sa.any, ret_peer);
}

bool socket_interface_is_up(const char *name)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        struct tacit_address address;
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
            strcmp(i->ifa_name, name) != 0)
            continue;
        socket_address(i->ifa_addr, &address);
        found = address.family != 0;
    }
    freeifaddrs(all);
    return found;
}
