/*
 * socket: non-blocking TCP sockets, IPv4 and IPv6 alike, for those that do no more with
 * the system than they must. POSIX only. Calls base's types; carrier, door, ei and cli
 * call it.
 */
#ifndef TACIT_SOCKET_H
#define TACIT_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/address.h"

/*
 * Makes fd non-blocking and close-on-exec; and another of it where it has a standard
 * descriptor's number, since whatever the program prints would go there. Returns the one
 * to be used; on an error closes it: -1, errno.
 */
int socket_prepare(int fd);

/* Opens a non-blocking listening socket. Returns it, or -1 with errno. */
int socket_listen(const struct tacit_address *address);

/* Accepts; -1 with errno. The new socket is non-blocking, close-on-exec, without delay.
 */
int socket_accept(int listener, struct tacit_address *ret_peer);

/*
 * Takes over a TCP socket that another process accepted: as socket_accept's, and so is
 * its peer's address, all zeros where the socket does not know it any more. -1 with
 * errno, fd is closed then: it is no TCP socket.
 */
int socket_adopt(int fd, struct tacit_address *ret_peer);

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

/* Whether the interface is there, up, and has an IP address now. */
bool socket_interface_is_up(const char *name);

/* --- unix.c: the socket of the host's door */

/* Connects to the Unix stream socket at path without waiting; non-blocking. -1, errno. */
int socket_connect_unix(const char *path);

/*
 * The user at the other end of a Unix socket, and his process where the system tells it,
 * else 0. false: the system does not say.
 */
bool socket_unix_peer(int fd, unsigned *ret_uid, int *ret_pid);

/*
 * Whether the one that listens at path, to which fd is connected, is to be trusted: root,
 * this process's own user, or one to whom root gave the socket's directory. ret_uid: who.
 */
bool socket_unix_trusted(int fd, const char *path, unsigned *ret_uid);

/*
 * Reads at most cap bytes, with at most one descriptor that came with the first of them:
 * *ret_fd, close-on-exec, or -1. As read(); EPROTO: more than one came (all are closed).
 * *ret_lost: one was sent, but this process had no room for it.
 */
ssize_t socket_receive(int fd, void *bytes, size_t cap, int *ret_fd, bool *ret_lost);

#endif
