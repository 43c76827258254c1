/*
 * The file of the door's Unix socket, and its folder: made, found again, removed. Two
 * daemons that start at once would each take the other's socket for a dead one's, so that
 * who makes or removes one holds the folder's lock meanwhile. A socket that a service
 * manager passed is the manager's file: it is never removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "door/daemon.h"
#include "files/files.h"

enum {
    LOCK_TRIES = 100,
    LOCK_PAUSE_MS = 20, /* who holds it needs no longer than that */
};

static const char lock_name[] = "secure-epmd.lock";

/* The file that others find us by; ino 0: none. */
struct socket_file {
    char path[TACIT_DOOR_PATH_MAX + 1];
    dev_t dev;
    ino_t ino;
    bool passed;
};
static struct socket_file own;

/* The folder's lock: opened before the confinement, since no file is made after it. */
static struct {
    char path[TACIT_DOOR_PATH_MAX + 1 + sizeof lock_name];
    int fd;
} lock = {.fd = -1};

__attribute__((format(printf, 3, 4))) static int
fail(struct tacit_fault *fault, const char *path, const char *format, ...)
{
    va_list args;
    int used = snprintf(fault->text, sizeof fault->text,
                        "%s: [host] door = %s: ", tacit_policy_path(door.policy), path);
    va_start(args, format);
    if (used > 0 && (size_t)used < sizeof fault->text)
        vsnprintf(fault->text + used, sizeof fault->text - (size_t)used, format, args);
    va_end(args);
    return TACIT_ESYSTEM;
}

/* --- the folder ------------------------------------------------------------------- */

/* Everything before the last part of path, with its slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (int)(slash - path) + 1;
}

static int make_folder(const char *path, struct tacit_fault *fault)
{
    char folder[TACIT_DOOR_PATH_MAX + 1];
    struct stat st;
    snprintf(folder, sizeof folder, "%.*s", folder_length(path), path);
    if (*folder == '\0' || stat(folder, &st) == 0 || errno != ENOENT)
        return TACIT_OK; /* what else is wrong with it, bind says */
    size_t len = strlen(folder);
    if (len > 1)
        folder[len - 1] = '\0'; /* with a slash mkdir would follow a link */
    mode_t mask = umask(022);   /* nodes of all users come in */
    int error = mkdir(folder, 0777) == 0 ? 0 : errno;
    umask(mask);
    if (error == 0)
        log_event("made", "path=%s", folder);
    if (error == 0 || (error == EEXIST && stat(folder, &st) == 0))
        return TACIT_OK; /* another daemon's, say */
    return fail(fault, path,
                "%s cannot be made: %s; make it as root: install -d -o USER -m 755 %s, "
                "USER being who runs secure-epmd",
                folder,
                error == EEXIST ? "a link that leads nowhere is there" : strerror(error),
                folder);
}

/* --- the lock --------------------------------------------------------------------- */

/* Only its own user's, or root's: anybody else who held it could keep the door shut. */
static int open_lock(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077) == 0 &&
        (st.st_uid == geteuid() || st.st_uid == 0))
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

/* Whether the one that is open is the one that others find. */
static bool lock_stands(void)
{
    struct stat open, there;
    return fstat(lock.fd, &open) == 0 && lstat(lock.path, &there) == 0 &&
           open.st_dev == there.st_dev && open.st_ino == there.st_ino;
}

/* The lock of path's folder is the one that is open afterwards. */
static int find_lock(const char *path, struct tacit_fault *fault)
{
    char wanted[sizeof lock.path];
    snprintf(wanted, sizeof wanted, "%.*s%s", folder_length(path), path, lock_name);
    bool same = lock.fd >= 0 && strcmp(wanted, lock.path) == 0;
    if (same && lock_stands())
        return TACIT_OK;
    int fd = open_lock(wanted);
    if (fd < 0 && same && errno == ENOSYS)
        return TACIT_OK; /* removed, and none can be made: better than no door */
    if (fd < 0)
        return fail(fault, path, "%s: %s", wanted,
                    errno == EPERM    ? "expected a file of this user's, mode 0600"
                    : errno == ENOSYS ? "none can be made once secure-epmd has started: "
                                        "restart it"
                                      : strerror(errno));
    if (lock.fd >= 0)
        close(lock.fd);
    lock.fd = fd;
    memcpy(lock.path, wanted, sizeof lock.path);
    return TACIT_OK;
}

