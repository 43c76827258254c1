#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include "guard/tags.h"
#include "guard/words.h"

enum {
    KEPT = 4096, /* bytes that are kept for the next one */
    ROOM = 64,   /* for what is put besides copies */
    /* Where the options of a request to spawn are. */
    OPTIONS = 4,
};

void tacit_guard_made_free(struct tacit_guard_made *m)
{
    free(m->bytes);
    *m = (struct tacit_guard_made){.bytes = NULL};
}

void tacit_guard_made_clear(struct tacit_guard_made *m)
{
    if (m->size > KEPT)
        tacit_guard_made_free(m);
    m->len = 0;
}

/* A writer over so many bytes; a bad one where there is no memory. */
static struct tacit_writer begin(struct tacit_guard_made *m, size_t size)
{
    tacit_guard_made_clear(m);
    if (size > m->size) {
        size = size > KEPT ? size : KEPT;
        uint8_t *bytes = realloc(m->bytes, size);
        if (bytes == NULL)
            return (struct tacit_writer){.bad = true};
        m->bytes = bytes;
        m->size = size;
    }
    return tacit_writer(m->bytes, m->size);
}

static bool finish(struct tacit_guard_made *m, const struct tacit_writer *out)
{
    m->len = out->bad ? 0 : tacit_written(out);
    return !out->bad;
}

static void put_text(struct tacit_writer *out, const uint8_t *text, size_t len)
{
    tacit_put_u8(out, len > UINT8_MAX ? TAG_ATOM_UTF8 : TAG_SMALL_ATOM_UTF8);
    if (len > UINT8_MAX)
        tacit_put_u16(out, (uint16_t)len);
    else
        tacit_put_u8(out, (uint8_t)len);
    tacit_put_bytes(out, text, len);
}

static void put_atom(struct tacit_writer *out, const char *text)
{
    put_text(out, (const uint8_t *)text, strlen(text));
}

/* An atom of the cursor's, which is not one by its place in a header any more. */
static void copy_atom(struct tacit_writer *out, const struct tacit_guard_walk *w,
                      struct tacit_reader *r)
{
    struct tacit_guard_text *text;
    if (tacit_guard_get_atom(w, r, &text))
        put_text(out, text->bytes, text->len);
    else
        out->bad = true;
}

/* A part that is an atom, a pid or a reference. */
static void copy_part(struct tacit_writer *out, const struct tacit_guard_control *c,
                      unsigned part, const struct tacit_guard_walk *w)
{
    struct tacit_reader r = tacit_guard_part(c, part);
    switch (tacit_guard_kind(&r)) {
    case TACIT_GUARD_KIND_REFERENCE:
        tacit_put_u8(out, tacit_get_u8(&r));
        tacit_put_u16(out, tacit_get_u16(&r));
        break;
    case TACIT_GUARD_KIND_PID:
        tacit_put_u8(out, tacit_get_u8(&r));
        break;
    default:
        break;
    }
    copy_atom(out, w, &r);
    size_t rest = tacit_left(&r);
    tacit_put_bytes(out, tacit_get_bytes(&r, rest), rest);
}

/* The beginning of a message of this link's form, to its control's number. */
static void put_control(struct tacit_writer *out, uint64_t flags, uint8_t arity,
                        uint8_t number)
{
    bool header = (flags & (TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS)) != 0;
    static const uint8_t headed[] = {131, 68, 0}, plain[] = {112, 131};
    if (header)
        tacit_put_bytes(out, headed, sizeof headed);
    else
        tacit_put_bytes(out, plain, sizeof plain);
    tacit_put_u8(out, TAG_SMALL_TUPLE);
    tacit_put_u8(out, arity);
    tacit_put_u8(out, TAG_SMALL_INTEGER);
    tacit_put_u8(out, number);
}

/* The payload `noproc`. */
static void put_noproc(struct tacit_writer *out, uint64_t flags)
{
    if ((flags & (TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS)) == 0)
        tacit_put_u8(out, TAG_VERSION);
    put_atom(out, "noproc");
}

