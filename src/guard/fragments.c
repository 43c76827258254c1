#include "fragments.h"

#include <sodium.h>
#include <stdlib.h>

/* Where the chain points at the message, or at NULL. */
static struct tacit_guard_sequence **
find(struct tacit_guard_fragments *f, const struct tacit_guard_named *named, uint64_t id)
{
    uint64_t hash;
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&id, sizeof id, named->texts.key);
    struct tacit_guard_sequence **s = &f->chains[hash % TACIT_GUARD_CHAINS];
    while (*s != NULL && (*s)->id != id)
        s = &(*s)->next;
    return s;
}

static bool too_much(const struct tacit_guard_fragments *f,
                     const struct tacit_guard_limits *limits, size_t len)
{
    return !f->own && (len > limits->bytes || f->bytes > limits->bytes - len);
}

enum tacit_guard_reason tacit_guard_fragments_open(
    struct tacit_guard_fragments *f, struct tacit_guard_named *named,
    const struct tacit_guard_frame *frame, size_t len,
    const struct tacit_guard_refs *refs, bool refused, struct tacit_guard_sequence **ret)
{
    const struct tacit_guard_limits *limits = &named->limits;
    unsigned number = refused ? 0 : refs->number;
    size_t texts = sizeof refs->texts[0] * number;
    /* The emulator takes a message without a number for one that is whole. */
    if (frame->sequence == 0 || frame->number == 0 || *find(f, named, frame->sequence))
        return TACIT_GUARD_FRAGMENT;
    if (!f->own && (frame->number > limits->bytes / TACIT_GUARD_PIECE_LEAST + 2 ||
                    f->open >= limits->pieces || too_much(f, limits, len)))
        return TACIT_GUARD_PIECES;
    struct tacit_guard_sequence *s =
        malloc(offsetof(struct tacit_guard_sequence, refs.texts) + texts);
    if (s == NULL)
        return TACIT_GUARD_MEMORY;
    s->id = frame->sequence;
    s->number = frame->number;
    s->bytes = len;
    s->refused = refused;
    s->no_funs = false;
    s->carry.len = 0;
    s->refs.number = number;
    s->refs.filled = refs->filled;
    for (unsigned i = 0; i < number; i++) {
        s->refs.texts[i] = refs->texts[i];
        s->refs.texts[i]->held++;
    }
    struct tacit_guard_sequence **end = find(f, named, s->id);
    s->next = NULL;
    *end = s;
    f->open++;
    f->bytes += len;
    *ret = s;
    return TACIT_GUARD_FINE;
}

enum tacit_guard_reason tacit_guard_fragments_next(struct tacit_guard_fragments *f,
                                                   struct tacit_guard_named *named,
                                                   const struct tacit_guard_frame *frame,
                                                   size_t len,
                                                   struct tacit_guard_sequence **ret)
{
    struct tacit_guard_sequence *s = *find(f, named, frame->sequence);
    if (s == NULL || frame->number != s->number - 1)
        return TACIT_GUARD_FRAGMENT;
    if (too_much(f, &named->limits, len))
        return TACIT_GUARD_PIECES;
    s->number = frame->number;
    s->bytes += len;
    f->bytes += len;
    *ret = s;
    return TACIT_GUARD_FINE;
}

static void forget(struct tacit_guard_fragments *f, struct tacit_guard_sequence **at)
{
    struct tacit_guard_sequence *s = *at;
    for (unsigned i = 0; i < s->refs.number; i++)
        s->refs.texts[i]->held--;
    f->open--;
    f->bytes -= s->bytes;
    *at = s->next;
    free(s);
}

enum tacit_guard_reason tacit_guard_fragments_walk(struct tacit_guard_sequence *s,
                                                   const uint8_t *bytes, size_t len)
{
    return s->refused ? TACIT_GUARD_FINE
                      : tacit_guard_walk_piece(&s->walk, &s->carry, bytes, len);
}

enum tacit_guard_reason tacit_guard_fragments_end(struct tacit_guard_fragments *f,
                                                  const struct tacit_guard_named *named,
                                                  struct tacit_guard_sequence *s)
{
    if (s->number > 1)
        return TACIT_GUARD_FINE;
    bool whole = s->refused || (s->carry.len == 0 && tacit_guard_walk_over(&s->walk));
    forget(f, find(f, named, s->id));
    return whole ? TACIT_GUARD_FINE : TACIT_GUARD_TRUNCATED;
}

void tacit_guard_fragments_free(struct tacit_guard_fragments *f)
{
    for (unsigned i = 0; i < TACIT_GUARD_CHAINS; i++)
        while (f->chains[i] != NULL)
            forget(f, &f->chains[i]);
}
