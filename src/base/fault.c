#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/key.h"
#include "tacit/error.h"

/* How many bytes of base64 alphabet text starts with. */
static size_t base64_run(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] != '\0' && text[n] != '=' &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                  text[n]) != NULL)
        n++;
    return n;
}

const char *tacit_quote(struct tacit_quoted *quoted, const char *text, size_t len)
{
    static const char hidden[] = "(a key, not shown)", more[] = "...";
    char *out = quoted->text, *end = out + sizeof quoted->text - sizeof more;
    for (size_t i = 0; i < len;) {
        /* A key in the wrong place must not reach a log: 32 bytes make 43 characters. */
        size_t run = base64_run(text + i, len - i);
        if (run == TACIT_KEY_TEXT - 2) {
            if (sizeof hidden > (size_t)(end - out))
                break;
            memcpy(out, hidden, sizeof hidden - 1);
            out += sizeof hidden - 1;
            i += run;
            i += i < len && text[i] == '=';
            continue;
        }
        size_t plain = run > 0 ? run : 1;
        for (; plain > 0 && end - out > 4; plain--, i++) {
            unsigned char c = (unsigned char)text[i];
            out += snprintf(out, 5, c >= 32 && c <= 126 ? "%c" : "\\x%02x", c);
        }
        if (plain > 0) {
            memcpy(out, more, sizeof more);
            return quoted->text;
        }
    }
    *out = '\0';
    return quoted->text;
}

int tacit_fault_at(struct tacit_fault *fault, const char *path, unsigned line,
                   const char *format, ...)
{
    enum {
        PATH_SHOWN = 200
    };
    char at[16] = "", reason[TACIT_FAULT_MAX];
    size_t len = strlen(path);
    /* The reason must fit behind a long path: then the path's end is what tells. */
    const char *shown = len > PATH_SHOWN ? path + len - PATH_SHOWN : path;
    if (line > 0)
        snprintf(at, sizeof at, ":%u", line);

    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);

    size_t used = (size_t)snprintf(fault->text, sizeof fault->text,
                                   "%s%s%s: ", shown == path ? "" : "...", shown, at);
    snprintf(fault->text + used, sizeof fault->text - used, "%s", reason);
    return TACIT_ECONFIG;
}