bool tacit_guard_answer(struct tacit_guard_made *m, const struct tacit_guard_control *c,
                        const struct tacit_guard_ruling *ruling,
                        const struct tacit_guard_walk *w, uint64_t flags)
{
    size_t size = ROOM + 3 * (TACIT_GUARD_TEXT_MAX + ROOM);
    bool answered = c->asked == TACIT_GUARD_MONITOR || c->asked == TACIT_GUARD_LINK ||
                    c->asked == TACIT_GUARD_SPAWN_REQUEST;
    tacit_guard_made_clear(m);
    if (!answered)
        return true;
    struct tacit_writer out = begin(m, size);
    switch (c->asked) {
    case TACIT_GUARD_MONITOR: /* {28, To, From, Ref} */
        put_control(&out, flags, 4, 28);
        copy_part(&out, c, 1, w);
        copy_part(&out, c, 0, w);
        copy_part(&out, c, 2, w);
        put_noproc(&out, flags);
        break;
    case TACIT_GUARD_LINK: /* {24, To, From} */
        put_control(&out, flags, 3, 24);
        copy_part(&out, c, 1, w);
        copy_part(&out, c, 0, w);
        put_noproc(&out, flags);
        break;
    default: /* {31, ReqId, From, 0, Error} */
        put_control(&out, flags, 5, 31);
        copy_part(&out, c, 0, w);
        copy_part(&out, c, 1, w);
        tacit_put_u8(&out, TAG_SMALL_INTEGER);
        tacit_put_u8(&out, 0);
        put_atom(&out, ruling->error);
    }
    return finish(m, &out);
}

bool tacit_guard_nothing(struct tacit_guard_made *m, const uint8_t *header, size_t len,
                         const struct tacit_guard_text *peer, uint32_t creation)
{
    struct tacit_writer out = begin(m, len + peer->len + 2 * ROOM);
    tacit_put_u8(&out, TAG_VERSION);
    tacit_put_u8(&out, 68);
    tacit_put_bytes(&out, header, len);
    tacit_put_u8(&out, TAG_SMALL_TUPLE);
    tacit_put_u8(&out, 4);
    tacit_put_u8(&out, TAG_SMALL_INTEGER);
    tacit_put_u8(&out, 6); /* REG_SEND */
    tacit_put_u8(&out, TAG_NEW_PID);
    put_text(&out, peer->bytes, peer->len);
    tacit_put_u64(&out, 0);
    tacit_put_u32(&out, creation);
    put_atom(&out, "");
    put_atom(&out, "undefined");
    tacit_put_u8(&out, TAG_NIL);
    return finish(m, &out);
}

/* Whether it is one that the caller may set: a link, a monitor, and what goes with them.
 */
static bool is_kept(const struct tacit_guard_walk *w, struct tacit_reader option)
{
    struct tacit_guard_text *text;
    uint32_t arity;
    if (tacit_guard_kind(&option) == TACIT_GUARD_KIND_TUPLE)
        tacit_guard_get_tuple(&option, &arity);
    return tacit_guard_get_atom(w, &option, &text) &&
           (text->bits & TACIT_ROLE_BITS_WORD) == TACIT_WORD_OPTION;
}

/* The options that are kept, one behind the other; false: they are no list of any. */
static bool copy_options(struct tacit_writer *out, struct tacit_reader options,
                         const struct tacit_guard_walk *w, uint32_t *ret_number)
{
    struct tacit_guard_walk walk = *w;
    uint32_t len, kept = 0;
    bool tail;
    if (!tacit_guard_get_list(&walk, &options, &len, &tail) || (len > 0 && !tail))
        return false;
    for (uint32_t i = 0; i < len; i++) {
        struct tacit_reader option = options;
        if (!tacit_guard_pass(&walk, &options))
            return false;
        option.end = options.at;
        if (is_kept(w, option)) {
            tacit_put_bytes(out, option.at, tacit_left(&option));
            kept++;
        }
    }
    *ret_number = kept;
    return true;
}

static void put_option(struct tacit_writer *out, const char *name)
{
    tacit_put_u8(out, TAG_SMALL_TUPLE);
    tacit_put_u8(out, 2);
    put_atom(out, name);
}

bool tacit_guard_options(struct tacit_guard_made *m, const uint8_t *frame,
                         const struct tacit_guard_control *c,
                         const struct tacit_guard_walk *w, uint64_t words)
{
    const struct tacit_guard_part *options = &c->part[OPTIONS];
    size_t before = (size_t)(options->at - frame);
    uint32_t number = 0;
    struct tacit_writer out = begin(m, before + options->len + 2 * ROOM);
    tacit_put_bytes(&out, frame, before);
    tacit_put_u8(&out, TAG_LIST);
    struct tacit_writer length = out; /* it is known when they have been put */
    tacit_put_u32(&out, 0);
    if (!copy_options(&out, tacit_guard_part(c, OPTIONS), w, &number) && !out.bad) {
        out.at = length.at + 4; /* what is no list has no options */
        number = 0;
    }
    put_option(&out, "priority");
    put_atom(&out, "low");
    if (words > 0) {
        put_option(&out, "max_heap_size");
        tacit_put_u8(&out, TAG_SMALL_BIG);
        tacit_put_u8(&out, 8);
        tacit_put_u8(&out, 0);
        for (int i = 0; i < 8; i++)
            tacit_put_u8(&out, (uint8_t)(words >> 8 * i));
    }
    tacit_put_u8(&out, TAG_NIL);
    tacit_put_u32(&length, number + 1 + (words > 0));
    return finish(m, &out);
}
