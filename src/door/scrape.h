/* As much of HTTP as a request for the door's metrics takes. No I/O. */
#ifndef TACIT_DOOR_SCRAPE_H
#define TACIT_DOOR_SCRAPE_H

#include <stddef.h>

enum {
    TACIT_SCRAPE_MAX = 4096, /* bytes of a request */
};

enum tacit_scrape {
    TACIT_SCRAPE_MORE,    /* its end is still to come */
    TACIT_SCRAPE_METRICS, /* GET /metrics */
    TACIT_SCRAPE_OTHER,   /* a whole request for something else */
    TACIT_SCRAPE_BAD,     /* longer than any that is taken, or no text */
};

/* What the len bytes that have come so far ask for. */
enum tacit_scrape tacit_scrape_read(const char *request, size_t len);

#endif
