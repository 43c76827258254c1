/* For read.c and path.c: who may own a file, or a folder on the way to it. */
#ifndef TACIT_FILES_INTERNAL_H
#define TACIT_FILES_INTERNAL_H

#include <sys/stat.h>

#include "files/files.h"

/* "PATH: ...". Returns TACIT_ESYSTEM. */
__attribute__((format(printf, 3, 4))) int
file_refuse(struct tacit_fault *fault, const char *path, const char *format, ...);

/* Root's files are everybody's to trust; user is NULL where nobody else is asked about.
 */
bool file_owner_ok(struct tacit_files_user *user, uid_t owner);
uid_t file_other_owner(const struct tacit_files_user *user);

/*
 * Whether nobody else could put another file in the place of path: each folder on the way
 * to it, symbolic links followed, belongs to root, to the user or to owner, and is not
 * for others to write, unless it is sticky: there nobody replaces what is not his. What
 * path itself is does not matter, nor whether it is there.
 */
int file_check_path(const char *path, struct tacit_files_user *user, uid_t owner,
                    struct tacit_fault *fault);

#endif
