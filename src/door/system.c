/* The service manager's side, and the user that the daemon runs as. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "door/daemon.h"

enum {
    FIRST_SOCKET = 3, /* SD_LISTEN_FDS_START */
    SOCKETS_MAX = 64,
    DESCRIPTORS_MAX = 65536,
    DATA_MAX = 256 << 20, /* bytes: more than all that it may hold at once */
};

void system_notify(const char *state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path == NULL ? 0 : strlen(path);
    if (len == 0 || len >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, len);
    if (*path == '@')
        address.sun_path[0] = '\0'; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

int system_become(const char *name, struct tacit_fault *fault)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        snprintf(fault->text, sizeof fault->text,
                 "--user: got '%.100s', expected a user of this host", name);
        return TACIT_ECONFIG;
    }
    if (geteuid() == user->pw_uid && getegid() == user->pw_gid)
        return TACIT_OK;
    if (initgroups(name, user->pw_gid) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0 || setuid(0) == 0) {
        snprintf(fault->text, sizeof fault->text, "--user %.100s: %s", name,
                 errno == 0 ? "root is still at hand" : strerror(errno));
        return TACIT_ESYSTEM;
    }
    return TACIT_OK;
}

void system_harden(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur =
            limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
#ifdef TACIT_CONFINE /* sanitizers map more than that for themselves */
    if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur > DATA_MAX) {
        limit.rlim_cur = DATA_MAX;
        (void)setrlimit(RLIMIT_DATA, &limit);
    }
#endif
    limit = (struct rlimit){0, 0};
    (void)setrlimit(RLIMIT_CORE, &limit); /* no mesh key in a core file */
#ifdef __linux__
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

size_t system_descriptors(void)
{
    struct rlimit limit;
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return known ? (size_t)limit.rlim_cur : SIZE_MAX;
}

/* --- sockets that the manager opened ---------------------------------------------- */

static struct {
    int fds[SOCKETS_MAX];
    size_t count;
} given;

void system_take_sockets(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return;
    long n = strtol(count, NULL, 10);
    for (long i = 0; i < n && i < SOCKETS_MAX; i++) {
        int fd = FIRST_SOCKET + (int)i;
        if (socket_prepare(fd) >= 0)
            given.fds[given.count++] = fd;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

static bool bound_to(int fd, const struct tacit_address *address, const char *path)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage space;
    } sa;
    socklen_t len = sizeof sa;
    struct tacit_address own;
    memset(&sa, 0, sizeof sa);
    if (getsockname(fd, &sa.any, &len) != 0)
        return false;
    if (path != NULL)
        return sa.any.sa_family == AF_UNIX && strcmp(sa.local.sun_path, path) == 0;
    socket_address(&sa.any, &own);
    return own.family == address->family && own.port == address->port &&
           memcmp(own.bytes, address->bytes, sizeof own.bytes) == 0;
}

int system_socket(const struct tacit_address *address, const char *path)
{
    for (size_t i = 0; i < given.count; i++) {
        int fd = given.fds[i];
        if (!bound_to(fd, address, path))
            continue;
        given.fds[i] = given.fds[--given.count];
        return fd;
    }
    return -1;
}

void system_forget_sockets(void)
{
    while (given.count > 0)
        close(given.fds[--given.count]);
}

void system_close_sockets(void)
{
    while (given.count > 0) {
        log_event("unused_socket", "descriptor=%d", given.fds[given.count - 1]);
        close(given.fds[--given.count]);
    }
}

bool door_trouble(enum trouble which, const char *text)
{
    char state[sizeof "STATUS=" + TACIT_FAULT_MAX];
    struct tacit_fault *own = &door.troubles[which];
    if (text != NULL && strcmp(text, own->text) == 0)
        return false;
    if (text == NULL && *own->text == '\0')
        return false;
    snprintf(own->text, sizeof own->text, "%s", text == NULL ? "" : text);
    const char *first = "";
    for (size_t i = TROUBLES; i > 0; i--)
        if (*door.troubles[i - 1].text != '\0')
            first = door.troubles[i - 1].text;
    snprintf(state, sizeof state, "STATUS=%s", first);
    system_notify(state);
    return true;
}
