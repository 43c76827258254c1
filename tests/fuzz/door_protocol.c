/* Frames between a node and its door: what is read is written back and read as the same.
 */
#include "fuzz.h"

#include <string.h>

#include "door/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tacit_door_frame frame, again;
    uint8_t out[TACIT_DOOR_FRAME_MAX];
    size_t out_len;
    struct tacit_door_input in = {0};
    bool bad = false;
    size_t at = 0, wants;
    while ((wants = tacit_door_wants(&in, &bad)) > 0 && at < len) {
        MUST(in.len + wants <= sizeof in.bytes);
        size_t take = wants < len - at ? wants : len - at;
        memcpy(in.bytes + in.len, bytes + at, take);
        in.len += take;
        at += take;
    }
    if (bad || wants > 0 || tacit_door_read(in.bytes, in.len, &frame) != TACIT_OK)
        return 0;
    MUST(tacit_door_write(&frame, out, &out_len) == TACIT_OK);
    MUST(out_len <= in.len); /* extensions are left out */
    MUST(tacit_door_read(out, out_len, &again) == TACIT_OK);
    MUST(memcmp(&frame, &again, sizeof frame) == 0);
    return 0;
}
