#include "secret.h"

#include <sodium.h>

enum {
    STACK = 4096, /* deeper than any of them goes */
};

void tacit_secret_wipe(struct tacit_secret *secret)
{
    sodium_memzero(secret->bytes, sizeof secret->bytes);
}

bool tacit_secret_equal(const struct tacit_secret *a, const struct tacit_secret *b)
{
    return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void tacit_wipe(void *bytes, size_t size)
{
    sodium_memzero(bytes, size);
}

void tacit_wipe_stack(void)
{
    sodium_stackzero(STACK);
}
