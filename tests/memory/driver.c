/*
 * Memory that runs out in the driver: at each of its allocations in turn, while it loads,
 * listens, dials, carries messages, changes keys and reloads. The link at work may end;
 * the driver goes on, the next link works, and at the end nothing is left of anything.
 */
#include "../unit/test_unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cursor.h"
#include "carrier/carrier.h"
#include "carrier/control.h"
#include "fault.h"
#include "world.h"

enum {
    PATIENCE_S = 60,
    LARGE = 1200 * 1024, /* more than rekey-bytes */
    TRIES_MAX = 5000,
    GETSTAT = 0x03f1a300 + 11,
};

static char dir[] = "/tmp/tacit-memory.XXXXXX", path_a[64], path_b[64];
static struct tacit_address address = {.family = 4, .port = 4370, .bytes = {127}};

/* --- two nodes ------------------------------------------------------------------------
 */

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void write_node(const char *own, const char *name, const char *peer,
                       const char *peer_key)
{
    char text[1024], where[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(&address, where);
    snprintf(text, sizeof text,
             "[mesh]\nkey-file = %s/mesh.key\nrekey-bytes = 1048576\n"
             "[host]\nidentity = %s/%s.key\nlisten = %s\n"
             "[peer %s]\npublic-key = %s\npair-key = %s/pair.key\n",
             dir, dir, own, where, peer, peer_key, dir);
    write_file(name, text);
}

static void write_key(const char *name, struct noise_keypair *pair)
{
    char text[TACIT_KEY_TEXT + 1];
    noise_keypair_generate(pair);
    tacit_key_to_text(pair->private_key.bytes, text);
    strcat(text, "\n");
    write_file(name, text);
}

static void write_files(void)
{
    struct noise_keypair a, b, other;
    char key_a[TACIT_KEY_TEXT], key_b[TACIT_KEY_TEXT];
    assert_non_null(mkdtemp(dir));
    address.bytes[1] = 66; /* an address of this process's own */
    address.bytes[2] = (uint8_t)(getpid() >> 8);
    address.bytes[3] = (uint8_t)getpid();
    write_key("mesh.key", &other);
    write_key("pair.key", &other);
    write_key("a.key", &a);
    write_key("b.key", &b);
    tacit_key_to_text(a.public_key, key_a);
    tacit_key_to_text(b.public_key, key_b);
    write_node("a", "a.conf", "b@two.example", key_b);
    write_node("b", "b.conf", "a@one.example", key_a);
    snprintf(path_a, sizeof path_a, "%s/a.conf", dir);
    snprintf(path_b, sizeof path_b, "%s/b.conf", dir);
}

/* --- one conversation -----------------------------------------------------------------
 */

static time_t deadline;
static bool is_other; /* the process that no memory runs out in */

static bool told(const struct port *p, const char *what)
{
    return strcmp(p->told, what) == 0;
}

static void turn(void)
{
    world_turn(5);
    if (time(NULL) > deadline) {
        fprintf(stderr, "%s: nothing happens any more\n",
                is_other ? "the other node" : "driver");
        world_show();
        _exit(3);
    }
}

/* Dials with the port until it knows how that went. */
static bool dial(struct port *p, const char *own, const char *wanted)
{
    uint8_t space[600];
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u8(&w, 0);
    tacit_put_u8(&w, (uint8_t)strlen(own));
    tacit_put_bytes(&w, own, strlen(own));
    tacit_put_u8(&w, (uint8_t)strlen(wanted));
    tacit_put_bytes(&w, wanted, strlen(wanted));
    tacit_put_u32(&w, PATIENCE_S * 1000);
    tacit_put_u8(&w, 4);
    tacit_put_u16(&w, address.port);
    tacit_put_u32(&w, 0);
    tacit_put_bytes(&w, address.bytes, 4);
    if (world_control(p, COMMAND_CONNECT, space, tacit_written(&w)) != 0)
        return false;
    while (p->open && !told(p, "tacit_connected"))
        turn();
    w = tacit_writer(space, sizeof space);
    tacit_put_u32(&w, PATIENCE_S * 1000);
    if (world_control(p, COMMAND_PROCEED, space, tacit_written(&w)) != 0)
        return false;
    while (p->open && !told(p, "tacit_up"))
        turn();
    return p->open;
}

/* The distribution handshake in short, then messages of every size; first: who begins. */
static bool talk(struct port *p, bool first)
{
    static char bytes[LARGE];
    static const size_t sizes[] = {10, 300, 5000, 70000, LARGE, 20};
    size_t all = 0, sent = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        all += sizes[i];
    world_send(p, "hello", 5);
    if (world_control(p, COMMAND_RECV, "", 0) != 0)
        return false;
    while (p->open && p->told_data == 0)
        turn();
    if (world_control(p, COMMAND_ACTIVE, "", 0) != 0)
        return false;
    /* The side that does not begin says as much as it has heard. */
    while (p->open && (p->delivered < all || sent < COUNT(sizes))) {
        size_t heard = 0;
        for (size_t i = 0; i <= sent && i < COUNT(sizes); i++)
            heard += sizes[i];
        if (sent < COUNT(sizes) && (first || p->delivered >= heard))
            world_send(p, bytes, sizes[sent++]);
        else
            turn();
    }
    return p->open;
}

/* What else goes on beside a link: its answers do not matter, nor whether there is one.
 */
static void administer(struct port *p, struct port *listener, const char *path)
{
    static const uint8_t stat[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    world_control(p, COMMAND_TICK, "", 0);
    world_control(p, GETSTAT, stat, sizeof stat);
    world_call(p, 1);
    world_call(p, 2);
    world_control(listener, COMMAND_REVOKED, "", 0);
    world_configure(p, listener, path);
    world_control(p, COMMAND_REVIEW, "", 0);
}

/* Nothing went wrong but what was to. The other process has no test to fail. */
static void must_be_the_fault(void)
{
    bool failed = fault_disarm();
    if (!failed && is_other)
        _exit(4);
    assert_true(failed);
}

/* A driver from its start on, which must get to a port with its configuration. */
static struct port *start(const char *path)
{
    while (!world_start())
        must_be_the_fault();
    for (int tries = 0;; tries++) {
        struct port *p = world_open();
        if (p != NULL && world_configure(p, NULL, path) == 0)
            return p;
        must_be_the_fault();
        assert_in_range(tries, 0, 1);
        world_close(p);
    }
}

static void listen_on(struct port *p, const char *name)
{
    for (int tries = 0; world_control(p, COMMAND_LISTEN, name, strlen(name)) != 0;
         tries++) {
        must_be_the_fault();
        assert_in_range(tries, 0, 1);
    }
    if (world_control(p, COMMAND_ACCEPT, "", 0) != 0)
        must_be_the_fault();
}

/* --- the other node, a process of its own that has all the memory there is ------------
 */

struct other {
    pid_t pid;
    int fd; /* a byte to it: dial; its end: stop */
};

/* Answers any peer that dials, until it is told to stop. */
static void other_listens(int fd)
{
    struct port *listener = start(path_b);
    char byte;
    listen_on(listener, "b@two.example");
    (void)!write(fd, "l", 1);
    while (recv(fd, &byte, 1, MSG_DONTWAIT) != 0) {
        deadline = time(NULL) + PATIENCE_S;
        world_turn(5);
        struct port *p = world_accepted();
        if (p == NULL)
            continue;
        talk(p, false);
        while (p->open)
            turn();
    }
}

/* Dials when it is told to, again and again, until a link has done all that it should. */
static void other_dials(int fd)
{
    char byte;
    struct port *control = start(path_b);
    while (read(fd, &byte, 1) == 1) {
        deadline = time(NULL) + PATIENCE_S;
        for (bool done = false; !done;) {
            struct port *p = world_open();
            done = dial(p, "b@two.example", "a@one.example") && talk(p, true);
            world_close(p);
        }
        (void)!write(fd, "d", 1);
    }
    world_close(control);
}

static struct other fork_other(void (*run)(int fd))
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    fflush(NULL);
    struct other other = {.pid = fork(), .fd = fds[0]};
    assert_true(other.pid >= 0);
    if (other.pid == 0) {
        close(fds[0]);
        is_other = true;
        run(fds[1]);
        _exit(0);
    }
    close(fds[1]);
    return other;
}

static void stop_other(struct other *other)
{
    int status;
    shutdown(other->fd, SHUT_RDWR);
    close(other->fd);
    assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
    assert_int_equal(status, 0);
}

/* --- each allocation in turn ----------------------------------------------------------
 */

static size_t open_descriptors(void)
{
    DIR *handle = opendir("/proc/self/fd");
    size_t count = 0;
    while (handle != NULL && readdir(handle) != NULL)
        count++;
    if (handle != NULL)
        closedir(handle);
    return count;
}

static void as_dialler(const struct other *other)
{
    struct port *control = start(path_a);
    for (bool done = false; !done;) {
        struct port *p = world_open();
        done = p != NULL && dial(p, "a@one.example", "b@two.example") && talk(p, true);
        if (done)
            administer(p, control, path_a);
        else
            must_be_the_fault();
        world_close(p);
    }
}

static void as_listener(const struct other *other)
{
    struct port *listener = start(path_a);
    char byte;
    listen_on(listener, "a@one.example");
    assert_int_equal(write(other->fd, "d", 1), 1);
    bool done = false;
    while (recv(other->fd, &byte, 1, MSG_DONTWAIT) != 1) {
        turn();
        struct port *p = world_accepted();
        if (p != NULL && talk(p, false)) {
            done = true;
            administer(p, listener, path_a);
            while (p->open)
                turn();
        }
    }
    assert_true(done);
}

static void run_out(void (*scenario)(const struct other *), const struct other *other)
{
    deadline = time(NULL) + PATIENCE_S;
    scenario(other); /* once as it should be, which also warms caches of libc's */
    world_end();
    size_t before = fault_live(), fds = open_descriptors(), n;
    bool failed = true;
    for (n = 1; failed && n < TRIES_MAX; n++) {
        deadline = time(NULL) + PATIENCE_S;
        fault_arm(n);
        scenario(other);
        failed = fault_disarm();
        world_end();
        assert_int_equal(fault_live(), before);
        assert_int_equal(open_descriptors(), fds);
    }
    print_message("# %zu allocations failed\n", n - 2);
    assert_in_range(n, 10, TRIES_MAX - 1);
}

static void a_driver_that_dials_ends_that_link_and_no_other(void **state)
{
    char byte;
    struct other other = fork_other(other_listens);
    assert_int_equal(read(other.fd, &byte, 1), 1);
    run_out(as_dialler, &other);
    stop_other(&other);
}

static void a_driver_that_listens_ends_that_link_and_listens_on(void **state)
{
    struct other other = fork_other(other_dials);
    run_out(as_listener, &other);
    stop_other(&other);
}

static int remove_files(void **state)
{
    static const char *const names[] = {"mesh.key", "pair.key", "a.key",
                                        "b.key",    "a.conf",   "b.conf"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static int make_files(void **state)
{
    write_files();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_that_dials_ends_that_link_and_no_other),
        cmocka_unit_test(a_driver_that_listens_ends_that_link_and_listens_on),
    };
    signal(SIGPIPE, SIG_IGN); /* as the emulator does */
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("memory-driver", tests, make_files, remove_files);
}
