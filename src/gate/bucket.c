#include "gate/bucket.h"

static const struct tacit_rate lines = {.burst = 50, .a_second = 2};
const struct tacit_rate tacit_early_offers = {.burst = 10, .a_second = 1};

static int64_t token_us(struct tacit_rate rate)
{
    return 1000000 / rate.a_second;
}

/* When it would have been empty, for one that cannot hold more than it does. */
static int64_t level(const struct tacit_bucket *b, struct tacit_rate rate, int64_t now)
{
    int64_t full = now * 1000 - rate.burst * token_us(rate);
    return b->used && b->at > full ? b->at : full;
}

uint32_t tacit_bucket_left(const struct tacit_bucket *b, struct tacit_rate rate,
                           int64_t now)
{
    int64_t since = now * 1000 - level(b, rate, now);
    return since <= 0 ? 0 : (uint32_t)(since / token_us(rate));
}

bool tacit_bucket_take(struct tacit_bucket *b, struct tacit_rate rate, int64_t now)
{
    if (tacit_bucket_left(b, rate, now) == 0)
        return false;
    b->at = level(b, rate, now) + token_us(rate);
    b->used = true;
    return true;
}

void tacit_bucket_give(struct tacit_bucket *b, struct tacit_rate rate)
{
    b->at -= token_us(rate);
}

bool tacit_lines_allow(struct tacit_lines *l, int64_t now, uint64_t *ret_left_out)
{
    if (!tacit_bucket_take(&l->bucket, lines, now)) {
        l->left_out++;
        return false;
    }
    *ret_left_out = l->left_out;
    l->left_out = 0;
    return true;
}
