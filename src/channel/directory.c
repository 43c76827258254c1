#include "directory.h"

#include <string.h>

#include "base/cursor.h"

enum message {
    ASK_NAMES = 1, /* requester: one byte */
    NAMES = 2,     /* door: names, each behind its length */
    NAMES_END = 3, /* door: how many there were, 32 bits */
};

enum {
    LENGTH = 4, /* before each message, as in every stream of records */
};

static int seal_message(struct tacit_channel *ch, const uint8_t *bytes, size_t len,
                        uint8_t *out, size_t cap, size_t *ret_len)
{
    uint8_t length[LENGTH];
    struct tacit_writer w = tacit_writer(length, sizeof length);
    tacit_put_u32(&w, (uint32_t)len);
    struct iovec iov[] = {
        {.iov_base = length, .iov_len = sizeof length},
        {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len},
    };
    return tacit_channel_seal(ch, TACIT_RECORD_DATA, iov, 2, out, cap, ret_len);
}

/* The one message that is all of a record's data. */
static int get_message(const uint8_t *data, size_t len, struct tacit_reader *ret_message)
{
    struct tacit_reader r = tacit_reader(data, len);
    if (tacit_get_u32(&r) != tacit_left(&r) || r.bad)
        return TACIT_EFORMAT;
    *ret_message = r;
    return TACIT_OK;
}

int tacit_directory_ask(struct tacit_channel *ch,
                        uint8_t out[TACIT_DIRECTORY_QUESTION_MAX], size_t *ret_len)
{
    static const uint8_t question[] = {ASK_NAMES};
    return seal_message(ch, question, sizeof question, out, TACIT_DIRECTORY_QUESTION_MAX,
                        ret_len);
}

int tacit_directory_question(struct tacit_channel *ch, uint8_t *record, size_t size)
{
    uint8_t *data = record + TACIT_RECORD_HEADER;
    enum tacit_record_type type;
    size_t len;
    int error = tacit_channel_open(ch, record, size, data, &len, &type);
    if (error)
        return error;
    struct tacit_reader r;
    if (type != TACIT_RECORD_DATA || get_message(data, len, &r) != TACIT_OK ||
        tacit_left(&r) != 1 || tacit_get_u8(&r) != ASK_NAMES)
        return TACIT_EFORMAT;
    return TACIT_OK;
}

/* The end of the answer and of the link, in two records. */
static int seal_end(struct tacit_channel *ch, size_t count, uint8_t *out, size_t cap,
                    size_t *ret_len)
{
    uint8_t end[1 + 4];
    size_t len, close_len;
    struct tacit_writer w = tacit_writer(end, sizeof end);
    tacit_put_u8(&w, NAMES_END);
    tacit_put_u32(&w, (uint32_t)count);
    int error = seal_message(ch, end, sizeof end, out, cap, &len);
    if (!error)
        error = tacit_channel_seal_close(ch, TACIT_CLOSE_DONE, "", out + len, cap - len,
                                         &close_len);
    if (!error)
        *ret_len = len + close_len;
    return error;
}

int tacit_directory_answer(struct tacit_channel *ch, const char *const *names,
                           size_t count, size_t *from,
                           uint8_t out[TACIT_DIRECTORY_ANSWER_MAX], size_t *ret_len,
                           bool *ret_done)
{
    uint8_t message[TACIT_DIRECTORY_ANSWER_MAX - 64]; /* the rest is the record's own */
    struct tacit_writer w = tacit_writer(message, sizeof message);
    size_t next = *from;
    *ret_done = next == count;
    if (*ret_done)
        return seal_end(ch, count, out, TACIT_DIRECTORY_ANSWER_MAX, ret_len);
    tacit_put_u8(&w, NAMES);
    for (; next < count; next++) {
        size_t len = strnlen(names[next], TACIT_CLAIM_NAME_MAX + 1);
        if (len > TACIT_CLAIM_NAME_MAX)
            return TACIT_EINVAL;
        if (tacit_written(&w) + 1 + len > sizeof message)
            break;
        tacit_put_u8(&w, (uint8_t)len);
        tacit_put_bytes(&w, names[next], len);
    }
    int error = seal_message(ch, message, tacit_written(&w), out,
                             TACIT_DIRECTORY_ANSWER_MAX, ret_len);
    if (!error)
        *from = next;
    return error;
}

/* A name of the door's: printable, so that it can be shown; anything else is none. */
static bool get_name(struct tacit_reader *r, char name[TACIT_CLAIM_NAME_MAX + 1])
{
    size_t len = tacit_get_u8(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    for (size_t i = 0; bytes != NULL && i < len; i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    if (bytes == NULL || len == 0)
        return false;
    memcpy(name, bytes, len);
    name[len] = '\0';
    return true;
}

/* Checks the names before any of them is given out. */
static int take_names(struct tacit_directory_requester *requester, uint8_t *bytes,
                      size_t len)
{
    char name[TACIT_CLAIM_NAME_MAX + 1];
    struct tacit_reader r = tacit_reader(bytes, len);
    uint32_t count = 0;
    for (; tacit_left(&r) > 0; count++)
        if (!get_name(&r, name))
            return TACIT_EFORMAT;
    if (count == 0 || count > UINT32_MAX - requester->count)
        return TACIT_EFORMAT;
    requester->count += count;
    requester->at = bytes;
    requester->end = bytes + len;
    return TACIT_OK;
}

int tacit_directory_take(struct tacit_directory_requester *requester,
                         struct tacit_channel *ch, uint8_t *record, size_t size,
                         enum tacit_close *ret_reason,
                         char ret_text[TACIT_CLOSE_TEXT_MAX + 1])
{
    uint8_t *data = record + TACIT_RECORD_HEADER;
    enum tacit_record_type type;
    size_t len;
    requester->at = requester->end = NULL;
    int error = tacit_channel_open(ch, record, size, data, &len, &type);
    if (error)
        return error;
    if (type == TACIT_RECORD_CLOSE) {
        error = tacit_close_parse(data, len, ret_reason, ret_text);
        return error ? error : TACIT_ECLOSED;
    }
    struct tacit_reader r;
    if (type != TACIT_RECORD_DATA || requester->complete ||
        get_message(data, len, &r) != TACIT_OK)
        return TACIT_EFORMAT;
    uint8_t kind = tacit_get_u8(&r);
    if (kind == NAMES)
        return take_names(requester, data + len - tacit_left(&r), tacit_left(&r));
    if (kind != NAMES_END || tacit_get_u32(&r) != requester->count || r.bad ||
        tacit_left(&r) > 0)
        return TACIT_EFORMAT;
    requester->complete = true;
    return TACIT_OK;
}

bool tacit_directory_next(struct tacit_directory_requester *requester,
                          char ret_name[TACIT_CLAIM_NAME_MAX + 1])
{
    if (requester->at == requester->end)
        return false;
    struct tacit_reader r =
        tacit_reader(requester->at, (size_t)(requester->end - requester->at));
    if (!get_name(&r, ret_name))
        return false;
    requester->at = requester->end - tacit_left(&r);
    return true;
}
