#include "value.h"

#include "guard/quick.h"
#include "guard/tags.h"

static const uint8_t kinds[256] = {
    [TAG_ATOM_REF] = TACIT_GUARD_KIND_ATOM,
    [TAG_ATOM] = TACIT_GUARD_KIND_ATOM,
    [TAG_SMALL_ATOM] = TACIT_GUARD_KIND_ATOM,
    [TAG_ATOM_UTF8] = TACIT_GUARD_KIND_ATOM,
    [TAG_SMALL_ATOM_UTF8] = TACIT_GUARD_KIND_ATOM,
    [TAG_SMALL_INTEGER] = TACIT_GUARD_KIND_INTEGER,
    [TAG_INTEGER] = TACIT_GUARD_KIND_INTEGER,
    [TAG_SMALL_BIG] = TACIT_GUARD_KIND_INTEGER,
    [TAG_NEW_PID] = TACIT_GUARD_KIND_PID,
    [TAG_PID] = TACIT_GUARD_KIND_PID,
    [TAG_NEWER_REFERENCE] = TACIT_GUARD_KIND_REFERENCE,
    [TAG_NEW_REFERENCE] = TACIT_GUARD_KIND_REFERENCE,
    [TAG_SMALL_TUPLE] = TACIT_GUARD_KIND_TUPLE,
    [TAG_LARGE_TUPLE] = TACIT_GUARD_KIND_TUPLE,
    [TAG_LIST] = TACIT_GUARD_KIND_LIST,
    [TAG_NIL] = TACIT_GUARD_KIND_LIST,
    [TAG_STRING] = TACIT_GUARD_KIND_LIST,
};

enum tacit_guard_kind tacit_guard_kind(const struct tacit_reader *r)
{
    return r->at < r->end && !r->bad ? (enum tacit_guard_kind)kinds[*r->at]
                                     : TACIT_GUARD_KIND_OTHER;
}

bool tacit_guard_get_tuple(struct tacit_reader *r, uint32_t *ret_arity)
{
    uint8_t tag = tacit_quick_u8(r);
    if (tag == TAG_SMALL_TUPLE)
        *ret_arity = tacit_quick_u8(r);
    else if (tag == TAG_LARGE_TUPLE)
        *ret_arity = tacit_quick_u32(r);
    else
        return false;
    return !r->bad;
}

bool tacit_guard_get_list(struct tacit_guard_walk *w, struct tacit_reader *r,
                          uint32_t *ret_len, bool *ret_tail)
{
    uint8_t tag = tacit_quick_u8(r);
    *ret_tail = tag == TAG_LIST;
    *ret_len = 0;
    if (tag == TAG_LIST)
        *ret_len = tacit_quick_u32(r);
    else if (tag == TAG_STRING)
        w->skip = *ret_len = tacit_quick_u16(r);
    else if (tag != TAG_NIL)
        return false;
    w->counts.words += 2 * (uint64_t)*ret_len;
    return !r->bad;
}

bool tacit_guard_get_integer(struct tacit_reader *r, uint32_t *ret)
{
    uint8_t tag = tacit_quick_u8(r);
    if (tag == TAG_SMALL_INTEGER)
        *ret = tacit_quick_u8(r);
    else if (tag == TAG_INTEGER)
        *ret = tacit_quick_u32(r);
    else
        return false;
    return !r->bad && *ret <= INT32_MAX;
}

bool tacit_guard_get_atom(const struct tacit_guard_walk *w, struct tacit_reader *r,
                          struct tacit_guard_text **ret)
{
    struct tacit_guard_texts *texts = &w->named->texts;
    uint8_t tag = tacit_quick_u8(r);
    if (tag == TAG_ATOM_REF) {
        uint8_t index = tacit_quick_u8(r);
        if (r->bad || index >= w->refs->number)
            return false;
        *ret = w->refs->texts[index];
        return true;
    }
    bool utf8 = tag == TAG_ATOM_UTF8 || tag == TAG_SMALL_ATOM_UTF8;
    if (!utf8 && tag != TAG_ATOM && tag != TAG_SMALL_ATOM)
        return false;
    size_t len =
        tag == TAG_ATOM || tag == TAG_ATOM_UTF8 ? tacit_quick_u16(r) : tacit_quick_u8(r);
    const uint8_t *bytes = tacit_quick_bytes(r, len);
    if (bytes == NULL)
        return false;
    return (utf8 ? tacit_guard_intern(texts, bytes, len, ret)
                 : tacit_guard_intern_latin1(texts, bytes, len, ret)) == TACIT_GUARD_FINE;
}

bool tacit_guard_get_pid(const struct tacit_guard_walk *w, struct tacit_reader *r,
                         struct tacit_guard_pid *ret)
{
    struct tacit_guard_text *node;
    uint8_t tag = tacit_quick_u8(r);
    if ((tag != TAG_NEW_PID && tag != TAG_PID) || !tacit_guard_get_atom(w, r, &node))
        return false;
    ret->node = node;
    ret->number = tacit_quick_u32(r);
    ret->serial = tacit_quick_u32(r);
    ret->creation = tag == TAG_PID ? tacit_quick_u8(r) : tacit_quick_u32(r);
    return !r->bad;
}

bool tacit_guard_get_reference(const struct tacit_guard_walk *w, struct tacit_reader *r,
                               struct tacit_guard_reference *ret)
{
    struct tacit_guard_text *node;
    uint8_t tag = tacit_quick_u8(r);
    if (tag != TAG_NEWER_REFERENCE && tag != TAG_NEW_REFERENCE)
        return false;
    size_t words = tacit_quick_u16(r);
    if (r->bad || !tacit_guard_get_atom(w, r, &node))
        return false;
    ret->node = node;
    ret->len = 4 * words + (tag == TAG_NEWER_REFERENCE ? 4 : 1);
    ret->bytes = tacit_quick_bytes(r, ret->len);
    return !r->bad;
}

bool tacit_guard_pass(struct tacit_guard_walk *w, struct tacit_reader *r)
{
    struct tacit_guard_walk walk = *w;
    walk.todo = 1;
    walk.skip = 0;
    walk.most = tacit_left(r);
    walk.ends[0] = TACIT_GUARD_END_ANY;
    bool whole = !r->bad && tacit_guard_walk_terms(&walk, r) == TACIT_GUARD_FINE;
    w->counts = walk.counts;
    return whole;
}
