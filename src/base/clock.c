#include "base/clock.h"

#include <time.h>

uint64_t tacit_wall_clock(void)
{
    return (uint64_t)time(NULL);
}

int64_t tacit_unset_ms(void)
{
#ifdef CLOCK_BOOTTIME
    const clockid_t clock = CLOCK_BOOTTIME;
#else
    const clockid_t clock = CLOCK_MONOTONIC;
#endif
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
