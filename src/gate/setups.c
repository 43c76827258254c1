#include "gate/setups.h"

#include <sodium.h>
#include <string.h>

enum {
    MINUTE = 60,
};

/* A minute, as the bucket's clock is fed minutes for seconds. */
static const struct tacit_rate new_names = {.burst = 1000, .a_second = 1};

/* The key's place, or else a free one; NULL: there is neither. */
static unsigned *count_of(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN])
{
    size_t empty = TACIT_SETUPS_MAX;
    for (size_t i = 0; i < TACIT_SETUPS_MAX; i++) {
        if (s->of[i].count == 0)
            empty = empty < i ? empty : i;
        else if (memcmp(s->of[i].key, key, NOISE_DHLEN) == 0)
            return &s->of[i].count;
    }
    if (empty == TACIT_SETUPS_MAX)
        return NULL;
    memcpy(s->of[empty].key, key, NOISE_DHLEN);
    return &s->of[empty].count;
}

bool tacit_setups_enter(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN])
{
    unsigned *count = s->count < TACIT_SETUPS_MAX ? count_of(s, key) : NULL;
    if (count == NULL || *count >= TACIT_SETUPS_OF_KEY)
        return false;
    ++*count;
    s->count++;
    return true;
}

void tacit_setups_leave(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN])
{
    unsigned *count = count_of(s, key);
    if (count == NULL || *count == 0)
        return;
    --*count;
    s->count--;
}

/* Keyed, so that nobody can aim at another's bucket. */
static struct tacit_bucket *names_of(struct tacit_setups *s,
                                     const uint8_t key[NOISE_DHLEN])
{
    uint64_t hash;
    if (!s->keyed)
        crypto_shorthash_keygen(s->hash_key);
    s->keyed = true;
    crypto_shorthash((uint8_t *)&hash, key, NOISE_DHLEN, s->hash_key);
    return &s->names[hash % TACIT_SETUPS_NAMES];
}

bool tacit_setups_name(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN],
                       int64_t now)
{
    return tacit_bucket_take(names_of(s, key), new_names, now / MINUTE);
}

void tacit_setups_named(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN])
{
    tacit_bucket_give(names_of(s, key), new_names);
}
