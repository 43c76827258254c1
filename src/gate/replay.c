#include "gate/replay.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS_MIN = 64,
    SLOTS_MAX = TACIT_REPLAY_MAX / 3 * 4, /* never more than three quarters full */
    /* A step that the clock rule does not notice drops nothing that it could open. */
    SLACK = 2 * TACIT_CLOCK_STEP,
    REFUSED_SET = 16, /* refused ones that share places: the latest come first */
};

/* --- times ---------------------------------------------------------------------------
 */

static bool within(uint64_t a, uint64_t b, uint64_t seconds)
{
    return (a > b ? a - b : b - a) <= seconds;
}

/* By either clock: while a step is not believed yet, peers may be right by the other. */
static bool near(uint64_t time, const struct tacit_now *now, uint64_t seconds)
{
    return within(time, now->wall, seconds) || within(time, now->steady, seconds);
}

/* The last second behind the band around now. */
static uint64_t behind(const struct tacit_now *now)
{
    uint64_t first = now->wall < now->steady ? now->wall : now->steady;
    return first > TACIT_REPLAY_BAND ? first - TACIT_REPLAY_BAND - 1 : 0;
}

static bool ahead(uint64_t time, const struct tacit_now *now)
{
    return time > behind(now) && !near(time, now, TACIT_REPLAY_BAND);
}

/* Whether messages of that time are taken, by a clock, and the memory's beginning on it.
 */
static bool taken_by(uint64_t clock, uint64_t since, uint64_t time)
{
    return within(time, clock, TACIT_REPLAY_WINDOW) && time >= since;
}

/* It never passes now: of a clock that was set back, it is of another day. */
static uint64_t floor_of(const struct tacit_replay *r, const struct tacit_now *now)
{
    if (!near(r->floor, now, TACIT_REPLAY_WINDOW + SLACK))
        return 0;
    return r->floor < behind(now) ? r->floor : behind(now);
}

static bool taken(const struct tacit_replay *r, uint64_t time,
                  const struct tacit_now *now)
{
    return time >
               floor_of(r, now) && /* 0, if nothing was forgotten: a free slot's time */
           (taken_by(now->wall, now->since_wall, time) ||
            taken_by(now->steady, now->since, time));
}

/* --- the table -----------------------------------------------------------------------
 */

/* Keyed, so that an insider cannot aim ephemerals at one slot, or make two alike. */
static uint64_t mark_of(const struct tacit_replay *r, const uint8_t key[NOISE_DHLEN])
{
    uint64_t mark;
    crypto_shorthash((uint8_t *)&mark, key, NOISE_DHLEN, r->hash_key);
    return mark;
}

static struct tacit_replay_entry *find(const struct tacit_replay *r, uint64_t mark)
{
    size_t at = (size_t)mark & (r->slot_count - 1);
    while (r->slots[at].time != 0 && r->slots[at].mark != mark)
        at = (at + 1) & (r->slot_count - 1);
    return &r->slots[at];
}

static void put(struct tacit_replay *r, const struct tacit_replay_entry *entry,
                const struct tacit_now *now)
{
    bool is_ahead = ahead(entry->time, now);
    *find(r, entry->mark) = *entry;
    r->used++;
    r->ahead += is_ahead;
    r->shares[entry->source].count++;
    r->shares[entry->source].ahead += is_ahead;
}

/* Moves what may still be taken by its time to a table of slot_count slots. */
static int rebuild(struct tacit_replay *r, size_t slot_count, const struct tacit_now *now)
{
    struct tacit_replay_entry *slots = calloc(slot_count, sizeof *slots), *old = r->slots;
    size_t old_count = r->slot_count;
    uint64_t floor = floor_of(r, now);
    if (slots == NULL)
        return TACIT_ENOMEM;
    r->slots = slots;
    r->slot_count = slot_count;
    r->used = r->ahead = 0;
    memset(r->shares, 0, sizeof r->shares);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].time > floor && near(old[i].time, now, TACIT_REPLAY_WINDOW + SLACK))
            put(r, &old[i], now);
    free(old);
    r->tidy_at = now->wall;
    return TACIT_OK;
}

static size_t count_after(const struct tacit_replay *r, uint64_t time)
{
    size_t count = 0;
    for (size_t i = 0; i < r->slot_count; i++)
        count += r->slots[i].time > time;
    return count;
}

/* Full: forgets the oldest quarter, but nothing of the band or ahead of it. */
static int forget_oldest(struct tacit_replay *r, const struct tacit_now *now)
{
    uint64_t high = behind(now), low = high;
    low -= low < TACIT_REPLAY_WINDOW + SLACK ? low : TACIT_REPLAY_WINDOW + SLACK;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (count_after(r, middle) <= TACIT_REPLAY_MAX / 4 * 3)
            high = middle;
        else
            low = middle + 1;
    }
    if (low > floor_of(r, now))
        r->floor = low;
    return rebuild(r, r->slot_count, now);
}

