#include "record.h"

#include <string.h>

#include "base/cursor.h"
#include "channel/internal.h"

/* Beyond these AES-256-GCM's promises weaken; PROTOCOL.md, "Limits". */
static const uint64_t RECORDS_MAX = UINT64_C(1) << 32;
static const uint64_t BYTES_MAX = UINT64_C(1) << 38;

static const char *const close_names[TACIT_CLOSE_LAST + 1] = {
    [TACIT_CLOSE_DONE] = "done",
    [TACIT_CLOSE_REFUSED] = "refused",
    [TACIT_CLOSE_NAME] = "name",
    [TACIT_CLOSE_MISMATCH] = "name_mismatch",
    [TACIT_CLOSE_KEY_LIMIT] = "key_limit",
    [TACIT_CLOSE_PROTOCOL] = "protocol",
    [TACIT_CLOSE_TOO_BIG] = "too_big",
    [TACIT_CLOSE_ADDRESS] = "address",
    [TACIT_CLOSE_DIRECTION] = "direction",
    [TACIT_CLOSE_EXPIRED] = "expired",
    [TACIT_CLOSE_REVOKED] = "revoked",
    [TACIT_CLOSE_CERTIFICATE] = "certificate",
    [TACIT_CLOSE_VISIBILITY] = "visibility",
    [TACIT_CLOSE_BUSY] = "busy",
};

const char *tacit_close_name(enum tacit_close reason)
{
    return reason < 1 || reason > TACIT_CLOSE_LAST ? "unknown" : close_names[reason];
}

/* record key = Expand(root, label, suite, direction, generation, h): bound to its use. */
static void derive_key(struct tacit_seal_key *ret_key, const struct tacit_channel *ch,
                       enum noise_role sender)
{
    static const char label[] = "tacit record v1";
    uint8_t info[sizeof label - 1 + 1 + 1 + 4 + NOISE_HASHLEN];
    struct tacit_writer w = tacit_writer(info, sizeof info);
    tacit_put_bytes(&w, label, sizeof label - 1);
    tacit_put_u8(&w, (uint8_t)ch->suite);
    tacit_put_u8(&w, sender == NOISE_INITIATOR ? 0 : 1);
    tacit_put_u32(&w, ch->generation);
    tacit_put_bytes(&w, ch->h, NOISE_HASHLEN);
    struct tacit_secret key;
    noise_expand(ch->root, info, tacit_written(&w), key.bytes, sizeof key.bytes);
    tacit_seal_key_init(ret_key, ch->suite, &key);
    tacit_secret_wipe(&key);
    tacit_wipe_stack();
}

void tacit__set_root(struct tacit_channel *ch, uint32_t generation,
                     const struct tacit_secret split[2], const uint8_t h[NOISE_HASHLEN])
{
    uint8_t both[2 * TACIT_KEY_BYTES];
    memcpy(both, split[0].bytes, TACIT_KEY_BYTES);
    memcpy(both + TACIT_KEY_BYTES, split[1].bytes, TACIT_KEY_BYTES);
    noise_hmac(h, NOISE_HASHLEN, both, sizeof both, ch->root); /* HKDF-Extract, salt h */
    memcpy(ch->h, h, NOISE_HASHLEN);
    ch->generation = generation;
    tacit_wipe(both, sizeof both);
}

void tacit__switch_send(struct tacit_channel *ch)
{
    tacit_wipe(&ch->send, sizeof ch->send);
    derive_key(&ch->send.key, ch, ch->role);
}

void tacit__switch_receive(struct tacit_channel *ch)
{
    tacit_wipe(&ch->receive, sizeof ch->receive);
    derive_key(&ch->receive.key, ch,
               ch->role == NOISE_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR);
}

void tacit_channel_init(struct tacit_channel *ch, enum noise_role role,
                        enum tacit_suite suite, const struct tacit_secret split[2],
                        const uint8_t h[NOISE_HASHLEN])
{
    memset(ch, 0, sizeof *ch);
    ch->role = role;
    ch->suite = suite;
    tacit__set_root(ch, 0, split, h);
    tacit__switch_send(ch);
    tacit__switch_receive(ch);
}

void tacit_channel_wipe(struct tacit_channel *ch)
{
    tacit_wipe(ch, sizeof *ch);
    ch->failed = true;
}

static int fail(struct tacit_channel *ch, int error)
{
    tacit_channel_wipe(ch);
    return error;
}

static bool worn(const struct tacit_direction *d, size_t more)
{
    return d->counter >= RECORDS_MAX || d->bytes + more > BYTES_MAX;
}

enum {
    AD_BYTES = TACIT_RECORD_HEADER + 1,
};

/* What a seal covers beside the data: the length, and the type, which is not sent. */
static void make_ad(uint8_t ad[AD_BYTES], size_t body, enum tacit_record_type type)
{
    ad[0] = (uint8_t)(body >> 8);
    ad[1] = (uint8_t)body;
    ad[2] = (uint8_t)type;
}

