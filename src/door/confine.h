/*
 * What the daemon may still do once it has started: nothing that its work does not need.
 * Who takes it over gets no program to run, no connection out and no file but those
 * of its own folders. Linux only; elsewhere, and on kernels that lack one of the two, it
 * goes on with less, and says so. Calls nothing of Tacit but the errors.
 *
 *     landlock.c  which files: by the folders that are named below
 *     seccomp.c   which system calls: a list of those that are needed
 *
 * A call that is not on the list fails with ENOSYS and does not end the daemon: a newer
 * libc, or another processor's, tries new calls first and does without where the kernel
 * seems not to have them. EPERM would be taken for an answer. What nothing in the daemon
 * or below it ever calls, and who has taken it over would (execve, ptrace...), ends
 * it at once: its links go on, and the service manager starts a fresh one.
 *
 * io_uring is refused from the beginning, before the lists are complete: what a ring
 * does, no filter sees, so there must be none; and a library that had made one (libuv
 * 1.50 does, for each loop) would not expect that it stops working.
 */
#ifndef TACIT_DOOR_CONFINE_H
#define TACIT_DOOR_CONFINE_H

#include <stdbool.h>

/* A confinement that is being made. */
struct confine {
    int ruleset; /* Landlock's; -1: this kernel has none */
    int version; /* of its interface; 0: none */
    bool calls;  /* there is no io_uring: the filter of system calls may follow */
};

/* How far it came. */
struct confined {
    bool calls; /* the filter of system calls is in force */
    int files;  /* the version of Landlock's interface that is; 0: none */
};

/*
 * A confinement that lets nothing yet; the others add to it. Before any loop of libuv's.
 * wanted: false: none is to come of it.
 */
void confine_begin(struct confine *c, bool wanted);

/* Files beside path, and in folders there, may be read from now on; later ones, too. */
void confine_may_read(struct confine *c, const char *path);

/* A Unix socket may be made, and removed, beside path. */
void confine_may_bind(struct confine *c, const char *path);

/* From now on, for good: this thread and what it starts. */
struct confined confine_end(struct confine *c);

/* seccomp.c: false where the kernel, or the build, has no such filters. */
bool confine_rings(void);
bool confine_calls(void);

#endif
