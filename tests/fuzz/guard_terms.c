/*
 * Terms that a peer sends, whole, and in pieces that are cut wherever the input says: the
 * walk says the same of both, and never less than what there is.
 */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "guard/walk.h"

static const struct tacit_guard_limits limits = {
    .bytes = 1 << 20, .words = 1 << 20, .nodes = 50, .funs = 50};

static bool exists(void *context, const uint8_t *text, size_t len)
{
    return len % 2 == 0;
}

static bool spend(void *context)
{
    return (*(unsigned *)context)++ < 200;
}

/* One of both walks: what it named, and how it ended. */
struct look {
    unsigned spent;
    struct tacit_guard_asks asks;
    struct tacit_guard_named named;
    struct tacit_guard_refs refs;
    struct tacit_guard_walk walk;
    enum tacit_guard_reason reason;
};

static void begin(struct look *l, size_t most)
{
    static const char *const texts[] = {"a@b", "ok"};
    l->spent = 0;
    l->asks = (struct tacit_guard_asks){&l->spent, exists, spend};
    tacit_guard_named_init(&l->named, &limits, &l->asks);
    l->refs.number = 2;
    for (unsigned i = 0; i < 2; i++)
        MUST(tacit_guard_intern(&l->named.texts, (const uint8_t *)texts[i],
                                strlen(texts[i]), &l->refs.texts[i]) == 0);
    l->walk = tacit_guard_walk(&l->named, &l->refs, TACIT_GUARD_FLAG_RECORDS, 1, most);
}

static void whole(struct look *l, const uint8_t *bytes, size_t len)
{
    struct tacit_reader r = tacit_reader(bytes, len);
    begin(l, len);
    l->reason = tacit_guard_walk_terms(&l->walk, &r);
    if (!l->reason && tacit_left(&r) > 0)
        l->reason = TACIT_GUARD_TRAILING;
}

/* Each piece in memory of its own, so that a byte beyond it is seen. */
static void pieces(struct look *l, const uint8_t *bytes, size_t len, size_t piece)
{
    static struct tacit_guard_carry carry;
    carry.len = 0;
    begin(l, len);
    l->reason = TACIT_GUARD_FINE;
    for (size_t at = 0; !l->reason && at < len; at += piece) {
        size_t size = piece < len - at ? piece : len - at;
        uint8_t *own = malloc(size);
        MUST(own != NULL);
        memcpy(own, bytes + at, size);
        l->reason = tacit_guard_walk_piece(&l->walk, &carry, own, size);
        free(own);
    }
    if (!l->reason && (carry.len > 0 || !tacit_guard_walk_over(&l->walk)))
        l->reason = TACIT_GUARD_TRUNCATED;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static struct look one, other;
    MUST(sodium_init() >= 0);
    if (len < 2)
        return 0;
    size_t piece = (size_t)bytes[0] + 1;
    whole(&one, bytes + 1, len - 1);
    pieces(&other, bytes + 1, len - 1, piece);
    MUST(one.reason == other.reason);
    if (!one.reason) {
        MUST(memcmp(&one.walk.counts, &other.walk.counts, sizeof one.walk.counts) == 0);
        MUST(one.named.texts.count == other.named.texts.count);
        MUST(one.spent == other.spent &&
             one.named.nodes.number == other.named.nodes.number);
        MUST(one.walk.counts.terms < len);
        MUST(one.walk.counts.words <= 16 * len);
    }
    tacit_guard_named_free(&one.named);
    tacit_guard_named_free(&other.named);
    return 0;
}
