#include "walk.h"

#include <string.h>

#include "guard/item.h"

bool tacit_guard_walk_over(const struct tacit_guard_walk *w)
{
    return w->todo == 0 && w->skip == 0;
}

enum tacit_guard_reason tacit_guard_walk_terms(struct tacit_guard_walk *w,
                                               struct tacit_reader *r)
{
    enum tacit_guard_reason reason = tacit_guard_items(w, &r->at, r->end);
    if (reason || tacit_guard_walk_over(w))
        return reason;
    return TACIT_GUARD_TRUNCATED;
}

/*
 * The item that the last cut went through, with as much of this piece as it takes: *at is
 * behind it then, or at the piece's end where that is not its end either.
 */
static enum tacit_guard_reason carried(struct tacit_guard_walk *w,
                                       struct tacit_guard_carry *carry,
                                       const uint8_t **at, const uint8_t *end)
{
    enum tacit_guard_reason reason = TACIT_GUARD_FINE;
    size_t room = sizeof carry->bytes - carry->len, more = (size_t)(end - *at);
    more = more < room ? more : room;
    memcpy(carry->bytes + carry->len, *at, more);
    ptrdiff_t size =
        tacit_guard_item(w, carry->bytes, carry->bytes + carry->len + more, &reason);
    if (size > 0) {
        *at += size - carry->len;
        carry->len = 0;
    } else {
        *at += more;
        carry->len = (uint16_t)(carry->len + more);
    }
    return reason;
}

enum tacit_guard_reason tacit_guard_walk_piece(struct tacit_guard_walk *w,
                                               struct tacit_guard_carry *carry,
                                               const uint8_t *bytes, size_t len)
{
    const uint8_t *at = bytes, *end = bytes + len;
    enum tacit_guard_reason reason = TACIT_GUARD_FINE;
    if (len > 0 && carry->len > 0)
        reason = carried(w, carry, &at, end);
    if (!reason && carry->len == 0)
        reason = tacit_guard_items(w, &at, end);
    if (reason || at == end)
        return reason;
    if (w->todo == 0)
        return TACIT_GUARD_TRAILING;
    size_t rest = (size_t)(end - at);
    if (carry->len > 0 || rest > sizeof carry->bytes) /* no item is so long */
        return TACIT_GUARD_TERM;
    memcpy(carry->bytes, at, rest);
    carry->len = (uint16_t)rest;
    return TACIT_GUARD_FINE;
}

void tacit_guard_named_init(struct tacit_guard_named *named,
                            const struct tacit_guard_limits *limits,
                            const struct tacit_guard_asks *asks)
{
    *named = (struct tacit_guard_named){
        .limits = *limits, .nodes.most = limits->nodes, .funs.most = limits->funs};
    tacit_guard_texts_init(&named->texts, asks);
}

void tacit_guard_named_free(struct tacit_guard_named *named)
{
    tacit_guard_texts_free(&named->texts);
    tacit_guard_seen_free(&named->nodes);
    tacit_guard_seen_free(&named->funs);
}
