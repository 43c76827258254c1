/*
 * A mesh key's mark: by which a key is named where the key itself must not be, in the
 * handshake (PROTOCOL.md, "Payloads"), in logs and by `tacit mesh-key`.
 */
#ifndef TACIT_CHANNEL_MESHKEY_H
#define TACIT_CHANNEL_MESHKEY_H

#include <stdint.h>

#include "base/secret.h"
#include "tacit/error.h"

enum {
    TACIT_MESH_MARK = 16,      /* bytes */
    TACIT_MESH_MARK_TEXT = 33, /* in hexadecimal, with its zero */
};

/* The mark of a mesh key; the same as text. */
void tacit_mesh_mark(const struct tacit_secret *key, uint8_t ret_mark[TACIT_MESH_MARK]);
void tacit_mesh_mark_text(const uint8_t mark[TACIT_MESH_MARK],
                          char ret_text[TACIT_MESH_MARK_TEXT]);
/* The first TACIT_MESH_MARK_TEXT - 1 bytes of text, back. TACIT_EFORMAT. */
int tacit_mesh_mark_from_text(const char *text, uint8_t ret_mark[TACIT_MESH_MARK]);

#endif
