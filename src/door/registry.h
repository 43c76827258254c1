/*
 * Names and who has them: a hash table, so that a look-up among 10,000 names costs what
 * it costs among 10. Entries are part of what the caller keeps of each name.
 */
#ifndef TACIT_DOOR_REGISTRY_H
#define TACIT_DOOR_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

struct tacit_registry_entry {
    const char *name; /* the caller's, for as long as the entry is in a table */
    uint64_t hash;
    struct tacit_registry_entry *next;          /* of the same slot */
    struct tacit_registry_entry *newer, *older; /* of the whole table */
};

/* Zero it to start. */
struct tacit_registry {
    struct tacit_registry_entry **slots; /* a power of two of them */
    size_t slot_count, count;
    struct tacit_registry_entry *newest, *oldest; /* by the time they were added */
    uint8_t hash_key[16]; /* so that nobody can aim names at one slot */
};

/* Adds e under e->name. TACIT_ENAME: it is there already; TACIT_ENOMEM. */
int tacit_registry_add(struct tacit_registry *r, struct tacit_registry_entry *e);

/* Takes out an entry that is in the table. */
void tacit_registry_remove(struct tacit_registry *r, struct tacit_registry_entry *e);

/* The entry with this name, or NULL. */
struct tacit_registry_entry *tacit_registry_find(const struct tacit_registry *r,
                                                 const char *name);

/* Frees the table; the entries are the caller's. */
void tacit_registry_free(struct tacit_registry *r);

#endif
