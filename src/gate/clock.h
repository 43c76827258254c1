/*
 * What time it is, where the wall clock may be set while we run, by who may and by
 * mistake. It is held against the monotonic clock, which nobody sets: a step is noticed,
 * told, and believed after a grace. Until then what was agreed goes on as if there had
 * been none: nothing runs out by a step, and nothing that has run out comes back.
 */
#ifndef TACIT_GATE_CLOCK_H
#define TACIT_GATE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TACIT_CLOCK_STEP =
        10, /* seconds: less is no step, as leap seconds and NTP make them */
    /* Seconds. As long as a first message may be remembered (replay.h), so that a clock
     * that jumps forth and back opens none. */
    TACIT_CLOCK_GRACE = 1200,
};

/* Zero it to start. One lock of the caller's guards it. */
struct tacit_clock {
    bool started;
    int64_t base;    /* ms: the wall clock's lead over the monotonic one, as believed */
    int64_t set_by;  /* s: the step that is not believed yet; 0: none */
    int64_t set_at;  /* ms: when it was noticed */
    uint64_t steady; /* at the last look */
    uint64_t since, since_wall, signed_at, own;
};

/* A moment. Times are in seconds since 1970, but for ms. */
struct tacit_now {
    int64_t ms;      /* of the monotonic clock, of any sign */
    uint64_t wall;   /* as the wall clock has it */
    uint64_t steady; /* as it would have it without the step that is not believed yet */
    uint64_t since;  /* when the clock was first looked at, on the steady one, */
    uint64_t since_wall; /* and on the wall one, where that was set back: when it was */
    uint64_t ends;       /* by which is judged what runs out */
    uint64_t begins;     /* and what is not valid yet */
};

/*
 * The moment that both clocks show. *ret_step: the seconds that the wall clock was set by
 * since the last look; 0: it was not. To be called now and then, also when nobody comes.
 */
struct tacit_now tacit_clock_look(struct tacit_clock *clock, uint64_t wall, int64_t ms,
                                  int64_t *ret_step);

/*
 * A peer's certificate of that time counts, now: it is never earlier than that. But a
 * clock that is wrong may be all that vouches for it.
 */
void tacit_clock_signed(struct tacit_clock *clock, const struct tacit_now *now,
                        uint64_t time);

/*
 * Our own certificate is of that time; 0: we have none. It is never earlier, whatever the
 * clock says, for as long as we have that one.
 */
void tacit_clock_own(struct tacit_clock *clock, uint64_t time);

#endif
