/*
 * files: the file system, for those that do no I/O of their own. Reads whole files
 * (read.c, revoked.c), and refuses those that others can change or, if they are keys,
 * read, by themselves or on the way to them (path.c); creates and replaces files without
 * ever leaving half of one (write.c). POSIX only. Calls policy, whose reader it is;
 * carrier, door, ei and cli call it.
 */
#ifndef TACIT_FILES_H
#define TACIT_FILES_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "policy/revoked.h"

/*
 * The reader of the real file system. Regular files only, through symbolic links too.
 * What is not right by its kind is refused: rules and secrets belong to root or to the
 * effective user, and so does each folder on the way to them (of what is shared, also to
 * the file's own owner); none of it may be for others to write, but for sticky folders,
 * such as /tmp. A secret gives group and others no permission at all.
 */
struct tacit_files tacit_files_real(void);

/*
 * The same for a command, which root also gives about configurations of other users: he
 * may look at all of them. Of one configuration, that is with one *user, which starts
 * zeroed, files may belong to root and to one other user, the first that is met: whose
 * it is, and who runs with it. Run by anybody else it is the same as the real one.
 */
struct tacit_files_user {
    uid_t uid;
    bool known;
};
struct tacit_files tacit_files_command(struct tacit_files_user *user);

/*
 * Whether nobody but root and the effective user can put another file in the place of
 * path, which need not be there: what the readers ask of the folders of rules and
 * secrets.
 */
int tacit_file_way(const char *path, struct tacit_fault *fault);

/* The path from the root, wherever the process works later. TACIT_ESYSTEM: that cannot
 * be. */
int tacit_file_absolute(const char *path, char ret_path[PATH_MAX],
                        struct tacit_fault *fault);

/*
 * Creates path with exactly this mode, whatever the umask, and writes bytes to the disk.
 * TACIT_ESYSTEM where anything is there already, a dangling link included. On a failure
 * half-way the file is removed.
 */
int tacit_file_create(const char *path, mode_t mode, const void *bytes, size_t size,
                      struct tacit_fault *fault);

/*
 * Replaces what path holds at one stroke: others see the old file or the new one. Keeps
 * mode and owner. Where path is a symbolic link, the file that it points to is replaced.
 */
int tacit_file_replace(const char *path, const void *bytes, size_t size,
                       struct tacit_fault *fault);

/*
 * Reads the file that belongs to the configuration at conf: `revoked`, beside it. Where
 * there is none no key is revoked. Where there is anything wrong with it, its owner and
 * mode included, *list stays as it was: what held before holds on, and the fault says
 * why.
 */
int tacit_file_revoked(const char *conf, struct tacit_revoked *list,
                       struct tacit_fault *fault);

/* That file's path; false: it is too long. */
bool tacit_file_revoked_path(const char *conf, char path[PATH_MAX]);

#endif
