/*
 * base: what every other room stands on: secrets, bounded cursors, error texts; names,
 * addresses, keys and times, and as text; faults; the start of a program. Pure but for
 * the last and the clocks. Calls libsodium only. Everybody may call it.
 *
 * This header: the one type for 32 secret bytes, and its one wipe.
 */
#ifndef TACIT_BASE_SECRET_H
#define TACIT_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TACIT_KEY_BYTES = 32, /* a private, public, mesh or pair key, and a record key */
};

struct tacit_secret {
    uint8_t bytes[TACIT_KEY_BYTES];
};

/* Overwrites the secret with zeros; the compiler cannot leave it out. */
void tacit_secret_wipe(struct tacit_secret *secret);

/* Whether two secrets are equal, in constant time. */
bool tacit_secret_equal(const struct tacit_secret *a, const struct tacit_secret *b);

/*
 * Zeroed memory for what holds secrets: locked, in no core file, aligned to 64 bytes as
 * ciphers' states want it. Things of one size lie together between guard pages
 * (secret_memory.c): the first costs a few system calls, those beside it none. Any thread
 * may call it. NULL: there is none.
 */
void *tacit_secret_alloc(size_t size);

/* Wipes and frees, on any thread. NULL is allowed. */
void tacit_secret_free(void *secret);

/* Overwrites size bytes of working memory that held secrets. */
void tacit_wipe(void *bytes, size_t size);

/*
 * Overwrites what functions that were called before have left on the stack: libsodium's
 * hashes, ciphers and X25519 leave keys, or parts of them, in their own frames.
 */
void tacit_wipe_stack(void);

#endif
