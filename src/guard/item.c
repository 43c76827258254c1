#include "item.h"

#include <sodium.h>
#include <string.h>

#include "guard/quick.h"
#include "guard/tags.h"

/*
 * Words of heap, the most that OTP 25 to 29 take on 64 bits: binaries have other heads
 * from 27 on.
 */
enum words {
    WORDS_IDENTIFIER =
        4, /* a pid or port of another node; a reference but for its words */
    WORDS_FLOAT = 2,
    WORDS_BINARY = 9,          /* its head, on and off the heap */
    WORDS_BINARY_ON_HEAP = 64, /* bytes: longer ones are off it */
    WORDS_BITS = 5,            /* more than a binary, where the last byte is not whole */
    WORDS_FUN = 6,
    WORDS_RECORD = 8,
    WORDS_FLAT_MAP = 32, /* pairs: larger maps are trees */
};

enum limits {
    REFERENCE_WORDS_MAX = 5,
    FREE_MAX = 255,                /* free variables of a fun */
    BIG_MAX = 8 * ((1 << 16) - 1), /* bytes of an integer, from OTP 27 on */
    TINY_CREATION_MAX = 3,
};

/* What an item's reader returns in place of its length. */
enum outcome {
    SHORT = 0,
    BAD = -1, /* the reason is in the reading */
};

/* One item: its bytes, as far as they are there, and what was found wrong. */
struct reading {
    struct tacit_guard_walk *w;
    const uint8_t *at, *end;
    enum tacit_guard_reason reason;
    const struct tacit_guard_text *node; /* of the last identifier */
};

static ptrdiff_t bad(struct reading *r, enum tacit_guard_reason reason)
{
    r->reason = reason;
    return BAD;
}

static inline size_t left(const struct reading *r)
{
    return (size_t)(r->end - r->at);
}

/* Passes over so many bytes of the item, if they are there. */
static inline bool take(struct reading *r, size_t size)
{
    if (size > left(r))
        return false;
    r->at += size;
    return true;
}

/* An atom as text of the tag that was just read. */
static ptrdiff_t text_atom(struct reading *r, uint8_t tag, struct tacit_guard_text **ret)
{
    bool wide = tag == TAG_ATOM || tag == TAG_ATOM_UTF8;
    bool utf8 = tag == TAG_ATOM_UTF8 || tag == TAG_SMALL_ATOM_UTF8;
    if (left(r) < 1U + wide)
        return SHORT;
    size_t len = wide ? tacit_quick_u16_at(r->at) : r->at[0];
    r->at += 1 + wide;
    if (len > (utf8 ? TACIT_GUARD_TEXT_MAX : TACIT_GUARD_CHARACTERS))
        return bad(r, TACIT_GUARD_ATOM);
    if (len > left(r))
        return SHORT;
    struct tacit_guard_texts *texts = &r->w->named->texts;
    enum tacit_guard_reason reason =
        utf8 ? tacit_guard_intern(texts, r->at, len, ret)
             : tacit_guard_intern_latin1(texts, r->at, len, ret);
    r->at += len;
    return reason ? bad(r, reason) : 1;
}

/* An atom, in whatever form: SHORT, BAD, or more. */
static inline ptrdiff_t atom(struct reading *r, struct tacit_guard_text **ret)
{
    const struct tacit_guard_refs *refs = r->w->refs;
    if (left(r) < 2)
        return SHORT;
    uint8_t tag = *r->at++;
    switch (tag) {
    case TAG_ATOM_REF:
        if (*r->at >= refs->number)
            return bad(r, TACIT_GUARD_TERM);
        *ret = refs->texts[*r->at++];
        return 1;
    case TAG_ATOM:
    case TAG_SMALL_ATOM:
    case TAG_ATOM_UTF8:
    case TAG_SMALL_ATOM_UTF8:
        return text_atom(r, tag, ret);
    default:
        return bad(r, TACIT_GUARD_TAG);
    }
}

/* So many terms more. */
static inline ptrdiff_t add_terms(struct reading *r, uint64_t terms)
{
    struct tacit_guard_walk *w = r->w;
    w->todo += terms;
    return w->todo > w->most || w->todo > UINT32_MAX ? bad(r, TACIT_GUARD_TERM) : 1;
}

