/* What can be wrong with a connection: as text, and drawn from a seed. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wan.h"

static const char *const fault_names[FAULTS] = {
    "none", "stall", "half", "reset", "cut", "flip",
};

static const char *const way_names[] = {"there", "back"};

const char *fault_name(enum fault fault)
{
    return fault_names[fault];
}

/* splitmix64 */
uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

#define ONE_OF(table, state) ((table)[draw(state) % (sizeof(table) / sizeof(table)[0])])

void conditions_draw(struct conditions *c, uint64_t seed, uint64_t n)
{
    static const unsigned delays[] = {0, 0, 0, 1, 5, 20, 60};
    static const uint64_t rates[] = {0, 0, 0, 10000000, 1000000, 400000};
    static const uint64_t segments[] = {0, 0, 0, 0, 1, 7, 1000};
    static const enum fault faults[] = {FAULT_NONE,  FAULT_STALL, FAULT_HALF,
                                        FAULT_RESET, FAULT_RESET, FAULT_CUT,
                                        FAULT_CUT,   FAULT_FLIP,  FAULT_FLIP};
    uint64_t state = seed;
    state = draw(&state) + n;
    *c = (struct conditions){.delay = ONE_OF(delays, &state)};
    c->jitter = (unsigned)(draw(&state) % (c->delay + 1));
    c->rate = ONE_OF(rates, &state);
    c->segment = ONE_OF(segments, &state);
    c->fault = ONE_OF(faults, &state);
    c->way = draw(&state) % 2 == 0 ? THERE : BACK;
    /* As often amid the handshake as amid what follows. */
    uint64_t below = (uint64_t)1 << (6 + draw(&state) % 15);
    c->after = draw(&state) % below;
}

static bool one_of(const char *const *names, size_t count, const char *name,
                   size_t *ret_index)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) {
            *ret_index = i;
            return true;
        }
    return false;
}

bool conditions_parse(struct conditions *c, const char *word)
{
    char key[16], value[24], *end;
    size_t index;
    if (sscanf(word, "%15[a-z]=%23[a-z0-9]", key, value) != 2)
        return false;
    if (strcmp(key, "fault") == 0 && one_of(fault_names, FAULTS, value, &index)) {
        c->fault = (enum fault)index;
        return true;
    }
    if (strcmp(key, "way") == 0 && one_of(way_names, 2, value, &index)) {
        c->way = (enum way)index;
        return true;
    }
    uint64_t number = strtoull(value, &end, 10);
    if (*end != '\0')
        return false;
    if (strcmp(key, "delay") == 0 && number <= 60000)
        c->delay = (unsigned)number;
    else if (strcmp(key, "jitter") == 0 && number <= 60000)
        c->jitter = (unsigned)number;
    else if (strcmp(key, "rate") == 0)
        c->rate = number;
    else if (strcmp(key, "segment") == 0)
        c->segment = number;
    else if (strcmp(key, "after") == 0)
        c->after = number;
    else
        return false;
    return true;
}

void conditions_write(const struct conditions *c, char out[CONDITIONS_TEXT])
{
    snprintf(out, CONDITIONS_TEXT,
             "delay=%u jitter=%u rate=%" PRIu64 " segment=%" PRIu64
             " fault=%s way=%s after=%" PRIu64,
             c->delay, c->jitter, c->rate, c->segment, fault_names[c->fault],
             way_names[c->way], c->after);
}
