#include "payload.h"

#include <string.h>

#include "base/cursor.h"

enum {
    FLAG_DYNAMIC = 1,
    EXTENSION_CERTIFICATE = 1,
    EXTENSION_MESH_KEYS = 2,
};

static void put_name(struct tacit_writer *w, const char *name)
{
    size_t len = strnlen(name, TACIT_CLAIM_NAME_MAX + 1);
    if (len > TACIT_CLAIM_NAME_MAX)
        w->bad = true;
    tacit_put_u8(w, (uint8_t)len);
    tacit_put_bytes(w, name, len);
}

/* A name of the peer's: printable, so that it can stand in a log; policy decides it. */
static void get_name(struct tacit_reader *r, char name[TACIT_CLAIM_NAME_MAX + 1])
{
    size_t len = tacit_get_u8(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    for (size_t i = 0; bytes != NULL && i < len; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~')
            r->bad = true;
        name[i] = (char)bytes[i];
    }
    name[bytes == NULL ? 0 : len] = '\0';
}

/* Once, not empty, not too long; false: it is not. */
static bool take_certificate(struct tacit_claim *claim, const uint8_t *bytes, size_t len)
{
    if (len == 0 || len > TACIT_CLAIM_CERTIFICATE_MAX || claim->certificate_len > 0)
        return false;
    claim->certificate = (const char *)bytes;
    claim->certificate_len = len;
    return true;
}

/* Once, one key ID at least. */
static bool take_mesh_keys(struct tacit_claim *claim, const uint8_t *bytes, size_t len)
{
    if (len == 0 || len % TACIT_KEY_ID != 0 || len > sizeof claim->mesh_keys ||
        claim->mesh_key_count > 0)
        return false;
    memcpy(claim->mesh_keys, bytes, len);
    claim->mesh_key_count = len / TACIT_KEY_ID;
    return true;
}

/*
 * Blocks of type, length, bytes. An unknown one, of a later version, is passed over;
 * message 1, without a claim, has none that is known.
 */
static void get_extensions(struct tacit_reader *r, struct tacit_claim *claim)
{
    size_t len = tacit_get_u16(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL)
        return;
    struct tacit_reader inner = tacit_reader(bytes, len);
    while (!inner.bad && tacit_left(&inner) > 0) {
        uint8_t type = tacit_get_u8(&inner);
        size_t size = tacit_get_u16(&inner);
        bytes = tacit_get_bytes(&inner, size);
        if (bytes != NULL && claim != NULL && type == EXTENSION_CERTIFICATE)
            inner.bad |= !take_certificate(claim, bytes, size);
        if (bytes != NULL && claim != NULL && type == EXTENSION_MESH_KEYS)
            inner.bad |= !take_mesh_keys(claim, bytes, size);
    }
    r->bad |= inner.bad;
}

/* A block; none where there is nothing to say. */
static void put_extension(struct tacit_writer *w, uint8_t type, const void *bytes,
                          size_t len)
{
    if (len == 0)
        return;
    tacit_put_u8(w, type);
    tacit_put_u16(w, (uint16_t)len);
    tacit_put_bytes(w, bytes, len);
}

static void put_extensions(struct tacit_writer *w, const struct tacit_claim *claim)
{
    uint8_t space[2 * 3 + TACIT_CLAIM_CERTIFICATE_MAX + sizeof claim->mesh_keys];
    struct tacit_writer inner = tacit_writer(space, sizeof space);
    bool fits = claim->certificate_len <= TACIT_CLAIM_CERTIFICATE_MAX &&
                claim->mesh_key_count <= TACIT_CLAIM_MESH_KEYS_MAX;
    w->bad |= !fits;
    if (!fits)
        return;
    put_extension(&inner, EXTENSION_CERTIFICATE, claim->certificate,
                  claim->certificate_len);
    put_extension(&inner, EXTENSION_MESH_KEYS, claim->mesh_keys,
                  claim->mesh_key_count * TACIT_KEY_ID);
    tacit_put_u16(w, (uint16_t)tacit_written(&inner));
    tacit_put_bytes(w, space, tacit_written(&inner));
}

static void get_padding(struct tacit_reader *r)
{
    size_t len = tacit_left(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    for (size_t i = 0; bytes != NULL && i < len; i++)
        r->bad |= bytes[i] != 0;
}

static int finish(struct tacit_writer *w)
{
    tacit_put_padding(w);
    return w->bad ? TACIT_EINVAL : TACIT_OK;
}

int tacit_first_write(const struct tacit_first *first, uint8_t out[TACIT_FIRST_PAYLOAD])
{
    struct tacit_writer w = tacit_writer(out, TACIT_FIRST_PAYLOAD);
    tacit_put_u8(&w, first->version_min);
    tacit_put_u8(&w, first->version_max);
    tacit_put_u16(&w, (uint16_t)first->suites);
    tacit_put_u64(&w, first->time);
    put_name(&w, first->wanted);
    tacit_put_u16(&w, 0); /* no extensions */
    return finish(&w);
}

int tacit_first_read(const uint8_t *payload, size_t len, struct tacit_first *ret_first)
{
    struct tacit_first first = {0};
    struct tacit_reader r = tacit_reader(payload, len);
    first.version_min = tacit_get_u8(&r);
    first.version_max = tacit_get_u8(&r);
    first.suites = tacit_get_u16(&r);
    first.time = tacit_get_u64(&r);
    get_name(&r, first.wanted);
    get_extensions(&r, NULL);
    get_padding(&r);
    if (r.bad || len != TACIT_FIRST_PAYLOAD || first.version_min == 0 ||
        first.version_min > first.version_max)
        return TACIT_EFORMAT;
    *ret_first = first;
    return TACIT_OK;
}

int tacit_claim_write(const struct tacit_claim *claim, uint8_t out[TACIT_CLAIM_PAYLOAD])
{
    struct tacit_writer w = tacit_writer(out, TACIT_CLAIM_PAYLOAD);
    tacit_put_u8(&w, claim->version);
    tacit_put_u8(&w, claim->suite);
    tacit_put_u8(&w, claim->dynamic ? FLAG_DYNAMIC : 0);
    put_name(&w, claim->name);
    put_extensions(&w, claim);
    return finish(&w);
}

int tacit_claim_read(const uint8_t *payload, size_t len, struct tacit_claim *ret_claim)
{
    struct tacit_claim claim = {0};
    struct tacit_reader r = tacit_reader(payload, len);
    claim.version = tacit_get_u8(&r);
    claim.suite = tacit_get_u8(&r);
    uint8_t flags = tacit_get_u8(&r);
    claim.dynamic = flags & FLAG_DYNAMIC;
    get_name(&r, claim.name);
    get_extensions(&r, &claim);
    get_padding(&r);
    if (r.bad || len != TACIT_CLAIM_PAYLOAD || flags & ~FLAG_DYNAMIC)
        return TACIT_EFORMAT;
    *ret_claim = claim;
    return TACIT_OK;
}