/* Another incarnation of a node that the link names. */
static ptrdiff_t name_node(struct reading *r, struct tacit_guard_text *node,
                           uint32_t creation)
{
    struct tacit_guard_named *named = r->w->named;
    struct {
        uint64_t hash, creation;
    } both = {node->hash, creation};
    uint64_t value;
    if (node->is_node && node->creation == creation) /* as it is nearly always */
        return 1;
    crypto_shorthash((uint8_t *)&value, (const uint8_t *)&both, sizeof both,
                     named->texts.key);
    enum tacit_guard_sight sight = tacit_guard_see(&named->nodes, value);
    if (sight == TACIT_GUARD_SEEN_FULL)
        return bad(r, TACIT_GUARD_NODES);
    if (sight == TACIT_GUARD_SEEN_MEMORY)
        return bad(r, TACIT_GUARD_MEMORY);
    node->is_node = true;
    node->creation = creation;
    return 1;
}

/*
 * A pid, port or reference behind its tag: a node's name, and so many bytes, the creation
 * among them from there on, of one byte or four.
 */
static ptrdiff_t identifier(struct reading *r, size_t size, size_t creation, bool tiny)
{
    struct tacit_guard_text *node;
    ptrdiff_t got = atom(r, &node);
    if (got <= 0)
        return got;
    const uint8_t *rest = r->at;
    if (!take(r, size))
        return SHORT;
    uint32_t incarnation = tiny ? rest[creation] : tacit_quick_u32_at(rest + creation);
    if (tiny && incarnation > TINY_CREATION_MAX)
        return bad(r, TACIT_GUARD_TERM);
    r->w->counts.atoms++;
    r->w->counts.words += WORDS_IDENTIFIER;
    r->node = node;
    return r->w->own != NULL ? 1 : name_node(r, node, incarnation);
}

static ptrdiff_t pid(struct reading *r, uint8_t tag)
{
    bool tiny = tag == TAG_PID;
    ptrdiff_t got = identifier(r, tiny ? 9 : 12, 8, tiny);
    r->w->counts.pids += got > 0;
    if (got > 0 && r->node == r->w->own) {
        const uint8_t *number = r->at - (tiny ? 9 : 12);
        tacit_guard_show(r->w->shown, (uint64_t)tacit_quick_u32_at(number + 4) << 32 |
                                          tacit_quick_u32_at(number));
    }
    return got;
}

static ptrdiff_t port(struct reading *r, uint8_t tag)
{
    size_t number = tag == TAG_V4_PORT ? 8 : 4;
    bool tiny = tag == TAG_PORT;
    ptrdiff_t got = identifier(r, number + (tiny ? 1 : 4), number, tiny);
    r->w->counts.ports += got > 0;
    return got;
}

static ptrdiff_t reference(struct reading *r, uint8_t tag)
{
    bool tiny = tag == TAG_NEW_REFERENCE;
    if (left(r) < 2)
        return SHORT;
    uint32_t words = tacit_quick_u16_at(r->at);
    r->at += 2;
    if (words < 1 || words > REFERENCE_WORDS_MAX)
        return bad(r, TACIT_GUARD_TERM);
    ptrdiff_t got = identifier(r, (tiny ? 1 : 4) + 4 * words, 0, tiny);
    r->w->counts.references += got > 0;
    r->w->counts.words += got > 0 ? words / 2 : 0;
    return got;
}

/* So many bytes behind a head of that size, which are passed over. */
static inline ptrdiff_t skip(struct reading *r, size_t head, uint64_t bytes,
                             uint64_t words)
{
    r->at += head;
    r->w->skip = bytes;
    r->w->counts.words += words;
    return bytes > r->w->most ? bad(r, TACIT_GUARD_TRUNCATED) : 1;
}

static inline uint64_t binary_words(uint64_t bytes)
{
    return WORDS_BINARY + (bytes <= WORDS_BINARY_ON_HEAP ? (bytes + 7) / 8 : 0);
}

static ptrdiff_t bits(struct reading *r)
{
    if (left(r) < 5)
        return SHORT;
    uint32_t bytes = tacit_quick_u32_at(r->at);
    uint8_t last = r->at[4];
    if (last > 8 || (last == 0) != (bytes == 0))
        return bad(r, TACIT_GUARD_TERM);
    return skip(r, 5, bytes, binary_words(bytes) + WORDS_BITS);
}

