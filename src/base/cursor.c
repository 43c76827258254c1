#include "cursor.h"

#include <string.h>

struct tacit_reader tacit_reader(const uint8_t *bytes, size_t size)
{
    return (struct tacit_reader){.at = bytes, .end = bytes + size, .bad = false};
}

size_t tacit_left(const struct tacit_reader *r)
{
    return (size_t)(r->end - r->at);
}

const uint8_t *tacit_get_bytes(struct tacit_reader *r, size_t size)
{
    if (r->bad || size > tacit_left(r)) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += size;
    return bytes;
}

static uint64_t get_be(struct tacit_reader *r, size_t size)
{
    const uint8_t *bytes = tacit_get_bytes(r, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes != NULL && i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

uint8_t tacit_get_u8(struct tacit_reader *r)
{
    return (uint8_t)get_be(r, 1);
}

uint16_t tacit_get_u16(struct tacit_reader *r)
{
    return (uint16_t)get_be(r, 2);
}

uint32_t tacit_get_u32(struct tacit_reader *r)
{
    return (uint32_t)get_be(r, 4);
}

uint64_t tacit_get_u64(struct tacit_reader *r)
{
    return get_be(r, 8);
}

struct tacit_writer tacit_writer(uint8_t *bytes, size_t size)
{
    return (struct tacit_writer){
        .start = bytes, .at = bytes, .end = bytes + size, .bad = false};
}

size_t tacit_written(const struct tacit_writer *w)
{
    return (size_t)(w->at - w->start);
}

void tacit_put_bytes(struct tacit_writer *w, const void *bytes, size_t size)
{
    if (w->bad || size > (size_t)(w->end - w->at)) {
        w->bad = true;
        return;
    }
    if (size > 0)
        memcpy(w->at, bytes, size);
    w->at += size;
}

static void put_be(struct tacit_writer *w, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    tacit_put_bytes(w, bytes, size);
}

void tacit_put_u8(struct tacit_writer *w, uint8_t value)
{
    put_be(w, value, 1);
}

void tacit_put_u16(struct tacit_writer *w, uint16_t value)
{
    put_be(w, value, 2);
}

void tacit_put_u32(struct tacit_writer *w, uint32_t value)
{
    put_be(w, value, 4);
}

void tacit_put_u64(struct tacit_writer *w, uint64_t value)
{
    put_be(w, value, 8);
}

void tacit_put_padding(struct tacit_writer *w)
{
    if (w->bad)
        return;
    memset(w->at, 0, (size_t)(w->end - w->at));
    w->at = w->end;
}
