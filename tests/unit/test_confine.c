/* The promises of src/door/confine.h, by trying what a confined process must not do. */
#include "test_unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "door/confine.h"

enum {
    CAN = 0,      /* the try came through */
    CANNOT = 1,   /* it got an error */
    NO_CALLS = 2, /* this kernel has no filter, or no Landlock */
    NO_FILES = 3,
};

static char folder[] = "/tmp/tacit-confine.XXXXXX";
static char inside[64], outside[64], sub[64];
static int listener; /* on loopback, made before */
static struct sockaddr_in listens = {.sin_family = AF_INET};

/* --- in a confined process of its own --------------------------------------------- */

static int confined_to_folder(int (*attempt)(void), bool needs_files)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct confine c;
        struct confined done;
        confine_begin(&c, true);
        confine_may_read(&c, inside);
        confine_may_bind(&c, inside);
        done = confine_end(&c);
        if (!done.calls)
            _exit(NO_CALLS);
        _exit(needs_files && done.files == 0 ? NO_FILES : attempt());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_FILES)
        return -1; /* this kernel has no Landlock; main has seen to the filter */
    return status;
}

static void assert_status(int status, int expected)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void cannot(int (*attempt)(void))
{
    assert_status(confined_to_folder(attempt, false), CANNOT);
}

static void can(int (*attempt)(void))
{
    assert_status(confined_to_folder(attempt, false), CAN);
}

static void ends(int (*attempt)(void))
{
    int status = confined_to_folder(attempt, false);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int verdict(bool came_through)
{
    return came_through ? CAN : CANNOT;
}

/* --- tries ------------------------------------------------------------------------ */

static int run_program(void)
{
    char *const argv[] = {(char *)"true", NULL};
    return verdict(execv("/bin/true", argv) == 0);
}

static int trace_parent(void)
{
    return verdict(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0);
}

static int read_parent(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {folder, 1};
    return verdict(syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0) == 1);
}

static int start_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return verdict(pid > 0);
}

static int signal_parent(void)
{
    return verdict(kill(getppid(), 0) == 0);
}

static int connect_tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return verdict(fd >= 0 &&
                   connect(fd, (struct sockaddr *)&listens, sizeof listens) == 0);
}

static int connect_by_sending(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct iovec iov = {(char *)"x", 1};
    struct msghdr message = {.msg_name = &listens,
                             .msg_namelen = sizeof listens,
                             .msg_iov = &iov,
                             .msg_iovlen = 1};
    return verdict(fd < 0 ||
                   sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&listens,
                          sizeof listens) >= 0 ||
                   sendmsg(fd, &message, MSG_FASTOPEN) >= 0);
}

