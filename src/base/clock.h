/*
 * The two clocks: the wall's, which may be set at any moment, and one that nobody sets.
 */
#ifndef TACIT_BASE_CLOCK_H
#define TACIT_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970. */
uint64_t tacit_wall_clock(void);

/*
 * Milliseconds since some moment. Goes on while the machine sleeps, where the system has
 * such a clock: waking up is no step of the other one then.
 */
int64_t tacit_unset_ms(void);

#endif
