/* The links that the rules allow up to a moment only. */
#ifndef TACIT_CARRIER_DUE_H
#define TACIT_CARRIER_DUE_H

#include <erl_driver.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A place among those whose time comes. */
struct due {
    size_t at; /* 0: none */
    uint64_t until;
    ErlDrvTermData port;
};

enum {
    DUE_BATCH = 256,
};

int due_init(void);
void due_finish(void);
/* The rules allow the link of this port until then, seconds since 1970; TACIT_NEVER. */
void due_set(struct due *d, ErlDrvTermData port, uint64_t until);
void due_clear(struct due *d);
/*
 * The ports of those whose time has come, DUE_BATCH at most: they are to be reviewed,
 * which sets when they are due again. *ret_incomplete: out of memory, all links are to
 * be.
 */
size_t due_take(uint64_t now, ErlDrvTermData ret_ports[DUE_BATCH], bool *ret_incomplete);

#endif
