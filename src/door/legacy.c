/* Requests and answers; the names are in legacy_names.c. */
#include "door/legacy.h"

#include <string.h>

#include "base/cursor.h"
#include "tacit/error.h"

size_t tacit_legacy_wants(const struct tacit_legacy_input *in)
{
    return (in->want == 0 ? sizeof in->bytes - 1 : in->want) - in->got;
}

int tacit_legacy_took(struct tacit_legacy_input *in, size_t len, bool *ret_whole)
{
    in->got += len;
    if (in->want == 0 && in->got >= TACIT_LEGACY_HEADER) {
        in->want = TACIT_LEGACY_HEADER + ((size_t)in->bytes[0] << 8 | in->bytes[1]);
        if (in->want == TACIT_LEGACY_HEADER || in->want >= sizeof in->bytes ||
            in->got > in->want)
            return TACIT_EFORMAT;
    }
    *ret_whole = in->got == in->want;
    return TACIT_OK;
}

/* How many bytes the character at s takes, of left at most; 0: it is not UTF-8. */
static size_t utf8_size(const uint8_t *s, size_t left)
{
    static const uint8_t masks[] = {0x80, 0xe0, 0xf0, 0xf8},
                         marks[] = {0, 0xc0, 0xe0, 0xf0};
    size_t size = 1;
    while (size <= 4 && (s[0] & masks[size - 1]) != marks[size - 1])
        size++;
    if (size > 4 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (size == 2 && s[0] < 0xc2) ||
                    (size == 3 && s[0] == 0xe0 && s[1] < 0xa0) ||
                    (size == 4 && s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = size == 3 && s[0] == 0xed && s[1] >= 0xa0;
    bool beyond = size == 4 && (s[0] > 0xf4 || (s[0] == 0xf4 && s[1] > 0x8f));
    return overlong || surrogate || beyond ? 0 : size;
}

/* How many characters; -1: it is not UTF-8. */
static int utf8_length(const uint8_t *text, size_t len)
{
    int count = 0;
    for (size_t at = 0; at < len; count++) {
        size_t size = utf8_size(text + at, len - at);
        if (size == 0)
            return -1;
        at += size;
    }
    return count;
}

static int take_name(struct tacit_legacy_request *request, const uint8_t *name,
                     size_t len)
{
    if (memchr(name, '\0', len) != NULL)
        return TACIT_EFORMAT;
    memcpy(request->name, name, len);
    request->name[len] = '\0';
    return TACIT_OK;
}

static int read_alive(struct tacit_reader *r, struct tacit_legacy_request *request)
{
    if (tacit_left(r) < 13) /* at least a byte of name */
        return TACIT_EFORMAT;
    request->port = tacit_get_u16(r);
    request->node_type = tacit_get_u8(r);
    request->protocol = tacit_get_u8(r);
    request->version_max = tacit_get_u16(r);
    request->version_min = tacit_get_u16(r);
    size_t name_len = tacit_get_u16(r);
    const uint8_t *name = tacit_get_bytes(r, name_len);
    request->extra_len = tacit_get_u16(r);
    request->extra = tacit_get_bytes(r, request->extra_len);
    if (r->bad) /* what follows is nobody's business: epmd ignores it, too */
        return TACIT_EFORMAT;
    int characters = utf8_length(name, name_len);
    request->name_ok = name_len <= TACIT_LEGACY_NAME_MAX && characters >= 0 &&
                       characters <= 255 && request->extra_len <= TACIT_LEGACY_NAME_MAX;
    return take_name(request, name, name_len);
}

static int read_port(struct tacit_reader *r, struct tacit_legacy_request *request)
{
    size_t len = tacit_left(r);
    const uint8_t *name = tacit_get_bytes(r, len);
    if (len > 0 && name[len - 1] == '\0')
        len--;
    if (len == 0 || take_name(request, name, len) != TACIT_OK)
        return TACIT_EFORMAT;
    int characters = utf8_length(name, len); /* epmd counts the zero, too */
    return characters < 0 || characters > 254 ? TACIT_EFORMAT : TACIT_OK;
}

static int read_stop(struct tacit_reader *r, struct tacit_legacy_request *request)
{
    size_t len = tacit_left(r);
    const uint8_t *name = tacit_get_bytes(r, len);
    if (len == 0)
        return TACIT_EFORMAT;
    return take_name(request, name, strnlen((const char *)name, len));
}

int tacit_legacy_read(const struct tacit_legacy_input *in,
                      struct tacit_legacy_request *ret_request)
{
    struct tacit_reader r = tacit_reader(in->bytes, in->got);
    tacit_get_u16(&r);
    ret_request->type = (enum tacit_legacy_type)tacit_get_u8(&r);
    ret_request->name[0] = '\0';
    switch (ret_request->type) {
    case TACIT_LEGACY_ALIVE:
        return read_alive(&r, ret_request);
    case TACIT_LEGACY_PORT:
        return read_port(&r, ret_request);
    case TACIT_LEGACY_STOP:
        return read_stop(&r, ret_request);
    case TACIT_LEGACY_NAMES:
    case TACIT_LEGACY_DUMP:
    case TACIT_LEGACY_KILL:
        return TACIT_OK;
    default:
        return TACIT_EFORMAT;
    }
}

size_t tacit_legacy_alive_reply(const struct tacit_legacy_request *request,
                                const struct tacit_legacy_node *node, uint8_t out[6])
{
    struct tacit_writer w = tacit_writer(out, 6);
    bool wide = request->version_max >= 6;
    uint32_t creation = node == NULL ? 99
                        : wide       ? node->creation
                                     : node->creation % 3 + 1;
    tacit_put_u8(&w, wide ? 'v' : 'y');
    tacit_put_u8(&w, node == NULL);
    if (wide)
        tacit_put_u32(&w, creation);
    else
        tacit_put_u16(&w, (uint16_t)creation);
    return tacit_written(&w);
}

size_t tacit_legacy_port_reply(const struct tacit_legacy_node *node,
                               uint8_t out[TACIT_LEGACY_REPLY_MAX])
{
    struct tacit_writer w = tacit_writer(out, TACIT_LEGACY_REPLY_MAX);
    tacit_put_u8(&w, 'w');
    tacit_put_u8(&w, node == NULL);
    if (node != NULL) {
        tacit_put_u16(&w, node->port);
        tacit_put_u8(&w, node->node_type);
        tacit_put_u8(&w, node->protocol);
        tacit_put_u16(&w, node->version_max);
        tacit_put_u16(&w, node->version_min);
        tacit_put_u16(&w, (uint16_t)node->name_len);
        tacit_put_bytes(&w, node->bytes, node->name_len);
        tacit_put_u16(&w, (uint16_t)node->extra_len);
        tacit_put_bytes(&w, node->bytes + node->name_len + 1, node->extra_len);
    }
    return tacit_written(&w);
}
