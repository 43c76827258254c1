/* What there is one of: the door, and what time it is there. */
#include <time.h>

#include "base/clock.h"
#include "door/daemon.h"

struct door door;

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t wall_clock(void)
{
    return tacit_wall_clock();
}

struct tacit_now door_now(void)
{
    int64_t step;
    struct tacit_now now =
        tacit_clock_look(&door.clock, wall_clock(), tacit_unset_ms(), &step);
    door.clock_step += step;
    return now;
}
