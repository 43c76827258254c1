/* The handshake state of section 5.3. */
#include "internal.h"

#include <string.h>

#include "base/cursor.h"

static bool is_initiator(const struct noise_handshake *hs)
{
    return hs->role == NOISE_INITIATOR;
}

static void wipe_secrets(struct noise_handshake *hs)
{
    tacit_wipe(hs->ck, sizeof hs->ck);
    tacit_secret_wipe(&hs->cipher.key);
    tacit_secret_wipe(&hs->s.private_key);
    tacit_secret_wipe(&hs->e.private_key);
}

void noise_handshake_wipe(struct noise_handshake *hs)
{
    wipe_secrets(hs);
    /* Without its keys it would go on in plain text: it must not go on at all. */
    hs->failed = true;
}

/* The one way out of every error. */
static int fail(struct noise_handshake *hs, int error)
{
    noise_handshake_wipe(hs);
    return error;
}

/* Whether role sends its static key, or the pattern says it is known. */
static bool has_static(const struct noise_protocol *p, enum noise_role role)
{
    if (role == NOISE_INITIATOR ? p->initiator_static_known : p->responder_static_known)
        return true;
    for (unsigned m = role == NOISE_INITIATOR ? 0 : 1; m < p->message_count; m += 2) {
        if (memchr(p->tokens[m], NOISE_S, NOISE_TOKENS_MAX) != NULL)
            return true;
    }
    return false;
}

/* Whether init was given the keys that the pattern asks for, and no others. */
static int check_keys(const struct noise_protocol *p, enum noise_role role,
                      const struct noise_keypair *s, const uint8_t *rs,
                      noise_psk_fn *psk_fn)
{
    bool rs_known =
        role == NOISE_INITIATOR ? p->responder_static_known : p->initiator_static_known;
    if ((s != NULL) != has_static(p, role) || (rs != NULL) != rs_known)
        return TACIT_EINVAL;
    if (psk_fn == NULL && p->psk_count > 0)
        return TACIT_EINVAL;
    if (!noise_cipher_available(p->cipher))
        return TACIT_ESUITE;
    return rs == NULL || noise_public_key_ok(rs) ? 0 : TACIT_EKEY;
}

int noise_handshake_init(struct noise_handshake *hs,
                         const struct noise_protocol *protocol, enum noise_role role,
                         const uint8_t *prologue, size_t prologue_len,
                         const struct noise_keypair *s, const uint8_t *rs,
                         noise_psk_fn *psk_fn, void *psk_context)
{
    memset(hs, 0, sizeof *hs);
    hs->protocol = protocol;
    hs->role = role;
    hs->psk_fn = psk_fn;
    hs->psk_context = psk_context;
    int error = check_keys(protocol, role, s, rs, psk_fn);
    if (error != 0)
        return fail(hs, error);
    if (s != NULL) {
        hs->s = *s;
        hs->has_s = true;
    }
    if (rs != NULL) {
        memcpy(hs->rs, rs, sizeof hs->rs);
        hs->has_rs = true;
    }

    noise__initialize_symmetric(hs);
    noise__mix_hash(hs, prologue, prologue_len);
    /* Pre-messages: the initiator's static key, then the responder's. */
    if (protocol->initiator_static_known)
        noise__mix_hash(hs, is_initiator(hs) ? hs->s.public_key : hs->rs, NOISE_DHLEN);
    if (protocol->responder_static_known)
        noise__mix_hash(hs, is_initiator(hs) ? hs->rs : hs->s.public_key, NOISE_DHLEN);
    return 0;
}

void noise_handshake_set_ephemeral(struct noise_handshake *hs,
                                   const struct noise_keypair *e)
{
    hs->e = *e;
    hs->has_e = true;
}

/* Whether there is a next message and it is sender's. */
static bool next_is_from(const struct noise_handshake *hs, enum noise_role sender)
{
    return !hs->failed && hs->protocol != NULL &&
           hs->message < hs->protocol->message_count &&
           (hs->message % 2 == 0) == (sender == NOISE_INITIATOR);
}

