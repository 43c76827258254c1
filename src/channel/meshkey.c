#include "meshkey.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

void tacit_key_id(const struct tacit_secret *key, uint8_t ret_id[TACIT_KEY_ID])
{
    static const char context[] = "tacit mesh key v1";
    crypto_generichash(ret_id, TACIT_KEY_ID, key->bytes, sizeof key->bytes,
                       (const uint8_t *)context, sizeof context - 1);
}

void tacit_key_id_text(const uint8_t key_id[TACIT_KEY_ID],
                       char ret_text[TACIT_KEY_ID_TEXT])
{
    sodium_bin2hex(ret_text, TACIT_KEY_ID_TEXT, key_id, TACIT_KEY_ID);
}

int tacit_key_id_from_text(const char *text, uint8_t ret_id[TACIT_KEY_ID])
{
    uint8_t key_id[TACIT_KEY_ID];
    size_t len;
    if (sodium_hex2bin(key_id, sizeof key_id, text, TACIT_KEY_ID_TEXT - 1, NULL, &len,
                       NULL) != 0 ||
        len != sizeof key_id)
        return TACIT_EFORMAT;
    memcpy(ret_id, key_id, sizeof key_id);
    return TACIT_OK;
}

void tacit_key_ids(const struct tacit_secret *keys, size_t count,
                   struct tacit_key_ids *ret_ids)
{
    memset(ret_ids, 0, sizeof *ret_ids);
    for (size_t i = 0; i < count && i < TACIT_KEY_IDS_MAX; i++)
        tacit_key_id(&keys[i], ret_ids->at[ret_ids->count++]);
}

static bool has_key_id(const struct tacit_key_ids *key_ids,
                       const uint8_t key_id[TACIT_KEY_ID])
{
    for (size_t i = 0; i < key_ids->count; i++)
        if (memcmp(key_ids->at[i], key_id, TACIT_KEY_ID) == 0)
            return true;
    return false;
}

unsigned tacit_mesh_hidden(const struct tacit_secret *keys, size_t count,
                           const struct tacit_key_ids *door)
{
    struct tacit_key_ids own;
    unsigned hidden = 0;
    if (door == NULL)
        return 0;
    tacit_key_ids(keys, count, &own);
    for (size_t i = 0; i < own.count; i++)
        hidden |= has_key_id(door, own.at[i]) ? 0 : 1U << i;
    return (hidden & 1) != 0 ? ~0U : hidden;
}
