/* A node's place at its host's door. */
#ifndef TACIT_CARRIER_REGISTRATION_H
#define TACIT_CARRIER_REGISTRATION_H

#include "listener.h"

/* Registers with the policy's door, if it has one; the owner is told how it goes. */
void registration_start(struct listener *l);
/* The policy is another: moves to its door, or to none. */
void registration_settle(struct listener *l);
void registration_accept(struct listener *l); /* the acceptor is there */
void registration_ready(struct listener *l);
/* The door hears what sources the node knows, where that was not told yet. */
void registration_tell(struct listener *l);
void registration_timeout(struct listener *l, ErlDrvTime now);
/* How long until registration_timeout has something to do; -1: nothing. */
ErlDrvTime registration_wait(const struct listener *l, ErlDrvTime now);
void registration_stop(struct listener *l);

#endif
