#include "meshkey.h"

#include <sodium.h>
#include <stdbool.h>
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

void tacit_mesh_marks(const struct tacit_secret *keys, size_t count,
                      struct tacit_mesh_marks *ret_marks)
{
    memset(ret_marks, 0, sizeof *ret_marks);
    for (size_t i = 0; i < count && i < TACIT_MESH_MARKS_MAX; i++)
        tacit_mesh_mark(&keys[i], ret_marks->at[ret_marks->count++]);
}

static bool has_mark(const struct tacit_mesh_marks *marks,
                     const uint8_t mark[TACIT_MESH_MARK])
{
    for (size_t i = 0; i < marks->count; i++)
        if (memcmp(marks->at[i], mark, TACIT_MESH_MARK) == 0)
            return true;
    return false;
}

unsigned tacit_mesh_hidden(const struct tacit_secret *keys, size_t count,
                           const struct tacit_mesh_marks *door)
{
    struct tacit_mesh_marks own;
    unsigned hidden = 0;
    if (door == NULL)
        return 0;
    tacit_mesh_marks(keys, count, &own);
    for (size_t i = 0; i < own.count; i++)
        hidden |= has_mark(door, own.at[i]) ? 0 : 1U << i;
    return (hidden & 1) != 0 ? ~0U : hidden;
}
