/* tacit show: what this host's door says of itself and its nodes. */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/protocol.h"
#include "socket/socket.h"

enum {
    ANSWER_MS = 10000,     /* what the door may take for a frame */
    REPORT_MAX = 64 << 20, /* bytes of a report */
    FIELDS = 8,
};

/* The report, as it comes. */
struct report {
    char *text;
    size_t len, cap;
};

/* A line of it, taken apart where it is. */
struct line {
    const char *field[FIELDS];
    size_t count;
};

static int append(struct report *r, const struct tacit_door_report *piece)
{
    if (r->len + piece->len + 1 > r->cap) {
        size_t cap = 2 * r->cap + sizeof *piece;
        char *text = cap > REPORT_MAX ? NULL : realloc(r->text, cap);
        if (text == NULL)
            return TACIT_ENOMEM;
        r->text = text;
        r->cap = cap;
    }
    memcpy(r->text + r->len, piece->bytes, piece->len);
    r->len += piece->len;
    r->text[r->len] = '\0';
    return TACIT_OK;
}

static int read_frame(int fd, struct tacit_door_frame *ret_frame)
{
    struct tacit_door_input in = {0};
    bool bad = false;
    for (size_t wants; (wants = tacit_door_wants(&in, &bad)) > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, ANSWER_MS);
        if (ready == 0)
            return TACIT_ETIMEOUT;
        ssize_t n = ready < 0 ? -1 : read(fd, in.bytes + in.len, wants);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return TACIT_ESYSTEM;
        if (n == 0)
            return TACIT_ECUT;
        in.len += n > 0 ? (size_t)n : 0;
    }
    return bad ? TACIT_EFORMAT : tacit_door_read(in.bytes, in.len, ret_frame);
}

/* Asks, and takes the whole report. */
static int ask(int fd, struct report *r, struct tacit_door_frame *frame)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    frame->type = TACIT_DOOR_SHOW;
    int error = tacit_door_write(frame, bytes, &len);
    if (!error && send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        error = TACIT_ECUT;
    while (!error && (error = read_frame(fd, frame)) == TACIT_OK) {
        if (frame->type == TACIT_DOOR_END)
            return r->text == NULL ? TACIT_EFORMAT : TACIT_OK;
        if (frame->type == TACIT_DOOR_REFUSED)
            return TACIT_EREFUSED;
        error =
            frame->type == TACIT_DOOR_REPORT ? append(r, &frame->report) : TACIT_EFORMAT;
    }
    return error;
}

static int fetch(const char *path, struct report *r)
{
    struct tacit_door_frame frame = {0};
    int fd = socket_connect_unix(path);
    if (fd < 0)
        return cli_fail("%s: %s: is secure-epmd running?", path, strerror(errno));
    int error = ask(fd, r, &frame);
    close(fd);
    if (error == TACIT_EREFUSED)
        return cli_fail("%s: the door refuses: %s: %s", path,
                        tacit_door_reason_name(frame.refused.reason), frame.refused.text);
    return error ? cli_fail("%s: %s", path, tacit_error_text(error)) : CLI_OK;
}

/* Takes the next line off *at; false: there is none. */
static bool next_line(char **at, struct line *ret_line)
{
    char *text = strsep(at, "\n");
    memset(ret_line, 0, sizeof *ret_line);
    if (text == NULL || *text == '\0')
        return false;
    while (text != NULL && ret_line->count < FIELDS)
        ret_line->field[ret_line->count++] = strsep(&text, "\t");
    return true;
}

static bool is_line(const struct line *l, const char *kind, size_t fields)
{
    return l->count >= fields && strcmp(l->field[0], kind) == 0;
}

/* --- for people --------------------------------------------------------------------- */

static void print_pretty(const char *path, char *text)
{
    struct line l;
    printf("%-20s %s\n", "door", path);
    while (next_line(&text, &l)) {
        if (is_line(&l, "node", 8))
            printf("%-20s %s  process %s  user %s  release %s  links passed %s\n", "node",
                   l.field[1], l.field[2], l.field[3], l.field[4], l.field[7]);
        else if (is_line(&l, "listen", 2))
            printf("%-20s %s\n", "listen", l.field[1]);
        else if (is_line(&l, "counter", 3))
            printf("%-20s %s\n", l.field[1], l.field[2]);
    }
}

/* --- for programs ------------------------------------------------------------------- */

/* All of it is printable ASCII. */
static void print_string(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static void print_number(const char *text)
{
    if (*text != '\0' && text[strspn(text, "0123456789")] == '\0')
        fputs(text, stdout);
    else
        print_string(text);
}

static void print_node(const struct line *l)
{
    static const char *const keys[] = {"name",     "pid",   "uid",   "release",
                                       "creation", "since", "passed"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        printf("%s\"%s\":", i == 0 ? "{" : ",", keys[i]);
        if (i == 0 || i == 3)
            print_string(l->field[1 + i]);
        else
            print_number(l->field[1 + i]);
    }
    putchar('}');
}

/* The lines of one kind, with a comma between them. text stays as it is. */
static void print_kind(const char *text, const char *kind, size_t fields)
{
    char *copy = strdup(text), *at = copy;
    struct line l;
    bool first = true;
    while (copy != NULL && next_line(&at, &l)) {
        if (!is_line(&l, kind, fields))
            continue;
        if (!first)
            putchar(',');
        first = false;
        if (fields == 8) {
            print_node(&l);
            continue;
        }
        print_string(l.field[1]);
        if (fields == 3) {
            putchar(':');
            print_number(l.field[2]);
        }
    }
    free(copy);
}

static void print_json(const char *path, const char *text)
{
    fputs("{\"door\":", stdout);
    print_string(path);
    fputs(",\"listen\":[", stdout);
    print_kind(text, "listen", 2);
    fputs("],\"counters\":{", stdout);
    print_kind(text, "counter", 3);
    fputs("},\"nodes\":[", stdout);
    print_kind(text, "node", 8);
    puts("]}");
}

int cli_show(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {"json", no_argument, NULL, 1},
                                            {NULL, 0, NULL, 0}};
    const char *values[2] = {NULL, NULL};
    struct tacit_policy *policy;
    struct report report = {0};
    bool dump = argc > 1 && strcmp(argv[argc - 1], "dump") == 0;
    if (cli_options(argc, argv, options, values, dump ? 1 : 0) != 0 ||
        (dump && values[1] != NULL))
        return CLI_USAGE;
    if (cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    const char *path = tacit_policy_door(policy);
    int status = path != NULL ? fetch(path, &report)
                              : cli_fail("%s: [host] has no door: a node that listens "
                                         "itself tells of itself by tacit:info()",
                                         tacit_policy_path(policy));
    if (status == CLI_OK && dump)
        fputs(report.text, stdout);
    else if (status == CLI_OK && values[1] != NULL)
        print_json(path, report.text);
    else if (status == CLI_OK)
        print_pretty(path, report.text);
    free(report.text);
    tacit_policy_free(policy);
    return status;
}
