#include "door/protocol.h"

#include <string.h>

#include "base/cursor.h"

enum {
    EXTENSION_CONF = 1, /* of register */
};

static void put_text(struct tacit_writer *w, const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    for (size_t i = 0; i < len; i++)
        w->bad |= text[i] < ' ' || text[i] > '~';
    w->bad |= len > max;
    tacit_put_u8(w, (uint8_t)len);
    tacit_put_bytes(w, text, len);
}

/* Printable, so that it can stand in a log. lowest is ' ', or '!' for a name. */
static void get_text(struct tacit_reader *r, char lowest,
                     char text[TACIT_DOOR_TEXT_MAX + 1])
{
    size_t len = tacit_get_u8(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    for (size_t i = 0; bytes != NULL && i < len; i++) {
        r->bad |= bytes[i] < lowest || bytes[i] > '~';
        text[i] = (char)bytes[i];
    }
    text[bytes == NULL ? 0 : len] = '\0';
}

/*
 * Blocks of type, length, bytes, as in the channel's payloads. The one of the type that
 * is known, a text, is taken, at most once; where text is NULL, none is. Others are later
 * versions', and passed over.
 */
static void get_extensions(struct tacit_reader *r, unsigned known,
                           char text[TACIT_DOOR_TEXT_MAX + 1])
{
    size_t len = tacit_get_u16(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL)
        return;
    struct tacit_reader inner = tacit_reader(bytes, len);
    while (!inner.bad && tacit_left(&inner) > 0) {
        unsigned type = tacit_get_u8(&inner);
        size_t size = tacit_get_u16(&inner);
        const uint8_t *block = tacit_get_bytes(&inner, size);
        if (block == NULL || text == NULL || type != known)
            continue;
        r->bad |= size == 0 || size > TACIT_DOOR_TEXT_MAX || text[0] != '\0';
        for (size_t i = 0; !r->bad && i < size; i++) {
            r->bad |= block[i] < ' ' || block[i] > '~';
            text[i] = (char)block[i];
        }
    }
    r->bad |= inner.bad;
}

static void skip_extensions(struct tacit_reader *r)
{
    get_extensions(r, 0, NULL);
}

/* --- bodies ----------------------------------------------------------------------- */

static void put_register(struct tacit_writer *w, const struct tacit_door_register *reg)
{
    tacit_put_u8(w, reg->version_min);
    tacit_put_u8(w, reg->version_max);
    tacit_put_u32(w, reg->creation);
    put_text(w, reg->name, TACIT_NAME_MAX);
    put_text(w, reg->release, TACIT_DOOR_TEXT_MAX);
    size_t len = strnlen(reg->conf, TACIT_DOOR_TEXT_MAX);
    tacit_put_u16(w, len == 0 ? 0 : (uint16_t)(1 + 2 + len));
    if (len == 0)
        return;
    tacit_put_u8(w, EXTENSION_CONF);
    tacit_put_u16(w, (uint16_t)len);
    tacit_put_bytes(w, reg->conf, len);
}

static void get_register(struct tacit_reader *r, struct tacit_door_register *reg)
{
    reg->version_min = tacit_get_u8(r);
    reg->version_max = tacit_get_u8(r);
    reg->creation = tacit_get_u32(r);
    get_text(r, '!', reg->name);
    get_text(r, ' ', reg->release);
    get_extensions(r, EXTENSION_CONF, reg->conf);
    r->bad |= reg->version_min == 0 || reg->version_min > reg->version_max;
}

static void put_registered(struct tacit_writer *w,
                           const struct tacit_door_registered *registered)
{
    tacit_put_u8(w, registered->version);
    tacit_put_u32(w, registered->creation);
    put_text(w, registered->release, TACIT_DOOR_TEXT_MAX);
    tacit_put_u16(w, 0);
}

static void get_registered(struct tacit_reader *r,
                           struct tacit_door_registered *registered)
{
    registered->version = tacit_get_u8(r);
    registered->creation = tacit_get_u32(r);
    get_text(r, ' ', registered->release);
    skip_extensions(r);
    r->bad |= registered->version == 0 || registered->creation == 0;
}

static void put_pass(struct tacit_writer *w, const struct tacit_door_pass *pass)
{
    w->bad |= pass->peer.family != 4 && pass->peer.family != 6;
    tacit_put_u64(w, pass->accepted);
    tacit_put_u8(w, pass->peer.family);
    tacit_put_bytes(w, pass->peer.bytes, sizeof pass->peer.bytes);
    tacit_put_u16(w, pass->peer.port);
    tacit_put_u32(w, pass->peer.scope);
    tacit_put_u16(w, 0);
    tacit_put_bytes(w, pass->first, sizeof pass->first);
}

static void get_pass(struct tacit_reader *r, struct tacit_door_pass *pass)
{
    pass->accepted = tacit_get_u64(r);
    pass->peer.family = tacit_get_u8(r);
    const uint8_t *address = tacit_get_bytes(r, sizeof pass->peer.bytes);
    pass->peer.port = tacit_get_u16(r);
    pass->peer.scope = tacit_get_u32(r);
    skip_extensions(r);
    const uint8_t *first = tacit_get_bytes(r, sizeof pass->first);
    r->bad |= pass->peer.family != 4 && pass->peer.family != 6;
    if (r->bad)
        return;
    memcpy(pass->peer.bytes, address, sizeof pass->peer.bytes);
    memcpy(pass->first, first, sizeof pass->first);
}

static void get_keys(struct tacit_reader *r, struct tacit_key_ids *keys)
{
    size_t len = tacit_left(r);
    r->bad |= len == 0 || len % TACIT_KEY_ID != 0 || len > sizeof keys->at;
    if (r->bad)
        return;
    keys->count = len / TACIT_KEY_ID;
    memcpy(keys->at, tacit_get_bytes(r, len), len);
}

/* Words of a source each, in their order. */
enum {
    FORGOTTEN = 0,
    KNOWN = 1,
    SOURCE_WORD = 1 + 8,
};

static void put_sources(struct tacit_writer *w,
                        const struct tacit_admission_news *sources)
{
    w->bad |= sources->count == 0 || sources->count > TACIT_ADMISSION_NEWS_MAX;
    for (size_t i = 0; !w->bad && i < sources->count; i++) {
        w->bad |= sources->sources[i] == 0;
        tacit_put_u8(w, sources->known[i] ? KNOWN : FORGOTTEN);
        tacit_put_u64(w, sources->sources[i]);
    }
}

static void get_sources(struct tacit_reader *r, struct tacit_admission_news *sources)
{
    size_t len = tacit_left(r);
    r->bad |= len == 0 || len % SOURCE_WORD != 0 ||
              len / SOURCE_WORD > TACIT_ADMISSION_NEWS_MAX;
    while (!r->bad && tacit_left(r) > 0) {
        unsigned word = tacit_get_u8(r);
        uint64_t source = tacit_get_u64(r);
        r->bad |= word > KNOWN || source == 0;
        sources->known[sources->count] = word == KNOWN;
        sources->sources[sources->count++] = source;
    }
}

/* --- frames ----------------------------------------------------------------------- */

int tacit_door_write(const struct tacit_door_frame *frame,
                     uint8_t out[TACIT_DOOR_FRAME_MAX], size_t *ret_len)
{
    struct tacit_writer w = tacit_writer(out, TACIT_DOOR_FRAME_MAX);
    tacit_put_u16(&w, 0);
    tacit_put_u8(&w, (uint8_t)frame->type);
    switch (frame->type) {
    case TACIT_DOOR_REGISTER:
        put_register(&w, &frame->reg);
        break;
    case TACIT_DOOR_REGISTERED:
        put_registered(&w, &frame->registered);
        break;
    case TACIT_DOOR_REFUSED:
        tacit_put_u8(&w, frame->refused.reason);
        put_text(&w, frame->refused.text, TACIT_DOOR_TEXT_MAX);
        break;
    case TACIT_DOOR_PASS:
        put_pass(&w, &frame->pass);
        break;
    case TACIT_DOOR_REPORT:
        tacit_put_bytes(&w, frame->report.bytes, frame->report.len);
        break;
    case TACIT_DOOR_KEYS:
        w.bad |= frame->keys.count == 0 || frame->keys.count > TACIT_KEY_IDS_MAX;
        if (!w.bad)
            tacit_put_bytes(&w, frame->keys.at, frame->keys.count * TACIT_KEY_ID);
        break;
    case TACIT_DOOR_SOURCES:
        put_sources(&w, &frame->sources);
        break;
    case TACIT_DOOR_SHOW:
    case TACIT_DOOR_RELOAD:
    case TACIT_DOOR_END:
        break;
    default:
        return TACIT_EINVAL;
    }
    if (w.bad)
        return TACIT_EINVAL;
    size_t len = tacit_written(&w);
    w = tacit_writer(out, TACIT_DOOR_HEADER);
    tacit_put_u16(&w, (uint16_t)(len - TACIT_DOOR_HEADER));
    *ret_len = len;
    return TACIT_OK;
}

static void get_body(struct tacit_reader *r, struct tacit_door_frame *frame)
{
    switch (frame->type) {
    case TACIT_DOOR_REGISTER:
        get_register(r, &frame->reg);
        break;
    case TACIT_DOOR_REGISTERED:
        get_registered(r, &frame->registered);
        break;
    case TACIT_DOOR_REFUSED:
        frame->refused.reason = tacit_get_u8(r);
        get_text(r, ' ', frame->refused.text);
        break;
    case TACIT_DOOR_PASS:
        get_pass(r, &frame->pass);
        break;
    case TACIT_DOOR_REPORT:
        frame->report.len = tacit_left(r);
        if (frame->report.len > 0 && frame->report.len <= TACIT_DOOR_REPORT_MAX)
            memcpy(frame->report.bytes, tacit_get_bytes(r, frame->report.len),
                   frame->report.len);
        break;
    case TACIT_DOOR_KEYS:
        get_keys(r, &frame->keys);
        break;
    case TACIT_DOOR_SOURCES:
        get_sources(r, &frame->sources);
        break;
    case TACIT_DOOR_SHOW:
    case TACIT_DOOR_RELOAD:
    case TACIT_DOOR_END:
        break;
    default:
        r->bad = true;
    }
}

int tacit_door_read(const uint8_t *bytes, size_t len, struct tacit_door_frame *ret_frame)
{
    struct tacit_door_frame frame = {0};
    struct tacit_reader r = tacit_reader(bytes, len);
    size_t claimed = tacit_get_u16(&r);
    frame.type = (enum tacit_door_type)tacit_get_u8(&r);
    if (r.bad || len > TACIT_DOOR_FRAME_MAX || claimed != len - TACIT_DOOR_HEADER)
        return TACIT_EFORMAT;
    get_body(&r, &frame);
    if (r.bad || tacit_left(&r) > 0)
        return TACIT_EFORMAT;
    *ret_frame = frame;
    return TACIT_OK;
}

size_t tacit_door_wants(const struct tacit_door_input *in, bool *ret_bad)
{
    *ret_bad = false;
    if (in->len < TACIT_DOOR_HEADER)
        return TACIT_DOOR_HEADER - in->len;
    size_t whole = TACIT_DOOR_HEADER + ((size_t)in->bytes[0] << 8 | in->bytes[1]);
    if (whole == TACIT_DOOR_HEADER || whole > TACIT_DOOR_FRAME_MAX) {
        *ret_bad = true;
        return 0;
    }
    return whole - in->len;
}

void tacit_door_printable(const char *text, char ret_text[TACIT_DOOR_TEXT_MAX + 1])
{
    size_t len = strnlen(text, TACIT_DOOR_TEXT_MAX);
    for (size_t i = 0; i < len; i++)
        ret_text[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    ret_text[len] = '\0';
}

const char *tacit_door_reason_name(uint8_t reason)
{
    static const char *const names[TACIT_DOOR_REASON_LAST + 1] = {
        [TACIT_DOOR_NAME_TAKEN] = "name_taken", [TACIT_DOOR_NOT_ALLOWED] = "not_allowed",
        [TACIT_DOOR_BAD_NAME] = "bad_name",     [TACIT_DOOR_BAD_VERSION] = "bad_version",
        [TACIT_DOOR_LIMIT] = "limit",           [TACIT_DOOR_BAD_FRAME] = "bad_frame",
        [TACIT_DOOR_BAD_CONF] = "bad_conf",
    };
    if (reason == 0 || reason > TACIT_DOOR_REASON_LAST)
        return "unknown";
    return names[reason];
}
