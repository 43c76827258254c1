#include "session/stream.h"

#include <stdio.h>
#include <string.h>

#include "base/cursor.h"

enum {
    FIRST_ROOM = 128 * 1024, /* memory of a long message, to start with */
};

/* --- memory ------------------------------------------------------------------------- */

static size_t room(const struct tacit_stream *s, size_t more)
{
    size_t need = s->got + more, size = 2 * s->cap;
    if (need <= s->cap)
        return s->cap;
    if (size < FIRST_ROOM)
        size = FIRST_ROOM;
    if (size > s->len)
        size = s->len;
    return size < need ? need : size;
}

/* What is there of it and belongs to the message under way. */
static size_t at_hand(const struct tacit_stream *s)
{
    size_t left = s->len - s->got;
    return s->data_len < left ? s->data_len : left;
}

size_t tacit_stream_room(const struct tacit_stream *s)
{
    return room(s, at_hand(s));
}

/* Bytes of data in a record of size bytes, of whatever type. */
static size_t data_of(const struct tacit_channel *ch, size_t size)
{
    size_t rest = TACIT_RECORD_HEADER + tacit_suite_tag(ch->suite);
    return size < rest ? 0 : size - rest;
}

/* Whether that many bytes, and some, can all be of the message under way. */
static bool is_inside(const struct tacit_stream *s, size_t len)
{
    return len > 0 && s->len > 0 && len <= s->len - s->got;
}

size_t tacit_stream_room_for(const struct tacit_stream *s, const struct tacit_channel *ch,
                             size_t size)
{
    size_t len = data_of(ch, size);
    return is_inside(s, len) ? room(s, len) : s->cap;
}

/* --- records ------------------------------------------------------------------------ */

static int unopened(struct tacit_stream_record *ret, enum tacit_record_type type,
                    const char *text, int error)
{
    ret->type = type;
    snprintf(ret->text, sizeof ret->text, "%s", text);
    return error;
}

int tacit_stream_open(struct tacit_stream *s, struct tacit_channel *ch, uint8_t *record,
                      size_t size, struct tacit_stream_record *ret)
{
    size_t len = data_of(ch, size);
    bool direct = is_inside(s, len) && len <= s->cap - s->got;
    uint8_t *to = direct ? s->memory + s->got : record + TACIT_RECORD_HEADER;
    int error = tacit_channel_open(ch, record, size, to, &ret->len, &ret->type);
    if (error)
        return unopened(ret, TACIT_RECORD_DATA, "a record that does not open", error);
    ret->data = to;
    if (ret->type == TACIT_RECORD_CLOSE &&
        tacit_close_parse(to, ret->len, &ret->reason, ret->text) != TACIT_OK)
        return unopened(ret, TACIT_RECORD_CLOSE, "a malformed close", TACIT_EFORMAT);
    if (ret->type != TACIT_RECORD_DATA)
        return TACIT_OK;
    if (direct) {
        s->got += ret->len;
    } else {
        s->data = to;
        s->data_len = ret->len;
    }
    return TACIT_OK;
}

/* --- messages ----------------------------------------------------------------------- */

static void take(struct tacit_stream *s, uint8_t *to, size_t len)
{
    memcpy(to, s->data, len);
    s->data += len;
    s->data_len -= len;
}

static enum tacit_stream_event gather(struct tacit_stream *s, const uint8_t **ret_bytes,
                                      size_t *ret_len)
{
    size_t len = at_hand(s);
    if (len > s->cap - s->got)
        return TACIT_STREAM_MEMORY_WANTED;
    if (len > 0)
        take(s, s->memory + s->got, len);
    s->got += len;
    if (s->got < s->len)
        return TACIT_STREAM_RECORD;
    *ret_bytes = s->memory;
    *ret_len = s->len;
    s->len = s->got = 0;
    return TACIT_STREAM_LONG;
}

enum tacit_stream_event tacit_stream_next_piece(struct tacit_stream *s, size_t max,
                                                const uint8_t **ret_bytes,
                                                size_t *ret_len)
{
    if (s->len > 0)
        return gather(s, ret_bytes, ret_len);
    size_t more = TACIT_STREAM_LENGTH - s->header_len;
    if (more > s->data_len)
        more = s->data_len;
    take(s, s->header + s->header_len, more);
    s->header_len += more;
    if (s->header_len < TACIT_STREAM_LENGTH)
        return TACIT_STREAM_RECORD;
    struct tacit_reader r = tacit_reader(s->header, sizeof s->header);
    size_t len = tacit_get_u32(&r);
    s->header_len = 0;
    *ret_len = len;
    if (len == 0)
        return TACIT_STREAM_TICK;
    if (len > max)
        return TACIT_STREAM_TOO_LONG;
    if (len > s->data_len) {
        s->len = len;
        return gather(s, ret_bytes, ret_len);
    }
    *ret_bytes = s->data;
    s->data += len;
    s->data_len -= len;
    return TACIT_STREAM_MESSAGE;
}
