#include "gate/pending.h"

/* The first bytes of an address as a number, told apart by family. */
static uint64_t prefix(const struct tacit_address *a, size_t bytes)
{
    uint64_t source = a->family;
    for (size_t i = 0; i < bytes; i++)
        source = source << 8 | a->bytes[i];
    return source;
}

uint64_t tacit_pending_source(const struct tacit_address *a)
{
    if (a->family == 4)
        return prefix(a, 4);
    uint64_t source = prefix(a, 8) ^ UINT64_C(1) << 63; /* ::1 is a source, too */
    return source == 0 ? 1 : source;                    /* 8000:: is nobody's */
}

/* A collision makes two sources share their weight, no more. */
static size_t bucket(uint64_t source)
{
    return (size_t)(source * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

void tacit_pending_add(struct tacit_pending *p, struct tacit_pending_entry *e,
                       const struct tacit_address *peer, int64_t accepted)
{
    e->accepted = accepted;
    e->narrow = tacit_pending_source(peer);
    e->wide = prefix(peer, peer->family == 4 ? 4 : 6);
    struct tacit_pending_entry *before = p->newest;
    while (before != NULL && before->accepted > accepted)
        before = before->previous; /* one that was passed on was accepted earlier */
    e->previous = before;
    e->next = before == NULL ? p->oldest : before->next;
    *(before == NULL ? &p->oldest : &before->next) = e;
    *(e->next == NULL ? &p->newest : &e->next->previous) = e;
    p->count++;
    p->narrow[bucket(e->narrow)]++;
    p->wide[bucket(e->wide)]++;
}

void tacit_pending_remove(struct tacit_pending *p, struct tacit_pending_entry *e)
{
    *(e->previous == NULL ? &p->oldest : &e->previous->next) = e->next;
    *(e->next == NULL ? &p->newest : &e->next->previous) = e->previous;
    e->next = e->previous = NULL;
    p->count--;
    p->narrow[bucket(e->narrow)]--;
    p->wide[bucket(e->wide)]--;
}

/* Whether a rather goes than b, which is older: the heavier network, then its /64. */
static bool heavier(const struct tacit_pending *p, const struct tacit_pending_entry *a,
                    const struct tacit_pending_entry *b)
{
    uint16_t wide_a = p->wide[bucket(a->wide)], wide_b = p->wide[bucket(b->wide)];
    if (a->first_seen != b->first_seen)
        return b->first_seen;
    if (wide_a != wide_b)
        return wide_a > wide_b;
    return p->narrow[bucket(a->narrow)] > p->narrow[bucket(b->narrow)];
}

struct tacit_pending_entry *tacit_pending_victim(const struct tacit_pending *p)
{
    const struct tacit_pending_entry *e;
    struct tacit_pending_entry *victim = NULL, *next;
    size_t shown = 0;
    for (e = p->oldest; e != NULL; e = e->next)
        shown += e->first_seen;
    bool insiders = shown > TACIT_PENDING_MAX / 2;
    for (next = p->oldest; next != NULL; next = next->next)
        if ((next->first_seen || !insiders) &&
            (victim == NULL || heavier(p, next, victim)))
            victim = next;
    return victim;
}

void tacit_pending_starve(struct tacit_pending *p, int64_t now)
{
    p->starved = true;
    p->starved_until = now + TACIT_PENDING_DEADLINE_MS;
}

static bool pressed(const struct tacit_pending *p, int64_t now)
{
    return p->count > TACIT_PENDING_MAX / 4 * 3 || (p->starved && now < p->starved_until);
}

int64_t tacit_pending_deadline(const struct tacit_pending *p,
                               const struct tacit_pending_entry *e, int64_t now)
{
    return e->accepted + (pressed(p, now) && !e->first_seen ? TACIT_PENDING_PRESSURE_MS
                                                            : TACIT_PENDING_DEADLINE_MS);
}

int64_t tacit_pending_wait(const struct tacit_pending *p, int64_t now)
{
    if (p->oldest == NULL)
        return -1;
    int64_t wait = tacit_pending_deadline(p, p->oldest, now) - now;
    /* Under pressure the oldest need not be the first to go. */
    if (pressed(p, now) && wait > TACIT_PENDING_PRESSURE_MS)
        wait = TACIT_PENDING_PRESSURE_MS;
    return wait < 0 ? 0 : wait;
}
