/*
 * Legacy epmd: the protocol that OTP's epmd speaks, and the names that it keeps. For
 * plain nodes, erl_call and C nodes of this host. No I/O: bytes in, bytes out. OTP's own
 * epmd (erts/epmd) is the reference, down to what a broken packet gets.
 */
#ifndef TACIT_DOOR_LEGACY_H
#define TACIT_DOOR_LEGACY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "door/registry.h"

enum {
    TACIT_LEGACY_HEADER = 2,
    TACIT_LEGACY_NAME_MAX = 1020,  /* bytes; 255 characters */
    TACIT_LEGACY_INPUT_MAX = 3060, /* a request, its length included */
    TACIT_LEGACY_REPLY_MAX = 14 + 2 * TACIT_LEGACY_NAME_MAX,
    TACIT_LEGACY_OLD_MAX = 1000, /* names remembered for their creation */
};

/* A request while it comes in. Zero it to start. */
struct tacit_legacy_input {
    size_t got, want; /* want 0: the length is not known yet */
    uint8_t bytes[TACIT_LEGACY_INPUT_MAX];
};

/* How many bytes may be read next, to in->bytes + in->got. */
size_t tacit_legacy_wants(const struct tacit_legacy_input *in);

/* len of them came. 0: *ret_whole says if it is whole; TACIT_EFORMAT: close. */
int tacit_legacy_took(struct tacit_legacy_input *in, size_t len, bool *ret_whole);

enum tacit_legacy_type {
    TACIT_LEGACY_ALIVE = 'x',
    TACIT_LEGACY_PORT = 'z',
    TACIT_LEGACY_NAMES = 'n',
    TACIT_LEGACY_DUMP = 'd',
    TACIT_LEGACY_KILL = 'k',
    TACIT_LEGACY_STOP = 's',
};

struct tacit_legacy_request {
    enum tacit_legacy_type type;
    uint16_t port; /* this and what follows: of ALIVE */
    uint8_t node_type, protocol;
    uint16_t version_max, version_min;
    bool name_ok; /* else the answer is an error, not a close */
    const uint8_t *extra;
    size_t extra_len;
    char name[TACIT_LEGACY_INPUT_MAX]; /* of ALIVE, PORT and STOP */
};

/* Reads a whole request. TACIT_EFORMAT: epmd closes without an answer. */
int tacit_legacy_read(const struct tacit_legacy_input *in,
                      struct tacit_legacy_request *ret_request);

/* A registered node. */
struct tacit_legacy_node {
    struct tacit_registry_entry entry;
    uint16_t port, version_max, version_min;
    uint8_t node_type, protocol;
    uint32_t creation;
    int fd;      /* of its connection, which DUMP shows */
    void *owner; /* the caller's */
    size_t name_len, extra_len;
    uint8_t bytes[]; /* the name, a zero, the extra */
};

/* The node of an entry that tacit_registry_find gave; NULL for NULL. */
struct tacit_legacy_node *tacit_legacy_node_of(struct tacit_registry_entry *e);

/* All of them. Zero it to start. */
struct tacit_legacy {
    struct tacit_registry live, old;
};

/*
 * Registers what an ALIVE asks for. TACIT_ENAME: the name is taken, or none;
 * TACIT_ENOMEM. The creation grows each time a name comes back; a new name's starts from
 * seed.
 */
int tacit_legacy_register(struct tacit_legacy *l,
                          const struct tacit_legacy_request *request, int fd,
                          uint32_t seed, struct tacit_legacy_node **ret_node);
void tacit_legacy_unregister(struct tacit_legacy *l, struct tacit_legacy_node *node);
void tacit_legacy_free(struct tacit_legacy *l);

/* The answers. node NULL: the error. Returns the length. */
size_t tacit_legacy_alive_reply(const struct tacit_legacy_request *request,
                                const struct tacit_legacy_node *node, uint8_t out[6]);
size_t tacit_legacy_port_reply(const struct tacit_legacy_node *node,
                               uint8_t out[TACIT_LEGACY_REPLY_MAX]);

/*
 * The answer to NAMES, or to DUMP, of an epmd on this port. NULL: no memory; the caller
 * frees it.
 */
uint8_t *tacit_legacy_list(const struct tacit_legacy *l, enum tacit_legacy_type type,
                           uint16_t port, size_t *ret_len);

#endif
