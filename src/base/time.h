/* Times as text. In UTC: what a rule means does not depend on where the host stands. */
#ifndef TACIT_BASE_TIME_H
#define TACIT_BASE_TIME_H

#include <stdint.h>

enum {
    TACIT_TIME_TEXT = 21, /* "2026-12-31T23:59:59Z" with its zero */
};

/*
 * "2026-12-31T23:59:59Z", in UTC, or "2026-12-31", the day's first second; years 1970 to
 * 9999. In seconds since 1970.
 */
int tacit_time_from_text(const char *text, uint64_t *ret_time);
void tacit_time_to_text(uint64_t time, char ret_text[TACIT_TIME_TEXT]);

#endif
