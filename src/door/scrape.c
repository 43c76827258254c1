#include "door/scrape.h"

#include <string.h>

enum tacit_scrape tacit_scrape_read(const char *request, size_t len)
{
    static const char wanted[] = "GET /metrics";
    size_t line = sizeof wanted - 1;
    if (memchr(request, '\0', len) != NULL)
        return TACIT_SCRAPE_BAD;
    if (memmem(request, len, "\r\n\r\n", 4) == NULL &&
        memmem(request, len, "\n\n", 2) == NULL)
        return len < TACIT_SCRAPE_MAX ? TACIT_SCRAPE_MORE : TACIT_SCRAPE_BAD;
    if (len <= line || memcmp(request, wanted, line) != 0 ||
        (request[line] != ' ' && request[line] != '?'))
        return TACIT_SCRAPE_OTHER;
    return TACIT_SCRAPE_METRICS;
}
