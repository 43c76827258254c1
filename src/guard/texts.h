/*
 * Texts of atoms that a link has seen, each kept once. Only one that is new here costs
 * anything: whether it is well formed, whether the emulator has such an atom and, if not,
 * whether the peer's key may make one. What a role says of the text stands with it, so
 * that a rule is the test of a bit.
 *
 * The hash has a key of the link's own: a peer chooses the texts.
 */
#ifndef TACIT_GUARD_TEXTS_H
#define TACIT_GUARD_TEXTS_H

#include "guard/reason.h"

enum {
    TACIT_GUARD_CHARACTERS = 255, /* of an atom; bytes of one in Latin-1 */
    TACIT_GUARD_TEXT_MAX = 4 * TACIT_GUARD_CHARACTERS, /* bytes in UTF-8 */
};

struct tacit_guard_text {
    uint64_t hash;
    uint32_t id;       /* its place in all */
    uint32_t held;     /* by how many slots and open messages */
    uint32_t bits;     /* as `bits` of the texts gave them */
    uint32_t creation; /* if it is a node's name: the one that was named last */
    bool is_node;
    uint16_t len;
    uint8_t bytes[];
};

struct tacit_guard_texts {
    const struct tacit_guard_asks *asks;
    /* What there is to know of a text, for the caller's rules; NULL: nothing. */
    uint32_t (*bits)(const void *rules, const uint8_t *text, size_t len);
    const void *rules;
    bool own; /* those that come now are the emulator's own: it has them */
    uint8_t key[16];
    struct tacit_guard_text **all; /* by id; NULL where there is none */
    uint32_t *table;               /* by hash: id + 1; 0: free */
    uint32_t size, count, free;    /* of both; texts; no id below is free */
    uint32_t sweep_at;
};

/* Those who ask stay the caller's. */
void tacit_guard_texts_init(struct tacit_guard_texts *t,
                            const struct tacit_guard_asks *asks);
void tacit_guard_texts_free(struct tacit_guard_texts *t);

/* The text with these bytes, UTF-8. It stays until the next sweep, longer if held. */
enum tacit_guard_reason tacit_guard_intern(struct tacit_guard_texts *t,
                                           const uint8_t *bytes, size_t len,
                                           struct tacit_guard_text **ret);
/* The same of bytes in Latin-1. */
enum tacit_guard_reason tacit_guard_intern_latin1(struct tacit_guard_texts *t,
                                                  const uint8_t *bytes, size_t len,
                                                  struct tacit_guard_text **ret);

/* Between two messages: forgets those that nothing holds, if they have become many. */
void tacit_guard_texts_sweep(struct tacit_guard_texts *t);

/* Other rules: the bits of all are asked for again. */
void tacit_guard_texts_rule(struct tacit_guard_texts *t,
                            uint32_t (*bits)(const void *, const uint8_t *, size_t),
                            const void *rules);

#endif
