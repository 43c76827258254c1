/* What a program does to its C node that it should not, or all at once. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cnode.h"

static int send_atom(ei_cnode *ec, int fd, const char *to)
{
    ei_x_buff x;
    ei_x_new_with_version(&x);
    ei_x_encode_atom(&x, "hello");
    int error = ei_reg_send_tmo(ec, fd, (char *)(uintptr_t)to, x.buff, x.index, 60000);
    ei_x_free(&x);
    return error;
}

/*
 * What a child does with its parent's connection: nothing works but to close it. Then,
 * where it has a node to call, it makes one of its own.
 */
static int be_child(int fd, const char *to)
{
    char name[300];
    ei_cnode own;
    erlang_msg msg;
    ei_x_buff x;
    ei_x_new(&x);
    if (send_atom(&node, fd, "nobody") == 0 || strstr(tacit_ei_error(), "forked") == NULL)
        return 1;
    if (ei_xreceive_msg_tmo(fd, &msg, &x, 1000) != ERL_ERROR || erl_errno == ETIMEDOUT)
        return 2;
    if (tacit_ei_reload(&node) != 0)
        return 3;
    if (ei_close_connection(fd) != 0)
        return 4;
    snprintf(name, sizeof name, "child@%s", ei_thishostname(&node));
    if (tacit_ei_init(&own, arguments[1], name, arguments[3], 0) < 0)
        return 5;
    int link = tacit_ei_connect(&own, to, 60000);
    if (link < 0 || send_atom(&own, link, "nobody") != 0)
        return 6;
    ei_close_connection(link);
    tacit_ei_free(&own);
    tacit_ei_free(&node);
    return 0;
}

/* fork FD NODE: what became of the child */
void do_fork(int argc, char **argv)
{
    int status = 0;
    (void)argc;
    pid_t pid = fork();
    if (pid == 0)
        _exit(be_child(atoi(argv[1]), argv[2]));
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        answer("no child: %s", strerror(errno));
    else
        answer("child %d", WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status);
}

/* small FD MS: a message into a buffer of 100 bytes that does not grow */
void do_small(int argc, char **argv)
{
    char buffer[100];
    ei_x_buff x = {.buff = buffer, .buffsz = sizeof buffer};
    erlang_msg msg;
    int got;
    (void)argc;
    do
        got = ei_receive_msg_tmo(atoi(argv[1]), &msg, &x, (unsigned)atoi(argv[2]));
    while (got == ERL_TICK);
    if (got == ERL_ERROR)
        answer_failed();
    else
        answer("got %d", got);
}

/* misuse: what has no C node says so, and nothing falls over */
void do_misuse(int argc, char **argv)
{
    ei_cnode other;
    int well = 0;
    (void)argc, (void)argv;
    memset(&other, 0, sizeof other);
    well += tacit_ei_connect(&other, "a@127.0.0.1", 1000) == ERL_ERROR;
    well += tacit_ei_listen(&other, 5) == ERL_ERROR;
    well += tacit_ei_reload(&other) == ERL_ERROR;
    tacit_ei_free(&other);
    for (int i = 0; i < 2; i++) {
        well += tacit_ei_init(&other, arguments[1], arguments[2], "x", 0) == 0;
        tacit_ei_free(&other);
        tacit_ei_free(&other);
    }
    well += tacit_ei_connect(&other, "a@127.0.0.1", 1000) == ERL_ERROR;
    well += ei_close_connection(999) == ERL_ERROR;
    well += strstr(tacit_ei_error(), "tacit_ei_init") != NULL;
    answer("well %d", well);
}

/* --- many at once --------------------------------------------------------------------
 */

struct storm {
    pthread_t thread;
    const char *to;
    int number, times, well;
};

struct victim {
    pthread_t reader;
    int fd;
};

static void *read_on(void *argument)
{
    struct victim *v = argument;
    erlang_msg msg;
    ei_x_buff x;
    ei_x_new(&x);
    while (ei_xreceive_msg(v->fd, &msg, &x) != ERL_ERROR)
        ;
    ei_x_free(&x);
    return NULL;
}

/* Connects, has another thread read and a third write, and closes under them. */
static void *connect_and_close(void *argument)
{
    struct storm *s = argument;
    ei_cnode own;
    char name[300];
    snprintf(name, sizeof name, "s%d@%s", s->number, ei_thishostname(&node));
    if (tacit_ei_init(&own, arguments[1], name, arguments[3], 0) < 0)
        return NULL;
    for (int i = 0; i < s->times; i++) {
        struct victim v = {.fd = tacit_ei_connect(&own, s->to, 60000)};
        if (v.fd < 0)
            continue; /* its link before is not gone over there yet */
        pthread_create(&v.reader, NULL, read_on, &v);
        for (int j = 0; j < 20; j++)
            (void)send_atom(&own, v.fd, "ei_storm");
        (void)tacit_ei_reload(&own);
        s->well += ei_close_connection(v.fd) == 0;
        pthread_join(v.reader, NULL);
    }
    tacit_ei_free(&own);
    return NULL;
}

/* storm NODE THREADS TIMES */
void do_storm(int argc, char **argv)
{
    struct storm storms[16];
    int count = atoi(argv[2]) % 17, well = 0;
    (void)argc;
    for (int i = 0; i < count; i++) {
        storms[i] = (struct storm){.to = argv[1], .number = i, .times = atoi(argv[3])};
        pthread_create(&storms[i].thread, NULL, connect_and_close, &storms[i]);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(storms[i].thread, NULL);
        well += storms[i].well;
    }
    answer("%s", well > 0 ? "weathered" : "no link");
}
