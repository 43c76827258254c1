/* tacit show: what this host's door says of itself and its nodes. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door/ask.h"

enum {
    FIELDS = 8,
};

/* A line of the report, taken apart where it is. */
struct line {
    const char *field[FIELDS];
    size_t count;
};

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
        else if (is_line(&l, "absent", 2))
            printf("%-20s %s: the interface has no address\n", "does not listen",
                   l.field[1]);
        else if (is_line(&l, "trouble", 2))
            printf("%-20s %s\n", "trouble", l.field[1]);
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
    fputs("],\"absent\":[", stdout);
    print_kind(text, "absent", 2);
    fputs("],\"troubles\":[", stdout);
    print_kind(text, "trouble", 2);
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
    struct tacit_fault fault;
    char *report = NULL;
    bool dump = argc > 1 && strcmp(argv[argc - 1], "dump") == 0;
    if (cli_options(argc, argv, options, values, dump ? 1 : 0) != 0)
        return CLI_USAGE;
    if (dump && values[1] != NULL)
        return cli_misused("show: got --json and dump, expected one of them");
    if (cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    const char *path = tacit_policy_door(policy);
    int status = CLI_OK;
    if (path == NULL)
        status = cli_fail("%s: [host] has no door: a node that listens itself tells of "
                          "itself by tacit:info()",
                          tacit_policy_path(policy));
    else if (tacit_door_ask(path, &report, &fault) != 0)
        status = cli_fail("%s", fault.text);
    else if (dump)
        fputs(report, stdout);
    else if (values[1] != NULL)
        print_json(path, report);
    else
        print_pretty(path, report);
    free(report);
    tacit_policy_free(policy);
    return status;
}
