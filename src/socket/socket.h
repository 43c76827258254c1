/*
 * socket: non-blocking TCP sockets, IPv4 and IPv6 alike, for those that do no more with
 * the system than they must. POSIX only. Calls policy's types; carrier and door call it.
 */
#ifndef TACIT_SOCKET_H
#define TACIT_SOCKET_H

#include <sys/socket.h>

#include "policy/policy.h"

/* Makes fd non-blocking and close-on-exec. Returns it; on an error closes it: -1, errno.
 */
int socket_prepare(int fd);

/* Opens a non-blocking listening socket. Returns it, or -1 with errno. */
int socket_listen(const struct tacit_address *address);

/* Accepts; -1 with errno. The new socket is non-blocking, close-on-exec, without delay.
 */
int socket_accept(int listener, struct tacit_address *ret_peer);

/* Starts to connect; source may be NULL. -1 with errno; check socket_error once writable.
 */
int socket_connect(const struct tacit_address *peer, const struct tacit_address *source);
int socket_error(int fd);

/*
 * Keeps the queues of a connected socket short, so that a small message does not wait
 * behind megabytes: little that is not sent yet, and from a near peer no more than can be
 * under way. Where the system has no such option it does without.
 */
void socket_keep_short(int fd);

/* The socket's own end, and its peer's; all zeros where it is not known. */
void socket_local(int fd, struct tacit_address *ret_local);
void socket_peer(int fd, struct tacit_address *ret_peer);

/* The same address as the system has it; zeros where it is no IP address. */
void socket_address(const struct sockaddr *from, struct tacit_address *ret_address);

#endif
