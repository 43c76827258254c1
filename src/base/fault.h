/*
 * What went wrong with something that people wrote, as text for them; and what they
 * wrote, fit for such a text.
 */
#ifndef TACIT_BASE_FAULT_H
#define TACIT_BASE_FAULT_H

#include <stddef.h>

enum {
    TACIT_FAULT_MAX = 640, /* bytes of a fault's text, with its zero */
};

/* What went wrong with a configuration: "FILE:LINE: what, got what, expected what". */
struct tacit_fault {
    char text[TACIT_FAULT_MAX];
};

/* Writes "PATH:LINE: ..." ("PATH: ..." for line 0) and returns TACIT_ECONFIG. */
__attribute__((format(printf, 4, 5))) int tacit_fault_at(struct tacit_fault *fault,
                                                         const char *path, unsigned line,
                                                         const char *format, ...);

/* Text made fit for a message: printable, bounded, and with anything like a key hidden.
 */
struct tacit_quoted {
    char text[160];
};

/* Returns quoted->text. */
const char *tacit_quote(struct tacit_quoted *quoted, const char *text, size_t len);

#endif
