#include "control.h"

#include <string.h>

#include "guard/item.h"

enum {
    ALTACT_SIG_SEND = 37,
    /* Its flags. */
    ALTACT_TOKEN = 2,
    ALTACT_ALIAS = 4,
    ALTACT_NAME = 8,
    ALTACT_EXIT = 16,
};

/*
 * What stands behind the number, a letter a part: p a pid, a an atom, n a pid or an atom,
 * r a reference, i an integer, t a tuple, l a list, x anything. And which part says who
 * receives it, and whether a payload follows.
 */
struct shape {
    const char *parts;
    enum tacit_guard_asked asked;
    uint8_t to;
    bool payload;
};

static const struct shape shapes[] = {
    [1] = {"pp", TACIT_GUARD_LINK, 1, false},
    [2] = {"xp", TACIT_GUARD_SEND_PID, 1, true},
    [3] = {"ppx", TACIT_GUARD_NOTHING, 1, false},
    [4] = {"pp", TACIT_GUARD_NOTHING, 1, false},
    [6] = {"pxa", TACIT_GUARD_SEND_NAME, 2, true},
    [7] = {"pp", TACIT_GUARD_GROUP_LEADER, 1, false},
    [8] = {"ppx", TACIT_GUARD_EXIT2, 1, false},
    [12] = {"xpx", TACIT_GUARD_SEND_PID, 1, true},
    [13] = {"ppxx", TACIT_GUARD_NOTHING, 1, false},
    [16] = {"pxax", TACIT_GUARD_SEND_NAME, 2, true},
    [18] = {"ppxx", TACIT_GUARD_EXIT2, 1, false},
    [19] = {"pnr", TACIT_GUARD_MONITOR, 1, false},
    [20] = {"pnr", TACIT_GUARD_DEMONITOR, 1, false},
    [21] = {"nprx", TACIT_GUARD_MONITOR_EXIT, 1, false},
    [22] = {"pp", TACIT_GUARD_SEND_PID, 1, true},
    [23] = {"ppx", TACIT_GUARD_SEND_PID, 1, true},
    [24] = {"pp", TACIT_GUARD_NOTHING, 1, true},
    [25] = {"ppx", TACIT_GUARD_NOTHING, 1, true},
    [26] = {"pp", TACIT_GUARD_EXIT2, 1, true},
    [27] = {"ppx", TACIT_GUARD_EXIT2, 1, true},
    [28] = {"npr", TACIT_GUARD_MONITOR_EXIT, 1, true},
    [29] = {"rpptl", TACIT_GUARD_SPAWN_REQUEST, 0, true},
    [30] = {"rpptlx", TACIT_GUARD_SPAWN_REQUEST, 0, true},
    [31] = {"rpin", TACIT_GUARD_SPAWN_REPLY, 1, false},
    [32] = {"rpinx", TACIT_GUARD_SPAWN_REPLY, 1, false},
    [33] = {"pr", TACIT_GUARD_SEND_ALIAS, 1, true},
    [34] = {"prx", TACIT_GUARD_SEND_ALIAS, 1, true},
    [35] = {"ipp", TACIT_GUARD_NOTHING, 2, false},
    [36] = {"ipp", TACIT_GUARD_NOTHING, 2, false},
};

/* Which kinds a letter stands for, as bits. */
static unsigned letter_kinds(char letter)
{
    switch (letter) {
    case 'p':
        return 1U << TACIT_GUARD_KIND_PID;
    case 'a':
        return 1U << TACIT_GUARD_KIND_ATOM;
    case 'n':
        return 1U << TACIT_GUARD_KIND_PID | 1U << TACIT_GUARD_KIND_ATOM;
    case 'r':
        return 1U << TACIT_GUARD_KIND_REFERENCE;
    case 'i':
        return 1U << TACIT_GUARD_KIND_INTEGER;
    case 't':
        return 1U << TACIT_GUARD_KIND_TUPLE;
    case 'l':
        return 1U << TACIT_GUARD_KIND_LIST;
    default:
        return ~0U;
    }
}

static bool has_shape(struct tacit_guard_control *c, const struct shape *shape)
{
    if (shape->parts == NULL || strlen(shape->parts) != c->parts)
        return false;
    for (unsigned i = 0; i < c->parts; i++) {
        struct tacit_reader r = {.at = c->part[i].at, .end = c->part[i].at + 1};
        if ((letter_kinds(shape->parts[i]) >> tacit_guard_kind(&r) & 1) == 0)
            return false;
    }
    c->asked = shape->asked;
    c->payload = shape->payload;
    c->to = shape->to;
    return true;
}

/* OTP 28 and later: flags say what it is, and to whom. */
static bool altact(struct tacit_guard_control *c)
{
    struct tacit_reader r = tacit_guard_part(c, 0);
    uint32_t flags;
    if (!tacit_guard_get_integer(&r, &flags))
        return false;
    bool alias = (flags & ALTACT_ALIAS) != 0, name = (flags & ALTACT_NAME) != 0;
    const struct shape shape = {.parts = (flags & ALTACT_TOKEN) != 0 ? (alias  ? "iprx"
                                                                        : name ? "ipax"
                                                                               : "ippx")
                                                                     : (alias  ? "ipr"
                                                                        : name ? "ipa"
                                                                               : "ipp"),
                                .asked = (flags & ALTACT_EXIT) != 0 ? TACIT_GUARD_EXIT2
                                         : alias ? TACIT_GUARD_SEND_ALIAS
                                         : name  ? TACIT_GUARD_SEND_NAME
                                                 : TACIT_GUARD_SEND_PID,
                                .to = 2,
                                .payload = true};
    return !(alias && name) && has_shape(c, &shape);
}

enum tacit_guard_reason tacit_guard_control(struct tacit_guard_control *c,
                                            struct tacit_guard_walk *w,
                                            struct tacit_reader *r)
{
    uint32_t arity;
    if (!tacit_guard_get_tuple(r, &arity) || arity < 3 || arity > 1 + TACIT_GUARD_PARTS ||
        !tacit_guard_get_integer(r, &c->number))
        return TACIT_GUARD_CONTROL;
    c->parts = arity - 1;
    for (unsigned i = 0; i < c->parts; i++) {
        size_t left = (size_t)(r->end - r->at), known;
        c->part[i].at = r->at;
        known = tacit_guard_item_known(w, r->at, left);
        r->at += known;
        if (known == 0) {
            w->todo = 1;
            w->most = left;
            enum tacit_guard_reason reason = tacit_guard_walk_terms(w, r);
            if (reason)
                return reason;
        }
        c->part[i].len = (size_t)(r->at - c->part[i].at);
    }
    bool known = c->number == ALTACT_SIG_SEND ? altact(c)
                 : c->number < sizeof shapes / sizeof shapes[0]
                     ? has_shape(c, &shapes[c->number])
                     : false;
    return known ? TACIT_GUARD_FINE : TACIT_GUARD_CONTROL;
}
