/* Connections that come in, until each is a link or gone. */
#ifndef TACIT_CARRIER_INCOMING_H
#define TACIT_CARRIER_INCOMING_H

#include "listener.h"

/*
 * Takes over a connection that was accepted at this time. first is what was read of it
 * elsewhere: a first message behind its length (TACIT_DOOR_FIRST bytes), or NULL.
 */
void incoming_take(struct listener *l, int fd, const struct tacit_address *peer,
                   ErlDrvTime accepted, const uint8_t *first);
/* Goes on with the one whose socket this is. */
void incoming_ready(struct listener *l, int fd);
/* Ends those whose time is over. */
void incoming_timeout(struct listener *l, ErlDrvTime now);
/* Makes room: ends the one that tacit_pending_victim names. */
void incoming_evict(struct listener *l);
void incoming_stop(struct listener *l);

#endif
