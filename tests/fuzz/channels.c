/*
 * Two channels against each other over a line that flips, drops, repeats, swaps and cuts,
 * while both send, offer fresh keys, and close. What one side delivers is a prefix of
 * what the other sent; whatever did not come as it was sent, and in its turn, ends the
 * link.
 */
#include "channel.h"

enum {
    ON_LINE_MAX = 24, /* records under way in one direction */
    SAID_MAX = 400,   /* bytes of data in a record */
    PARCEL_MAX = TACIT_RECORD_HEADER + SAID_MAX + TACIT_TAG_MAX,
};

struct side;

struct parcel {
    const struct side *from;
    unsigned number; /* as it was sent: counts from 0 */
    size_t len;
    uint8_t bytes[PARCEL_MAX], sent[PARCEL_MAX];
};

struct side {
    _Alignas(16) struct tacit_channel channel;
    struct noise_keypair identity;
    struct tacit_rekey_keys keys;
    uint32_t said, heard;            /* bytes of the stream */
    unsigned parcels, next;          /* that it sent; the one that it must get */
    bool closed, ended;              /* it sent a close; it takes nothing more */
    struct parcel line[ON_LINE_MAX]; /* what it sent and the other has not got yet */
    size_t on_line;
};

static struct side sides[2];

static struct side *other(const struct side *s)
{
    return s == &sides[0] ? &sides[1] : &sides[0];
}

/* The k-th byte of what a side says. */
static uint8_t word(const struct side *s, uint32_t k)
{
    return (uint8_t)(k * 2654435761u >> 13) ^ (uint8_t)(s - sides);
}

static void begin(uint8_t choice)
{
    static const struct tacit_secret split[2];
    static const uint8_t h[NOISE_HASHLEN];
    fuzz_begin();
    for (int i = 0; i < 2; i++) {
        struct side *s = &sides[i];
        s->said = s->heard = s->parcels = s->next = 0;
        s->on_line = 0;
        s->closed = s->ended = false;
        noise_keypair_generate(&s->identity);
        tacit_channel_init(&s->channel, i == 0 ? NOISE_INITIATOR : NOISE_RESPONDER,
                           fuzz_suite(choice), split, h);
        s->keys.identity = &s->identity;
        s->keys.peer_key = other(s)->identity.public_key;
    }
}

/* --- sending ------------------------------------------------------------------------ */

/* A place at the line's end; NULL: it is full, or the side says nothing any more. */
static struct parcel *next_parcel(struct side *s)
{
    return s->on_line == ON_LINE_MAX || s->closed || s->ended ? NULL
                                                              : &s->line[s->on_line];
}

static void post(struct side *s, struct parcel *p, size_t len)
{
    p->len = len;
    p->from = s;
    p->number = s->parcels++;
    memcpy(p->sent, p->bytes, len);
    s->on_line++;
}

static void say(struct side *s, struct tacit_reader *in)
{
    uint8_t data[SAID_MAX];
    size_t size = tacit_get_u16(in) % sizeof data, len;
    struct parcel *p = next_parcel(s);
    if (p == NULL)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = word(s, s->said + (uint32_t)i);
    struct iovec iov = {.iov_base = data, .iov_len = size};
    MUST(tacit_channel_seal(&s->channel, TACIT_RECORD_DATA, &iov, 1, p->bytes,
                            sizeof p->bytes, &len) == TACIT_OK);
    s->said += (uint32_t)size;
    post(s, p, len);
}

static void offer(struct side *s, struct tacit_reader *in)
{
    struct parcel *p = next_parcel(s);
    size_t len;
    if (p != NULL && tacit_rekey_offer(&s->channel, &s->keys, p->bytes, sizeof p->bytes,
                                       &len) == TACIT_OK)
        post(s, p, len);
}

static void finish(struct side *s, struct tacit_reader *in)
{
    struct parcel *p = next_parcel(s);
    size_t len;
    if (p == NULL)
        return;
    MUST(tacit_channel_seal_close(&s->channel, TACIT_CLOSE_DONE, "", p->bytes,
                                  sizeof p->bytes, &len) == TACIT_OK);
    post(s, p, len);
    s->closed = true;
}

/* --- the line ----------------------------------------------------------------------- */

static void take_off(struct side *s, size_t at)
{
    memmove(&s->line[at], &s->line[at + 1], (s->on_line - at - 1) * sizeof s->line[0]);
    s->on_line--;
}

static void flip(struct side *s, struct tacit_reader *in)
{
    size_t at = tacit_get_u8(in), bit = tacit_get_u16(in);
    if (s->on_line == 0)
        return;
    struct parcel *p = &s->line[at % s->on_line];
    p->bytes[bit / 8 % p->len] ^= (uint8_t)(1u << bit % 8);
}

