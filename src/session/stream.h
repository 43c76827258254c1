/*
 * Records to whole messages of Erlang's, once for node, C node and command. A message is
 * 32 bits of length, big-endian, and as many bytes, across records however it falls
 * (PROTOCOL.md, "Data").
 *
 * All memory is the caller's: the one that records are read into, where a message that
 * is whole in its record is given as it lies, and that of a message which is longer. A
 * record is opened straight into the latter, where it cannot hold more than that.
 */
#ifndef TACIT_SESSION_STREAM_H
#define TACIT_SESSION_STREAM_H

#include "channel/record.h"

enum {
    TACIT_STREAM_LENGTH = 4,       /* bytes of a message's length */
    TACIT_STREAM_GREETING = 65535, /* of a message of Erlang's handshake, at most */
};

/* What tacit_stream_next came to. */
enum tacit_stream_event {
    TACIT_STREAM_RECORD,  /* there is no more data: open the next record */
    TACIT_STREAM_MESSAGE, /* one that lies whole in its record: until that is moved */
    TACIT_STREAM_LONG,    /* one that is whole in memory: until the next call */
    TACIT_STREAM_TICK,    /* one of no bytes */
    TACIT_STREAM_MEMORY_WANTED, /* tacit_stream_room says how much: again after that */
    TACIT_STREAM_TOO_LONG,      /* over max: the stream is at its end */
};

/* Zero it to start. */
struct tacit_stream {
    const uint8_t *data; /* of the record opened last: what was not taken yet */
    size_t data_len;
    uint8_t header[TACIT_STREAM_LENGTH];
    size_t header_len;
    uint8_t *memory; /* the caller's, of cap bytes */
    size_t cap;
    size_t len, got; /* of the message under way in memory; len 0: there is none */
};

/* A record that was opened. */
struct tacit_stream_record {
    enum tacit_record_type type;
    const uint8_t *data; /* TACIT_RECORD_REKEY: for tacit_keys_take */
    size_t len;
    enum tacit_close reason; /* TACIT_RECORD_CLOSE */
    char text[TACIT_CLOSE_TEXT_MAX + 1];
};

/*
 * How many bytes of memory there are to be, after MEMORY_WANTED. It grows with what has
 * come, by doubling, and not with what a length claims.
 */
size_t tacit_stream_room(const struct tacit_stream *s);

/* The same before the record of size bytes at the front is opened: cap, if it does. */
size_t tacit_stream_room_for(const struct tacit_stream *s, const struct tacit_channel *ch,
                             size_t size);

/*
 * Opens the complete record of size bytes, its data in place or into memory. Where it is
 * data, tacit_stream_next has it. Only where all data was taken. An error, of which
 * ret->text says what it is, for people: the record does not open (then type is
 * TACIT_RECORD_DATA), or is a malformed close (TACIT_EFORMAT).
 */
int tacit_stream_open(struct tacit_stream *s, struct tacit_channel *ch, uint8_t *record,
                      size_t size, struct tacit_stream_record *ret);

/* As tacit_stream_next, of a message that crosses records. */
enum tacit_stream_event tacit_stream_next_piece(struct tacit_stream *s, size_t max,
                                                const uint8_t **ret_bytes,
                                                size_t *ret_len);

/* The next message, of at most max bytes, and where it is. Here, as most are small. */
static inline enum tacit_stream_event tacit_stream_next(struct tacit_stream *s,
                                                        size_t max,
                                                        const uint8_t **ret_bytes,
                                                        size_t *ret_len)
{
    if (s->data_len == 0 && s->len == 0)
        return TACIT_STREAM_RECORD;
    if (s->len > 0 || s->header_len > 0 || s->data_len < TACIT_STREAM_LENGTH)
        return tacit_stream_next_piece(s, max, ret_bytes, ret_len);
    size_t len = (size_t)s->data[0] << 24 | (size_t)s->data[1] << 16 |
                 (size_t)s->data[2] << 8 | s->data[3];
    if (len == 0 || len > max || len > s->data_len - TACIT_STREAM_LENGTH)
        return tacit_stream_next_piece(s, max, ret_bytes, ret_len);
    *ret_bytes = s->data + TACIT_STREAM_LENGTH;
    *ret_len = len;
    s->data += TACIT_STREAM_LENGTH + len;
    s->data_len -= TACIT_STREAM_LENGTH + len;
    return TACIT_STREAM_MESSAGE;
}

#endif
