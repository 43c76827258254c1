/*
 * Integers of base/cursor.h, inline: a guard reads some thirty of them a message, and
 * each as a call would cost as much as all the rest.
 */
#ifndef TACIT_GUARD_QUICK_H
#define TACIT_GUARD_QUICK_H

#include "base/cursor.h"

static inline uint32_t tacit_quick_u16_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t tacit_quick_u32_at(const uint8_t *p)
{
    return tacit_quick_u16_at(p) << 16 | tacit_quick_u16_at(p + 2);
}

/* The next size bytes, which are passed over; NULL, and a bad cursor, if there are fewer.
 */
static inline const uint8_t *tacit_quick_bytes(struct tacit_reader *r, size_t size)
{
    const uint8_t *at = r->at;
    if (r->bad || (size_t)(r->end - at) < size) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return at;
}

static inline uint8_t tacit_quick_u8(struct tacit_reader *r)
{
    const uint8_t *at = tacit_quick_bytes(r, 1);
    return at != NULL ? *at : 0;
}

static inline uint16_t tacit_quick_u16(struct tacit_reader *r)
{
    const uint8_t *at = tacit_quick_bytes(r, 2);
    return at != NULL ? (uint16_t)tacit_quick_u16_at(at) : 0;
}

static inline uint32_t tacit_quick_u32(struct tacit_reader *r)
{
    const uint8_t *at = tacit_quick_bytes(r, 4);
    return at != NULL ? tacit_quick_u32_at(at) : 0;
}

#endif
