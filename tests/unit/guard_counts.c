/*
 * For tests/erl/hostile/guard_terms_tests.erl: terms on standard input, each behind four
 * bytes of its length; for each, what src/guard's walk says of it goes to standard
 * output: four bytes of a length, a reason, and seven counts of 64 bits: different atoms,
 * words, pids, ports, references, funs, funs M:F/A. Its atoms are all new, and may all be
 * made.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "guard/walk.h"

static bool no(void *context, const uint8_t *text, size_t len)
{
    return false;
}

static bool yes(void *context)
{
    return true;
}

static const struct tacit_guard_asks asks = {.atom_exists = no, .spend_atom = yes};
static const struct tacit_guard_limits limits = {
    .bytes = UINT32_MAX, .words = UINT32_MAX, .nodes = 100000, .funs = 100000};

static void answer(const uint8_t *term, size_t len)
{
    static struct tacit_guard_refs refs;
    struct tacit_guard_named named;
    tacit_guard_named_init(&named, &limits, &asks);
    struct tacit_reader r = tacit_reader(term, len);
    struct tacit_guard_walk walk =
        tacit_guard_walk(&named, &refs, TACIT_GUARD_FLAG_RECORDS, 1, len);
    enum tacit_guard_reason reason = tacit_guard_walk_terms(&walk, &r);
    if (!reason && tacit_left(&r) > 0)
        reason = TACIT_GUARD_TRAILING;
    const struct tacit_guard_counts *c = &walk.counts;
    const uint64_t counts[] = {named.texts.count, c->words, c->pids,     c->ports,
                               c->references,     c->funs,  c->externals};
    uint8_t out[4 + 1 + sizeof counts];
    struct tacit_writer w = tacit_writer(out, sizeof out);
    tacit_put_u32(&w, sizeof out - 4);
    tacit_put_u8(&w, (uint8_t)reason);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        tacit_put_u64(&w, counts[i]);
    fwrite(out, 1, sizeof out, stdout);
    fflush(stdout);
    tacit_guard_named_free(&named);
}

int main(void)
{
    uint8_t head[4];
    if (sodium_init() < 0)
        return 1;
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        struct tacit_reader r = tacit_reader(head, sizeof head);
        size_t len = tacit_get_u32(&r);
        uint8_t *term = malloc(len + 1);
        if (term == NULL || fread(term, 1, len, stdin) != len)
            return 1;
        answer(term, len);
        free(term);
    }
    return 0;
}
