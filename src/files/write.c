#include "files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct tacit_fault *fault, const char *path, const char *what)
{
    snprintf(fault->text, sizeof fault->text, "%.*s: %s: %s", TACIT_FAULT_MAX / 2, path,
             what, strerror(errno));
    return TACIT_ESYSTEM;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Makes the new name itself outlast a power cut. Not every file system can: no error. */
static void sync_directory_of(const char *path)
{
    char dir[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL && (size_t)(slash - path) < sizeof dir - 1)
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - path + 1), path);
    int fd = open(dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

int tacit_file_create(const char *path, mode_t mode, const void *bytes, size_t size,
                      struct tacit_fault *fault)
{
    /* Nobody but the owner until all of it is there. */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 && errno == EEXIST) {
        snprintf(fault->text, sizeof fault->text,
                 "%.*s: exists already, expected a new file", TACIT_FAULT_MAX / 2, path);
        return TACIT_ESYSTEM;
    }
    if (fd < 0)
        return fail(fault, path, "cannot be created");

    int error = 0;
    if (write_all(fd, bytes, size) != 0 || fchmod(fd, mode) != 0 || fsync(fd) != 0)
        error = fail(fault, path, "cannot be written");
    if (close(fd) != 0 && error == 0)
        error = fail(fault, path, "cannot be written");
    if (error != 0)
        unlink(path);
    else
        sync_directory_of(path);
    return error;
}

/* Fills fd, the new file, and moves it over path. */
static int move_over(int fd, const char *temp, const char *path, const void *bytes,
                     size_t size, struct tacit_fault *fault)
{
    struct stat old, new;
    bool bad = stat(path, &old) != 0 || fstat(fd, &new) != 0;
    if (!bad && !S_ISREG(old.st_mode)) {
        errno = EINVAL;
        bad = true;
    }
    /* chown only where it changes anything: to an ordinary user it is forbidden. */
    if (!bad && (old.st_uid != new.st_uid || old.st_gid != new.st_gid))
        bad = fchown(fd, old.st_uid, old.st_gid) != 0;
    bad = bad || fchmod(fd, old.st_mode & 07777) != 0 ||
          write_all(fd, bytes, size) != 0 || fsync(fd) != 0 || rename(temp, path) != 0;
    return bad ? fail(fault, path, "cannot be replaced") : 0;
}

int tacit_file_replace(const char *path, const void *bytes, size_t size,
                       struct tacit_fault *fault)
{
    char *target = realpath(path, NULL);
    if (target == NULL)
        return fail(fault, path, "cannot be replaced");
    size_t cap = strlen(target) + sizeof ".XXXXXX";
    char *temp = malloc(cap);
    int error = temp == NULL ? fail(fault, path, "cannot be replaced") : 0;

    if (error == 0) {
        snprintf(temp, cap, "%s.XXXXXX", target);
        int fd = mkstemp(temp); /* mode 0600, never over another file */
        if (fd < 0) {
            error = fail(fault, path, "cannot be replaced");
        } else {
            error = move_over(fd, temp, target, bytes, size, fault);
            if (error != 0)
                unlink(temp);
            else
                sync_directory_of(target);
            close(fd);
        }
    }
    free(temp);
    free(target);
    return error;
}
