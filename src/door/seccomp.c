/* Which system calls the daemon may still make: a list, by libseccomp. */
#include "door/confine.h"

#ifdef TACIT_HAVE_SECCOMP
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Names, so that each processor gives its own numbers, and those that it has not none. */
static const char *const allowed[] = {
    /* sockets and files that are open */
    "read",
    "readv",
    "pread64",
    "recv",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "send",
    "accept",
    "accept4",
    "bind",
    "listen",
    "shutdown",
    "close",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "fcntl",
    "fcntl64",
    "fstat",
    "fstat64",
    "fstatfs",
    "flock",
    "lseek",
    "_llseek",
    /* what is there, and the door's socket; Landlock has its say on which */
    "stat",
    "stat64",
    "lstat",
    "lstat64",
    "newfstatat",
    "fstatat64",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getcwd",
    "unlink",
    "unlinkat",
    "umask",
    /* waiting, and the time */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "ppoll_time64",
    "nanosleep",
    "clock_nanosleep",
    "clock_nanosleep_time64",
    "clock_gettime",
    "clock_gettime64",
    "clock_getres",
    "clock_getres_time64",
    "gettimeofday",
    "time",
    "restart_syscall",
    /* memory */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mlock",
    "mlock2",
    "munlock",
    "futex",
    "futex_time64",
    "sysinfo",
    "sched_getaffinity",
    "sched_yield",
    "getcpu",
    /* signals, itself, the end */
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigreturn",
    "sigaltstack",
    "getrandom",
    "getpid",
    "gettid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getuid32",
    "geteuid32",
    "getgid32",
    "getegid32",
    "getrlimit",
    "ugetrlimit",
    "rseq",
    "exit",
    "exit_group",
};

/* What only one who has taken it over would call. */
static const char *const deadly[] = {
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "bpf",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "userfaultfd",
    "perf_event_open",
    "add_key",
    "request_key",
    "keyctl",
    "setuid",
    "setgid",
    "setreuid",
    "setresuid",
};

/* Without libc's opinion of how many arguments a call has. */
static int add(scmp_filter_ctx ctx, uint32_t action, const char *name, unsigned count,
               const struct scmp_arg_cmp *args)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR)
        return 0; /* libseccomp does not know it: nobody here calls it */
    int error = seccomp_rule_add_array(ctx, action, number, count, args);
    return error == -EDOM || error == -EFAULT ? 0 : error; /* not of this processor */
}

static int add_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names,
                   size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        error = add(ctx, action, names[i], 0, NULL);
    return error;
}

/* Allowed where these bits of that argument are so. */
static int add_masked(scmp_filter_ctx ctx, const char *name, unsigned argument,
                      uint64_t mask, uint64_t value)
{
    struct scmp_arg_cmp cmp = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);
    return add(ctx, SCMP_ACT_ALLOW, name, 1, &cmp);
}

/* That argument, with that value. SCMP_CMP leaves a field out, of which clang warns. */
static struct scmp_arg_cmp is(unsigned argument, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

/* TCP to listen, Unix for the manager and the door, netlink for addresses: no more. */
static int add_sockets(scmp_filter_ctx ctx)
{
    static const int families[] = {AF_INET, AF_INET6};
    const struct scmp_arg_cmp local = is(0, AF_UNIX), links = is(0, AF_NETLINK);
    int error = add(ctx, SCMP_ACT_ALLOW, "socket", 1, &local);
    if (error == 0)
        error = add(ctx, SCMP_ACT_ALLOW, "socket", 1, &links);
    for (size_t i = 0; i < 2 && error == 0; i++) {
        const struct scmp_arg_cmp tcp[] = {
            is(0, (scmp_datum_t)families[i]),
            SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_STREAM),
        };
        error = add(ctx, SCMP_ACT_ALLOW, "socket", 2, tcp);
    }
    return error;
}

static int add_conditional(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp own[] = {is(0, 0), is(2, 0)};
    const struct scmp_arg_cmp nonblocking = is(1, FIONBIO);
    const struct scmp_arg_cmp abort_own = is(0, (scmp_datum_t)getpid());
    int error = add_sockets(ctx);
    /* Reading only. */
    uint64_t writes = O_ACCMODE | O_CREAT | O_TRUNC;
    if (error == 0)
        error = add_masked(ctx, "open", 1, writes, O_RDONLY);
    if (error == 0)
        error = add_masked(ctx, "openat", 2, writes, O_RDONLY);
    /* No memory that can be run. */
    if (error == 0)
        error = add_masked(ctx, "mmap", 2, PROT_EXEC, 0);
    if (error == 0)
        error = add_masked(ctx, "mmap2", 2, PROT_EXEC, 0);
    if (error == 0)
        error = add_masked(ctx, "mprotect", 2, PROT_EXEC, 0);
    /* That would be a connect by another name. */
    if (error == 0)
        error = add_masked(ctx, "sendto", 3, MSG_FASTOPEN, 0);
    if (error == 0)
        error = add_masked(ctx, "sendmsg", 2, MSG_FASTOPEN, 0);
    if (error == 0)
        error = add(ctx, SCMP_ACT_ALLOW, "prlimit64", 2, own); /* to ask, not to set */
    if (error == 0)
        error = add(ctx, SCMP_ACT_ALLOW, "ioctl", 1, &nonblocking);
    if (error == 0)
        error = add(ctx, SCMP_ACT_ALLOW, "tgkill", 1, &abort_own);
    /* An answer that who asks understands. */
    if (error == 0)
        error = add(ctx, SCMP_ACT_ERRNO(EACCES), "connect", 0, NULL);
    return error;
}

bool confine_rings(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    if (ctx == NULL)
        return false;
    int error = add(ctx, SCMP_ACT_ERRNO(ENOSYS), "io_uring_setup", 0, NULL);
    if (error == 0)
        error = seccomp_load(ctx);
    seccomp_release(ctx);
    return error == 0;
}

bool confine_calls(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (ctx == NULL)
        return false;
    /* Calls of another architecture would be other calls by the same numbers. */
    int error = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (error == 0)
        error = add_all(ctx, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof allowed[0]);
    if (error == 0)
        error = add_conditional(ctx);
    if (error == 0)
        error =
            add_all(ctx, SCMP_ACT_KILL_PROCESS, deadly, sizeof deadly / sizeof deadly[0]);
    if (error == 0)
        error = seccomp_load(ctx);
    seccomp_release(ctx);
    return error == 0;
}

#else

bool confine_rings(void)
{
    return false;
}

bool confine_calls(void)
{
    return false;
}
#endif
