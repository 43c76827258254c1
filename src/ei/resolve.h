/*
 * The addresses of a host, for a race that does not wait. The system's resolver takes no
 * deadline, so each family is asked for on a thread of its own, and nobody waits for one.
 */
#ifndef TACIT_EI_RESOLVE_H
#define TACIT_EI_RESOLVE_H

#include <stddef.h>

#include "base/address.h"

enum wire_family {
    WIRE_IPV6,
    WIRE_IPV4,
    WIRE_FAMILIES,
};

struct wire_question;

/* Asks for both families. NULL: memory, descriptors or threads ran out. */
struct wire_question *wire_ask(const char *host);

/* Readable when an answer has come. */
int wire_question_fd(const struct wire_question *q);

/*
 * The answer for one family: at most max addresses, with that port. false: it is not
 * there yet. Without addresses *ret_why says why.
 */
bool wire_answer(struct wire_question *q, enum wire_family family, uint16_t port,
                 struct tacit_address *ret, size_t max, size_t *ret_count,
                 const char **ret_why);

/* The addresses that text is, where it is one: how many. Nobody is asked. */
size_t wire_literal(const char *text, uint16_t port, struct tacit_address *ret,
                    size_t max);

/* Nobody wants the answers any more; NULL is allowed. */
void wire_forget(struct wire_question *q);

#endif
