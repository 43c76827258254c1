/* A configuration that is read, on a thread of its own. */
#ifndef TACIT_CARRIER_RELOAD_H
#define TACIT_CARRIER_RELOAD_H

#include "shared.h"

int reload_init(void);
void reload_finish(void);

/*
 * Starts to read the configuration at path, with a signed policy that a peer has sent
 * (newest), on a thread of the driver's own. The calling process then gets {tacit_loaded,
 * Number, Text}; Text is empty, and the configuration offered under that number, where it
 * has no fault. An error, and why, where it cannot start, or an earlier one has not come
 * to its end.
 */
int reload_start(ErlDrvPort port, const char *path, const void *newest, size_t len,
                 uint64_t *ret_number, char text[TACIT_FAULT_MAX]);
/* Nobody waits for it any more: what it has read, or will have, is of no use. */
void reload_give_up(uint64_t number);

#endif