static int send_datagram(void)
{
    return verdict(
        socket(AF_INET, SOCK_DGRAM, 0) >= 0 || socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ||
        socket(AF_INET, SOCK_RAW, 1) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static int runnable_memory(void)
{
    void *plain =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *run =
        mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return verdict(plain == MAP_FAILED || run != MAP_FAILED ||
                   mprotect(plain, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int raise_limits(void)
{
    const struct rlimit core = {RLIM_INFINITY, RLIM_INFINITY};
    return verdict(setrlimit(RLIMIT_CORE, &core) == 0);
}

static int write_inside(void)
{
    return verdict(open(inside, O_WRONLY) >= 0 || open(inside, O_RDONLY | O_TRUNC) >= 0);
}

static int create_inside(void)
{
    char path[80];
    snprintf(path, sizeof path, "%s/new", folder);
    return verdict(open(path, O_RDONLY | O_CREAT, 0600) >= 0 || mkdir(path, 0700) == 0 ||
                   symlink(inside, path) == 0 || rename(inside, path) == 0);
}

static int call_from_the_future(void)
{
    return verdict(syscall(100000) == -1 && errno == ENOSYS);
}

/* As libuv does it: what it gets is a descriptor, or an error. */
static int refused_ring(void)
{
    struct {
        uint32_t fields[30];
    } params = {{0}};
    return verdict(syscall(SYS_io_uring_setup, 4, &params) == -1 && errno == ENOSYS);
}

/* Before the confinement is complete, while the libraries are started. */
static int refused_ring_at_the_start(void)
{
    struct confine c;
    confine_begin(&c, true);
    return refused_ring();
}

static int read_outside(void)
{
    return verdict(open(outside, O_RDONLY) >= 0 || open("/etc/shadow", O_RDONLY) >= 0 ||
                   open("/etc/passwd", O_RDONLY) >= 0 ||
                   open("/proc/self/mem", O_RDONLY) >= 0);
}

static int bind_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    return fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(fd, 1) == 0;
}

static int socket_outside(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/tacit-confine-%d", (int)getpid());
    return verdict(bind_unix(path) || unlink(outside) == 0);
}

/* Its work: files of its folders, sockets that listen, memory, randomness, limits. */
static int its_work(void)
{
    char path[80];
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = listens.sin_addr};
    struct rlimit limit;
    snprintf(path, sizeof path, "%s/door.sock", folder);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    void *big = malloc(8 << 20);
    return verdict(open(inside, O_RDONLY | O_CLOEXEC) >= 0 && open(sub, O_RDONLY) >= 0 &&
                   fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0 &&
                   listen(fd, 8) == 0 &&
                   accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0 && errno == EAGAIN &&
                   bind_unix(path) && unlink(path) == 0 && big != NULL &&
                   getrandom(big, 16, 0) == 16 && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
                   socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
}

/* --- promises --------------------------------------------------------------------- */

static void a_program_that_is_to_be_run_ends_it(void **state)
{
    ends(run_program);
}

static void looking_into_another_process_ends_it(void **state)
{
    ends(trace_parent);
    ends(read_parent);
}

static void it_starts_no_process_and_signals_none(void **state)
{
    cannot(start_process);
    cannot(signal_parent);
}

static void it_connects_nowhere(void **state)
{
    cannot(connect_tcp);
    cannot(connect_by_sending);
    cannot(send_datagram);
}

static void it_gets_no_memory_that_can_be_run(void **state)
{
    cannot(runnable_memory);
}

static void it_changes_no_limit(void **state)
{
    cannot(raise_limits);
}

static void it_writes_no_file(void **state)
{
    cannot(write_inside);
    cannot(create_inside);
}

static void it_reads_no_file_but_those_of_its_folders(void **state)
{
    int status = confined_to_folder(read_outside, true);
    if (status != -1)
        assert_status(status, CANNOT);
}

static void it_makes_and_removes_sockets_in_its_folder_only(void **state)
{
    int status = confined_to_folder(socket_outside, true);
    if (status != -1)
        assert_status(status, CANNOT);
}

static void a_call_that_nobody_knows_is_told_not_to_exist(void **state)
{
    can(call_from_the_future);
}

static void a_library_is_told_from_the_start_that_there_is_no_io_uring(void **state)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(refused_ring_at_the_start());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_status(status, CAN);
    can(refused_ring);
}

static void its_work_goes_on(void **state)
{
    can(its_work);
}

/* --- the start -------------------------------------------------------------------- */

static void touch(char path[64], const char *rest)
{
    snprintf(path, 64, "%s%s", folder, rest);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static int make_folder(void **state)
{
    char below[64];
    socklen_t len = sizeof listens;
    assert_non_null(mkdtemp(folder));
    touch(inside, "/tacit.conf");
    touch(outside, ".outside");
    snprintf(below, sizeof below, "%s/keys", folder);
    assert_int_equal(mkdir(below, 0700), 0);
    touch(sub, "/keys/mesh.key");
    listens.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&listens, sizeof listens), 0);
    assert_int_equal(listen(listener, 8), 0);
    return getsockname(listener, (struct sockaddr *)&listens, &len);
}

static int remove_folder(void **state)
{
    char below[64];
    snprintf(below, sizeof below, "%s/keys", folder);
    return unlink(sub) | rmdir(below) | unlink(inside) | unlink(outside) | rmdir(folder);
}

/* What this kernel, and this build, have: NO_CALLS, NO_FILES, or CAN. */
static int probe(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct confine c;
        confine_begin(&c, true);
        struct confined done = confine_end(&c);
        _exit(!done.calls ? NO_CALLS : done.files == 0 ? NO_FILES : CAN);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

int main(void)
{
    if (probe() == NO_CALLS) { /* cmocka's own skip is a failure to meson */
        puts("1..0 # SKIP no filters of system calls in this kernel, or in this build");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_is_to_be_run_ends_it),
        cmocka_unit_test(looking_into_another_process_ends_it),
        cmocka_unit_test(it_starts_no_process_and_signals_none),
        cmocka_unit_test(it_connects_nowhere),
        cmocka_unit_test(it_gets_no_memory_that_can_be_run),
        cmocka_unit_test(it_changes_no_limit),
        cmocka_unit_test(it_writes_no_file),
        cmocka_unit_test(it_reads_no_file_but_those_of_its_folders),
        cmocka_unit_test(it_makes_and_removes_sockets_in_its_folder_only),
        cmocka_unit_test(a_call_that_nobody_knows_is_told_not_to_exist),
        cmocka_unit_test(a_library_is_told_from_the_start_that_there_is_no_io_uring),
        cmocka_unit_test(its_work_goes_on),
    };
    return cmocka_run_group_tests_name("confine", tests, make_folder, remove_folder);
}
