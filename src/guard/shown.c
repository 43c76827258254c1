#include "shown.h"

#include <stdlib.h>

enum {
    SIZE_FIRST = 32
};

static uint32_t place(const struct tacit_guard_generation *g, uint64_t pid)
{
    uint32_t mask = g->size - 1;
    uint32_t at = (uint32_t)(pid * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (g->pids[at] != 0 && g->pids[at] != pid)
        at = (at + 1) & mask;
    return at;
}

static bool has(const struct tacit_guard_generation *g, uint64_t pid)
{
    return pid != 0 && g->number > 0 && g->pids[place(g, pid)] == pid;
}

/* Half of the places at least are free. false: no memory, or as large as it may be. */
static bool grow(struct tacit_guard_generation *g)
{
    if (2 * g->number < g->size)
        return true;
    struct tacit_guard_generation larger = {
        .size = g->size > 0 ? 2 * g->size : SIZE_FIRST, .number = g->number};
    if (g->number >= TACIT_GUARD_SHOWN_MOST)
        return false;
    larger.pids = calloc(larger.size, sizeof *larger.pids);
    if (larger.pids == NULL)
        return false;
    for (uint32_t i = 0; i < g->size; i++)
        if (g->pids[i] != 0)
            larger.pids[place(&larger, g->pids[i])] = g->pids[i];
    free(g->pids);
    *g = larger;
    return true;
}

void tacit_guard_show(struct tacit_guard_shown *s, uint64_t pid)
{
    pid++; /* 0 is a free place */
    if (pid == 0 || has(&s->young, pid))
        return; /* no pid is so large */
    if (!grow(&s->young)) {
        free(s->old.pids);
        s->old = s->young;
        s->young = (struct tacit_guard_generation){.pids = NULL};
        if (!grow(&s->young))
            return; /* no memory: it is not remembered */
    }
    s->young.pids[place(&s->young, pid)] = pid;
    s->young.number++;
}

bool tacit_guard_was_shown(struct tacit_guard_shown *s, uint64_t pid)
{
    if (has(&s->young, pid + 1))
        return true;
    if (!has(&s->old, pid + 1))
        return false;
    tacit_guard_show(s, pid);
    return true;
}

void tacit_guard_shown_free(struct tacit_guard_shown *s)
{
    free(s->young.pids);
    free(s->old.pids);
    *s = (struct tacit_guard_shown){.young.pids = NULL};
}