bool noise_handshake_must_write(const struct noise_handshake *hs)
{
    return next_is_from(hs, hs->role);
}

bool noise_handshake_done(const struct noise_handshake *hs)
{
    /* Split counts on once more, so that it happens once. */
    return !hs->failed && hs->protocol != NULL &&
           hs->message == hs->protocol->message_count;
}

/* MixKey(DH(pair, public_key)). */
static int mix_dh(struct noise_handshake *hs, const struct noise_keypair *pair,
                  const uint8_t public_key[NOISE_DHLEN])
{
    uint8_t secret[NOISE_DHLEN];
    int error = noise__dh(pair, public_key, secret);
    if (error == 0)
        noise__mix_key(hs, secret);
    tacit_wipe(secret, sizeof secret);
    return error;
}

static int mix_psk(struct noise_handshake *hs)
{
    struct tacit_secret psk = {{0}};
    int error = hs->psk_fn(hs->psk_context, hs, hs->psk, &psk);
    if (error == 0)
        noise__mix_key_and_hash(hs, &psk);
    hs->psk++;
    tacit_secret_wipe(&psk);
    return error;
}

/* The tokens that put nothing on the wire: the same for writer and reader. */
static int mix_token(struct noise_handshake *hs, enum noise_token token)
{
    switch (token) {
    /* "ee": MixKey(DH(e, re)) */
    case NOISE_EE:
        return mix_dh(hs, &hs->e, hs->re);
    /* "es": MixKey(DH(e, rs)) for the initiator, MixKey(DH(s, re)) for the responder */
    case NOISE_ES:
        return is_initiator(hs) ? mix_dh(hs, &hs->e, hs->rs) : mix_dh(hs, &hs->s, hs->re);
    /* "se": MixKey(DH(s, re)) for the initiator, MixKey(DH(e, rs)) for the responder */
    case NOISE_SE:
        return is_initiator(hs) ? mix_dh(hs, &hs->s, hs->re) : mix_dh(hs, &hs->e, hs->rs);
    /* "ss": MixKey(DH(s, rs)) */
    case NOISE_SS:
        return mix_dh(hs, &hs->s, hs->rs);
    /* "psk": MixKeyAndHash(psk) */
    case NOISE_PSK:
        return mix_psk(hs);
    default:
        return TACIT_EINVAL;
    }
}

/* MixHash(e), and MixKey(e) where the protocol has a psk (section 9.2). */
static void mix_ephemeral(struct noise_handshake *hs,
                          const uint8_t public_key[NOISE_DHLEN])
{
    noise__mix_hash(hs, public_key, NOISE_DHLEN);
    if (hs->protocol->psk_count > 0)
        noise__mix_key(hs, public_key);
}

/* EncryptAndHash(in) to the end of the message. */
static int write_sealed(struct noise_handshake *hs, const uint8_t *in, size_t in_len,
                        struct tacit_writer *w)
{
    size_t room = (size_t)(w->end - w->at), seal = noise__seal_len(&hs->cipher);
    if (room < seal || in_len > room - seal)
        return TACIT_ESPACE;
    int error = noise__encrypt_and_hash(hs, in, in_len, w->at);
    if (error == 0)
        w->at += in_len + seal;
    return error;
}

static int write_token(struct noise_handshake *hs, enum noise_token token,
                       struct tacit_writer *w)
{
    switch (token) {
    /* "e": generate, send in clear, MixHash */
    case NOISE_E:
        if (!hs->has_e)
            noise_keypair_generate(&hs->e);
        hs->has_e = true;
        tacit_put_bytes(w, hs->e.public_key, NOISE_DHLEN);
        mix_ephemeral(hs, hs->e.public_key);
        return w->bad ? TACIT_ESPACE : 0;
    /* "s": EncryptAndHash(s) */
    case NOISE_S:
        return write_sealed(hs, hs->s.public_key, NOISE_DHLEN, w);
    default:
        return mix_token(hs, token);
    }
}

