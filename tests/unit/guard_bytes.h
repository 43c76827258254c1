/*
 * Messages of the distribution, for tests of src/guard: bytes put one behind the other,
 * and an emulator that has the atoms it is told.
 */
#ifndef TACIT_TEST_GUARD_BYTES_H
#define TACIT_TEST_GUARD_BYTES_H

#include "guard/walk.h"

struct bytes {
    size_t len;
    uint8_t at[200000];
};

void put(struct bytes *b, const void *bytes, size_t len);
void put_u8(struct bytes *b, unsigned value);
void put_u16(struct bytes *b, unsigned value);
void put_u32(struct bytes *b, uint32_t value);
void put_u64(struct bytes *b, uint64_t value);

/* Terms. */
void put_atom(struct bytes *b, const char *text);
void put_ref_atom(struct bytes *b, unsigned index); /* by its place in the header */
void put_int(struct bytes *b, unsigned value);      /* 0..255 */
void put_tuple(struct bytes *b, unsigned arity);
void put_list(struct bytes *b, uint32_t len); /* its elements and tail follow */
void put_nil(struct bytes *b);
void put_binary(struct bytes *b, size_t len);
void put_pid(struct bytes *b, const char *node, uint32_t number, uint32_t creation);
void put_reference(struct bytes *b, const char *node, unsigned words);
void put_external(struct bytes *b, const char *m, const char *f, unsigned arity);

/* A header's atom: new in its slot where text is not NULL. */
struct slot {
    unsigned slot;
    const char *text;
};

void put_header(struct bytes *b, const struct slot *slots, unsigned number);

/* An emulator: what it has, and how many more atoms it is allowed. */
struct emulator {
    const char *atoms; /* " one two " */
    unsigned budget, asked, spent;
    struct tacit_guard_asks asks;
};

/* All atoms in that text are there, and so many may be made. */
void emulator_init(struct emulator *e, const char *atoms, unsigned budget);

/* Limits that no test meets unless it sets them lower. */
extern const struct tacit_guard_limits wide;

/* Text of one character, n times. */
const char *long_text(const char *character, unsigned n);

#endif
