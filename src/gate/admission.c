#include "gate/admission.h"

#include <limits.h>
#include <sodium.h>
#include <string.h>

#include "gate/pending.h"

enum {
    ALL_BURST = 4000,
    ALL_A_SECOND = 1000,
};

/*
 * A handshake costs a responder less than half a millisecond of one core. So one source
 * costs a tenth of a core at the most, and all of them half a one; and a host with a
 * thousand nodes is let in all the same when it comes back at once.
 */
const struct tacit_rate tacit_admission_all = {.burst = ALL_BURST,
                                               .a_second = ALL_A_SECOND};
const struct tacit_rate tacit_admission_source = {.burst = 2000, .a_second = 200};

/*
 * All that these let pass while it is within the band, and what lay ahead and comes into
 * it, has a place: so nobody whose clock is right is ever turned away for want of one.
 */
_Static_assert(ALL_BURST + 2 * TACIT_REPLAY_BAND * ALL_A_SECOND +
                       2 * TACIT_REPLAY_AHEAD <=
                   TACIT_REPLAY_MAX / 16 * 15,
               "the band around now fits the memory");

/* Keyed, so that nobody can aim at another's bucket. */
static size_t slot(struct tacit_admission *g, uint64_t source, size_t slots)
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

/* The source's place among those that are known, or the one that it would take. */
static size_t place_of(struct tacit_admission *g, uint64_t source)
{
    size_t first = slot(g, source, TACIT_ADMISSION_KNOWN / TACIT_ADMISSION_WAYS);
    size_t oldest = first *= TACIT_ADMISSION_WAYS;
    for (size_t i = first; i < first + TACIT_ADMISSION_WAYS; i++) {
        if (g->known[i].source == source)
            return i;
        if (g->known[i].turn < g->known[oldest].turn)
            oldest = i;
    }
    return oldest;
}

int tacit_admission_spend(struct tacit_admission *g, const struct tacit_address *from,
                          int64_t ms)
{
    uint64_t source = tacit_pending_source(from);
    size_t at = place_of(g, source);
    bool known = tacit_admission_knows(g, source);
    uint32_t reserve = known ? 0 : g->all.burst / 4;
    struct tacit_bucket *own =
        known ? &g->known_buckets[at]
              : &g->source_buckets[slot(g, source, TACIT_ADMISSION_SOURCES)];
    if (tacit_bucket_left(&g->all_bucket, g->all, ms) <= reserve ||
        !tacit_bucket_take(own, g->source, ms))
        return TACIT_ELIMIT;
    (void)tacit_bucket_take(&g->all_bucket, g->all, ms);
    return TACIT_OK;
}

/*
 * Refused, and would be answered at another time. Who recorded it holds no key, and is
 * not to see that. What is too old stays so: there may be any number of these.
 */
static bool may_come_again(int error, uint64_t time, const struct tacit_now *now)
{
    bool ahead = time > now->wall || time > now->steady;
    return error == TACIT_ELIMIT || error == TACIT_ENOMEM ||
           (error == TACIT_ETIME && ahead);
}

int tacit_admission_first(struct tacit_admission *g, const struct tacit_address *from,
                          const uint8_t ephemeral[NOISE_DHLEN], uint64_t time,
                          const struct tacit_now *now, int *ret_skew)
{
    uint64_t source = tacit_pending_source(from);
    int error = tacit_replay_decide(&g->replay, ephemeral, time, now);
    if (error == TACIT_OK)
        error = tacit_admission_spend(g, from, now->ms);
    if (error == TACIT_OK)
        error = tacit_replay_check(&g->replay, ephemeral, time, now,
                                   (uint16_t)slot(g, source, TACIT_ADMISSION_SOURCES));
    if (error == TACIT_ETIME)
        *ret_skew = skew(time, now->wall);
    if (may_come_again(error, time, now))
        tacit_replay_refuse(&g->replay, ephemeral);
    return error;
}

