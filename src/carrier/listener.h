/*
 * The port that listens. registration.c is its place at the host's door, in place of
 * sockets of its own; incoming.c a connection from either, until it is a link or gone.
 */
#ifndef TACIT_CARRIER_LISTENER_H
#define TACIT_CARRIER_LISTENER_H

#include "conn.h"
#include "door/place.h"
#include "gate/bucket.h"

/* A node's place at its host's door, and the connection to it. */
struct registration {
    struct tacit_place place;
    int fd;             /* -1: none */
    bool reading, used; /* selected now; or ever */
    bool told;          /* the owner was told that it is registered */
    uint32_t creation;  /* the same over all restarts of the door */
};

enum {
    /* Twice what one configuration names: while another comes in force, both are open. */
    LISTEN_SET_MAX = 2 * TACIT_LISTEN_MAX,
};

struct listen_set {
    size_t count;
    struct {
        int fd;
        struct tacit_address address;
    } at[LISTEN_SET_MAX];
};

/* Sockets that a configuration wants which is not in force yet. */
struct trial {
    bool on;
    uint64_t reload;
    ErlDrvTermData process; /* that tries it */
    ErlDrvMonitor monitor;
};

struct listener {
    ErlDrvPort port;
    char own_name[TACIT_NAME_MAX + 1];
    struct policy_ref *policy; /* the one whose addresses are listened on */
    struct listen_set sockets;
    struct trial trial;
    bool accepting, paused;
    ErlDrvTermData acceptor;
    struct tacit_lines lines; /* a holder of the mesh key cannot fill the log */
    struct tacit_pending pending;
    struct registration registration;
};

/*
 * Starts to listen on every address of the policy; text gets the reason on failure. Where
 * the policy has a door, starts to register there instead: the owner is told as tell_door
 * says (tell.h), within DOOR_START_MS and DOOR_ANSWER_MS, that it is registered, or
 * why it is not and never will be.
 */
int listener_start(ErlDrvPort port, const char *own_name, struct listener **ret_listener,
                   char text[TACIT_FAULT_MAX]);
/* From now on links are announced to pid, as {tacit_accept, Port, LinkPort, Name,
 * Dynamic}. */
void listener_accept(struct listener *l, ErlDrvTermData pid);
void listener_ready(struct listener *l, int fd);
void listener_timeout(struct listener *l);
/*
 * Also listens on what that reload offers, or says why that cannot be: until the
 * calling process, which tries it, settles it, or is no more.
 */
int listener_try(struct listener *l, uint64_t reload, char text[TACIT_FAULT_MAX]);
/* What the calling process tried is over: listens on what the configuration in force
 * names, and on nothing else. */
void listener_settle(struct listener *l);
void listener_process_exit(struct listener *l, const ErlDrvMonitor *monitor);
void listener_stop(struct listener *l);
/* Gives up the addresses, or the name at the door: see on_emergency_close (driver.c). */
void listener_emergency_close(const struct listener *l);
/* What the door knows the node's life by; 0: it has no door. */
uint32_t listener_creation(const struct listener *l);
/* The host's first address, for #net_address{}; NULL: it has interfaces only. */
const struct tacit_address *listener_address(const struct listener *l);

/* --- for registration.c and incoming.c */

/* driver_select() on its port. */
void listener_select(struct listener *l, int fd, int mode, bool on);
/* Descriptors ran out: makes room, and accepts no more for a moment. */
void listener_starve(struct listener *l);

#endif
