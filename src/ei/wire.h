/*
 * ei: C nodes. The channel under erl_interface, for programs that wait for what they ask.
 *
 *     wire.c      a socket and a session, each step within a deadline (this header)
 *     race.c      finds the address of a host that answers; resolve.c asks for them
 *     link.c      one link as a caller: what its session asks, its handshake, its end;
 *                 link.h names read.c, write.c, greet.c, and answer.c for one that calls
 *     listener.c  who calls, and is not let in yet; door.c: the place at the host's door
 *     cnode.c     the C node that they belong to: its admission, its clock, what is
 * revoked rules.c     the configuration in force, and links under one that is new
 *     callbacks.c what ei calls: struct ei_socket_callbacks; context.c: on what
 *     node.c      what users call: include/tacit/ei.h
 *
 * Calls session, channel, policy, gate, files, socket and door's pure parts, and libei.
 * The command calls it. Any thread may call any function, each with objects of its own
 * where nothing else is said.
 */
#ifndef TACIT_EI_WIRE_H
#define TACIT_EI_WIRE_H

#include "session/session.h"

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

/* All of the bytes. TACIT_ETRUNCATED, TACIT_ETIMEOUT. */
int wire_send(int fd, const uint8_t *bytes, size_t len, int64_t deadline);
int wire_receive(int fd, uint8_t *bytes, size_t len, int64_t deadline);

/*
 * Moves the bytes of a session that has come to event, until it comes to another one than
 * MORE and all it has to say is sent. Where that cannot be, it has failed:
 * TACIT_ETRUNCATED, TACIT_ETIMEOUT.
 */
enum tacit_session_event wire_session(int fd, struct tacit_session *session,
                                      enum tacit_session_event event, int64_t deadline);

#endif