int noise_handshake_write(struct noise_handshake *hs, const uint8_t *payload,
                          size_t payload_len, uint8_t *out, size_t out_cap,
                          size_t *ret_len)
{
    if (!noise_handshake_must_write(hs))
        return fail(hs, TACIT_ESTATE);
    size_t cap = out_cap < NOISE_MESSAGE_MAX ? out_cap : NOISE_MESSAGE_MAX;
    struct tacit_writer w = tacit_writer(out, cap);
    int error = 0;
    for (const uint8_t *token = hs->protocol->tokens[hs->message];
         error == 0 && *token != NOISE_END; token++)
        error = write_token(hs, *token, &w);
    if (error == 0)
        error = write_sealed(hs, payload, payload_len, &w);
    if (error != 0)
        return fail(hs, error);
    hs->message++;
    *ret_len = tacit_written(&w);
    return 0;
}

static int read_e(struct noise_handshake *hs, struct tacit_reader *r)
{
    const uint8_t *key = tacit_get_bytes(r, NOISE_DHLEN);
    if (key == NULL)
        return TACIT_EFORMAT;
    if (!noise_public_key_ok(key))
        return TACIT_EKEY;
    memcpy(hs->re, key, sizeof hs->re);
    hs->has_re = true;
    mix_ephemeral(hs, hs->re);
    return 0;
}

static int read_s(struct noise_handshake *hs, struct tacit_reader *r)
{
    uint8_t key[NOISE_DHLEN];
    size_t len = NOISE_DHLEN + noise__seal_len(&hs->cipher);
    const uint8_t *sealed = tacit_get_bytes(r, len);
    if (sealed == NULL)
        return TACIT_EFORMAT;
    int error = noise__decrypt_and_hash(hs, sealed, len, key);
    if (error != 0)
        return error;
    if (!noise_public_key_ok(key))
        return TACIT_EKEY;
    memcpy(hs->rs, key, sizeof hs->rs);
    hs->has_rs = true;
    return 0;
}

static int read_token(struct noise_handshake *hs, enum noise_token token,
                      struct tacit_reader *r)
{
    switch (token) {
    /* "e": take it in clear, MixHash */
    case NOISE_E:
        return read_e(hs, r);
    /* "s": DecryptAndHash(s) */
    case NOISE_S:
        return read_s(hs, r);
    default:
        return mix_token(hs, token);
    }
}

/* DecryptAndHash(the rest of the message). */
static int read_payload(struct noise_handshake *hs, struct tacit_reader *r,
                        uint8_t *payload, size_t payload_cap, size_t *ret_len)
{
    size_t left = tacit_left(r), seal = noise__seal_len(&hs->cipher);
    if (left < seal)
        return TACIT_EFORMAT;
    if (left - seal > payload_cap)
        return TACIT_ESPACE;
    int error = noise__decrypt_and_hash(hs, r->at, left, payload);
    if (error == 0)
        *ret_len = left - seal;
    return error;
}

int noise_handshake_read(struct noise_handshake *hs, const uint8_t *msg, size_t msg_len,
                         uint8_t *payload, size_t payload_cap, size_t *ret_len)
{
    if (!next_is_from(hs, is_initiator(hs) ? NOISE_RESPONDER : NOISE_INITIATOR))
        return fail(hs, TACIT_ESTATE);
    if (msg_len > NOISE_MESSAGE_MAX)
        return fail(hs, TACIT_EFORMAT);
    struct tacit_reader r = tacit_reader(msg, msg_len);
    int error = 0;
    for (const uint8_t *token = hs->protocol->tokens[hs->message];
         error == 0 && *token != NOISE_END; token++)
        error = read_token(hs, *token, &r);
    if (error == 0)
        error = read_payload(hs, &r, payload, payload_cap, ret_len);
    if (error != 0)
        return fail(hs, error);
    hs->message++;
    return 0;
}

int noise_handshake_split(struct noise_handshake *hs, struct noise_cipher *ret_send,
                          struct noise_cipher *ret_receive)
{
    if (!noise_handshake_done(hs))
        return TACIT_ESTATE;
    if (is_initiator(hs))
        noise__split(hs, ret_send, ret_receive);
    else
        noise__split(hs, ret_receive, ret_send);
    wipe_secrets(hs);
    hs->message++;
    return 0;
}
