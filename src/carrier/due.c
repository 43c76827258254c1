/*
 * The links that the rules allow up to a moment only: a heap of them, the nearest first,
 * so that looking for those whose moment has come costs nothing where there is none,
 * however many links there are.
 */
#include <stdlib.h>

#include "carrier.h"

static struct {
    ErlDrvMutex *lock;
    struct due **heap; /* from 1 on: 0 is nowhere */
    size_t count, room;
    bool incomplete; /* out of memory: one at least is missing */
} all;

int due_init(void)
{
    char name[] = "tacit_due";
    all.lock = erl_drv_mutex_create(name);
    return all.lock == NULL ? TACIT_ENOMEM : TACIT_OK;
}

void due_finish(void)
{
    free(all.heap);
    all.heap = NULL;
    all.count = all.room = 0;
    erl_drv_mutex_destroy(all.lock);
}

static void put(size_t at, struct due *d)
{
    all.heap[at] = d;
    d->at = at;
}

/* Puts d where it belongs, from the place at, which is free. */
static void settle(size_t at, struct due *d)
{
    for (; at > 1 && d->until < all.heap[at / 2]->until; at /= 2)
        put(at, all.heap[at / 2]);
    for (size_t child; (child = 2 * at) <= all.count; at = child) {
        if (child < all.count && all.heap[child + 1]->until < all.heap[child]->until)
            child++;
        if (d->until <= all.heap[child]->until)
            break;
        put(at, all.heap[child]);
    }
    put(at, d);
}

static void take_out(struct due *d)
{
    size_t at = d->at;
    if (at == 0)
        return;
    struct due *last = all.heap[all.count--];
    if (last != d)
        settle(at, last);
    d->at = 0;
}

static bool make_room(void)
{
    if (all.count + 1 < all.room)
        return true;
    size_t room = all.room == 0 ? 64 : 2 * all.room;
    struct due **heap = realloc(all.heap, room * sizeof *heap);
    if (heap == NULL)
        return false;
    all.heap = heap;
    all.room = room;
    return true;
}

void due_set(struct due *d, ErlDrvTermData port, uint64_t until)
{
    erl_drv_mutex_lock(all.lock);
    take_out(d);
    d->port = port;
    d->until = until;
    if (until != TACIT_NEVER && make_room())
        settle(++all.count, d);
    else if (until != TACIT_NEVER)
        all.incomplete = true;
    erl_drv_mutex_unlock(all.lock);
}

void due_clear(struct due *d)
{
    due_set(d, 0, TACIT_NEVER);
}

size_t due_take(uint64_t now, ErlDrvTermData ret_ports[DUE_BATCH], bool *ret_incomplete)
{
    size_t count = 0;
    erl_drv_mutex_lock(all.lock);
    *ret_incomplete = all.incomplete;
    all.incomplete = false;
    while (count < DUE_BATCH && all.count > 0 && all.heap[1]->until <= now) {
        ret_ports[count++] = all.heap[1]->port;
        take_out(all.heap[1]);
    }
    erl_drv_mutex_unlock(all.lock);
    return count;
}
