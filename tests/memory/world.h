/*
 * As much of an emulator as the driver needs to run whole, in one thread: ports, their
 * queues and timers, descriptors, binaries, messages to processes. Any of it that takes
 * memory can run out: fault.h. world.c has the ports and what wakes them, messages.c what
 * passes through them.
 */
#ifndef TACIT_MEMORY_WORLD_H
#define TACIT_MEMORY_WORLD_H

#include <erl_driver.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PORTS_MAX = 8,
    QUEUE_MAX = 8 << 20,
};

/* A port of the driver's. */
struct port {
    bool open;
    ErlDrvData data;
    ErlDrvTime timer; /* ms; -1: none */
    char told[32];    /* the first atom of the last message to a process about it */
    size_t told_data; /* messages of the distribution handshake */
    size_t delivered; /* bytes of distribution messages */
    size_t queue_start, queue_end;
    SysIOVec vector; /* what driver_peekq shows */
    char queue[QUEUE_MAX];
};

static inline struct port *port_of(ErlDrvPort port)
{
    return (struct port *)(void *)port;
}

/* The driver's entry, which the emulator looks up. */
ErlDrvEntry *driver_init(void);

/* The link port of the oldest {tacit_accept, ...} that was not asked for yet; NULL: none.
 * More than one may come in a turn. */
struct port *world_accepted(void);

/* Loads the driver and opens ports; false: out of memory. */
bool world_start(void);
struct port *world_open(void);
/* As the emulator does on port_close; may be called on one that is closed. */
void world_close(struct port *p);
/* Closes what is open, and unloads the driver. */
void world_end(void);

/* port_control: the reply's status, 0 or 1; -1: none. */
int world_control(struct port *p, unsigned command, const void *bytes, size_t len);
/* Reads a configuration, tries its addresses on the listener if there is one, and puts it
 * in force: the same. */
int world_configure(struct port *p, struct port *listener, const char *path);
/* port_call: whether there was an answer. */
bool world_call(struct port *p, unsigned command);
/* A message of len bytes, out. */
void world_send(struct port *p, const char *bytes, size_t len);

/* Waits for something to happen, ms at most, and lets the driver deal with it. */
void world_turn(int ms);

/* What is open, to stderr: for a test that has waited too long. */
void world_show(void);

#endif
