/* Too few descriptors, or too little memory: strangers go, and accepting rests. */
#include <stdlib.h>

#include "door/daemon.h"

enum {
    STARVED_EVICTS = 8,
};

static int64_t rests_until;

bool door_rests(void)
{
    return now_ms() < rests_until;
}

void door_starved(void)
{
    int64_t now = now_ms();
    if (!door_rests()) {
        door.counters.starved++;
        log_stranger("starved", "pending=%zu nodes=%zu", door.pending.count,
                     door.nodes.count);
    }
    /* Several at once, so that the next one to be accepted is not only a stranger. */
    for (int i = 0; i < STARVED_EVICTS; i++)
        if (!door.evict())
            break;
    tacit_pending_starve(&door.pending, now);
    rests_until = now + TACIT_PENDING_PAUSE_MS;
}

void *door_allocate(size_t size)
{
    void *room = calloc(1, size);
    if (room == NULL) {
        door.counters.no_memory++;
        door_starved();
    }
    return room;
}
