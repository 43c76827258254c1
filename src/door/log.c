/* One line an event: "event=registered name=app@db1 uid=1000 pid=7", on standard error.
 */
#include <stdarg.h>
#include <stdio.h>

#include "door/daemon.h"

static struct {
    int64_t credit; /* ms: a bucket that a line empties by EVENT_EVERY_MS */
    uint64_t left_out;
} strangers;

/* One write a line, so that lines of several processes do not mix. */
__attribute__((format(printf, 2, 0))) static void
line(const char *event, const char *format, va_list args, uint64_t left_out)
{
    char text[1200];
    int at = snprintf(text, sizeof text, "event=%s ", event);
    at += vsnprintf(text + at, sizeof text - (size_t)at, format, args);
    if (left_out > 0 && (size_t)at < sizeof text)
        at += snprintf(text + at, sizeof text - (size_t)at, " left_out=%ju",
                       (uintmax_t)left_out);
    fprintf(stderr, "%s\n", text);
}

void log_event(const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    line(event, format, args, 0);
    va_end(args);
}

void log_stranger(const char *event, const char *format, ...)
{
    int64_t now = now_ms(), full = (int64_t)EVENTS_BURST * EVENT_EVERY_MS;
    va_list args;
    if (strangers.credit < now - full)
        strangers.credit = now - full;
    if (strangers.credit + EVENT_EVERY_MS > now) {
        strangers.left_out++;
        return;
    }
    strangers.credit += EVENT_EVERY_MS;
    va_start(args, format);
    line(event, format, args, strangers.left_out);
    va_end(args);
    strangers.left_out = 0;
}

const char *log_quote(char out[TACIT_FAULT_MAX], const char *text)
{
    size_t at = 0;
    out[at++] = '"';
    for (; *text != '\0' && at < TACIT_FAULT_MAX - 2; text++)
        out[at++] =
            *text == '"' ? '\'' : (char)(*text < ' ' || *text > '~' ? '?' : *text);
    out[at++] = '"';
    out[at] = '\0';
    return out;
}
