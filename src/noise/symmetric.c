/* The symmetric state of section 5.2. */
#include "internal.h"

#include <string.h>

void noise__initialize_symmetric(struct noise_handshake *hs)
{
    const uint8_t *name = (const uint8_t *)hs->protocol->name;
    size_t len = strlen(hs->protocol->name);
    memset(hs->h, 0, sizeof hs->h);
    if (len <= NOISE_HASHLEN)
        memcpy(hs->h, name, len);
    else
        noise__hash(name, len, NULL, 0, hs->h);
    memcpy(hs->ck, hs->h, sizeof hs->ck);
    hs->cipher.kind = hs->protocol->cipher;
    hs->cipher.has_key = false;
}

void noise__mix_hash(struct noise_handshake *hs, const uint8_t *data, size_t data_len)
{
    noise__hash(hs->h, sizeof hs->h, data, data_len, hs->h);
}

void noise__mix_key(struct noise_handshake *hs, const uint8_t ikm[NOISE_DHLEN])
{
    uint8_t out[2][NOISE_HASHLEN];
    noise_hkdf(hs->ck, ikm, NOISE_DHLEN, 2, out);
    memcpy(hs->ck, out[0], sizeof hs->ck);
    noise__cipher_init(&hs->cipher, hs->protocol->cipher, out[1]);
    tacit_wipe(out, sizeof out);
}

void noise__mix_key_and_hash(struct noise_handshake *hs, const struct tacit_secret *psk)
{
    uint8_t out[3][NOISE_HASHLEN];
    noise_hkdf(hs->ck, psk->bytes, sizeof psk->bytes, 3, out);
    memcpy(hs->ck, out[0], sizeof hs->ck);
    noise__mix_hash(hs, out[1], sizeof out[1]);
    noise__cipher_init(&hs->cipher, hs->protocol->cipher, out[2]);
    tacit_wipe(out, sizeof out);
}

int noise__encrypt_and_hash(struct noise_handshake *hs, const uint8_t *in, size_t in_len,
                            uint8_t *out)
{
    size_t out_len = in_len + noise__seal_len(&hs->cipher);
    int error = noise_cipher_encrypt(&hs->cipher, hs->h, sizeof hs->h, in, in_len, out);
    if (error != 0)
        return error;
    noise__mix_hash(hs, out, out_len);
    return 0;
}

int noise__decrypt_and_hash(struct noise_handshake *hs, const uint8_t *in, size_t in_len,
                            uint8_t *out)
{
    uint8_t h[NOISE_HASHLEN];
    /* Hashed before it is opened, so that out may be in; taken over only if it opens. */
    noise__hash(hs->h, sizeof hs->h, in, in_len, h);
    int error = noise_cipher_decrypt(&hs->cipher, hs->h, sizeof hs->h, in, in_len, out);
    if (error != 0)
        return error;
    memcpy(hs->h, h, sizeof hs->h);
    return 0;
}

void noise__split(struct noise_handshake *hs, struct noise_cipher *ret_initiator,
                  struct noise_cipher *ret_responder)
{
    uint8_t out[2][NOISE_HASHLEN];
    noise_hkdf(hs->ck, NULL, 0, 2, out);
    noise__cipher_init(ret_initiator, hs->protocol->cipher, out[0]);
    noise__cipher_init(ret_responder, hs->protocol->cipher, out[1]);
    tacit_wipe(out, sizeof out);
}
