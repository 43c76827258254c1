#include "test_channel.h"

/* ---- Sides ------------------------------------------------------------------------- */

static void find_pair_key(const void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    struct side *s = (void *)(uintptr_t)context;
    s->pair_keys++;
    memcpy(s->pair_key_of, public_key, NOISE_DHLEN);
    *ret_key = s->pair_key;
}

int side_answer(struct side *s)
{
    switch (s->hs.state) {
    case TACIT_HANDSHAKE_ASK_FIRST:
        s->firsts++;
        s->first = s->hs.first;
        memcpy(s->ephemeral, s->hs.noise.re, NOISE_DHLEN);
        return tacit_handshake_answer(&s->hs, s->first_answer);
    case TACIT_HANDSHAKE_ASK_PEER:
        s->decisions++;
        s->claim = s->hs.peer;
        memcpy(s->decided, s->hs.peer_key, NOISE_DHLEN);
        return tacit_handshake_answer(&s->hs, s->decide_answer);
    default:
        return TACIT_OK;
    }
}

static void side_make(struct side *s, const char *name)
{
    memset(s, 0, sizeof *s);
    noise_keypair_generate(&s->identity);
    memset(s->mesh_keys[0].bytes, 'm', TACIT_KEY_BYTES);
    s->mesh_key_count = 1;
    s->suites = tacit_suites_available();
    s->name = name;
    s->wanted = "";
}

void pair_make(struct pair *p)
{
    side_make(&p->i, "asks@one.example");
    side_make(&p->r, "answers@two.example");
    p->i.wanted = p->r.name;
}

int side_start(struct side *s, enum noise_role role)
{
    struct tacit_channel_config config = {
        .role = role,
        .identity = &s->identity,
        .door_identity = s->door_identity,
        .mesh_keys = s->mesh_keys,
        .mesh_key_count = s->mesh_key_count,
        .suites = s->suites,
        .own_name = s->name,
        .own_dynamic = s->dynamic,
        .certificate = s->certificate,
        .certificate_len = s->certificate == NULL ? 0 : strlen(s->certificate),
        .wanted = s->wanted,
        .now = NOW,
        .pair_key = find_pair_key,
        .context = s,
    };
    return tacit_handshake_init(&s->hs, &config);
}

void pair_start(struct pair *p)
{
    assert_int_equal(side_start(&p->i, NOISE_INITIATOR), 0);
    assert_int_equal(side_start(&p->r, NOISE_RESPONDER), 0);
}

int feed(struct side *to, const uint8_t *bytes, size_t len)
{
    size_t used = SIZE_MAX;
    int error = tacit_handshake_feed(&to->hs, bytes, len, &used);
    if (error)
        return error;
    assert_int_equal(used, len);
    return side_answer(to);
}

int carry(struct side *from, struct side *to, size_t piece)
{
    const uint8_t *bytes;
    size_t len;
    while ((len = tacit_handshake_output(&from->hs, &bytes)) > 0) {
        size_t now = len < piece ? len : piece;
        int error = feed(to, bytes, now);
        if (error)
            return error;
        tacit_handshake_sent(&from->hs, now);
    }
    return TACIT_OK;
}

int carry_all(struct pair *p, size_t piece)
{
    const uint8_t *bytes;
    int error = TACIT_OK;
    while (!error && (tacit_handshake_output(&p->i.hs, &bytes) > 0 ||
                      tacit_handshake_output(&p->r.hs, &bytes) > 0)) {
        error = carry(&p->i, &p->r, piece);
        if (!error)
            error = carry(&p->r, &p->i, piece);
    }
    return error;
}

void pair_open(struct pair *p)
{
    assert_int_equal(carry_all(p, ANY_SIZE), 0);
    assert_int_equal(tacit_handshake_finish(&p->i.hs, &p->i.channel), 0);
    assert_int_equal(tacit_handshake_finish(&p->r.hs, &p->r.channel), 0);
}

size_t take_output(struct side *from, uint8_t out[WIRE_2])
{
    const uint8_t *bytes;
    size_t len = tacit_handshake_output(&from->hs, &bytes);
    assert_in_range(len, 1, WIRE_2);
    memcpy(out, bytes, len);
    tacit_handshake_sent(&from->hs, len);
    return len;
}

void assert_dead(const struct side *s)
{
    const struct noise_handshake *n = &s->hs.noise;
    const uint8_t *bytes;
    assert_int_equal(s->hs.state, TACIT_HANDSHAKE_FAILED);
    assert_int_equal(tacit_handshake_wants(&s->hs), 0);
    assert_int_equal(tacit_handshake_output(&s->hs, &bytes), 0);
    assert_true(sodium_is_zero(n->ck, sizeof n->ck));
    assert_true(sodium_is_zero(n->cipher.key.bytes, sizeof n->cipher.key));
    assert_true(sodium_is_zero(n->s.private_key.bytes, sizeof n->s.private_key));
    assert_true(sodium_is_zero(n->e.private_key.bytes, sizeof n->e.private_key));
    assert_true(sodium_is_zero(s->hs.in, sizeof s->hs.in));
}

/* ---- Peers with payloads of their own ------------------------------------------------
 */

static int raw_psk(void *context, const struct noise_handshake *noise, unsigned index,
                   struct tacit_secret *ret_psk)
{
    const struct side *s = context;
    *ret_psk = index == 0 ? s->mesh_keys[0] : s->pair_key;
    return TACIT_OK;
}

void raw_start(struct raw *raw, const struct side *side, enum noise_role role)
{
    static const char name[] = "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b";
    raw->side = side;
    assert_int_equal(noise_protocol_parse(name, &raw->protocol), 0);
    assert_int_equal(noise_handshake_init(&raw->noise, &raw->protocol, role,
                                          (const uint8_t *)"Tacit 1", 7, &side->identity,
                                          NULL, raw_psk, (void *)(uintptr_t)side),
                     0);
}

size_t raw_write(struct raw *raw, const uint8_t *payload, size_t len, uint8_t *out,
                 size_t out_cap)
{
    size_t size;
    assert_int_equal(noise_handshake_write(&raw->noise, payload, len,
                                           out + TACIT_MESSAGE_HEADER,
                                           out_cap - TACIT_MESSAGE_HEADER, &size),
                     0);
    out[0] = (uint8_t)(size >> 8);
    out[1] = (uint8_t)size;
    return TACIT_MESSAGE_HEADER + size;
}

size_t raw_read(struct raw *raw, const uint8_t *message, size_t len, uint8_t *payload,
                size_t cap)
{
    size_t size;
    assert_int_equal(noise_handshake_read(&raw->noise, message + TACIT_MESSAGE_HEADER,
                                          len - TACIT_MESSAGE_HEADER, payload, cap,
                                          &size),
                     0);
    return size;
}
