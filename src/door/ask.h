/*
 * A command's question to its host's door, over the Unix socket (PROTOCOL.md): what
 * `tacit` and `secure-epmd --reload` share. Calls socket; waits, a bounded time.
 */
#ifndef TACIT_DOOR_ASK_H
#define TACIT_DOOR_ASK_H

#include "base/fault.h"
#include "door/protocol.h"

/*
 * What the door says of itself: the report of show, printable lines, to be freed. Else
 * *fault says why there is none: TACIT_EABSENT where nobody listens at path.
 */
int tacit_door_ask(const char *path, char **ret_report, struct tacit_fault *fault);

/*
 * Has the door read its configuration again, and waits until it did: all of it is in
 * force. TACIT_EREFUSED: nothing was changed, and *fault says why. Else the answer did
 * not come, and *fault says why. One that stands still is noticed before it is asked,
 * within seconds.
 */
int tacit_door_reload(const char *path, struct tacit_fault *fault);

#endif
