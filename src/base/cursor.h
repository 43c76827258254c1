/*
 * Cursors over bounded buffers, so that a parser reads as the message's layout and no
 * length is checked anywhere else. All integers are big-endian, as in Erlang's own
 * protocols. A cursor that was asked for more than it holds turns bad, gives zeros from
 * then on, and stays bad: check once, at the end.
 */
#ifndef TACIT_BASE_CURSOR_H
#define TACIT_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tacit_reader {
    const uint8_t *at, *end;
    bool bad;
};

struct tacit_writer {
    uint8_t *start, *at, *end;
    bool bad;
};

/* Reads the size bytes from bytes on. */
struct tacit_reader tacit_reader(const uint8_t *bytes, size_t size);
/* The next integer of that many bits; 0 past the end, and the cursor is bad. */
uint8_t tacit_get_u8(struct tacit_reader *r);
uint16_t tacit_get_u16(struct tacit_reader *r);
uint32_t tacit_get_u32(struct tacit_reader *r);
uint64_t tacit_get_u64(struct tacit_reader *r);
/* The next size bytes, still inside the buffer; NULL if there are fewer. */
const uint8_t *tacit_get_bytes(struct tacit_reader *r, size_t size);
/* How many bytes are left. */
size_t tacit_left(const struct tacit_reader *r);

/* Writes into the size bytes from bytes on; what does not fit turns the cursor bad. */
struct tacit_writer tacit_writer(uint8_t *bytes, size_t size);
void tacit_put_u8(struct tacit_writer *w, uint8_t value);
void tacit_put_u16(struct tacit_writer *w, uint16_t value);
void tacit_put_u32(struct tacit_writer *w, uint32_t value);
void tacit_put_u64(struct tacit_writer *w, uint64_t value);
void tacit_put_bytes(struct tacit_writer *w, const void *bytes, size_t size);
/* Fills the rest of the buffer with zeros. */
void tacit_put_padding(struct tacit_writer *w);
/* How many bytes were written. */
size_t tacit_written(const struct tacit_writer *w);

#endif
