/* The way to a file, as sshd's StrictModes has it: who can change it has the file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files/internal.h"

enum {
    LINKS_MAX = 40, /* the kernel's own limit */
};

/* A path while it is walked. */
struct walk {
    const char *path; /* as it was given */
    struct tacit_files_user *user;
    uid_t owner;
    struct tacit_fault *fault;
    char done[PATH_MAX]; /* the folder that was reached, without a link in it; "": the
                            root */
    char left[PATH_MAX]; /* what is still to be walked */
    unsigned links;
    bool sticky; /* others may make files in the folder that was reached */
};

static int fail(struct walk *w, const char *at, int error)
{
    return file_refuse(w->fault, w->path,
                       "%.200s: %s, expected a folder on the way to it", at,
                       strerror(error));
}

static bool owner_ok(struct walk *w, uid_t owner)
{
    return owner == w->owner || file_owner_ok(w->user, owner);
}

/* Takes the folder at, which lstat has told about. */
static int enter(struct walk *w, const char *at, const struct stat *st)
{
    const char *shown = *at != '\0' ? at : "/";
    if (!S_ISDIR(st->st_mode))
        return fail(w, shown, ENOTDIR);
    if (!owner_ok(w, st->st_uid))
        return file_refuse(
            w->fault, w->path,
            "the folder %.200s belongs to user %ju, expected root or user %ju", shown,
            (uintmax_t)st->st_uid, (uintmax_t)file_other_owner(w->user));
    w->sticky = (st->st_mode & 022) != 0;
    if (w->sticky && (st->st_mode & S_ISVTX) == 0)
        return file_refuse(
            w->fault, w->path,
            "the folder %.200s has mode %04o, so that others can put another "
            "file there, expected 0755 or less",
            shown, (unsigned)st->st_mode & 07777);
    if (at != w->done)
        snprintf(w->done, sizeof w->done, "%s", at);
    return TACIT_OK;
}

static int enter_root(struct walk *w)
{
    struct stat st;
    w->done[0] = '\0';
    return lstat("/", &st) == 0 ? enter(w, w->done, &st) : fail(w, "/", errno);
}

/* Puts the link's target before what is left. */
static int follow(struct walk *w, const char *at, const struct stat *st)
{
    char target[PATH_MAX], rest[PATH_MAX];
    if (w->sticky && !owner_ok(w, st->st_uid))
        return file_refuse(
            w->fault, w->path,
            "the link %.200s belongs to user %ju, expected root or user %ju", at,
            (uintmax_t)st->st_uid, (uintmax_t)file_other_owner(w->user));
    ssize_t len = readlink(at, target, sizeof target - 1);
    if (len < 0)
        return fail(w, at, errno);
    target[len] = '\0';
    memcpy(rest, w->left, sizeof rest);
    int size = snprintf(w->left, sizeof w->left, "%s/%s", target, rest);
    if (++w->links > LINKS_MAX || size < 0 || (size_t)size >= sizeof w->left)
        return fail(w, at, ELOOP);
    return *target == '/' ? enter_root(w) : TACIT_OK;
}

/* One piece of the path. At its last one nothing is left, but for slashes. */
static int step(struct walk *w, const char *piece, bool last)
{
    char at[PATH_MAX];
    struct stat st;
    if (strcmp(piece, ".") == 0)
        return TACIT_OK;
    if (strcmp(piece, "..") == 0) {
        char *slash = strrchr(w->done, '/');
        if (slash != NULL)
            *slash = '\0';
        return lstat(*w->done != '\0' ? w->done : "/", &st) == 0
                   ? enter(w, w->done, &st)
                   : fail(w, w->done, errno);
    }
    int size = snprintf(at, sizeof at, "%s/%s", w->done, piece);
    if (size < 0 || (size_t)size >= sizeof at)
        return fail(w, w->done, ENAMETOOLONG);
    if (lstat(at, &st) != 0)
        return last && errno == ENOENT ? TACIT_OK : fail(w, at, errno);
    if (S_ISLNK(st.st_mode))
        return follow(w, at, &st);
    return last ? TACIT_OK : enter(w, at, &st);
}

int tacit_file_absolute(const char *path, char ret_path[PATH_MAX],
                        struct tacit_fault *fault)
{
    char here[PATH_MAX] = "";
    bool relative = *path != '/';
    if (relative && getcwd(here, sizeof here) == NULL)
        return file_refuse(fault, path, "%s, expected a folder to start from",
                           strerror(errno));
    int size = snprintf(ret_path, PATH_MAX, "%s%s%s", here, relative ? "/" : "", path);
    if (size < 0 || size >= PATH_MAX)
        return file_refuse(fault, path, "%s", strerror(ENAMETOOLONG));
    return TACIT_OK;
}

static int start(struct walk *w)
{
    int error = tacit_file_absolute(w->path, w->left, w->fault);
    return error ? error : enter_root(w);
}

int tacit_file_way(const char *path, struct tacit_fault *fault)
{
    return file_check_path(path, NULL, 0, fault);
}

int file_check_path(const char *path, struct tacit_files_user *user, uid_t owner,
                    struct tacit_fault *fault)
{
    struct walk w = {.path = path, .user = user, .owner = owner, .fault = fault};
    char piece[PATH_MAX];
    int error = start(&w);
    while (error == TACIT_OK) {
        size_t skip = strspn(w.left, "/"), len = strcspn(w.left + skip, "/");
        if (len == 0)
            break;
        memcpy(piece, w.left + skip, len);
        piece[len] = '\0';
        memmove(w.left, w.left + skip + len, strlen(w.left + skip + len) + 1);
        error = step(&w, piece, strspn(w.left, "/") == strlen(w.left));
    }
    return error;
}
