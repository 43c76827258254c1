/*
 * program: what the start of each of our programs needs. Calls nothing; door's main and
 * cli call it.
 */
#ifndef TACIT_PROGRAM_H
#define TACIT_PROGRAM_H

#include <getopt.h>
#include <stdbool.h>

/*
 * Where a standard descriptor is closed, the next file or socket would get its number,
 * and whatever is printed: it is open from now on, and gives the same error as before.
 * Before anything else is opened. false: that is not possible.
 */
bool program_standard(void);

/* The argument that getopt_long looks at next, NULL: none is left that is an option. */
const char *program_next_option(char *const *argv);

/* What is wrong with that argument, where getopt_long answered '?' or ':'. */
const char *program_option_fault(int answer, const char *argument,
                                 const struct option *options);

#endif
