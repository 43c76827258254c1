/* One line an event: "event=registered name=app@db1 uid=1000 pid=7", on standard error.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "door/daemon.h"

static struct tacit_lines strangers;
static uint64_t not_taken; /* lines for which there was no room */

/* Whether a line can be written without waiting: who reads it may not, for a while. */
static bool takes_a_line(void)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&fd, 1, 0) != 0;
}

/* One write a line, so that lines of several processes do not mix. */
__attribute__((format(printf, 2, 0))) static void
line(const char *event, const char *format, va_list args, uint64_t left_out)
{
    char text[1200];
    if (!takes_a_line()) {
        not_taken += 1 + left_out;
        return;
    }
    left_out += not_taken;
    not_taken = 0;
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
    uint64_t left_out;
    va_list args;
    if (!tacit_lines_allow(&strangers, now_ms(), &left_out))
        return;
    va_start(args, format);
    line(event, format, args, left_out);
    va_end(args);
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
