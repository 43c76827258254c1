/* What the tests' C node does. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cnode.h"

/* connect NODE MS */
void do_connect(int argc, char **argv)
{
    int fd = tacit_ei_connect(&node, argv[1], (unsigned)atoi(argv[2]));
    (void)argc;
    if (fd < 0)
        answer_failed();
    else
        answer("connected %d", fd);
}

/* close FD */
void do_close(int argc, char **argv)
{
    (void)argc;
    if (ei_close_connection(atoi(argv[1])) < 0)
        answer_failed();
    else
        answer("closed");
}

/* listen */
void do_listen(int argc, char **argv)
{
    int fd = tacit_ei_listen(&node, 5);
    (void)argc, (void)argv;
    if (fd < 0)
        answer_failed();
    else
        answer("listening %d", fd);
}

/* accept FD MS */
void do_accept(int argc, char **argv)
{
    ErlConnect peer;
    int fd = ei_accept_tmo(&node, atoi(argv[1]), &peer, (unsigned)atoi(argv[2]));
    (void)argc;
    if (fd < 0)
        answer_failed();
    else
        answer("accepted %d %s %d.%d.%d.%d", fd, peer.nodename,
               (unsigned char)peer.ipadr[0], (unsigned char)peer.ipadr[1],
               (unsigned char)peer.ipadr[2], (unsigned char)peer.ipadr[3]);
}

/* reload */
void do_reload(int argc, char **argv)
{
    int cut = tacit_ei_reload(&node);
    (void)argc, (void)argv;
    if (cut < 0)
        answer_failed();
    else
        answer("reloaded %d", cut);
}

/* chdir DIR */
void do_chdir(int argc, char **argv)
{
    (void)argc;
    answer("chdir %d", chdir(argv[1]));
}

/* reloads TIMES */
void do_reloads(int argc, char **argv)
{
    int well = 0;
    (void)argc;
    for (int i = 0; i < atoi(argv[1]); i++)
        well += tacit_ei_reload(&node) == 0;
    answer("reloaded %d times", well);
}

static void answer_term(const char *what, const char *buff, int index)
{
    char *text = NULL;
    if (ei_s_print_term(&text, buff, &index) < 0)
        answer("unprintable");
    else
        answer("%s %s", what, text);
    free(text);
}

/* rpc FD MODULE FUNCTION ARGS, a list as ei_format has it */
void do_rpc(int argc, char **argv)
{
    ei_x_buff args, reply;
    (void)argc;
    ei_x_new(&args);
    ei_x_new(&reply);
    if (ei_x_format_wo_ver(&args, argv[4]) < 0)
        answer("unreadable %s", argv[4]);
    else if (ei_rpc(&node, atoi(argv[1]), argv[2], argv[3], args.buff, args.index,
                    &reply) < 0)
        answer_failed();
    else
        answer_term("reply", reply.buff, 0);
    ei_x_free(&args);
    ei_x_free(&reply);
}

/* send FD REGISTERED TERM: {our pid, TERM} */
void do_send(int argc, char **argv)
{
    ei_x_buff x;
    (void)argc;
    ei_x_new_with_version(&x);
    ei_x_encode_tuple_header(&x, 2);
    ei_x_encode_pid(&x, ei_self(&node));
    if (ei_x_format_wo_ver(&x, argv[3]) < 0)
        answer("unreadable %s", argv[3]);
    else if (ei_reg_send(&node, atoi(argv[1]), argv[2], x.buff, x.index) < 0)
        answer_failed();
    else
        answer("sent");
    ei_x_free(&x);
}

