/*
 * The command's side of the control socket (CONTROL.md in this folder): asks the nodes
 * that run on this host with one configuration.
 */
#ifndef TACIT_CLI_CONTROL_H
#define TACIT_CLI_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CONTROL_PROCESSES_MAX = 512,
    CONTROL_FIELDS_MAX = 16,
    CONTROL_PATH_MAX = 108, /* what a Unix socket's address holds */
};

/* One process of this host. */
struct control_process {
    char path[CONTROL_PATH_MAX]; /* of its socket */
    char name[256];
    char silent[128]; /* why it does not answer; "" where it does */
};

/*
 * Those of the configuration at conf, with those that are there and do not answer within
 * seconds. Returns how many, or -1 with the reason printed; processes has room for
 * CONTROL_PROCESSES_MAX.
 */
int control_find(const char *conf, struct control_process *processes);

/*
 * Sends one request, fields separated by tabs, without the line's end. 0: *ret_text is
 * what stands behind the line "ok", to be freed. Else *ret_text is why not, likewise.
 */
int control_ask(const char *path, const char *request, char **ret_text);

/* What a whole answer says, as control_ask gives it. Frees the answer. */
int control_answer(char *text, char **ret_text);

/*
 * Names the nodes of the configuration that the door knows (its report, which is taken
 * apart) and that are not among those found. CLI_FAILED: there are some.
 */
int cli_door_unreached(const char *conf, char *report,
                       const struct control_process *found, int count);

/*
 * Takes the next line off *at: its fields, ended by zeros, and how many there are; 0
 * after the last line.
 */
size_t control_line(char **at, const char *fields[CONTROL_FIELDS_MAX]);

#endif
