#include "gate/replay.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MIN = 64,
    SLOTS_MAX = 2 * TACIT_REPLAY_MAX, /* never more than half full */
};

static struct tacit_replay_entry *find(const struct tacit_replay *r,
                                       const uint8_t ephemeral[NOISE_DHLEN])
{
    uint64_t hash;
    /* Keyed, so that an insider cannot aim ephemerals at one slot. */
    crypto_shorthash((uint8_t *)&hash, ephemeral, NOISE_DHLEN, r->hash_key);
    size_t at = (size_t)hash & (r->slot_count - 1);
    while (r->slots[at].time != 0 &&
           memcmp(r->slots[at].ephemeral, ephemeral, NOISE_DHLEN) != 0)
        at = (at + 1) & (r->slot_count - 1);
    return &r->slots[at];
}

/* Moves every entry newer than `than` to a table of slot_count slots. */
static int rebuild(struct tacit_replay *r, size_t slot_count, uint64_t than)
{
    struct tacit_replay old = *r;
    r->slots = calloc(slot_count, sizeof *r->slots);
    if (r->slots == NULL) {
        *r = old;
        return TACIT_ENOMEM;
    }
    r->slot_count = slot_count;
    r->used = 0;
    for (size_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].time > than) {
            *find(r, old.slots[i].ephemeral) = old.slots[i];
            r->used++;
        }
    free(old.slots);
    return TACIT_OK;
}

static int by_time(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Full of live entries: forget the oldest quarter, and refuse their times from now on. */
static int forget_oldest(struct tacit_replay *r)
{
    uint64_t *times = malloc(r->used * sizeof *times);
    if (times == NULL)
        return TACIT_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < r->slot_count; i++)
        if (r->slots[i].time != 0)
            times[n++] = r->slots[i].time;
    qsort(times, n, sizeof *times, by_time);
    uint64_t floor = times[n / 4];
    free(times);
    int error = rebuild(r, r->slot_count, floor);
    if (!error)
        r->floor = floor;
    return error;
}

static int make_room(struct tacit_replay *r, uint64_t now)
{
    if (r->slot_count == 0) {
        crypto_shorthash_keygen(r->hash_key);
        return rebuild(r, SLOTS_MIN, 0);
    }
    if (r->used < r->slot_count / 2)
        return TACIT_OK;
    uint64_t expired = now - TACIT_REPLAY_WINDOW - 1;
    int error = rebuild(r, r->slot_count, expired);
    if (error || r->used < r->slot_count / 4)
        return error;
    if (r->slot_count < SLOTS_MAX)
        return rebuild(r, r->slot_count * 2, expired);
    return r->used < r->slot_count / 2 ? TACIT_OK : forget_oldest(r);
}

int tacit_replay_judge(const struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, uint64_t now)
{
    if (time + TACIT_REPLAY_WINDOW < now || now + TACIT_REPLAY_WINDOW < time)
        return TACIT_ETIME;
    if (time <= r->floor) /* 0, if nothing was forgotten: that marks a free slot */
        return TACIT_ETIME;
    return r->slot_count > 0 && find(r, ephemeral)->time != 0 ? TACIT_EREPLAY : TACIT_OK;
}

int tacit_replay_check(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, uint64_t now)
{
    int error = tacit_replay_judge(r, ephemeral, time, now);
    if (error == TACIT_OK)
        error = make_room(r, now);
    if (error)
        return error;
    if (time <= r->floor) /* making room may have raised it */
        return TACIT_ETIME;
    struct tacit_replay_entry *slot = find(r, ephemeral);
    slot->time = time;
    memcpy(slot->ephemeral, ephemeral, NOISE_DHLEN);
    r->used++;
    return TACIT_OK;
}

void tacit_replay_free(struct tacit_replay *r)
{
    free(r->slots);
    memset(r, 0, sizeof *r);
}
