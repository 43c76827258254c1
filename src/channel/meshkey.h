/*
 * A mesh key's ID: by which a key is named where the key itself must not be, in the
 * handshake (PROTOCOL.md, "Extensions"), in logs and by `tacit mesh-key`.
 */
#ifndef TACIT_CHANNEL_MESHKEY_H
#define TACIT_CHANNEL_MESHKEY_H

#include <stddef.h>
#include <stdint.h>

#include "base/secret.h"
#include "tacit/error.h"

enum {
    TACIT_KEY_ID = 16,      /* bytes */
    TACIT_KEY_ID_TEXT = 33, /* in hexadecimal, with its zero */
    TACIT_KEY_IDS_MAX = 4,  /* as many as a keyring has keys */
};

/* Those of a keyring. */
struct tacit_key_ids {
    size_t count;
    uint8_t at[TACIT_KEY_IDS_MAX][TACIT_KEY_ID];
};

/* The key ID of a mesh key; the same as text. */
void tacit_key_id(const struct tacit_secret *key, uint8_t ret_id[TACIT_KEY_ID]);
void tacit_key_id_text(const uint8_t key_id[TACIT_KEY_ID],
                       char ret_text[TACIT_KEY_ID_TEXT]);
/* The first TACIT_KEY_ID_TEXT - 1 bytes of text, back. TACIT_EFORMAT. */
int tacit_key_id_from_text(const char *text, uint8_t ret_id[TACIT_KEY_ID]);

void tacit_key_ids(const struct tacit_secret *keys, size_t count,
                   struct tacit_key_ids *ret_ids);

/*
 * Of a node's keyring, those that are not to be shown to peers, as a mask: who seals
 * with one of them does not get past the host's door, which opens the keys of *door and
 * no others. All of them where it lacks the one that the node seals with, as the first
 * that is shown counts for that. NULL: the node has no door.
 */
unsigned tacit_mesh_hidden(const struct tacit_secret *keys, size_t count,
                           const struct tacit_key_ids *door);

#endif