static int take_lock(const char *path, struct tacit_fault *fault)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000L};
    if (find_lock(path, fault) != TACIT_OK)
        return TACIT_ESYSTEM;
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(lock.fd, LOCK_EX | LOCK_NB) == 0)
            return TACIT_OK;
        if (errno != EWOULDBLOCK)
            return fail(fault, path, "%s: %s", lock.path, strerror(errno));
        nanosleep(&pause, NULL);
    }
    return fail(fault, path, "%s is held by another process", lock.path);
}

static void leave_lock(void)
{
    (void)flock(lock.fd, LOCK_UN);
}

int socket_file_prepare(const char *path, struct tacit_fault *fault)
{
    struct tacit_fault later; /* who needs it says so */
    int error = make_folder(path, fault);
    if (error == TACIT_OK)
        (void)find_lock(path, &later);
    return error;
}

/* --- the socket ------------------------------------------------------------------- */

/* Whether what is there is the socket that was made, or passed, then. */
static bool stands(const struct socket_file *p)
{
    struct stat st;
    return p->ino != 0 && lstat(p->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
           st.st_dev == p->dev && st.st_ino == p->ino;
}

static struct socket_file socket_file_of(const char *path, bool passed)
{
    struct socket_file p = {.passed = passed};
    struct stat st;
    snprintf(p.path, sizeof p.path, "%s", path);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        p.dev = st.st_dev;
        p.ino = st.st_ino;
    }
    return p;
}

/* What is there, where it is no socket. */
static const char *kind(mode_t mode)
{
    if (S_ISLNK(mode))
        return "a symbolic link";
    if (S_ISDIR(mode))
        return "a folder";
    return S_ISREG(mode) ? "a file" : "something else";
}

/* The path is free afterwards, or *fault says what is there. */
static int clear(const char *path, struct tacit_fault *fault)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? TACIT_OK : fail(fault, path, "%s", strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return fail(fault, path,
                    "%s is there, expected nothing or the socket of a door that ended",
                    kind(st.st_mode));
    if (helper_somebody_at(path))
        return fail(fault, path, "another secure-epmd is there");
    if (unlink(path) != 0)
        return fail(fault, path, "an ended door's socket cannot be removed: %s",
                    strerror(errno));
    return TACIT_OK;
}

static int bind_there(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    mode_t mask = umask(0); /* who may come in is asked of the kernel, not of the mode */
    int error = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    umask(mask);
    if (error == 0 && listen(fd, 512) == 0)
        return fd;
    errno = error != 0 ? error : errno;
    close(fd);
    return -1;
}

/* It listens before another daemon may look. */
static int make(const char *path, struct tacit_fault *fault)
{
    int fd = -1;
    struct tacit_fault way; /* nobody else is to be the door of nodes that look for it */
    if (tacit_file_way(path, &way) != TACIT_OK) {
        fail(fault, path, "%s", way.text);
        return -1;
    }
    if (take_lock(path, fault) != TACIT_OK)
        return -1;
    if (clear(path, fault) == TACIT_OK && (fd = bind_there(path)) < 0)
        fail(fault, path, "%s%s", strerror(errno),
             *own.path != '\0' ? "; if its folder is not that of the start any more, "
                                 "restart secure-epmd"
                               : "");
    leave_lock();
    return fd;
}

static void remove_one(const struct socket_file *p)
{
    struct tacit_fault fault;
    if (p->passed || !stands(p) || take_lock(p->path, &fault) != TACIT_OK)
        return;
    if (stands(p))
        unlink(p->path);
    leave_lock();
}

bool socket_file_stands(const char *path)
{
    return strcmp(path, own.path) == 0 && stands(&own);
}

int socket_file_open(const char *path, struct tacit_fault *fault)
{
    /* One whose file is gone nobody finds: the manager's, too, must be made again. */
    bool passed = socket_file_of(path, true).ino != 0;
    int fd = passed ? system_socket(NULL, path) : -1;
    passed = fd >= 0;
    if (!passed)
        fd = make(path, fault);
    if (fd < 0)
        return -1;
    struct socket_file before = own;
    own = socket_file_of(path, passed);
    if (strcmp(before.path, path) != 0)
        remove_one(&before);
    return fd;
}

void socket_file_remove(void)
{
    remove_one(&own);
    own = (struct socket_file){.passed = false};
}