/* The data in one piece: where it lies if it is one already, else put together at out. */
static const uint8_t *in_one_piece(const struct iovec *iov, int iov_count, uint8_t *out)
{
    if (iov_count == 1)
        return iov[0].iov_base;
    uint8_t *at = out;
    for (int i = 0; i < iov_count; i++) {
        if (iov[i].iov_base != at && iov[i].iov_len > 0)
            memcpy(at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    return out;
}

int tacit_channel_seal(struct tacit_channel *ch, enum tacit_record_type type,
                       const struct iovec *iov, int iov_count, uint8_t *out,
                       size_t out_cap, size_t *ret_len)
{
    if (ch->failed)
        return TACIT_ESTATE;
    size_t data = 0, tag = tacit_suite_tag(ch->suite);
    for (int i = 0; i < iov_count; i++) {
        if (iov[i].iov_len > TACIT_RECORD_DATA_MAX - data)
            return TACIT_ELIMIT;
        data += iov[i].iov_len;
    }
    size_t body = data + tag;
    if (type != TACIT_RECORD_DATA && data > TACIT_CONTROL_MAX)
        return TACIT_ELIMIT;
    if (worn(&ch->send, body))
        return TACIT_ELIMIT;
    if (out_cap < TACIT_RECORD_HEADER + body)
        return TACIT_ESPACE;

    uint8_t ad[AD_BYTES], *sealed = out + TACIT_RECORD_HEADER;
    const uint8_t *plain = in_one_piece(iov, iov_count, sealed);
    make_ad(ad, body, type);
    memcpy(out, ad, TACIT_RECORD_HEADER);
    tacit_seal(&ch->send.key, ch->send.counter, ad, sizeof ad, plain, data, sealed);
    ch->send.counter++;
    ch->send.bytes += body;
    *ret_len = TACIT_RECORD_HEADER + body;
    return TACIT_OK;
}

size_t tacit_record_size(const uint8_t *bytes, size_t len)
{
    if (len < TACIT_RECORD_HEADER)
        return 0;
    return TACIT_RECORD_HEADER + ((size_t)bytes[0] << 8 | bytes[1]);
}

/*
 * Opens a body as data, or else, if it is small enough, as one of the other types: a
 * failed attempt may have spoilt the body where it is opened in place, so that a copy is
 * kept.
 */
static int open_as(const struct tacit_direction *d, const uint8_t *body, size_t size,
                   size_t tag, uint8_t *out, enum tacit_record_type *ret_type)
{
    uint8_t ad[AD_BYTES], copy[TACIT_CONTROL_MAX + TACIT_TAG_MAX];
    bool may_be_control = size <= TACIT_CONTROL_MAX + tag;
    if (may_be_control)
        memcpy(copy, body, size);
    *ret_type = TACIT_RECORD_DATA;
    make_ad(ad, size, *ret_type);
    int error = tacit_unseal(&d->key, d->counter, ad, sizeof ad, body, size, out);
    while (error && may_be_control && *ret_type < TACIT_RECORD_CLOSE) {
        ++*ret_type;
        make_ad(ad, size, *ret_type);
        error = tacit_unseal(&d->key, d->counter, ad, sizeof ad, copy, size, out);
    }
    return error;
}

int tacit_channel_open(struct tacit_channel *ch, const uint8_t *record, size_t size,
                       uint8_t *out, size_t *ret_len, enum tacit_record_type *ret_type)
{
    if (ch->failed)
        return TACIT_ESTATE;
    size_t tag = tacit_suite_tag(ch->suite);
    if (size < TACIT_RECORD_HEADER + tag || size != tacit_record_size(record, size))
        return fail(ch, TACIT_EFORMAT);
    size_t body = size - TACIT_RECORD_HEADER;
    if (worn(&ch->receive, body))
        return fail(ch, TACIT_ELIMIT);
    int error =
        open_as(&ch->receive, record + TACIT_RECORD_HEADER, body, tag, out, ret_type);
    if (error)
        return fail(ch, error);
    ch->receive.counter++;
    ch->receive.bytes += body;
    *ret_len = body - tag;
    return TACIT_OK;
}

int tacit_channel_seal_close(struct tacit_channel *ch, enum tacit_close reason,
                             const char *text, uint8_t *out, size_t out_cap,
                             size_t *ret_len)
{
    uint8_t code = (uint8_t)reason;
    struct iovec iov[2] = {
        {.iov_base = &code, .iov_len = 1},
        {.iov_base = (void *)(uintptr_t)text,
         .iov_len = strnlen(text, TACIT_CLOSE_TEXT_MAX)},
    };
    return tacit_channel_seal(ch, TACIT_RECORD_CLOSE, iov, 2, out, out_cap, ret_len);
}

int tacit_close_parse(const uint8_t *data, size_t len, enum tacit_close *ret_reason,
                      char ret_text[TACIT_CLOSE_TEXT_MAX + 1])
{
    if (len < 1 || len > 1 + TACIT_CLOSE_TEXT_MAX || data[0] == 0)
        return TACIT_EFORMAT;
    for (size_t i = 1; i < len; i++)
        ret_text[i - 1] = data[i] >= ' ' && data[i] <= '~' ? (char)data[i] : '?';
    ret_text[len - 1] = '\0';
    *ret_reason = (enum tacit_close)data[0];
    return TACIT_OK;
}
