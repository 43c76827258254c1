/* Socket -> records -> messages to the emulator. */
#ifndef TACIT_CARRIER_INPUT_H
#define TACIT_CARRIER_INPUT_H

#include "link.h"

/* Delivers what was read already, then reads what is there and delivers that. */
enum link_result link_read(struct link *l);
void link_free_input(struct link *l);

#endif
