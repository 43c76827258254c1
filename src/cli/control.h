/*
 * The command's side of the control socket (CONTROL.md in this folder): asks what runs on
 * this host, nodes and the daemon, with one configuration.
 */
#ifndef TACIT_CLI_CONTROL_H
#define TACIT_CLI_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum {
    CONTROL_PROCESSES_MAX = 256,
    CONTROL_FIELDS_MAX = 16,
    CONTROL_PATH_MAX = 108, /* what a Unix socket's address holds */
};

/* One process of this host. */
struct control_process {
    char path[CONTROL_PATH_MAX]; /* of its socket */
    char kind[16];               /* node or door */
    char name[256];
};

/*
 * Those that answer, of the configuration at conf. Returns how many, or -1 with the
 * reason printed; processes has room for CONTROL_PROCESSES_MAX.
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
 * Takes the next line off *at: its fields, ended by zeros, and how many there are; 0
 * after the last line.
 */
size_t control_line(char **at, const char *fields[CONTROL_FIELDS_MAX]);

#endif
