#include "frame.h"

#include "guard/quick.h"

enum {
    VERSION = 131,
    PASS_THROUGH = 112,
    HEADER = 68,
    FIRST = 69,
    NEXT = 70,
};

enum tacit_guard_reason tacit_guard_frame(struct tacit_guard_frame *frame, uint64_t flags,
                                          const uint8_t *bytes, size_t len)
{
    bool headers = (flags & (TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS)) != 0;
    *frame = (struct tacit_guard_frame){.form = TACIT_GUARD_TICK};
    if (len == 0)
        return TACIT_GUARD_FINE;
    frame->rest = tacit_reader(bytes, len);
    uint8_t first = tacit_quick_u8(&frame->rest), second = tacit_quick_u8(&frame->rest);
    if (!headers) {
        frame->form = TACIT_GUARD_PASS_THROUGH;
        return first == PASS_THROUGH && second == VERSION ? 0 : TACIT_GUARD_FORM;
    }
    if (first != VERSION)
        return TACIT_GUARD_FORM;
    if (second == HEADER) {
        frame->form = TACIT_GUARD_WHOLE;
        return TACIT_GUARD_FINE;
    }
    if ((flags & TACIT_GUARD_FLAG_FRAGMENTS) == 0 || (second != FIRST && second != NEXT))
        return TACIT_GUARD_FORM;
    frame->form = second == FIRST ? TACIT_GUARD_FIRST_PIECE : TACIT_GUARD_NEXT_PIECE;
    frame->sequence = tacit_get_u64(&frame->rest);
    frame->number = tacit_get_u64(&frame->rest);
    return frame->rest.bad ? TACIT_GUARD_FORM : TACIT_GUARD_FINE;
}

/* The text that fills a slot. */
static enum tacit_guard_reason filled(struct tacit_guard_texts *texts, bool wide,
                                      struct tacit_reader *r,
                                      struct tacit_guard_text **ret)
{
    size_t len = wide ? tacit_quick_u16(r) : tacit_quick_u8(r);
    const uint8_t *bytes = tacit_quick_bytes(r, len);
    return r->bad ? TACIT_GUARD_HEADER : tacit_guard_intern(texts, bytes, len, ret);
}

enum tacit_guard_reason tacit_guard_header(struct tacit_guard_refs *refs, uint64_t flags,
                                           struct tacit_guard_mirror *mirror,
                                           struct tacit_guard_texts *texts,
                                           struct tacit_reader *r)
{
    unsigned number = tacit_quick_u8(r);
    refs->number = 0;
    refs->filled = false;
    if (r->bad || (number > 0 && (flags & TACIT_GUARD_FLAG_CACHE) == 0))
        return TACIT_GUARD_HEADER;
    if (number == 0)
        return TACIT_GUARD_FINE;
    /* Half a byte an atom, and one more that says how long lengths are. */
    const uint8_t *halves = tacit_quick_bytes(r, number / 2 + 1);
    if (halves == NULL)
        return TACIT_GUARD_HEADER;
    bool wide = (halves[number / 2] >> (number % 2 * 4) & 1) != 0;
    for (unsigned i = 0; i < number; i++) {
        unsigned half = (unsigned)halves[i / 2] >> (i % 2 * 4) & 15U;
        uint32_t slot = (half & 7) << 8 | tacit_quick_u8(r);
        struct tacit_guard_text *text = NULL;
        enum tacit_guard_reason reason = TACIT_GUARD_FINE;
        if ((half & 8) != 0)
            reason = filled(texts, wide, r, &text);
        else
            text = tacit_guard_mirror_get(mirror, texts, slot);
        if (reason || r->bad || text == NULL)
            return reason ? reason : TACIT_GUARD_HEADER;
        if ((half & 8) != 0) {
            tacit_guard_mirror_set(mirror, texts, slot, text);
            refs->filled = true;
        }
        refs->texts[i] = text;
    }
    refs->number = number;
    return TACIT_GUARD_FINE;
}
