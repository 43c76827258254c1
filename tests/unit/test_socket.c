/* The promises of src/socket/socket.h that need no peer. */
#include "test_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "socket/socket.h"
#include "tacit/error.h"

static char folder[] = "/tmp/tacit-socket.XXXXXX";
static char path[64];

static bool is_own(int fd)
{
    return fd > STDERR_FILENO;
}

/* In a process that was started with the standard descriptors closed. */
static bool opens_all_kinds(void)
{
    struct tacit_address address, peer;
    int pair[2];
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
    bool own = tacit_address_from_text("127.0.0.1", &address) == TACIT_OK;
    int listener = socket_listen(&address);
    socket_local(listener, &address);
    int client = socket_connect(&address, NULL), accepted;
    do
        accepted = socket_accept(listener, &peer);
    while (accepted < 0 && errno == EAGAIN);
    int local = socket_connect_unix(path);
    int lent = socket(AF_INET, SOCK_STREAM, 0);
    own = own && is_own(listener) && is_own(client) && is_own(accepted) &&
          is_own(local) && !is_own(lent) && is_own(socket_adopt(lent, &peer));
    return own && pipe(pair) == 0 && pair[0] == STDIN_FILENO; /* none is left there */
}

static void no_socket_takes_the_place_of_a_closed_standard_descriptor(void **state)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(opens_all_kinds() ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int make_unix_listener(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return bind(fd, (struct sockaddr *)&address, sizeof address) | listen(fd, 8);
}

static int remove_unix_listener(void **state)
{
    return unlink(path) | rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_socket_takes_the_place_of_a_closed_standard_descriptor),
    };
    return cmocka_run_group_tests_name("socket", tests, make_unix_listener,
                                       remove_unix_listener);
}
