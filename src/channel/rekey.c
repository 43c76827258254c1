#include "rekey.h"

#include <string.h>

#include "base/cursor.h"
#include "channel/internal.h"

static const char prologue_label[] = "Tacit 1 rekey";
static const char psk_label[] = "tacit rekey v1";

/* What a record of type rekey begins with; the generation that it is about follows. */
enum subtype {
    OFFER = 1,
    ACCEPT = 2,
    SWITCH = 3,
};

/* Whether a count has reached a limit; the side that is to wait lets an eighth more pass.
 */
static bool reached(uint64_t count, uint64_t limit, bool waits)
{
    return count - (waits ? count / 9 : 0) >= limit;
}

static bool worn(const struct tacit_direction *d, const struct tacit_rekey_limits *limits,
                 bool waits)
{
    return reached(d->bytes, limits->bytes, waits) ||
           reached(d->counter, limits->records, waits);
}

bool tacit_rekey_due(const struct tacit_channel *ch,
                     const struct tacit_rekey_limits *limits, uint64_t age)
{
    return (worn(&ch->send, limits, false) || worn(&ch->receive, limits, true) ||
            reached(age, limits->seconds, ch->role == NOISE_RESPONDER)) &&
           !ch->failed && ch->rekey.state == TACIT_REKEY_NONE &&
           ch->generation < UINT32_MAX;
}

bool tacit_rekey_overdue(const struct tacit_channel *ch,
                         const struct tacit_rekey_limits *limits, uint64_t waited)
{
    uint64_t limit =
        limits->seconds > TACIT_REKEY_WAIT_MIN ? limits->seconds : TACIT_REKEY_WAIT_MIN;
    return !ch->failed && ch->rekey.state != TACIT_REKEY_NONE && waited >= limit;
}

static bool used_little(const struct tacit_direction *d)
{
    return d->bytes < TACIT_REKEY_BYTES_MIN && d->counter < TACIT_REKEY_RECORDS_MIN;
}

bool tacit_rekey_is_early(const struct tacit_channel *ch, const uint8_t *data, size_t len)
{
    return len > 0 && data[0] == OFFER && used_little(&ch->send) &&
           used_little(&ch->receive);
}

/* --- the handshake inside --------------------------------------------------------------
 */

/* What the psk is made of. */
struct source {
    const struct tacit_channel *ch;
    const struct tacit_rekey_keys *keys;
};

/* psk2: the pair key and the present root, so that neither alone is enough. */
static int give_psk(void *context, const struct noise_handshake *noise, unsigned index,
                    struct tacit_secret *ret_psk)
{
    const struct source *source = context;
    uint8_t input[sizeof psk_label - 1 + TACIT_KEY_BYTES], out[NOISE_HASHLEN];
    (void)noise, (void)index; /* there is one */
    memcpy(input, psk_label, sizeof psk_label - 1);
    memcpy(input + sizeof psk_label - 1, source->keys->pair_key.bytes, TACIT_KEY_BYTES);
    noise_hmac(source->ch->root, NOISE_HASHLEN, input, sizeof input, out);
    memcpy(ret_psk->bytes, out, sizeof ret_psk->bytes);
    tacit_wipe(input, sizeof input);
    tacit_wipe(out, sizeof out);
    return TACIT_OK;
}

static int start(struct noise_handshake *noise, enum noise_role role,
                 struct source *source)
{
    uint8_t prologue[sizeof prologue_label - 1 + 4 + NOISE_HASHLEN];
    struct tacit_writer w = tacit_writer(prologue, sizeof prologue);
    if (tacit__protocol(TACIT__REKEY) == NULL)
        return TACIT_EINVAL;
    tacit_put_bytes(&w, prologue_label, sizeof prologue_label - 1);
    tacit_put_u32(&w, source->ch->generation + 1);
    tacit_put_bytes(&w, source->ch->h, NOISE_HASHLEN);
    return noise_handshake_init(noise, tacit__protocol(TACIT__REKEY), role, prologue,
                                tacit_written(&w), source->keys->identity,
                                source->keys->peer_key, give_psk, source);
}

/* Reads one of KK's messages, which must have no payload. */
static int read_message(struct noise_handshake *noise, const uint8_t *msg)
{
    uint8_t none[1];
    size_t len;
    return noise_handshake_read(noise, msg, TACIT_REKEY_MESSAGE, none, 0, &len);
}

static int write_message(struct noise_handshake *noise, uint8_t msg[TACIT_REKEY_MESSAGE])
{
    static const uint8_t none[1];
    size_t len;
    return noise_handshake_write(noise, none, 0, msg, TACIT_REKEY_MESSAGE, &len);
}

/* The finished handshake's keys become the next generation's root. */
static void take_root(struct tacit_channel *ch, struct noise_handshake *noise)
{
    struct noise_cipher send, receive;
    /* It cannot fail: both messages are through. */
    (void)noise_handshake_split(noise, &send, &receive);
    bool offered = noise->role == NOISE_INITIATOR;
    struct tacit_secret split[2] = {offered ? send.key : receive.key,
                                    offered ? receive.key : send.key};
    tacit__set_root(ch, ch->generation + 1, split, noise->h);
    tacit_wipe(split, sizeof split);
    tacit_wipe(&send, sizeof send);
    tacit_wipe(&receive, sizeof receive);
}