static ptrdiff_t big(struct reading *r, uint8_t tag)
{
    size_t head = tag == TAG_SMALL_BIG ? 2 : 5;
    if (left(r) < head)
        return SHORT;
    uint32_t bytes = tag == TAG_SMALL_BIG ? r->at[0] : tacit_quick_u32_at(r->at);
    if (bytes > BIG_MAX)
        return bad(r, TACIT_GUARD_TERM);
    return skip(r, head, bytes, 2 + (bytes + 7) / 8);
}

static ptrdiff_t floating(struct reading *r)
{
    if (left(r) < 8)
        return SHORT;
    if ((tacit_quick_u16_at(r->at) & 0x7ff0) == 0x7ff0) /* no number, or infinite */
        return bad(r, TACIT_GUARD_TERM);
    r->at += 8;
    r->w->counts.words += WORDS_FLOAT;
    return 1;
}

static ptrdiff_t map(struct reading *r)
{
    if (left(r) < 4)
        return SHORT;
    uint64_t pairs = tacit_quick_u32_at(r->at);
    r->at += 4;
    r->w->counts.words += pairs <= WORDS_FLAT_MAP ? 4 + 2 * pairs : 5 * pairs;
    return add_terms(r, 2 * pairs);
}

/* `fun M:F/A`. The emulator makes an entry for each, and never takes it away. */
static ptrdiff_t external_fun(struct reading *r)
{
    struct tacit_guard_named *named = r->w->named;
    struct tacit_guard_text *m, *f;
    ptrdiff_t got = atom(r, &m);
    if (got > 0)
        got = atom(r, &f);
    if (got <= 0)
        return got;
    if (left(r) < 2)
        return SHORT;
    if (r->at[0] != TAG_SMALL_INTEGER)
        return bad(r, TACIT_GUARD_TERM);
    if (r->w->own != NULL) {
        r->at += 2;
        return 1;
    }
    struct {
        uint64_t m, f, arity;
    } all = {m->hash, f->hash, r->at[1]};
    uint64_t value;
    r->at += 2;
    crypto_shorthash((uint8_t *)&value, (const uint8_t *)&all, sizeof all,
                     named->texts.key);
    enum tacit_guard_sight sight = tacit_guard_see(&named->funs, value);
    if (sight == TACIT_GUARD_SEEN_MEMORY)
        return bad(r, TACIT_GUARD_MEMORY);
    if (sight == TACIT_GUARD_SEEN_FULL)
        return bad(r, TACIT_GUARD_FUNS);
    if (sight == TACIT_GUARD_SEEN_NEW &&
        !named->texts.asks->spend_atom(named->texts.asks->context))
        return bad(r, TACIT_GUARD_ATOM_BUDGET);
    r->w->counts.atoms += 2;
    r->w->counts.externals++;
    r->w->counts.words += WORDS_FUN;
    return 1;
}

/* A small integer, as the compiler's own numbers of a fun are. */
static ptrdiff_t fun_number(struct reading *r)
{
    if (left(r) < 1)
        return SHORT;
    uint8_t tag = *r->at++;
    if (tag != TAG_SMALL_INTEGER && tag != TAG_INTEGER)
        return bad(r, TACIT_GUARD_TERM);
    return take(r, tag == TAG_SMALL_INTEGER ? 1 : 4) ? 1 : SHORT;
}

/* A fun with code: size, arity, digest, index, free variables; module, two numbers. */
static ptrdiff_t fun(struct reading *r)
{
    struct tacit_guard_text *module;
    if (left(r) < 29)
        return SHORT;
    uint32_t variables = tacit_quick_u32_at(r->at + 25);
    r->at += 29;
    if (variables > FREE_MAX)
        return bad(r, TACIT_GUARD_TERM);
    ptrdiff_t got = atom(r, &module);
    if (got > 0)
        got = fun_number(r);
    if (got > 0)
        got = fun_number(r);
    if (got <= 0)
        return got;
    r->w->counts.atoms++;
    r->w->counts.funs++;
    r->w->counts.words += WORDS_FUN + variables;
    return add_terms(r, 1 + (uint64_t)variables); /* who made it, and they */
}

/* A native record of OTP 29: module, name and keys are atoms, then come values. */
static ptrdiff_t record(struct reading *r)
{
    if ((r->w->flags & TACIT_GUARD_FLAG_RECORDS) == 0)
        return bad(r, TACIT_GUARD_TAG);
    if (left(r) < 5)
        return SHORT;
    uint64_t fields = tacit_quick_u32_at(r->at);
    uint8_t exported = r->at[4];
    r->at += 5;
    if (exported > 1)
        return bad(r, TACIT_GUARD_TERM);
    r->w->atoms = 2 + fields;
    r->w->counts.words += WORDS_RECORD + 2 * fields;
    return add_terms(r, 2 + 2 * fields);
}

