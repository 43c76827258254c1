/*
 * From a host to a TCP connection, by whichever of its addresses answers first: RFC 8305.
 * Nothing is said on a connection before it has won: of two first messages both might
 * count.
 */
#ifndef TACIT_EI_RACE_H
#define TACIT_EI_RACE_H

#include "policy/policy.h"

struct wire_race;

struct wire_connection {
    int fd; /* non-blocking */
    struct tacit_address address;
    int64_t since; /* when it was begun: wire_now_us() */
};

/*
 * To the endpoint, from [host] source, until the deadline. The policy outlives it. NULL:
 * memory, descriptors or threads ran out.
 */
struct wire_race *wire_race_new(const struct tacit_policy *policy,
                                const struct tacit_endpoint *endpoint, int64_t deadline);

/*
 * The next connection; the others under way are closed, and begun again by another call.
 * TACIT_ENAME: the host has no address; TACIT_ETIMEOUT; TACIT_ESYSTEM with errno.
 */
int wire_race_next(struct wire_race *r, struct wire_connection *ret);

/* Whether no address is left that was not tried to the end. */
bool wire_race_is_over(const struct wire_race *r);

/* Whether the host has an address at all, as far as is known. */
bool wire_race_has_address(const struct wire_race *r);

/* Why there was no (other) connection: of the resolver, or of each address. */
const char *wire_race_why(const struct wire_race *r);

void wire_race_free(struct wire_race *r); /* NULL is allowed */

#endif
