#include "gate/clock.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t size(int64_t a)
{
    return a < 0 ? -a : a;
}

/* A time moved by a step; there is none before 1970. */
static uint64_t moved(uint64_t time, int64_t by)
{
    if (by < 0)
        return time > (uint64_t)-by ? time - (uint64_t)-by : 0;
    return time + (uint64_t)by;
}

/*
 * When we began, by a clock that was just set. Set back, it goes through times again
 * whose first messages may be forgotten by now: our beginning is now, but for those under
 * way.
 */
static uint64_t begun(const struct tacit_clock *c, uint64_t wall)
{
    uint64_t since = moved(c->since, c->set_by);
    return c->set_by < 0 ? later(since, moved(wall, -TACIT_CLOCK_STEP)) : since;
}

/* The step since the last look; small ones that add up are one, too. */
static int64_t notice(struct tacit_clock *c, uint64_t wall, int64_t ms)
{
    int64_t ahead = (int64_t)wall * 1000 - ms;
    int64_t off = ahead - c->base; /* the wall clock's seconds are whole ones */
    int64_t by = (off + (off < 0 ? -500 : 500)) / 1000;
    int64_t step = by - c->set_by;
    if (size(step) <= TACIT_CLOCK_STEP)
        return 0;
    c->set_by = size(by) <= TACIT_CLOCK_STEP ? 0 : by;
    c->set_at = ms;
    c->since_wall = begun(c, wall);
    return step;
}

static void believe(struct tacit_clock *c)
{
    c->base += c->set_by * 1000;
    c->since = c->since_wall;
    c->set_by = 0;
}

struct tacit_now tacit_clock_look(struct tacit_clock *c, uint64_t wall, int64_t ms,
                                  int64_t *ret_step)
{
    if (!c->started) {
        c->started = true;
        c->base = (int64_t)wall * 1000 - ms;
        c->since = c->since_wall = wall;
    }
    *ret_step = notice(c, wall, ms);
    if (c->set_by != 0 && ms - c->set_at >= (int64_t)TACIT_CLOCK_GRACE * 1000)
        believe(c);
    uint64_t steady = moved(wall, -c->set_by);
    if (steady + 1 == c->steady)
        steady++; /* steps are rounded to whole seconds */
    c->steady = steady;
    uint64_t ends = later(steady, later(c->signed_at, c->own));
    return (struct tacit_now){.ms = ms,
                              .wall = wall,
                              .steady = steady,
                              .since = c->since,
                              .since_wall = c->since_wall,
                              .ends = ends,
                              .begins = later(wall, ends)};
}

void tacit_clock_signed(struct tacit_clock *c, const struct tacit_now *now, uint64_t time)
{
    if (time <= now->steady)
        c->signed_at = later(c->signed_at, time);
}

void tacit_clock_own(struct tacit_clock *c, uint64_t time)
{
    c->own = time;
}
