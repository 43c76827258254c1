#include "files/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_refuse(struct tacit_fault *fault, const char *path, const char *format, ...)
{
    size_t used = (size_t)snprintf(fault->text, sizeof fault->text,
                                   "%.*s: ", TACIT_FAULT_MAX / 2, path);
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text + used, sizeof fault->text - used, format, args);
    va_end(args);
    return TACIT_ESYSTEM;
}

uid_t file_other_owner(const struct tacit_files_user *user)
{
    return user != NULL && user->known ? user->uid : geteuid();
}

bool file_owner_ok(struct tacit_files_user *user, uid_t owner)
{
    if (user != NULL && !user->known && geteuid() == 0 && owner != 0)
        *user = (struct tacit_files_user){owner, true};
    return owner == 0 || owner == file_other_owner(user);
}

/* Who can write the configuration can let himself in. */
static int check_mode(const char *path, enum tacit_file_kind kind, unsigned mode,
                      struct tacit_fault *fault)
{
    bool secret = kind == TACIT_FILE_SECRET;
    if (!secret && (mode & 022) != 0)
        return file_refuse(fault, path,
                           "mode %04o lets others write it, expected 0644 or less", mode);
    if (secret && (mode & 044) != 0)
        return file_refuse(fault, path, "mode %04o lets others read it, expected 0600",
                           mode);
    if (secret && (mode & 077) != 0)
        return file_refuse(fault, path, "mode %04o lets others at it, expected 0600",
                           mode);
    return TACIT_OK;
}

/* What fstat tells about an open file: no one can swap it in between. */
static int check(int fd, const char *path, enum tacit_file_kind kind, size_t cap,
                 struct tacit_files_user *user, struct tacit_fault *fault)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return file_refuse(fault, path, "%s, expected a readable file", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return file_refuse(fault, path, "not a regular file, expected one");
    if (st.st_size > 0 && (uintmax_t)st.st_size > cap)
        return file_refuse(fault, path, "%ju bytes, expected at most %zu",
                           (uintmax_t)st.st_size, cap);
    int error = check_mode(path, kind, st.st_mode & 07777, fault);
    if (error || kind == TACIT_FILE_SIGNED)
        return error;
    bool shared = kind == TACIT_FILE_SHARED;
    if (!shared && !file_owner_ok(user, st.st_uid))
        return file_refuse(fault, path, "belongs to user %ju, expected root or user %ju",
                           (uintmax_t)st.st_uid, (uintmax_t)file_other_owner(user));
    return file_check_path(path, user, shared ? st.st_uid : 0, fault);
}

/* Up to size bytes; fewer only at the end. -1 with errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, buf + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int read_checked(int fd, const char *path, enum tacit_file_kind kind, char *buf,
                        size_t cap, size_t *ret_len, struct tacit_files_user *user,
                        struct tacit_fault *fault)
{
    char more;
    int error = check(fd, path, kind, cap, user, fault);
    if (error != 0)
        return error;
    ssize_t len = read_all(fd, buf, cap);
    /* It may have grown since: half a file must not pass for a whole one. */
    ssize_t rest = len == (ssize_t)cap ? read_all(fd, &more, 1) : 0;
    if (len >= 0 && rest == 0) {
        *ret_len = (size_t)len;
        return 0;
    }
    error =
        len < 0 || rest < 0
            ? file_refuse(fault, path, "%s, expected a readable file", strerror(errno))
            : file_refuse(fault, path, "too long, expected at most %zu bytes", cap);
    tacit_wipe(&more, 1);
    tacit_wipe(buf, cap);
    return error;
}

static int read_file(void *context, const char *path, enum tacit_file_kind kind,
                     char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    /* Not blocking: a FIFO would wait for a writer before it can be refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        bool absent = errno == ENOENT;
        int error =
            file_refuse(fault, path, "%s, expected a readable file", strerror(errno));
        return absent ? TACIT_EABSENT : error;
    }
    int error = read_checked(fd, path, kind, buf, cap, ret_len, context, fault);
    close(fd);
    return error;
}

struct tacit_files tacit_files_real(void)
{
    return (struct tacit_files){.context = NULL, .read = read_file};
}

struct tacit_files tacit_files_command(struct tacit_files_user *user)
{
    return (struct tacit_files){.context = user, .read = read_file};
}
