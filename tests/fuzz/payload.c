/* What handshake messages carry, and a whole first message under a known mesh key. */
#include "fuzz.h"

#include <string.h>

#include "channel/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const struct tacit_secret key;
    struct tacit_first first;
    struct tacit_claim claim;
    uint8_t out[TACIT_CLAIM_PAYLOAD], message[TACIT_MESSAGE_1] = {0}, e[NOISE_DHLEN];
    uint8_t payload[TACIT_CLAIM_PAYLOAD] = {0};
    size_t some = len < sizeof payload ? len : sizeof payload;
    memcpy(payload, bytes, some);
    if (tacit_first_read(payload, TACIT_FIRST_PAYLOAD, &first) == TACIT_OK)
        MUST(tacit_first_write(&first, out) == TACIT_OK);
    if (tacit_claim_read(payload, sizeof payload, &claim) == TACIT_OK)
        MUST(tacit_claim_write(&claim, out) == TACIT_OK);
    (void)tacit_first_read(bytes, len, &first);
    (void)tacit_claim_read(bytes, len, &claim);
    memcpy(message, bytes, len < sizeof message ? len : sizeof message);
    MUST(tacit_first_open(&key, 1, message, &first, e) != TACIT_OK);
    return 0;
}
