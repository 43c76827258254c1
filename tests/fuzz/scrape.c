/* Requests for the door's metrics, read piece by piece as they come. */
#include "fuzz.h"

#include <string.h>

#include "door/scrape.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    enum tacit_scrape last = TACIT_SCRAPE_MORE;
    size_t got = 0, most = len < TACIT_SCRAPE_MAX ? len : TACIT_SCRAPE_MAX;
    while (last == TACIT_SCRAPE_MORE && got < most) {
        char *text = malloc(++got); /* so that a byte too far is found */
        MUST(text != NULL);
        memcpy(text, bytes, got);
        last = tacit_scrape_read(text, got);
        free(text);
    }
    MUST(got < TACIT_SCRAPE_MAX || last != TACIT_SCRAPE_MORE);
    if (last == TACIT_SCRAPE_METRICS)
        MUST(memcmp(bytes, "GET /metrics", 12) == 0 && bytes[got - 1] == '\n');
    return 0;
}