static ptrdiff_t list(struct reading *r)
{
    if (left(r) < 4)
        return SHORT;
    uint64_t elements = tacit_quick_u32_at(r->at);
    r->at += 4;
    r->w->counts.words += 2 * elements;
    return add_terms(r, elements + 1);
}

static ptrdiff_t tuple(struct reading *r, uint8_t tag)
{
    size_t head = tag == TAG_SMALL_TUPLE ? 1 : 4;
    if (left(r) < head)
        return SHORT;
    uint64_t elements = tag == TAG_SMALL_TUPLE ? r->at[0] : tacit_quick_u32_at(r->at);
    r->at += head;
    r->w->counts.words += elements + 1;
    return add_terms(r, elements);
}

static ptrdiff_t plain_atom(struct reading *r)
{
    struct tacit_guard_text *text;
    r->at--; /* with its tag */
    ptrdiff_t got = atom(r, &text);
    r->w->counts.atoms += got > 0;
    return got;
}

/* One item behind its tag: a term's head, with all that is not a term of its own. */
static inline ptrdiff_t item(struct reading *r, uint8_t tag)
{
    switch (tag) {
    case TAG_ATOM_REF:
    case TAG_SMALL_ATOM_UTF8:
    case TAG_ATOM_UTF8:
    case TAG_SMALL_ATOM:
    case TAG_ATOM:
        return plain_atom(r);
    case TAG_SMALL_INTEGER:
        return take(r, 1) ? 1 : SHORT;
    case TAG_INTEGER:
        return take(r, 4) ? 1 : SHORT;
    case TAG_NIL:
        return 1;
    case TAG_SMALL_TUPLE:
    case TAG_LARGE_TUPLE:
        return tuple(r, tag);
    case TAG_LIST:
        return list(r);
    case TAG_BINARY:
        return left(r) < 4 ? SHORT
                           : skip(r, 4, tacit_quick_u32_at(r->at),
                                  binary_words(tacit_quick_u32_at(r->at)));
    case TAG_STRING:
        return left(r) < 2
                   ? SHORT
                   : skip(r, 2, tacit_quick_u16_at(r->at), 2 * tacit_quick_u16_at(r->at));
    case TAG_NEW_PID:
    case TAG_PID:
        return pid(r, tag);
    case TAG_NEWER_REFERENCE:
    case TAG_NEW_REFERENCE:
        return reference(r, tag);
    case TAG_MAP:
        return map(r);
    case TAG_SMALL_BIG:
    case TAG_LARGE_BIG:
        return big(r, tag);
    case TAG_NEW_FLOAT:
        return floating(r);
    case TAG_BITS:
        return bits(r);
    case TAG_V4_PORT:
    case TAG_NEW_PORT:
    case TAG_PORT:
        return port(r, tag);
    case TAG_EXTERNAL_FUN:
        return external_fun(r);
    case TAG_NEW_FUN:
        return fun(r);
    case TAG_RECORD:
        return record(r);
    default:
        return bad(r, TACIT_GUARD_TAG);
    }
}

static bool is_atom(uint8_t tag)
{
    return tag == TAG_ATOM_REF || tag == TAG_SMALL_ATOM_UTF8 || tag == TAG_ATOM_UTF8 ||
           tag == TAG_SMALL_ATOM || tag == TAG_ATOM;
}

/* Whether an item of this tag, with that node where it is an identifier, may end it. */
static bool fits(const struct tacit_guard_walk *w, enum tacit_guard_end end, uint8_t tag,
                 const struct tacit_guard_text *node)
{
    if (end == TACIT_GUARD_END_NIL)
        return tag == TAG_NIL;
    return end == TACIT_GUARD_END_ANY || is_atom(tag) ||
           ((tag == TAG_NEW_PID || tag == TAG_PID) && node == w->peer);
}

