#include "seen.h"

#include <stdlib.h>

enum {
    SIZE_FIRST = 16
};

static uint32_t place(const uint64_t *values, uint32_t size, uint64_t value)
{
    uint32_t at = (uint32_t)value & (size - 1);
    while (values[at] != 0 && values[at] != value)
        at = (at + 1) & (size - 1);
    return at;
}

/* A quarter of the places at least is free. */
static bool grow(struct tacit_guard_seen *s)
{
    if (s->number < s->size / 4 * 3)
        return true;
    uint32_t size = s->size > 0 ? 2 * s->size : SIZE_FIRST;
    uint64_t *values = size > s->size ? calloc(size, sizeof *values) : NULL;
    if (values == NULL)
        return false;
    for (uint32_t i = 0; i < s->size; i++)
        if (s->values[i] != 0)
            values[place(values, size, s->values[i])] = s->values[i];
    free(s->values);
    s->values = values;
    s->size = size;
    return true;
}

enum tacit_guard_sight tacit_guard_see(struct tacit_guard_seen *s, uint64_t value)
{
    value += value == 0;
    if (s->number > 0 && s->values[place(s->values, s->size, value)] == value)
        return TACIT_GUARD_SEEN_BEFORE;
    if (s->number == s->most)
        return TACIT_GUARD_SEEN_FULL;
    if (!grow(s))
        return TACIT_GUARD_SEEN_MEMORY;
    s->values[place(s->values, s->size, value)] = value;
    s->number++;
    return TACIT_GUARD_SEEN_NEW;
}

void tacit_guard_seen_free(struct tacit_guard_seen *s)
{
    free(s->values);
    s->values = NULL;
    s->size = s->number = 0;
}