static void drop(struct side *s, struct tacit_reader *in)
{
    size_t at = tacit_get_u8(in);
    if (s->on_line > 0)
        take_off(s, at % s->on_line);
}

static void repeat(struct side *s, struct tacit_reader *in)
{
    size_t from = tacit_get_u8(in);
    if (s->on_line == 0 || s->on_line == ON_LINE_MAX)
        return;
    s->line[s->on_line] = s->line[from % s->on_line];
    s->on_line++;
}

static void swap(struct side *s, struct tacit_reader *in)
{
    static struct parcel between;
    size_t a = tacit_get_u8(in), b = tacit_get_u8(in);
    if (s->on_line == 0)
        return;
    a %= s->on_line;
    b %= s->on_line;
    between = s->line[a];
    s->line[a] = s->line[b];
    s->line[b] = between;
}

/* A record of one direction comes back in the other. */
static void reflect(struct side *s, struct tacit_reader *in)
{
    struct side *back = other(s);
    size_t at = tacit_get_u8(in);
    if (s->on_line == 0 || back->on_line == ON_LINE_MAX)
        return;
    back->line[back->on_line++] = s->line[at % s->on_line];
}

/* --- receiving ---------------------------------------------------------------------- */

static void hear(struct side *s, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        MUST(data[i] == word(other(s), s->heard++));
    MUST(s->heard <= other(s)->said);
}

/* The answer to a step to fresh keys. It always has a place: the line may be longer. */
static void step(struct side *s, const uint8_t *data, size_t len)
{
    static struct parcel spare;
    struct parcel *p = next_parcel(s);
    uint8_t *out = p == NULL ? spare.bytes : p->bytes;
    int error = tacit_rekey_take(&s->channel, &s->keys, data, len, out, PARCEL_MAX, &len);
    MUST(error == TACIT_OK); /* both keep to the rules, and only what was sent opens */
    if (len > 0 && p != NULL)
        post(s, p, len);
    else if (len > 0)
        s->closed = true; /* what it sends from here on is lost */
}

/* The next record of s arrives at the other side. */
static void arrive(struct side *s, struct tacit_reader *in)
{
    struct side *to = other(s);
    static struct parcel p;
    enum tacit_record_type type;
    size_t len;
    if (s->on_line == 0)
        return;
    p = s->line[0];
    take_off(s, 0);
    if (to->ended)
        return;
    bool genuine =
        p.from == s && p.number == to->next && memcmp(p.bytes, p.sent, p.len) == 0;
    int error =
        tacit_channel_open(&to->channel, p.bytes, p.len, p.bytes + 2, &len, &type);
    MUST((error == TACIT_OK) == genuine);
    to->next++;
    if (error)
        MUST(to->channel.failed && sodium_is_zero(to->channel.root, NOISE_HASHLEN));
    else if (type == TACIT_RECORD_DATA)
        hear(to, p.bytes + 2, len);
    else if (type == TACIT_RECORD_REKEY)
        step(to, p.bytes + 2, len);
    to->ended = error != TACIT_OK || type == TACIT_RECORD_CLOSE;
}

/* The line holds from here on: what was not cut before arrives, and all of it is right.
 */
static void settle(void)
{
    for (bool moved = true; moved;) {
        moved = sides[0].on_line + sides[1].on_line > 0;
        arrive(&sides[0], NULL);
        arrive(&sides[1], NULL);
    }
}

static void assert_agreed(void)
{
    const struct side *a = &sides[0], *b = &sides[1];
    if (a->closed || b->closed || a->ended || b->ended || a->next != b->parcels ||
        b->next != a->parcels)
        return;
    MUST(a->heard == b->said && b->heard == a->said);
    MUST(a->channel.generation == b->channel.generation);
    MUST(a->channel.rekey.state == TACIT_REKEY_NONE &&
         b->channel.rekey.state == TACIT_REKEY_NONE);
    MUST(memcmp(a->channel.root, b->channel.root, NOISE_HASHLEN) == 0);
    MUST(memcmp(&a->channel.send, &b->channel.receive, sizeof a->channel.send) == 0);
    MUST(memcmp(&b->channel.send, &a->channel.receive, sizeof b->channel.send) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static void (*const steps[16])(struct side *, struct tacit_reader *) = {
        say,   say,   say,    arrive, arrive, arrive, arrive, arrive,
        offer, offer, finish, flip,   drop,   repeat, swap,   reflect};
    struct tacit_reader in = tacit_reader(bytes, len);
    begin(tacit_get_u8(&in));
    for (unsigned n = 0; n < 200 && tacit_left(&in) > 0; n++) {
        uint8_t what = tacit_get_u8(&in);
        steps[what % 16](&sides[what >> 4 & 1], &in);
    }
    settle();
    assert_agreed();
    return 0;
}
