/* A list that grows. */
#include "policy/policy-internal.h"

#include <stdlib.h>
#include <string.h>

void *policy_list_add(void **at, size_t *count, size_t *cap, size_t size)
{
    if (*count == *cap) {
        size_t more = *cap > 0 ? 2 * *cap : 8;
        void *grown = reallocarray(*at, more, size);
        if (grown == NULL)
            return NULL;
        *at = grown;
        *cap = more;
    }
    void *item = (char *)*at + (*count)++ * size;
    return memset(item, 0, size);
}
