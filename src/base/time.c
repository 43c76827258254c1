#include "base/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tacit/error.h"

static bool all_as(const char *text, const char *shape)
{
    for (; *shape != '\0'; shape++, text++) {
        bool digit = *text >= '0' && *text <= '9';
        if (*shape == '0' ? !digit : *text != *shape)
            return false;
    }
    return *text == '\0';
}

int tacit_time_from_text(const char *text, uint64_t *ret_time)
{
    struct tm t = {0}, back;
    if (!all_as(text, "0000-00-00T00:00:00Z") && !all_as(text, "0000-00-00"))
        return TACIT_EFORMAT;
    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &t.tm_year, &t.tm_mon, &t.tm_mday,
           &t.tm_hour, &t.tm_min, &t.tm_sec);
    if (t.tm_year < 1970)
        return TACIT_EFORMAT;
    t.tm_year -= 1900;
    t.tm_mon--;
    struct tm asked = t;
    time_t seconds = timegm(&t);
    /* timegm takes the 31st of April for the 1st of May. */
    if (seconds < 0 || gmtime_r(&seconds, &back) == NULL || back.tm_mon != asked.tm_mon ||
        back.tm_mday != asked.tm_mday || back.tm_hour != asked.tm_hour ||
        back.tm_min != asked.tm_min || back.tm_sec != asked.tm_sec)
        return TACIT_EFORMAT;
    *ret_time = (uint64_t)seconds;
    return 0;
}

void tacit_time_to_text(uint64_t time, char ret_text[TACIT_TIME_TEXT])
{
    static const uint64_t last = 253402300799; /* of the year 9999 */
    time_t seconds = (time_t)(time < last ? time : last);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL ||
        strftime(ret_text, TACIT_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
        memcpy(ret_text, "?", 2);
}
