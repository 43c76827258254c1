#include "out.h"

#include <stdlib.h>
#include <string.h>

enum {
    FRONT_MAX = 256 * 1024, /* bytes of a message that are read as one */
    FRONT_KEPT = 2048,
    SPAWN_FLAG_MONITOR = 2,
};

/* Bytes that lie in several pieces. */
struct gathered {
    const struct iovec *iov;
    size_t number, len;
};

/* Copies the first of them: as many as there are, and as fit. */
static size_t copy_front(const struct gathered *g, uint8_t *to, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < g->number && len < size; i++) {
        size_t n = g->iov[i].iov_len < size - len ? g->iov[i].iov_len : size - len;
        if (n > 0)
            memcpy(to + len, g->iov[i].iov_base, n);
        len += n;
    }
    return len;
}

/* Walks what is behind the first `skip` bytes, in a message's own walk. */
static enum tacit_guard_reason walk_rest(const struct gathered *g, size_t skip,
                                         struct tacit_guard_walk *w,
                                         struct tacit_guard_carry *carry)
{
    enum tacit_guard_reason reason = TACIT_GUARD_FINE;
    for (size_t i = 0; i < g->number && !reason; i++) {
        const struct iovec *iov = &g->iov[i];
        size_t n = skip < iov->iov_len ? skip : iov->iov_len;
        skip -= n;
        if (n < iov->iov_len)
            reason = tacit_guard_walk_piece(w, carry, (const uint8_t *)iov->iov_base + n,
                                            iov->iov_len - n);
    }
    return reason;
}

/* Whether a call has come to its end: refused, not to be heard of again, or ended. */
static void end_call(struct tacit_guard_link *link, const struct tacit_guard_message *m)
{
    const struct tacit_guard_control *c = &m->control;
    bool reply = c->asked == TACIT_GUARD_SPAWN_REPLY;
    struct tacit_guard_reference reference;
    uint32_t flags = 0;
    if (link->calls.number == 0 || (!reply && c->asked != TACIT_GUARD_MONITOR_EXIT))
        return;
    struct tacit_reader r = tacit_guard_part(c, reply ? 0 : 2);
    if (!tacit_guard_get_reference(&m->walk, &r, &reference))
        return;
    if (reply) {
        struct tacit_reader f = tacit_guard_part(c, 2), result = tacit_guard_part(c, 3);
        if (tacit_guard_get_integer(&f, &flags) && (flags & SPAWN_FLAG_MONITOR) != 0 &&
            tacit_guard_kind(&result) == TACIT_GUARD_KIND_PID)
            return;
    }
    tacit_guard_call_ends(&link->calls, reference.bytes, reference.len);
}

/* The payload of one of ours, which begins so far behind its front. */
static void show(struct tacit_guard_link *link, struct tacit_guard_message *m,
                 const struct gathered *g)
{
    size_t skip = (size_t)(m->payload.at - m->bytes);
    struct tacit_guard_sequence *s;
    struct tacit_guard_carry carry;
    carry.len = 0;
    if (m->frame.form != TACIT_GUARD_FIRST_PIECE) {
        (void)walk_rest(g, skip, &m->walk, &carry);
        return;
    }
    if (tacit_guard_fragments_open(&link->own_fragments, &link->named, &m->frame,
                                   g->len - skip, &m->refs, false, &s))
        return;
    s->walk = m->walk;
    s->walk.refs = &s->refs;
    if (!walk_rest(g, skip, &s->walk, &s->carry))
        (void)tacit_guard_fragments_end(&link->own_fragments, &link->named, s);
}

static void show_next(struct tacit_guard_link *link, struct tacit_guard_message *m,
                      const struct gathered *g)
{
    struct tacit_guard_sequence *s;
    size_t skip = (size_t)(m->frame.rest.at - m->bytes);
    if (!tacit_guard_fragments_next(&link->own_fragments, &link->named, &m->frame,
                                    g->len - skip, &s) &&
        !walk_rest(g, skip, &s->walk, &s->carry))
        (void)tacit_guard_fragments_end(&link->own_fragments, &link->named, s);
}

/*
 * A message of ours, of which these are the first bytes. false: they are too few for its
 * header and control.
 */
static bool put_out(struct tacit_guard_link *link, const struct gathered *g,
                    const uint8_t *front, size_t len)
{
    struct tacit_guard_message m;
    m.bytes = front;
    m.len = len;
    if (tacit_guard_frame(&m.frame, link->flags, front, len) ||
        m.frame.form == TACIT_GUARD_TICK)
        return true;
    if (m.frame.form == TACIT_GUARD_NEXT_PIECE) {
        show_next(link, &m, g);
        return true;
    }
    m.walk = tacit_guard_walk(&link->named, &m.refs, link->flags, 0, 0);
    m.walk.own = link->rules.own;
    m.walk.shown = &link->shown;
    if (tacit_guard_read_message(link, &link->own_mirror, &m))
        return len == g->len;
    m.walk.most = UINT32_MAX;
    end_call(link, &m);
    show(link, &m, g);
    return true;
}

void tacit_guard_watch(struct tacit_guard_link *link, const struct iovec *iov,
                       size_t number)
{
    uint8_t front[FRONT_KEPT], *more;
    struct gathered g = {.iov = iov, .number = number};
    for (size_t i = 0; i < number; i++)
        g.len += iov[i].iov_len;
    tacit_guard_texts_sweep(&link->named.texts);
    link->named.texts.own = true; /* this node has each atom that it sends */
    if (number == 1) {
        put_out(link, &g, iov[0].iov_base, g.len);
    } else if (!put_out(link, &g, front, copy_front(&g, front, sizeof front))) {
        size_t size = g.len < FRONT_MAX ? g.len : FRONT_MAX;
        more = malloc(size);
        if (more != NULL)
            put_out(link, &g, more, copy_front(&g, more, size));
        free(more);
    }
    link->named.texts.own = false;
}
