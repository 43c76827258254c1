#include "gate/guard.h"

#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "gate/pending.h"

/*
 * A handshake costs a responder less than half a millisecond of one core. So one source
 * costs a tenth of a core at the most, and all of them half a one; and a host with a
 * thousand nodes is let in all the same when it comes back at once.
 */
const struct tacit_rate tacit_guard_all = {.burst = 4000, .a_second = 1000};
const struct tacit_rate tacit_guard_source = {.burst = 2000, .a_second = 200};

/* Keyed, so that nobody can aim at another's bucket. */
static size_t slot(struct tacit_guard *g, uint64_t source, size_t slots)
{
    uint64_t hash;
    if (!g->keyed)
        crypto_shorthash_keygen(g->hash_key);
    g->keyed = true;
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&source, sizeof source,
                     g->hash_key);
    return (size_t)(hash % slots);
}

/* How far a peer's clock is ahead, in seconds; it may claim any time there is. */
static int skew(uint64_t theirs, uint64_t ours)
{
    uint64_t apart = theirs > ours ? theirs - ours : ours - theirs;
    int seconds = apart > INT_MAX ? INT_MAX : (int)apart;
    return theirs > ours ? seconds : -seconds;
}

int tacit_guard_fresh(struct tacit_guard *g, const uint8_t ephemeral[NOISE_DHLEN],
                      uint64_t time, uint64_t wall, int *ret_skew)
{
    int error = tacit_replay_check(&g->replay, ephemeral, time, wall);
    if (error == TACIT_ETIME)
        *ret_skew = skew(time, wall);
    return error;
}

int tacit_guard_spend(struct tacit_guard *g, const struct tacit_address *from,
                      int64_t now)
{
    uint64_t source = tacit_pending_source(from);
    struct tacit_bucket *own = &g->source_buckets[slot(g, source, TACIT_GUARD_SOURCES)];
    bool known = g->known[slot(g, source, TACIT_GUARD_KNOWN)] == source;
    uint32_t reserve = known ? 0 : g->all.burst / 4;
    if (tacit_bucket_left(&g->all_bucket, g->all, now) <= reserve)
        return TACIT_ELIMIT;
    if (!known && !tacit_bucket_take(own, g->source, now))
        return TACIT_ELIMIT;
    (void)tacit_bucket_take(&g->all_bucket, g->all, now);
    return TACIT_OK;
}

int tacit_guard_first(struct tacit_guard *g, const struct tacit_address *source,
                      const uint8_t ephemeral[NOISE_DHLEN], uint64_t time, uint64_t wall,
                      int64_t now, int *ret_skew)
{
    int error = tacit_replay_judge(&g->replay, ephemeral, time, wall);
    if (error == TACIT_OK)
        error = tacit_guard_spend(g, source, now);
    if (error == TACIT_OK)
        return tacit_guard_fresh(g, ephemeral, time, wall, ret_skew);
    if (error == TACIT_ETIME)
        *ret_skew = skew(time, wall);
    return error;
}

void tacit_guard_known(struct tacit_guard *g, const struct tacit_address *from)
{
    uint64_t source = tacit_pending_source(from);
    g->known[slot(g, source, TACIT_GUARD_KNOWN)] = source;
}

void tacit_guard_free(struct tacit_guard *g)
{
    tacit_replay_free(&g->replay);
    sodium_memzero(g, sizeof *g);
}
