#include "calls.h"

#include <sodium.h>
#include <stdlib.h>

enum {
    SIZE_FIRST = 16
};

static uint64_t hash(const struct tacit_guard_calls *c, const uint8_t *reference,
                     size_t len)
{
    uint64_t value;
    crypto_shorthash((uint8_t *)&value, reference, len, c->key);
    return value + (value == 0);
}

static uint32_t place(const uint64_t *values, uint32_t size, uint64_t value)
{
    uint32_t at = (uint32_t)value & (size - 1);
    while (values[at] != 0 && values[at] != value)
        at = (at + 1) & (size - 1);
    return at;
}

/* Half of the places at least are free. */
static bool grow(struct tacit_guard_calls *c)
{
    if (2 * c->number < c->size)
        return true;
    uint32_t size = c->size > 0 ? 2 * c->size : SIZE_FIRST;
    uint64_t *values = size > c->size ? calloc(size, sizeof *values) : NULL;
    if (values == NULL)
        return false;
    for (uint32_t i = 0; i < c->size; i++)
        if (c->values[i] != 0)
            values[place(values, size, c->values[i])] = c->values[i];
    free(c->values);
    c->values = values;
    c->size = size;
    return true;
}

bool tacit_guard_call_begins(struct tacit_guard_calls *c, const uint8_t *reference,
                             size_t len)
{
    uint64_t value = hash(c, reference, len);
    if (c->number >= c->most || !grow(c))
        return false;
    uint32_t at = place(c->values, c->size, value);
    if (c->values[at] != 0)
        return false;
    c->values[at] = value;
    c->number++;
    return true;
}

void tacit_guard_call_ends(struct tacit_guard_calls *c, const uint8_t *reference,
                           size_t len)
{
    if (c->number == 0)
        return;
    uint32_t at = place(c->values, c->size, hash(c, reference, len)), mask = c->size - 1;
    if (c->values[at] == 0)
        return;
    c->number--;
    /* Those behind it that would not be found any more come forward. */
    for (uint32_t next = (at + 1) & mask; c->values[next] != 0;
         next = (next + 1) & mask) {
        uint32_t home = (uint32_t)c->values[next] & mask;
        if (((next - home) & mask) >= ((next - at) & mask)) {
            c->values[at] = c->values[next];
            at = next;
        }
    }
    c->values[at] = 0;
}

void tacit_guard_calls_free(struct tacit_guard_calls *c)
{
    free(c->values);
    c->values = NULL;
    c->size = c->number = 0;
}
