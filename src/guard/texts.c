#include "texts.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIZE_FIRST = 64,   /* places for texts: ordinary links see some 60 of them */
    SWEEP_LEAST = 4096 /* texts below which none is forgotten */
};

void tacit_guard_texts_init(struct tacit_guard_texts *t,
                            const struct tacit_guard_asks *asks)
{
    *t = (struct tacit_guard_texts){.asks = asks, .sweep_at = SWEEP_LEAST};
    randombytes_buf(t->key, sizeof t->key);
}

void tacit_guard_texts_free(struct tacit_guard_texts *t)
{
    for (uint32_t id = 0; id < t->size; id++)
        free(t->all[id]);
    free(t->all);
    free(t->table);
    t->all = NULL;
    t->table = NULL;
    t->size = t->count = 0;
}

/*
 * How many characters the UTF-8 has, or -1. The emulator's decoder takes the same:
 * neither overlong forms nor surrogates, nothing beyond 0x10FFFF.
 */
static int characters(const uint8_t *at, size_t len)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *end = at + len;
    int count = 0;
    for (; at < end; count++) {
        uint8_t first = *at++;
        if (first < 0x80)
            continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        uint32_t c = first & (0x3fU >> more);
        if (first < 0xc2 || first > 0xf4 || end - at < more)
            return -1;
        for (int i = 0; i < more; i++, at++) {
            if ((*at & 0xc0) != 0x80)
                return -1;
            c = c << 6 | (*at & 0x3fU);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
            return -1;
    }
    return count;
}

/* The place of the text in the table, or the free one where it would be. */
static uint32_t place(const struct tacit_guard_texts *t, uint64_t hash,
                      const uint8_t *bytes, size_t len)
{
    uint32_t mask = 2 * t->size - 1, at = (uint32_t)hash & mask;
    for (; t->table[at] != 0; at = (at + 1) & mask) {
        const struct tacit_guard_text *text = t->all[t->table[at] - 1];
        if (text->hash == hash && text->len == len &&
            memcmp(text->bytes, bytes, len) == 0)
            break;
    }
    return at;
}

static void fill_table(struct tacit_guard_texts *t)
{
    memset(t->table, 0, 2 * sizeof *t->table * t->size);
    for (uint32_t id = 0; id < t->size; id++) {
        const struct tacit_guard_text *text = t->all[id];
        if (text != NULL)
            t->table[place(t, text->hash, text->bytes, text->len)] = id + 1;
    }
}

/* Twice as many places. The table has two a text. */
static bool grow(struct tacit_guard_texts *t)
{
    uint32_t size = t->size > 0 ? 2 * t->size : SIZE_FIRST;
    if (size > UINT32_MAX / 4)
        return false;
    uint32_t *table = malloc(2 * sizeof *table * size);
    if (table == NULL)
        return false;
    struct tacit_guard_text **all = realloc(t->all, sizeof *all * size);
    if (all == NULL) {
        free(table);
        return false;
    }
    memset(all + t->size, 0, sizeof *all * (size - t->size));
    free(t->table);
    t->all = all;
    t->table = table;
    t->size = size;
    fill_table(t);
    return true;
}

/* Whether it may come: 0, or why not. */
static enum tacit_guard_reason admit(const struct tacit_guard_texts *t,
                                     const uint8_t *bytes, size_t len)
{
    int count = len <= TACIT_GUARD_TEXT_MAX ? characters(bytes, len) : -1;
    if (count < 0 || count > TACIT_GUARD_CHARACTERS)
        return TACIT_GUARD_ATOM;
    if (!t->own && !t->asks->atom_exists(t->asks->context, bytes, len) &&
        !t->asks->spend_atom(t->asks->context))
        return TACIT_GUARD_ATOM_BUDGET;
    return TACIT_GUARD_FINE;
}

static enum tacit_guard_reason add(struct tacit_guard_texts *t, uint64_t hash,
                                   const uint8_t *bytes, size_t len,
                                   struct tacit_guard_text **ret)
{
    if (t->count == t->size && !grow(t))
        return TACIT_GUARD_MEMORY;
    struct tacit_guard_text *text = malloc(sizeof *text + len);
    if (text == NULL)
        return TACIT_GUARD_MEMORY;
    enum tacit_guard_reason reason = admit(t, bytes, len);
    if (reason) {
        free(text);
        return reason;
    }
    while (t->all[t->free] != NULL)
        t->free++;
    *text = (struct tacit_guard_text){.hash = hash, .id = t->free, .len = (uint16_t)len};
    if (len > 0)
        memcpy(text->bytes, bytes, len);
    if (t->bits != NULL)
        text->bits = t->bits(t->rules, bytes, len);
    t->table[place(t, hash, bytes, len)] = text->id + 1;
    t->all[text->id] = text;
    t->count++;
    *ret = text;
    return TACIT_GUARD_FINE;
}

enum tacit_guard_reason tacit_guard_intern(struct tacit_guard_texts *t,
                                           const uint8_t *bytes, size_t len,
                                           struct tacit_guard_text **ret)
{
    uint64_t hash;
    crypto_shorthash((uint8_t *)&hash, bytes, len, t->key);
    if (t->count > 0) {
        uint32_t found = t->table[place(t, hash, bytes, len)];
        if (found != 0) {
            *ret = t->all[found - 1];
            return TACIT_GUARD_FINE;
        }
    }
    return add(t, hash, bytes, len, ret);
}

enum tacit_guard_reason tacit_guard_intern_latin1(struct tacit_guard_texts *t,
                                                  const uint8_t *bytes, size_t len,
                                                  struct tacit_guard_text **ret)
{
    uint8_t utf8[2 * TACIT_GUARD_CHARACTERS];
    size_t n = 0;
    if (len > TACIT_GUARD_CHARACTERS)
        return TACIT_GUARD_ATOM;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] >= 0x80)
            utf8[n++] = (uint8_t)(0xc0 | bytes[i] >> 6);
        utf8[n++] = bytes[i] < 0x80 ? bytes[i] : (uint8_t)(0x80 | (bytes[i] & 0x3f));
    }
    return tacit_guard_intern(t, utf8, n, ret);
}

void tacit_guard_texts_sweep(struct tacit_guard_texts *t)
{
    if (t->count < t->sweep_at)
        return;
    for (uint32_t id = 0; id < t->size; id++) {
        struct tacit_guard_text *text = t->all[id];
        if (text != NULL && text->held == 0) {
            free(text);
            t->all[id] = NULL;
            t->count--;
        }
    }
    t->free = 0;
    fill_table(t);
    t->sweep_at = t->count > SWEEP_LEAST / 2 ? 2 * t->count : SWEEP_LEAST;
}

void tacit_guard_texts_rule(struct tacit_guard_texts *t,
                            uint32_t (*bits)(const void *, const uint8_t *, size_t),
                            const void *rules)
{
    t->bits = bits;
    t->rules = rules;
    for (uint32_t id = 0; id < t->size; id++)
        if (t->all[id] != NULL)
            t->all[id]->bits = bits(rules, t->all[id]->bytes, t->all[id]->len);
}
