/* The Unix socket of the host's door: who listens there, and what comes down it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "socket.h"

enum {
    DESCRIPTORS_MAX = 4, /* that are received at once; one is allowed */
};

int socket_connect_unix(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sa.sun_path, path, len);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || (fd = socket_prepare(fd)) < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0)
        return fd;
    int error = errno; /* EAGAIN: its queue is full */
    close(fd);
    errno = error;
    return -1;
}

/* Cuts the last part off a path, and asks about what is left; only its owner writes it.
 */
static bool own_parent(char *path, struct stat *ret_st)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return false;
    slash[slash == path] = '\0';
    return stat(path, ret_st) == 0 && (ret_st->st_mode & 022) == 0;
}

/* Nobody but root, or the user to whom root gave the directory, can have put it there. */
static bool is_users_place(const char *path, uid_t user)
{
    char place[sizeof((struct sockaddr_un *)0)->sun_path];
    struct stat st;
    snprintf(place, sizeof place, "%s", path);
    if (!own_parent(place, &st))
        return false;
    if (st.st_uid == 0)
        return true;
    return st.st_uid == user && own_parent(place, &st) && st.st_uid == 0;
}

bool socket_unix_peer(int fd, unsigned *ret_uid, int *ret_pid)
{
#ifdef SO_PEERCRED
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    *ret_pid = peer.pid;
    *ret_uid = peer.uid;
#else
    uid_t uid;
    gid_t gid;
    if (getpeereid(fd, &uid, &gid) < 0)
        return false;
    *ret_pid = 0;
    *ret_uid = uid;
#endif
    return true;
}

bool socket_unix_trusted(int fd, const char *path, unsigned *ret_uid)
{
    int pid;
    return socket_unix_peer(fd, ret_uid, &pid) &&
           (*ret_uid == 0 || *ret_uid == geteuid() || is_users_place(path, *ret_uid));
}

/* The descriptors that came with a message: how many, and the first. */
static int take_descriptors(struct msghdr *message, int fds[DESCRIPTORS_MAX])
{
    int count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes && count < DESCRIPTORS_MAX;
             at += sizeof(int))
            memcpy(&fds[count++], CMSG_DATA(c) + at, sizeof(int));
    }
    return count;
}

ssize_t socket_receive(int fd, void *bytes, size_t cap, int *ret_fd, bool *ret_lost)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = bytes, .iov_len = cap};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fds[DESCRIPTORS_MAX];
    ssize_t n;
    do {
        n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -1;
    int count = take_descriptors(&message, fds);
    *ret_lost = count == 0 && (message.msg_flags & MSG_CTRUNC) != 0;
    *ret_fd = count == 1 ? fds[0] : -1;
    if (count <= 1)
        return n;
    while (count > 0)
        close(fds[--count]);
    errno = EPROTO;
    return -1;
}
