/* cnode CONF NAME COOKIE: a C node for the tests. */
#include "cnode.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ei_cnode node;
char **arguments;

enum {
    ANSWER_MAX = 4096,
    BACKGROUND_MAX = 64, /* commands in threads of their own, in all */
};

struct background {
    pthread_t thread;
    char *line;
    char answer[ANSWER_MAX];
};

static struct background background[BACKGROUND_MAX];
static int background_count;
static _Thread_local char *answer_to; /* NULL: standard output */

void answer(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (answer_to != NULL) {
        vsnprintf(answer_to, ANSWER_MAX, format, args);
    } else {
        vprintf(format, args);
        putchar('\n');
        fflush(stdout);
    }
    va_end(args);
}

void answer_failed(void)
{
    const char *name = erl_errno == ETIMEDOUT      ? "timeout"
                       : erl_errno == EACCES       ? "refused"
                       : erl_errno == ECONNREFUSED ? "econnrefused"
                       : erl_errno == EIO          ? "eio"
                       : erl_errno == EMSGSIZE     ? "emsgsize"
                                                   : "other";
    answer("failed %s %d %s", name, erl_errno, tacit_ei_error());
}

static void run(char *line);

static void *run_apart(void *argument)
{
    struct background *b = argument;
    answer_to = b->answer;
    run(b->line);
    free(b->line);
    return NULL;
}

static void start(const char *line)
{
    if (background_count == BACKGROUND_MAX) {
        answer("too many");
        return;
    }
    struct background *b = &background[background_count];
    b->line = strdup(line);
    pthread_create(&b->thread, NULL, run_apart, b);
    answer("started %d", background_count++);
}

/* await NUMBER: the answer of the command that was the NUMBER-th to be started */
static void do_await(int argc, char **argv)
{
    struct background *b = &background[atoi(argv[1]) % BACKGROUND_MAX];
    (void)argc;
    pthread_join(b->thread, NULL);
    answer("%s", b->answer);
}

static const struct command {
    const char *name;
    int arguments;
    command_fn *run;
} commands[] = {
    {"connect", 2, do_connect}, {"close", 1, do_close},     {"rpc", 4, do_rpc},
    {"send", 3, do_send},       {"bulk", 4, do_bulk},       {"receive", 2, do_receive},
    {"sink", 2, do_sink},       {"threads", 3, do_threads}, {"listen", 0, do_listen},
    {"accept", 2, do_accept},   {"reload", 0, do_reload},   {"reloads", 1, do_reloads},
    {"calls", 2, do_calls},     {"poll", 3, do_poll},       {"woken", 2, do_woken},
    {"fork", 2, do_fork},       {"small", 2, do_small},     {"misuse", 0, do_misuse},
    {"storm", 3, do_storm},     {"await", 1, do_await},     {"chdir", 1, do_chdir},
};

static void run(char *line)
{
    char *argv[8] = {NULL};
    int argc = 0;
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == '&') {
        start(line + 1);
        return;
    }
    for (char *at = line; at != NULL && argc < 8;) {
        argv[argc++] = at;
        at = strchr(at, '\t');
        if (at != NULL)
            *at++ = '\0';
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, argv[0]) == 0 && commands[i].arguments == argc - 1) {
            commands[i].run(argc, argv);
            return;
        }
    }
    answer("unknown %s", argv[0]);
}

int main(int argc, char **argv)
{
    static char line[65536];
    if (argc != 4)
        return 2;
    arguments = argv;
    ei_init();
    if (tacit_ei_init(&node, argv[1], argv[2], argv[3], 0) < 0) {
        answer_failed();
        return 1;
    }
    answer("ready");
    while (fgets(line, sizeof line, stdin) != NULL)
        run(line);
    tacit_ei_free(&node);
    tacit_ei_free(&node);
    return 0;
}