void tacit_admission_own(struct tacit_admission *g, const uint8_t ephemeral[NOISE_DHLEN],
                         uint64_t time, const struct tacit_now *now)
{
    tacit_replay_own(&g->replay, ephemeral, time, now);
}

void tacit_admission_known(struct tacit_admission *g, uint64_t source)
{
    g->known[place_of(g, source)] =
        (struct tacit_known){.source = source, .turn = ++g->turn};
}

void tacit_admission_forget(struct tacit_admission *g, uint64_t source)
{
    struct tacit_known *k = &g->known[place_of(g, source)];
    if (k->source == source)
        *k = (struct tacit_known){0};
    g->refused[g->refusals++ % TACIT_ADMISSION_REFUSED] = source;
    g->turn++;
}

bool tacit_admission_knows(struct tacit_admission *g, uint64_t source)
{
    return g->known[place_of(g, source)].source == source;
}

size_t tacit_admission_count(const struct tacit_admission *g)
{
    size_t count = 0;
    for (size_t i = 0; i < TACIT_ADMISSION_KNOWN; i++)
        count += g->known[i].source != 0;
    return count;
}

/* --- what is told of them ----------------------------------------------------------- */

/* false: there is no room for another word. */
static bool say(struct tacit_admission_news *news, uint64_t source, bool known)
{
    if (news->count == TACIT_ADMISSION_NEWS_MAX)
        return false;
    news->sources[news->count] = source;
    news->known[news->count++] = known;
    return true;
}

static void is_forgotten(struct tacit_admission_told *told, uint64_t source)
{
    for (size_t i = 0; i < TACIT_ADMISSION_KNOWN; i++)
        if (told->known[i].source == source)
            told->known[i] = (struct tacit_known){0};
}

static bool say_refused(const struct tacit_admission *g,
                        struct tacit_admission_told *told,
                        struct tacit_admission_news *news)
{
    if (g->refusals - told->refusals > TACIT_ADMISSION_REFUSED)
        told->refusals = g->refusals - TACIT_ADMISSION_REFUSED;
    for (; told->refusals < g->refusals; told->refusals++) {
        uint64_t source = g->refused[told->refusals % TACIT_ADMISSION_REFUSED];
        if (!say(news, source, false))
            return false;
        is_forgotten(told, source);
    }
    return true;
}

/* Those whose place another one has. */
static bool say_replaced(const struct tacit_admission *g,
                         struct tacit_admission_told *told,
                         struct tacit_admission_news *news)
{
    for (size_t i = 0; i < TACIT_ADMISSION_KNOWN; i++) {
        uint64_t source = told->known[i].source;
        if (source == 0 || source == g->known[i].source)
            continue;
        if (!say(news, source, false))
            return false;
        told->known[i] = (struct tacit_known){0};
    }
    return true;
}

static bool say_known(const struct tacit_admission *g, struct tacit_admission_told *told,
                      struct tacit_admission_news *news)
{
    for (size_t i = 0; i < TACIT_ADMISSION_KNOWN; i++) {
        if (g->known[i].source == 0 || told->known[i].turn == g->known[i].turn)
            continue;
        if (!say(news, g->known[i].source, true))
            return false;
        told->known[i] = g->known[i];
    }
    return true;
}

bool tacit_admission_news(const struct tacit_admission *g,
                          struct tacit_admission_told *told,
                          struct tacit_admission_news *ret_news)
{
    ret_news->count = 0;
    if (!told->begun) /* who starts knows nobody that could be forgotten */
        told->refusals = g->refusals;
    told->begun = true;
    if (told->turn == g->turn)
        return false;
    /* Who is known again, be it in another place, is told so last. */
    if (say_refused(g, told, ret_news) && say_replaced(g, told, ret_news) &&
        say_known(g, told, ret_news))
        told->turn = g->turn;
    return ret_news->count > 0;
}

void tacit_admission_free(struct tacit_admission *g)
{
    tacit_replay_free(&g->replay);
    sodium_memzero(g, sizeof *g);
}
