/*
 * A C node for the tests, steered by lines on its standard input: a command and its
 * arguments, separated by tabs. Each is answered by one line; one whose name follows a
 * '&' is run in a thread of its own, and its line is what await answers. Written as a
 * user of libtacit_ei would: with its public header alone.
 */
#ifndef TESTS_CNODE_H
#define TESTS_CNODE_H

#include <tacit/ei.h>

extern ei_cnode node;
extern char **arguments; /* the program's */

/* One command; argv[0] is its name, and argc counts it. */
typedef void command_fn(int argc, char **argv);

command_fn do_connect, do_close, do_rpc, do_send, do_bulk, do_receive, do_sink,
    do_threads, do_listen, do_accept, do_reload, do_chdir, do_reloads, do_calls, do_poll,
    do_woken, do_fork, do_small, do_misuse, do_storm;

/* A line of answer. */
__attribute__((format(printf, 1, 2))) void answer(const char *format, ...);

/* That the last call of ei's, or of the library's, failed. */
void answer_failed(void);

#endif
