#include "test_unit.h"

#include "guard_bytes.h"

#include <stdio.h>
#include <string.h>

const struct tacit_guard_limits wide = {
    .bytes = 100000000, .words = 100000000, .pieces = 1000, .nodes = 1000, .funs = 1000};

void put(struct bytes *b, const void *bytes, size_t len)
{
    assert_true(len <= sizeof b->at - b->len);
    if (len > 0)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
}

void put_u8(struct bytes *b, unsigned value)
{
    uint8_t byte = (uint8_t)value;
    put(b, &byte, 1);
}

void put_u16(struct bytes *b, unsigned value)
{
    put_u8(b, value >> 8);
    put_u8(b, value & 0xff);
}

void put_u32(struct bytes *b, uint32_t value)
{
    put_u16(b, value >> 16);
    put_u16(b, value & 0xffff);
}

void put_u64(struct bytes *b, uint64_t value)
{
    put_u32(b, (uint32_t)(value >> 32));
    put_u32(b, (uint32_t)value);
}

void put_atom(struct bytes *b, const char *text)
{
    size_t len = strlen(text);
    put_u8(b, len > 255 ? 118 : 119);
    if (len > 255)
        put_u16(b, (unsigned)len);
    else
        put_u8(b, (unsigned)len);
    put(b, text, len);
}

void put_ref_atom(struct bytes *b, unsigned index)
{
    put_u8(b, 82);
    put_u8(b, index);
}

void put_int(struct bytes *b, unsigned value)
{
    put_u8(b, 97);
    put_u8(b, value);
}

void put_tuple(struct bytes *b, unsigned arity)
{
    put_u8(b, 104);
    put_u8(b, arity);
}

void put_list(struct bytes *b, uint32_t len)
{
    put_u8(b, 108);
    put_u32(b, len);
}

void put_nil(struct bytes *b)
{
    put_u8(b, 106);
}

void put_binary(struct bytes *b, size_t len)
{
    put_u8(b, 109);
    put_u32(b, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        put_u8(b, (unsigned)(i & 0xff));
}

void put_pid(struct bytes *b, const char *node, uint32_t number, uint32_t creation)
{
    put_u8(b, 88);
    put_atom(b, node);
    put_u32(b, number);
    put_u32(b, 0);
    put_u32(b, creation);
}

void put_reference(struct bytes *b, const char *node, unsigned words)
{
    put_u8(b, 90);
    put_u16(b, words);
    put_atom(b, node);
    put_u32(b, 5);
    for (unsigned i = 0; i < words; i++)
        put_u32(b, 1000 + i);
}

void put_external(struct bytes *b, const char *m, const char *f, unsigned arity)
{
    put_u8(b, 113);
    put_atom(b, m);
    put_atom(b, f);
    put_int(b, arity);
}

void put_header(struct bytes *b, const struct slot *slots, unsigned number)
{
    uint8_t halves[128] = {0};
    bool long_texts = false;
    put_u8(b, number);
    if (number == 0)
        return;
    for (unsigned i = 0; i <= number; i++) {
        unsigned half = 0;
        if (i < number) {
            half = (slots[i].text != NULL ? 8 : 0) | slots[i].slot >> 8;
            long_texts |= slots[i].text != NULL && strlen(slots[i].text) > 255;
        } else {
            half = long_texts;
        }
        halves[i / 2] = (uint8_t)(halves[i / 2] | half << (i % 2 * 4));
    }
    put(b, halves, number / 2 + 1);
    for (unsigned i = 0; i < number; i++) {
        put_u8(b, slots[i].slot & 0xff);
        if (slots[i].text == NULL)
            continue;
        size_t len = strlen(slots[i].text);
        if (long_texts)
            put_u16(b, (unsigned)len);
        else
            put_u8(b, (unsigned)len);
        put(b, slots[i].text, len);
    }
}

static bool exists(void *context, const uint8_t *text, size_t len)
{
    struct emulator *e = context;
    char word[TACIT_GUARD_TEXT_MAX + 3];
    e->asked++;
    snprintf(word, sizeof word, " %.*s ", (int)len, (const char *)text);
    return strstr(e->atoms, word) != NULL;
}

static bool spend(void *context)
{
    struct emulator *e = context;
    if (e->spent == e->budget)
        return false;
    e->spent++;
    return true;
}

void emulator_init(struct emulator *e, const char *atoms, unsigned budget)
{
    *e = (struct emulator){
        .atoms = atoms,
        .budget = budget,
        .asks = {.context = e, .atom_exists = exists, .spend_atom = spend}};
}

const char *long_text(const char *character, unsigned n)
{
    static char text[4 * 300 + 1];
    size_t len = strlen(character);
    for (unsigned i = 0; i < n; i++)
        memcpy(text + i * len, character, len);
    text[n * len] = '\0';
    return text;
}
