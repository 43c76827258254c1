#include "door/registry.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "tacit/error.h"

enum {
    SLOTS_MIN = 16,
};

static uint64_t hash_of(const struct tacit_registry *r, const char *name)
{
    uint64_t hash;
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)name, strlen(name), r->hash_key);
    return hash;
}

static struct tacit_registry_entry **slot_of(const struct tacit_registry *r,
                                             uint64_t hash)
{
    return &r->slots[hash & (r->slot_count - 1)];
}

/* Twice as many slots: no more than one entry a slot, on average. */
static int grow(struct tacit_registry *r)
{
    size_t count = r->slot_count == 0 ? SLOTS_MIN : 2 * r->slot_count;
    struct tacit_registry_entry **slots = calloc(count, sizeof *slots);
    if (slots == NULL)
        return TACIT_ENOMEM;
    if (r->slot_count == 0)
        crypto_shorthash_keygen(r->hash_key);
    free(r->slots);
    r->slots = slots;
    r->slot_count = count;
    for (struct tacit_registry_entry *e = r->oldest; e != NULL; e = e->newer) {
        struct tacit_registry_entry **slot = slot_of(r, e->hash);
        e->next = *slot;
        *slot = e;
    }
    return TACIT_OK;
}

int tacit_registry_add(struct tacit_registry *r, struct tacit_registry_entry *e)
{
    if (tacit_registry_find(r, e->name) != NULL)
        return TACIT_ENAME;
    /* A table that cannot grow still takes the entry. */
    if (r->count >= r->slot_count && grow(r) != TACIT_OK && r->slot_count == 0)
        return TACIT_ENOMEM;
    e->hash = hash_of(r, e->name);
    struct tacit_registry_entry **slot = slot_of(r, e->hash);
    e->next = *slot;
    *slot = e;
    e->newer = NULL;
    e->older = r->newest;
    *(r->newest == NULL ? &r->oldest : &r->newest->newer) = e;
    r->newest = e;
    r->count++;
    return TACIT_OK;
}

void tacit_registry_remove(struct tacit_registry *r, struct tacit_registry_entry *e)
{
    struct tacit_registry_entry **at = slot_of(r, e->hash);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    *(e->older == NULL ? &r->oldest : &e->older->newer) = e->newer;
    *(e->newer == NULL ? &r->newest : &e->newer->older) = e->older;
    e->next = e->newer = e->older = NULL;
    r->count--;
}

struct tacit_registry_entry *tacit_registry_find(const struct tacit_registry *r,
                                                 const char *name)
{
    if (r->slot_count == 0)
        return NULL;
    uint64_t hash = hash_of(r, name);
    struct tacit_registry_entry *e = *slot_of(r, hash);
    while (e != NULL && (e->hash != hash || strcmp(e->name, name) != 0))
        e = e->next;
    return e;
}

void tacit_registry_free(struct tacit_registry *r)
{
    free(r->slots);
    memset(r, 0, sizeof *r);
}