static size_t places(const struct tacit_replay *r)
{
    return r->slot_count / 4 * 3;
}

static void key(struct tacit_replay *r)
{
    if (r->slot_count == 0 && r->refused == NULL)
        crypto_shorthash_keygen(r->hash_key);
}

static int make_room(struct tacit_replay *r, const struct tacit_now *now)
{
    if (r->slot_count == 0) {
        key(r);
        return rebuild(r, SLOTS_MIN, now);
    }
    if (r->used < places(r))
        return TACIT_OK;
    if (r->full_at == now->wall)
        return TACIT_ELIMIT; /* as it was a moment ago: all of it is of this time */
    int error = rebuild(r, r->slot_count, now);
    if (error || r->used < places(r) / 2)
        return error;
    if (r->slot_count < SLOTS_MAX)
        return rebuild(r, r->slot_count * 2, now);
    if (r->used > TACIT_REPLAY_MAX / 16 * 15)
        error = forget_oldest(r, now);
    if (error || r->used < TACIT_REPLAY_MAX)
        return error;
    r->full_at = now->wall;
    return TACIT_ELIMIT;
}

/* --- what others may take of it ------------------------------------------------------
 */

static int share_left(const struct tacit_replay *r, uint64_t time,
                      const struct tacit_now *now, uint16_t source)
{
    const struct tacit_replay_share *share = &r->shares[source];
    if (ahead(time, now) &&
        (r->ahead >= TACIT_REPLAY_AHEAD || share->ahead >= TACIT_REPLAY_AHEAD / 4))
        return TACIT_ETIME;
    return share->count >= TACIT_REPLAY_MAX / 2 ? TACIT_ELIMIT : TACIT_OK;
}

/* What was counted ahead may not be any more, nor within the window: counted again, once
 * a second at the most. */
static int find_share(struct tacit_replay *r, uint64_t time, const struct tacit_now *now,
                      uint16_t source)
{
    int error = share_left(r, time, now, source);
    if (!error || r->tidy_at == now->wall)
        return error;
    error = rebuild(r, r->slot_count, now);
    return error ? error : share_left(r, time, now, source);
}

/* Where that mark is, if anywhere: many to choose from, or chance would lose some early.
 */
static uint64_t *refused_set(const struct tacit_replay *r, uint64_t mark)
{
    return r->refused + mark % (TACIT_REPLAY_REFUSED / REFUSED_SET) * REFUSED_SET;
}

static bool was_refused(const struct tacit_replay *r, uint64_t mark)
{
    if (r->refused == NULL)
        return false;
    const uint64_t *set = refused_set(r, mark);
    for (size_t i = 0; i < REFUSED_SET; i++)
        if (set[i] == mark)
            return true;
    return false;
}

int tacit_replay_decide(const struct tacit_replay *r,
                        const uint8_t ephemeral[NOISE_DHLEN], uint64_t time,
                        const struct tacit_now *now)
{
    if (!taken(r, time, now))
        return TACIT_ETIME;
    uint64_t mark = mark_of(r, ephemeral);
    bool seen = (r->slot_count > 0 && find(r, mark)->time != 0) || was_refused(r, mark);
    return seen ? TACIT_EREPLAY : TACIT_OK;
}

void tacit_replay_refuse(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN])
{
    key(r);
    if (r->refused == NULL)
        r->refused = calloc(TACIT_REPLAY_REFUSED, sizeof *r->refused);
    if (r->refused == NULL)
        return;
    uint64_t mark = mark_of(r, ephemeral);
    uint64_t *set = refused_set(r, mark);
    memmove(set + 1, set, (REFUSED_SET - 1) * sizeof *set);
    set[0] = mark;
}

int tacit_replay_check(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                       uint64_t time, const struct tacit_now *now, uint16_t source)
{
    int error = tacit_replay_decide(r, ephemeral, time, now);
    if (!error)
        error = make_room(r, now);
    if (!error)
        error = find_share(r, time, now, source);
    if (error)
        return error;
    if (!taken(r, time, now)) /* making room may have raised the floor */
        return TACIT_ETIME;
    struct tacit_replay_entry entry = {mark_of(r, ephemeral), time, source};
    put(r, &entry, now);
    return TACIT_OK;
}

void tacit_replay_own(struct tacit_replay *r, const uint8_t ephemeral[NOISE_DHLEN],
                      uint64_t time, const struct tacit_now *now)
{
    if (tacit_replay_decide(r, ephemeral, time, now) != TACIT_OK ||
        make_room(r, now) != TACIT_OK)
        return;
    struct tacit_replay_entry entry = {mark_of(r, ephemeral), time, TACIT_REPLAY_SOURCES};
    put(r, &entry, now);
}

void tacit_replay_free(struct tacit_replay *r)
{
    free(r->slots);
    free(r->refused);
    memset(r, 0, sizeof *r);
}
