#include "ei/lock.h"

#include <time.h>

#include "ei/wire.h"

int cnode_lock(pthread_mutex_t *mutex, int64_t deadline)
{
    struct timespec until;
    if (deadline == WIRE_NEVER || pthread_mutex_trylock(mutex) == 0)
        return deadline == WIRE_NEVER && pthread_mutex_lock(mutex) != 0 ? TACIT_ESTATE
                                                                        : TACIT_OK;
    int64_t left = deadline - wire_now_us();
    clock_gettime(CLOCK_REALTIME, &until); /* the clock that it takes */
    left = left > 0 ? left * 1000 + until.tv_nsec : until.tv_nsec;
    until.tv_sec += (time_t)(left / 1000000000);
    until.tv_nsec = (long)(left % 1000000000);
    return pthread_mutex_timedlock(mutex, &until) == 0 ? TACIT_OK : TACIT_ETIMEOUT;
}
