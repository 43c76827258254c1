#include "meshkey.h"

#include <sodium.h>
#include <string.h>

void tacit_mesh_mark(const struct tacit_secret *key, uint8_t ret_mark[TACIT_MESH_MARK])
{
    static const char context[] = "tacit mesh key v1";
    crypto_generichash(ret_mark, TACIT_MESH_MARK, key->bytes, sizeof key->bytes,
                       (const uint8_t *)context, sizeof context - 1);
}

void tacit_mesh_mark_text(const uint8_t mark[TACIT_MESH_MARK],
                          char ret_text[TACIT_MESH_MARK_TEXT])
{
    sodium_bin2hex(ret_text, TACIT_MESH_MARK_TEXT, mark, TACIT_MESH_MARK);
}

int tacit_mesh_mark_from_text(const char *text, uint8_t ret_mark[TACIT_MESH_MARK])
{
    uint8_t mark[TACIT_MESH_MARK];
    size_t len;
    if (sodium_hex2bin(mark, sizeof mark, text, TACIT_MESH_MARK_TEXT - 1, NULL, &len,
                       NULL) != 0 ||
        len != sizeof mark)
        return TACIT_EFORMAT;
    memcpy(ret_mark, mark, sizeof mark);
    return TACIT_OK;
}
