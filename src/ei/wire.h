/*
 * ei: C nodes. The channel under erl_interface, for programs that wait for what they ask.
 *
 *     wire.c      a socket and a handshake, each step within a deadline (this header);
 *                 resolve.c finds the addresses
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

enum {
    WIRE_ADDRESSES_MAX = 32, /* of one host that are tried */
};

/* A deadline is a moment of wire_now_us(); this one never comes. */
#define WIRE_NEVER INT64_MAX

/* A clock for intervals, microseconds. */
int64_t wire_now_us(void);

/* The deadline ms from now. */
int64_t wire_deadline(unsigned ms);

/*
 * The addresses of an endpoint, with its port, at most max of them. TACIT_ENAME with the
 * reason in *ret_why: none was found; TACIT_ETIMEOUT.
 */
int wire_resolve(const struct tacit_endpoint *endpoint, int64_t deadline,
                 struct tacit_address *ret, size_t max, size_t *ret_count,
                 const char **ret_why);

/* Waits for poll()'s events. TACIT_ETIMEOUT: the deadline came; TACIT_ESYSTEM. */
int wire_wait(int fd, short events, int64_t deadline);

/*
 * Connects, from [host] source: *ret_fd, non-blocking. TACIT_ETIMEOUT, or TACIT_ESYSTEM
 * with errno; nothing is open then.
 */
int wire_connect(const struct tacit_policy *policy, const struct tacit_address *address,
                 int64_t deadline, int *ret_fd);

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
