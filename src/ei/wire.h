/*
 * ei: C nodes. The channel under erl_interface, for programs that wait for what they ask.
 *
 *     wire.c      a socket and a handshake, each step within a deadline (this header)
 *     race.c      finds the address of a host that answers; resolve.c asks for them
 *     link.c      one link as a caller: its rules, its handshake, its end; link.h names
 *                 read.c, write.c, greet.c, and answer.c for one that is called
 *     listener.c  who calls, and is not let in yet; door.c: the place at the host's door
 *     rules.c     the configuration in force, and links under one that is new
 *     callbacks.c what ei calls: struct ei_socket_callbacks; context.c: on what
 *     node.c      what users call: include/tacit/ei.h
 *
 * Calls channel, policy, ruling, files, socket and door's pure parts, and libei. The
 * command calls it. Any thread may call any function, each with objects of its own where
 * nothing else is said.
 */
#ifndef TACIT_EI_WIRE_H
#define TACIT_EI_WIRE_H

#include "channel/handshake.h"
#include "policy/policy.h"

/* A deadline is a moment of wire_now_us(); this one never comes. */
#define WIRE_NEVER INT64_MAX

/* A clock for intervals, microseconds. */
int64_t wire_now_us(void);

/* The deadline ms from now. */
int64_t wire_deadline(unsigned ms);

/* What poll() takes: milliseconds, -1 is forever. */
int wire_poll_ms(int64_t deadline);

/* Waits for poll()'s events. TACIT_ETIMEOUT: the deadline came; TACIT_ESYSTEM. */
int wire_wait(int fd, short events, int64_t deadline);

/* All of the bytes. TACIT_ECUT, TACIT_ETIMEOUT. */
int wire_send(int fd, const uint8_t *bytes, size_t len, int64_t deadline);
int wire_receive(int fd, uint8_t *bytes, size_t len, int64_t deadline);

/*
 * What a handshake of this policy's host takes: its keys, suites and certificate. Role,
 * wanted and door are the caller's to add.
 */
struct tacit_channel_config wire_config(const struct tacit_policy *policy,
                                        const char *own_name,
                                        const struct tacit_channel_rules *rules,
                                        void *context);

/*
 * Runs a handshake that was started, to its end, and makes its channel. Its error, or
 * TACIT_ECUT, TACIT_ETIMEOUT; hs tells how far it came.
 */
int wire_handshake(int fd, struct tacit_handshake *hs, int64_t deadline,
                   struct tacit_channel *ret_channel);

#endif