/* As tacit_guard_item: inline, for the loop below. */
static inline ptrdiff_t read_item(struct tacit_guard_walk *w, const uint8_t *at,
                                  const uint8_t *end, enum tacit_guard_reason *ret)
{
    struct reading r = {.w = w, .at = at + 1, .end = end};
    bool due = w->atoms > 0;
    if (due && !is_atom(*at)) {
        *ret = TACIT_GUARD_TERM;
        return BAD;
    }
    uint64_t todo = w->todo;
    ptrdiff_t got = item(&r, *at);
    if (got <= 0) {
        *ret = r.reason;
        return got;
    }
    if (todo <= 2 && !fits(w, w->ends[todo - 1], *at, r.node)) {
        *ret = TACIT_GUARD_ARGUMENTS;
        return BAD;
    }
    w->todo--;
    w->atoms -= due;
    w->counts.terms++;
    return r.at - at;
}

/* The length of a pid, as the peer sends it again and again: nothing in it is new. */
static inline size_t known_pid(const struct tacit_guard_walk *w, const uint8_t *p,
                               size_t size)
{
    if (size < 15 || p[1] != TAG_ATOM_REF || p[2] >= w->refs->number || w->own != NULL)
        return 0;
    const struct tacit_guard_text *node = w->refs->texts[p[2]];
    return node->is_node && node->creation == tacit_quick_u32_at(p + 11) ? 15 : 0;
}

size_t tacit_guard_item_known(struct tacit_guard_walk *w, const uint8_t *at, size_t size)
{
    size_t len = size > 0 && *at == TAG_NEW_PID ? known_pid(w, at, size) : 0;
    if (len > 0) {
        w->counts.pids++;
        w->counts.words += WORDS_IDENTIFIER;
    } else if (size >= 2 && *at == TAG_ATOM_REF && at[1] < w->refs->number) {
        len = 2;
    } else {
        return 0;
    }
    w->counts.atoms++;
    w->counts.terms++;
    return len;
}

/* Whether it takes more of the heap than a message may. */
static inline bool too_large(const struct tacit_guard_walk *w)
{
    return w->counts.words > w->named->limits.words && w->own == NULL;
}

ptrdiff_t tacit_guard_item(struct tacit_guard_walk *w, const uint8_t *at,
                           const uint8_t *end, enum tacit_guard_reason *ret_reason)
{
    ptrdiff_t size = read_item(w, at, end, ret_reason);
    if (size > 0 && too_large(w)) {
        *ret_reason = TACIT_GUARD_WORDS;
        return BAD;
    }
    return size;
}

/*
 * What messages are full of, where nothing is asked of it but to be there: the same is
 * counted as of any other item.
 */
static inline const uint8_t *pass_short(struct tacit_guard_walk *w, const uint8_t *p,
                                        const uint8_t *end)
{
    const uint64_t last = (w->ends[0] | w->ends[1]) != 0 ? 2 : 0, begin = w->todo;
    uint64_t todo = begin, atoms = 0, pids = 0;
    for (; todo > last && end - p >= 2; todo--) {
        size_t size = 0;
        if (*p == TAG_INTEGER) {
            size = 5;
        } else if (*p == TAG_SMALL_INTEGER) {
            size = 2;
        } else if (*p == TAG_NIL) {
            size = 1;
        } else if (*p == TAG_ATOM_REF) {
            size = p[1] < w->refs->number ? 2 : 0;
            atoms += size > 0;
        } else if (*p == TAG_NEW_PID) {
            size = known_pid(w, p, (size_t)(end - p));
            pids += size > 0;
        }
        if (size == 0 || (size_t)(end - p) < size)
            break;
        p += size;
    }
    w->counts.terms += begin - todo;
    w->counts.atoms += atoms + pids;
    w->counts.pids += pids;
    w->counts.words += pids * WORDS_IDENTIFIER;
    w->todo = todo;
    return p;
}

enum tacit_guard_reason tacit_guard_items(struct tacit_guard_walk *w, const uint8_t **at,
                                          const uint8_t *end)
{
    enum tacit_guard_reason reason = TACIT_GUARD_FINE;
    const uint8_t *p = *at;
    for (;;) {
        if (w->skip > 0) {
            size_t n = w->skip < (size_t)(end - p) ? w->skip : (size_t)(end - p);
            w->skip -= n;
            p += n;
        }
        if (w->atoms == 0)
            p = pass_short(w, p, end);
        if (too_large(w))
            return TACIT_GUARD_WORDS;
        if (p == end || w->todo == 0)
            break;
        ptrdiff_t size = read_item(w, p, end, &reason);
        if (size <= 0)
            break;
        p += size;
    }
    *at = p;
    return reason;
}
