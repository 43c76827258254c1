#include "fault.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIVE_MAX = 1 << 16,
};

static void *live[LIVE_MAX];
static size_t live_count, counted, fail_at;
static bool failed, tells;

void fault_arm(size_t at)
{
    counted = 0;
    fail_at = at;
    failed = false;
}

void fault_tell(void)
{
    tells = true;
}

bool fault_disarm(void)
{
    fail_at = 0;
    return failed;
}

bool fault_now(void)
{
    if (fail_at == 0 || ++counted != fail_at)
        return false;
    failed = true;
    errno = ENOMEM;
    if (tells)
        fputs("fault: this allocation fails\n", stderr);
    return true;
}

size_t fault_live(void)
{
    return live_count;
}

void fault_add(void *memory)
{
    if (memory == NULL)
        return;
    if (live_count == LIVE_MAX) {
        fputs("fault: too many allocations to count\n", stderr);
        abort();
    }
    live[live_count++] = memory;
}

/* The youngest first: most things do not live long. What is not there is another's. */
void fault_remove(void *memory)
{
    for (size_t i = live_count; i-- > 0;)
        if (live[i] == memory) {
            live[i] = live[--live_count];
            return;
        }
}

/* --- where the linker sends the code under test ---------------------------------------
 */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *text);
void __real_free(void *memory);
void *__real_sodium_malloc(size_t size);
void *__real_sodium_allocarray(size_t count, size_t size);
void __real_sodium_free(void *memory);
void *__real_tacit_secret_alloc(size_t size);
void __real_tacit_secret_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);
void *__wrap_sodium_malloc(size_t size);
void *__wrap_sodium_allocarray(size_t count, size_t size);
void __wrap_sodium_free(void *memory);
void *__wrap_tacit_secret_alloc(size_t size);
void __wrap_tacit_secret_free(void *memory);

static void *added(void *memory)
{
    fault_add(memory);
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return fault_now() ? NULL : added(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fault_now() ? NULL : added(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (fault_now())
        return NULL;
    fault_remove(memory);
    return added(__real_realloc(memory, size));
}

void *__wrap_reallocarray(void *memory, size_t count, size_t size)
{
    if (fault_now())
        return NULL;
    fault_remove(memory);
    return added(__real_reallocarray(memory, count, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return fault_now() ? NULL : added(__real_aligned_alloc(align, size));
}

char *__wrap_strdup(const char *text)
{
    return fault_now() ? NULL : added(__real_strdup(text));
}

void __wrap_free(void *memory)
{
    fault_remove(memory);
    __real_free(memory);
}

/* The slabs of tacit_secret_alloc are not counted: one stays for what comes next. */
static bool for_slabs;

void *__wrap_sodium_malloc(size_t size)
{
    if (fault_now())
        return NULL;
    return for_slabs ? __real_sodium_malloc(size) : added(__real_sodium_malloc(size));
}

void *__wrap_sodium_allocarray(size_t count, size_t size)
{
    return fault_now() ? NULL : added(__real_sodium_allocarray(count, size));
}

void __wrap_sodium_free(void *memory)
{
    fault_remove(memory);
    __real_sodium_free(memory);
}

/* Most of them find room beside another, and call none of the above. */
void *__wrap_tacit_secret_alloc(size_t size)
{
    if (fault_now())
        return NULL;
    for_slabs = true;
    void *memory = __real_tacit_secret_alloc(size);
    for_slabs = false;
    return added(memory);
}

void __wrap_tacit_secret_free(void *memory)
{
    fault_remove(memory);
    __real_tacit_secret_free(memory);
}
