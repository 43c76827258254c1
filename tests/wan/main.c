/*
 * The command: reads lines from standard input until its end, answers each with one.
 *
 *     route IP TO-IP TO-PORT      ok ROUTE PORT: what connects to IP:PORT reaches the
 * other set ROUTE [KEY=VALUE]...    ok: these conditions hold from now on, for
 * connections that are there, too; what is not named is as it should be seed ROUTE SEED
 * ok: connections from now on draw theirs, the first as 1 stats ROUTE                 ok
 * accepted=N closed=N faults=N
 *
 * KEY: delay, jitter (ms), rate (bytes a second), segment (bytes), fault (none, stall,
 * half, reset, cut, flip), way (there, back), after (bytes). What is wrong: error TEXT.
 * In between come lines of what happens, "event ROUTE CONNECTION open|fault|closed ...".
 *
 *     wan --plan SEED [COUNT]     says what the first connections of a seed go through
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wan.h"

enum {
    LINE_MAX_BYTES = 512,
    WORDS_MAX = 12
};

static uv_loop_t loop;

static void do_route(char **words, int count)
{
    int port, error;
    struct route *route =
        count != 4 ? NULL
                   : route_open(&loop, words[1], words[2], atoi(words[3]), &port, &error);
    if (route != NULL)
        printf("ok %u %d\n", route->number, port);
    else
        printf("error expected route IP TO-IP TO-PORT%s%s\n", count == 4 ? ": " : "",
               count == 4 ? uv_strerror(error) : "");
}

static void do_set(struct route *route, char **words, int count)
{
    struct conditions conditions = {0};
    for (int i = 2; i < count; i++)
        if (!conditions_parse(&conditions, words[i])) {
            printf("error expected a condition, not '%s'\n", words[i]);
            return;
        }
    route_set(route, &conditions);
    printf("ok\n");
}

static void do_stats(const struct route *route)
{
    printf("ok accepted=%" PRIu64 " closed=%" PRIu64 " faults=%" PRIu64 "\n",
           route->accepted, route->closed, route->faults);
}

static void command(char *line)
{
    char *words[WORDS_MAX], *save = NULL;
    int count = 0;
    for (char *w = strtok_r(line, " \r", &save); w != NULL && count < WORDS_MAX;
         w = strtok_r(NULL, " \r", &save))
        words[count++] = w;
    if (count == 0)
        return;
    if (strcmp(words[0], "route") == 0) {
        do_route(words, count);
        return;
    }
    struct route *route =
        count < 2 ? NULL : route_find((unsigned)strtoul(words[1], NULL, 10));
    if (route == NULL) {
        printf("error expected a command and a route\n");
    } else if (strcmp(words[0], "set") == 0) {
        do_set(route, words, count);
    } else if (strcmp(words[0], "seed") == 0 && count == 3) {
        route_seed(route, strtoull(words[2], NULL, 10));
        printf("ok\n");
    } else if (strcmp(words[0], "stats") == 0) {
        do_stats(route);
    } else {
        printf("error expected route, set, seed or stats\n");
    }
}

/* --- standard input ----------------------------------------------------------------- */

static char line[LINE_MAX_BYTES];
static size_t line_len;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char bytes[LINE_MAX_BYTES];
    *buf = uv_buf_init(bytes, sizeof bytes);
}

/* Who started it is gone where its end comes: so goes the network, with all in it. */
static void on_input(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    if (nread < 0)
        exit(0);
    for (ssize_t i = 0; i < nread; i++) {
        if (buf->base[i] == '\n') {
            line[line_len] = '\0';
            command(line);
            line_len = 0;
        } else if (line_len < sizeof line - 1) {
            line[line_len++] = buf->base[i];
        }
    }
}

static int show_plan(uint64_t seed, uint64_t count)
{
    struct conditions conditions;
    char text[CONDITIONS_TEXT];
    for (uint64_t n = 1; n <= count; n++) {
        conditions_draw(&conditions, seed, n);
        conditions_write(&conditions, text);
        printf("%" PRIu64 " %s\n", n, text);
    }
    return 0;
}

int main(int argc, char **argv)
{
    uv_pipe_t input;
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "--plan") == 0)
        return show_plan(strtoull(argv[2], NULL, 10),
                         argc == 4 ? strtoull(argv[3], NULL, 10) : 1);
    if (argc != 1) {
        fprintf(stderr, "usage: wan [--plan SEED [COUNT]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (uv_loop_init(&loop) != 0 || uv_pipe_init(&loop, &input, 0) != 0 ||
        uv_pipe_open(&input, 0) != 0 ||
        uv_read_start((uv_stream_t *)&input, on_alloc, on_input) != 0) {
        fprintf(stderr, "wan: cannot read standard input\n");
        return 1;
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}
