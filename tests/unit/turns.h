/* The emulator's part of test_turns.c: one port, its queue, and what passes through it.
 */
#ifndef TACIT_TURNS_H
#define TACIT_TURNS_H

#include "carrier/carrier.h"

/* held: bytes of binaries that the driver has made and the queue keeps. */
extern size_t turns_queued, turns_held;
extern bool turns_busy;
/* How often keys were to be lent, for an offer of fresh ones. */
extern size_t turns_lent;
/* What was delivered: messages; and their bytes, as far as turns_arrived has room. */
extern size_t turns_messages, turns_bytes, turns_room;
extern char *turns_arrived;

/* An empty queue, nothing delivered. */
void turns_reset(void);
/* A binary that is the emulator's own. */
ErlDrvBinary *turns_binary(size_t size);

#endif
