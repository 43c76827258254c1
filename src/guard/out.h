/* What a link sees of the messages that this node sends. */
#ifndef TACIT_GUARD_OUT_H
#define TACIT_GUARD_OUT_H

#include <sys/uio.h>

#include "guard/link.h"

/* A message, in so many pieces of memory: pids in it are shown, calls come to an end. */
void tacit_guard_watch(struct tacit_guard_link *link, const struct iovec *iov,
                       size_t number);

#endif
