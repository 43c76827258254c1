/*
 * Memory for what holds secrets. sodium_malloc takes four pages or more of address space
 * and two of memory for the smallest thing, and locks them; a node with a thousand links
 * cannot give that to each. So things of one size share slabs, each a piece of
 * sodium_malloc's: between guard pages, locked, in no core file.
 */
#include <pthread.h>
#include <sodium.h>

#include "secret.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum {
    LINE = 64,              /* what sizes are rounded to: ciphers' states want it */
    SLAB = 8 * 4096 - LINE, /* with sodium_malloc's canary just whole pages */
};

/* In front of each thing; nobody may touch it while the thing is in use. */
struct cell {
    _Alignas(LINE) struct slab *slab;
    struct cell *next_free;
};

/* At the start of each slab. */
struct slab {
    _Alignas(LINE) struct slab *next, *previous; /* of those with a free cell */
    struct cell *free;
    size_t size, cell_size, used;
};

/* Those with a free cell, of all sizes: there are few sizes. */
static struct slab *open_slabs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void put_first(struct slab *s)
{
    s->previous = NULL;
    s->next = open_slabs;
    if (open_slabs != NULL)
        open_slabs->previous = s;
    open_slabs = s;
}

static void take_out(struct slab *s)
{
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        open_slabs = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
}

static struct slab *slab_new(size_t cell_size)
{
    size_t size =
        sizeof(struct slab) + cell_size > SLAB ? sizeof(struct slab) + cell_size : SLAB;
    struct slab *s = sodium_malloc(size);
    if (s == NULL)
        return NULL;
    sodium_memzero(s, size);
    s->size = size;
    s->cell_size = cell_size;
    uint8_t *at = (uint8_t *)(s + 1);
    for (size_t n = (size - sizeof *s) / cell_size; n > 0; n--, at += cell_size) {
        struct cell *c = (struct cell *)at;
        c->slab = s;
        c->next_free = s->free;
        s->free = c;
        ASAN_POISON_MEMORY_REGION(c, cell_size);
    }
    put_first(s);
    return s;
}

static void slab_free(struct slab *s)
{
    take_out(s);
    ASAN_UNPOISON_MEMORY_REGION(s, s->size);
    sodium_free(s);
}

/* One with a free cell of the size. */
static struct slab *find_open(size_t cell_size, const struct slab *but)
{
    struct slab *s = open_slabs;
    while (s != NULL && (s == but || s->cell_size != cell_size))
        s = s->next;
    return s;
}

static struct cell *take_cell(struct slab *s)
{
    struct cell *c = s->free;
    ASAN_UNPOISON_MEMORY_REGION(c, s->cell_size);
    s->free = c->next_free;
    s->used++;
    if (s->free == NULL)
        take_out(s);
    ASAN_POISON_MEMORY_REGION(c, sizeof *c);
    return c;
}

static void give_back(struct cell *c)
{
    ASAN_UNPOISON_MEMORY_REGION(c, sizeof *c);
    struct slab *s = c->slab;
    sodium_memzero(c + 1, s->cell_size - sizeof *c);
    if (s->free == NULL)
        put_first(s);
    c->next_free = s->free;
    s->free = c;
    s->used--;
    ASAN_POISON_MEMORY_REGION(c, s->cell_size);
    /* One stays: strangers who come and go must not have pages locked again and again. */
    if (s->used == 0 && find_open(s->cell_size, s) != NULL)
        slab_free(s);
}

void *tacit_secret_alloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t cell_size = sizeof(struct cell) + ((size + LINE - 1) & ~(size_t)(LINE - 1));
    pthread_mutex_lock(&lock);
    struct slab *s = find_open(cell_size, NULL);
    if (s == NULL)
        s = slab_new(cell_size);
    struct cell *c = s == NULL ? NULL : take_cell(s);
    pthread_mutex_unlock(&lock);
    return c == NULL ? NULL : c + 1;
}

void tacit_secret_free(void *secret)
{
    if (secret == NULL)
        return;
    pthread_mutex_lock(&lock);
    give_back((struct cell *)secret - 1);
    pthread_mutex_unlock(&lock);
}

/* The driver is unloaded, or the program ends. */
__attribute__((destructor)) static void free_slabs(void)
{
    pthread_mutex_lock(&lock);
    for (struct slab *s = open_slabs, *next; s != NULL; s = next) {
        next = s->next;
        if (s->used == 0)
            slab_free(s);
    }
    pthread_mutex_unlock(&lock);
}
