/* Fresh keys for a live link. */
#ifndef TACIT_CARRIER_KEYS_H
#define TACIT_CARRIER_KEYS_H

#include "link.h"

/* Queues an offer of fresh keys where they are due at `now` (us): true if it did so. */
bool link_refresh_keys(struct link *l, ErlDrvTime now);
/* Ends the link where an exchange is not answered: more than a tick is about to cross. */
void link_check_keys(struct link *l, ErlDrvTime now);
/* Takes the data of a record of type rekey and queues the answer, if there is one. */
int link_take_rekey(struct link *l, const uint8_t *data, size_t size);

#endif
