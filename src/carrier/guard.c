/*
 * The gate that all ports of the driver share: which first messages are answered, and
 * what time it is. A lock of its own; nothing under it blocks.
 */
#include "gate/guard.h"
#include "base/clock.h"
#include "carrier.h"

static struct {
    ErlDrvMutex *lock;
    struct tacit_clock clock;
    struct tacit_guard guard;
    int64_t step; /* of the wall clock, that nobody was told of yet */
} gate;

/*
 * With the lock held. The emulator's own clocks would not do: it has them go faster or
 * slower after the wall clock was set.
 */
static struct tacit_now look(void)
{
    int64_t step;
    struct tacit_now now =
        tacit_clock_look(&gate.clock, tacit_wall_clock(), tacit_unset_ms(), &step);
    gate.step += step;
    return now;
}

int guard_init(void)
{
    char name[] = "tacit_guard";
    gate.lock = erl_drv_mutex_create(name);
    if (gate.lock == NULL)
        return TACIT_ENOMEM;
    gate.guard.all = tacit_guard_all;
    gate.guard.source = tacit_guard_source;
    (void)look(); /* the memory of first messages begins here */
    return TACIT_OK;
}

void guard_finish(void)
{
    tacit_guard_free(&gate.guard);
    gate.clock = (struct tacit_clock){0};
    gate.step = 0;
    erl_drv_mutex_destroy(gate.lock);
}

struct tacit_now guard_now(void)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    erl_drv_mutex_unlock(gate.lock);
    return now;
}

void guard_signed(const struct tacit_now *now, uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    tacit_clock_signed(&gate.clock, now, time);
    erl_drv_mutex_unlock(gate.lock);
}

void guard_own_signed(uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    tacit_clock_own(&gate.clock, time);
    erl_drv_mutex_unlock(gate.lock);
}

int64_t guard_step(void)
{
    erl_drv_mutex_lock(gate.lock);
    (void)look();
    int64_t step = gate.step;
    gate.step = 0;
    erl_drv_mutex_unlock(gate.lock);
    return step;
}

int guard_first(const struct tacit_address *source, const uint8_t ephemeral[NOISE_DHLEN],
                uint64_t time, int *ret_skew)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    int error = tacit_guard_first(&gate.guard, source, ephemeral, time, &now, ret_skew);
    erl_drv_mutex_unlock(gate.lock);
    return error;
}

void guard_own(const uint8_t ephemeral[NOISE_DHLEN], uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    tacit_guard_own(&gate.guard, ephemeral, time, &now);
    erl_drv_mutex_unlock(gate.lock);
}

void guard_known(const struct tacit_address *source, bool known)
{
    erl_drv_mutex_lock(gate.lock);
    if (known)
        tacit_guard_known(&gate.guard, source);
    else
        tacit_guard_forget(&gate.guard, source);
    erl_drv_mutex_unlock(gate.lock);
}

size_t guard_count(void)
{
    erl_drv_mutex_lock(gate.lock);
    size_t count = tacit_guard_count(&gate.guard);
    erl_drv_mutex_unlock(gate.lock);
    return count;
}