static unsigned long sum_of(const char *bytes, long size)
{
    unsigned long sum = 0;
    for (long i = 0; i < size; i++)
        sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

/* bulk FD REGISTERED BYTES MS: {our pid, a binary of that size} */
void do_bulk(int argc, char **argv)
{
    size_t size = (size_t)atol(argv[3]);
    char *bytes = malloc(size + 1);
    ei_x_buff x;
    (void)argc;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    ei_x_new_with_version(&x);
    ei_x_encode_tuple_header(&x, 2);
    ei_x_encode_pid(&x, ei_self(&node));
    ei_x_encode_binary(&x, bytes, (int)size);
    if (ei_reg_send_tmo(&node, atoi(argv[1]), argv[2], x.buff, x.index,
                        (unsigned)atoi(argv[4])) < 0)
        answer_failed();
    else
        answer("binary %zu %lu", size, sum_of(bytes, (long)size));
    ei_x_free(&x);
    free(bytes);
}

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The next message within ms, ticks passed over. */
static int receive(int fd, long ms, erlang_msg *msg, ei_x_buff *x)
{
    long until = now_ms() + ms;
    int got;
    do {
        long left = until - now_ms();
        got = ei_xreceive_msg_tmo(fd, msg, x, left > 0 ? (unsigned)left : 1);
    } while (got == ERL_TICK);
    return got;
}

/* receive FD MS */
void do_receive(int argc, char **argv)
{
    erlang_msg msg;
    ei_x_buff x;
    int version, index = 0;
    (void)argc;
    ei_x_new(&x);
    if (receive(atoi(argv[1]), atol(argv[2]), &msg, &x) < 0)
        answer_failed();
    else if (ei_decode_version(x.buff, &index, &version) < 0)
        answer("unreadable");
    else
        answer_term("message", x.buff, index);
    ei_x_free(&x);
}

/* sink FD MS: a message that is a binary, or {a pid, a binary}: its length and sum */
void do_sink(int argc, char **argv)
{
    erlang_msg msg;
    ei_x_buff x;
    erlang_pid from;
    int version, type, size, arity, index = 0;
    (void)argc;
    ei_x_new(&x);
    if (receive(atoi(argv[1]), atol(argv[2]), &msg, &x) < 0) {
        answer_failed();
    } else if (ei_decode_version(x.buff, &index, &version) < 0 ||
               (ei_decode_tuple_header(x.buff, &index, &arity) == 0 &&
                ei_decode_pid(x.buff, &index, &from) < 0) ||
               ei_get_type(x.buff, &index, &type, &size) < 0 || type != ERL_BINARY_EXT) {
        answer("unreadable");
    } else {
        answer("binary %d %lu", size, sum_of(x.buff + index + 5, size));
    }
    ei_x_free(&x);
}

/* What is at the front of a message: {NUMBER, ...}. */
static long number_of(const ei_x_buff *x)
{
    int version, arity, index = 0;
    long number = -1;
    if (ei_decode_version(x->buff, &index, &version) == 0 &&
        ei_decode_tuple_header(x->buff, &index, &arity) == 0)
        (void)ei_decode_long(x->buff, &index, &number);
    return number;
}

/*
 * poll FD COUNT MS: messages {1, ...}, {2, ...} as a program gets them that calls ei only
 * where poll() has said so; MS is how long it may say nothing. After them it must not.
 */
void do_poll(int argc, char **argv)
{
    int fd = atoi(argv[1]), count = atoi(argv[2]), ready = 1, in_vain = 0, got;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    erlang_msg msg;
    ei_x_buff x;
    long next = 1;
    (void)argc;
    ei_x_new(&x);
    while (next <= count && (ready = poll(&p, 1, atoi(argv[3]))) > 0) {
        got = ei_xreceive_msg_tmo(fd, &msg, &x, 1);
        in_vain += got != ERL_MSG;
        if (got == ERL_MSG && number_of(&x) != next++)
            break;
        if (got == ERL_ERROR && erl_errno != ETIMEDOUT)
            break;
    }
    while (next > count && ready > 0 && poll(&p, 1, 0) > 0)
        if (ei_xreceive_msg_tmo(fd, &msg, &x, 1) != ERL_TICK)
            ready = 0;
    if (next > count && ready > 0)
        answer("all, and %d times nothing", in_vain);
    else
        answer("failed: before %ld, ready %d, %s", next, ready, tacit_ei_error());
    ei_x_free(&x);
}

/* woken FD MS: what comes when poll() says that there is something */
void do_woken(int argc, char **argv)
{
    struct pollfd p = {.fd = atoi(argv[1]), .events = POLLIN};
    if (poll(&p, 1, atoi(argv[2])) > 0)
        do_receive(argc, argv);
    else
        answer("nothing");
}

/* --- threads -------------------------------------------------------------------------
 */

struct job {
    pthread_t thread;
    const char *to;
    int calls, number, well;
};

/* How many of so many answers are the ones to their own questions. */
static int call_often(ei_cnode *ec, int fd, int number, int calls)
{
    int well = 0;
    for (int i = 0; i < calls; i++) {
        ei_x_buff args, reply;
        long value = -1;
        int index = 0;
        ei_x_new(&args);
        ei_x_new(&reply);
        ei_x_format_wo_ver(&args, "[~i, ~i]", number * 1000000, i);
        if (ei_rpc(ec, fd, "erlang", "+", args.buff, args.index, &reply) == 0 &&
            ei_decode_long(reply.buff, &index, &value) == 0)
            well += value == number * 1000000 + i;
        ei_x_free(&args);
        ei_x_free(&reply);
    }
    return well;
}

/* calls FD CALLS */
void do_calls(int argc, char **argv)
{
    (void)argc;
    answer("well %d", call_often(&node, atoi(argv[1]), atoi(argv[1]), atoi(argv[2])));
}

/* A C node of its own. */
static void *work(void *argument)
{
    struct job *job = argument;
    ei_cnode own;
    char name[300];
    snprintf(name, sizeof name, "t%d@%s", job->number, ei_thishostname(&node));
    if (tacit_ei_init(&own, arguments[1], name, arguments[3], 0) < 0)
        return NULL;
    int fd = tacit_ei_connect(&own, job->to, 60000);
    if (fd >= 0) {
        job->well = call_often(&own, fd, job->number, job->calls);
        ei_close_connection(fd);
    }
    tacit_ei_free(&own);
    return NULL;
}

/* threads NODE,NODE,... THREADS CALLS: as many threads for each node */
void do_threads(int argc, char **argv)
{
    struct job jobs[32];
    int count = 0, per_node = atoi(argv[2]), well = 0;
    (void)argc;
    for (char *to = strtok(argv[1], ","); to != NULL; to = strtok(NULL, ","))
        for (int i = 0; i < per_node && count < 32; i++, count++)
            jobs[count] = (struct job){.to = to, .calls = atoi(argv[3]), .number = count};
    for (int i = 0; i < count; i++)
        pthread_create(&jobs[i].thread, NULL, work, &jobs[i]);
    for (int i = 0; i < count; i++) {
        pthread_join(jobs[i].thread, NULL);
        well += jobs[i].well;
    }
    answer("well %d", well);
}