/* Seals a record of the subtype, about the next generation. */
static int seal(struct tacit_channel *ch, enum subtype subtype, const uint8_t *msg,
                size_t len, uint8_t *out, size_t out_cap, size_t *ret_len)
{
    uint8_t data[TACIT_REKEY_DATA_MAX];
    struct tacit_writer w = tacit_writer(data, sizeof data);
    tacit_put_u8(&w, (uint8_t)subtype);
    tacit_put_u32(&w, ch->generation + 1);
    tacit_put_bytes(&w, msg, len);
    struct iovec iov = {.iov_base = data, .iov_len = tacit_written(&w)};
    return tacit_channel_seal(ch, TACIT_RECORD_REKEY, &iov, 1, out, out_cap, ret_len);
}

/* --- the three records -----------------------------------------------------------------
 */

/* Back to rest, with nothing left of an offer. */
static void rest(struct tacit_channel *ch)
{
    tacit_wipe(&ch->rekey, sizeof ch->rekey);
}

int tacit_rekey_offer(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                      uint8_t *out, size_t out_cap, size_t *ret_len)
{
    struct tacit_rekey *r = &ch->rekey;
    struct source source = {ch, keys};
    uint8_t msg[TACIT_REKEY_MESSAGE];
    if (ch->failed || r->state != TACIT_REKEY_NONE || ch->generation == UINT32_MAX)
        return TACIT_ESTATE;
    int error = start(&r->noise, NOISE_INITIATOR, &source);
    if (!error)
        error = write_message(&r->noise, msg);
    if (!error)
        error = seal(ch, OFFER, msg, sizeof msg, out, out_cap, ret_len);
    if (error) {
        rest(ch);
        return error;
    }
    /* The answer may take long: until then the key stays only where it is locked. */
    tacit_secret_wipe(&r->noise.s.private_key);
    r->noise.psk_context = NULL;
    r->state = TACIT_REKEY_OFFERED;
    return TACIT_OK;
}

static int accept_offer(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                        const uint8_t *msg, uint8_t *out, size_t out_cap, size_t *ret_len)
{
    struct noise_handshake noise;
    struct source source = {ch, keys};
    uint8_t answer[TACIT_REKEY_MESSAGE];
    int error = start(&noise, NOISE_RESPONDER, &source);
    if (!error)
        error = read_message(&noise, msg);
    if (!error)
        error = write_message(&noise, answer);
    if (!error)
        error = seal(ch, ACCEPT, answer, sizeof answer, out, out_cap, ret_len);
    if (!error) {
        take_root(ch, &noise);
        tacit__switch_send(ch);
        ch->rekey.state = TACIT_REKEY_ACCEPTED;
    }
    tacit_wipe(&noise, sizeof noise);
    return error;
}

static int take_offer(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                      const uint8_t *msg, uint8_t *out, size_t out_cap, size_t *ret_len)
{
    struct tacit_rekey *r = &ch->rekey;
    if (r->state == TACIT_REKEY_ACCEPTED || r->ignored)
        return TACIT_EFORMAT;
    /* Offers that cross: the handshake's initiator's counts, and each side knows it. */
    if (r->state == TACIT_REKEY_OFFERED && ch->role == NOISE_INITIATOR) {
        r->ignored = true;
        *ret_len = 0;
        return TACIT_OK;
    }
    rest(ch);
    return accept_offer(ch, keys, msg, out, out_cap, ret_len);
}

static int take_accept(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                       const uint8_t *msg, uint8_t *out, size_t out_cap, size_t *ret_len)
{
    struct tacit_rekey *r = &ch->rekey;
    struct source source = {ch, keys};
    if (r->state != TACIT_REKEY_OFFERED)
        return TACIT_EFORMAT;
    r->noise.s.private_key = keys->identity->private_key;
    r->noise.psk_context = &source;
    int error = read_message(&r->noise, msg);
    if (!error)
        error = seal(ch, SWITCH, NULL, 0, out, out_cap, ret_len);
    if (!error) {
        take_root(ch, &r->noise);
        tacit__switch_send(ch);
        tacit__switch_receive(ch);
    }
    rest(ch);
    return error;
}

static int take_switch(struct tacit_channel *ch, size_t *ret_len)
{
    if (ch->rekey.state != TACIT_REKEY_ACCEPTED)
        return TACIT_EFORMAT;
    tacit__switch_receive(ch);
    rest(ch);
    *ret_len = 0;
    return TACIT_OK;
}

int tacit_rekey_take(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                     const uint8_t *data, size_t len, uint8_t *out, size_t out_cap,
                     size_t *ret_len)
{
    struct tacit_reader r = tacit_reader(data, len);
    enum subtype subtype = (enum subtype)tacit_get_u8(&r);
    uint32_t generation = tacit_get_u32(&r);
    size_t expected = subtype == SWITCH ? 0 : TACIT_REKEY_MESSAGE;
    if (ch->failed)
        return TACIT_ESTATE;
    if (r.bad || tacit_left(&r) != expected)
        return TACIT_EFORMAT;
    /* A switch ends what its receiver has accepted; the others begin the next one. */
    uint64_t next = subtype == SWITCH ? ch->generation : ch->generation + UINT64_C(1);
    if (generation != next)
        return TACIT_EFORMAT;
    switch (subtype) {
    case OFFER:
        return take_offer(ch, keys, r.at, out, out_cap, ret_len);
    case ACCEPT:
        return take_accept(ch, keys, r.at, out, out_cap, ret_len);
    case SWITCH:
        return take_switch(ch, ret_len);
    default:
        return TACIT_EFORMAT;
    }
}
