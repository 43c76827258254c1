/* Which files the daemon may still touch: Landlock, where the kernel has it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/confine.h"

#if defined(__linux__) && defined(TACIT_CONFINE)
#include <sys/prctl.h>
#include <sys/syscall.h>

/* The kernel's interface, of which an older system's headers have less or nothing. */
enum {
    CREATE_RULESET = 444,
    ADD_RULE = 445,
    RESTRICT_SELF = 446,
    WANT_VERSION = 1,
    BENEATH = 1,
    FS_ALL_1 = (1 << 13) - 1,
    FS_READ_FILE = 1 << 2,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_SOCK = 1 << 9,
    FS_REFER = 1 << 13,       /* from version 2 on */
    FS_TRUNCATE = 1 << 14,    /* 3 */
    FS_IOCTL_DEV = 1 << 15,   /* 5 */
    NET_CONNECT_TCP = 1 << 1, /* 4; bind is not taken: a reload may bring other ports */
    SCOPE_SIGNAL = 1 << 1,    /* 6 */
};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

void confine_begin(struct confine *c, bool wanted)
{
    struct ruleset r = {.fs = FS_ALL_1};
    size_t size = sizeof r.fs;
    *c = (struct confine){.ruleset = -1};
    if (!wanted)
        return;
    c->calls = confine_rings();
    long version = syscall(CREATE_RULESET, NULL, 0, WANT_VERSION);
    c->version = version > 0 ? (int)version : 0;
    if (c->version == 0)
        return;
    if (c->version >= 2)
        r.fs |= FS_REFER;
    if (c->version >= 3)
        r.fs |= FS_TRUNCATE;
    if (c->version >= 4) {
        r.net = NET_CONNECT_TCP;
        size += sizeof r.net;
    }
    if (c->version >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (c->version >= 6) {
        r.scoped = SCOPE_SIGNAL;
        size += sizeof r.scoped;
    }
    c->ruleset = (int)syscall(CREATE_RULESET, &r, size, 0);
}

static void allow_folder(struct confine *c, const char *folder, uint64_t what)
{
    struct beneath rule = {.allowed = what,
                           .parent = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (rule.parent < 0)
        return;
    (void)syscall(ADD_RULE, c->ruleset, BENEATH, &rule, 0);
    close(rule.parent);
}

static void allow_beside(struct confine *c, const char *path, uint64_t what)
{
    char folder[PATH_MAX];
    int len = snprintf(folder, sizeof folder, "%s", path);
    if (c->ruleset < 0 || len < 0 || (size_t)len >= sizeof folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        allow_folder(c, ".", what);
    else {
        slash[slash == folder] = '\0';
        allow_folder(c, folder, what);
    }
}

/* What a link leads to, though it be not there yet. */
static void allow_beside_target(struct confine *c, const char *path, uint64_t what)
{
    char target[PATH_MAX], whole[PATH_MAX];
    const char *slash = strrchr(path, '/');
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len <= 0)
        return;
    target[len] = '\0';
    int folder = *target == '/' || slash == NULL ? 0 : (int)(slash - path) + 1;
    if (snprintf(whole, sizeof whole, "%.*s%s", folder, path, target) < PATH_MAX)
        allow_beside(c, whole, what);
}

void confine_may_read(struct confine *c, const char *path)
{
    allow_beside(c, path, FS_READ_FILE);
    char *real = realpath(path, NULL); /* what is read through a link is elsewhere */
    if (real != NULL)
        allow_beside(c, real, FS_READ_FILE);
    else
        allow_beside_target(c, path, FS_READ_FILE);
    free(real);
}

void confine_may_bind(struct confine *c, const char *path)
{
    allow_beside(c, path, FS_MAKE_SOCK | FS_REMOVE_FILE);
}

struct confined confine_end(struct confine *c)
{
    struct confined done = {false, 0};
    bool able = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (able && c->ruleset >= 0 && syscall(RESTRICT_SELF, c->ruleset, 0) == 0)
        done.files = c->version;
    if (c->ruleset >= 0)
        close(c->ruleset);
    c->ruleset = -1;
    done.calls = able && c->calls && confine_calls();
    return done;
}

#else

void confine_begin(struct confine *c, bool wanted)
{
    *c = (struct confine){.ruleset = -1};
}

void confine_may_read(struct confine *c, const char *path)
{
}

void confine_may_bind(struct confine *c, const char *path)
{
}

struct confined confine_end(struct confine *c)
{
    return (struct confined){false, 0};
}
#endif
