/* What ei calls in place of its own TCP sockets. */
#ifndef TACIT_EI_CALLBACKS_H
#define TACIT_EI_CALLBACKS_H

#include <ei.h>

#include "ei/link.h"

/* The callbacks; the setup context is a struct cnode. */
extern ei_socket_callbacks cnode_callbacks;

/* Whom the next connect of this thread is to reach, and what became of it. */
struct cnode_target {
    const char *name;
    struct tacit_endpoint endpoint;
    int64_t deadline;
    char status[LINK_STATUS];
};

/* ei's connect callback gets an IPv4 address and no name: this is told beside it. */
void cnode_set_target(struct cnode_target *target);

#endif
