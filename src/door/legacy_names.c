/* The names that legacy epmd keeps: those of live nodes, and old ones for their creation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "door/legacy.h"
#include "tacit/error.h"

enum {
    CREATION_MIN = 4, /* 1 to 3 are an older protocol's */
    LINE_MAX_LEN = TACIT_LEGACY_NAME_MAX + 64,
};

struct tacit_legacy_node *tacit_legacy_node_of(struct tacit_registry_entry *e)
{
    return e == NULL
               ? NULL
               : (struct tacit_legacy_node *)(void *)((char *)e -
                                                      offsetof(struct tacit_legacy_node,
                                                               entry));
}

static struct tacit_legacy_node *new_node(const struct tacit_legacy_request *request,
                                          int fd)
{
    size_t name_len = strlen(request->name);
    struct tacit_legacy_node *node =
        malloc(sizeof *node + name_len + 1 + request->extra_len);
    if (node == NULL)
        return NULL;
    *node = (struct tacit_legacy_node){
        .port = request->port,
        .version_max = request->version_max,
        .version_min = request->version_min,
        .node_type = request->node_type,
        .protocol = request->protocol,
        .fd = fd,
        .name_len = name_len,
        .extra_len = request->extra_len,
    };
    memcpy(node->bytes, request->name, name_len + 1);
    if (request->extra_len > 0)
        memcpy(node->bytes + name_len + 1, request->extra, request->extra_len);
    node->entry.name = (const char *)node->bytes;
    return node;
}

static void forget(struct tacit_legacy *l, struct tacit_registry_entry *e)
{
    tacit_registry_remove(&l->old, e);
    free(tacit_legacy_node_of(e));
}

int tacit_legacy_register(struct tacit_legacy *l,
                          const struct tacit_legacy_request *request, int fd,
                          uint32_t seed, struct tacit_legacy_node **ret_node)
{
    if (!request->name_ok || tacit_registry_find(&l->live, request->name) != NULL)
        return TACIT_ENAME;
    struct tacit_legacy_node *node = new_node(request, fd);
    if (node == NULL)
        return TACIT_ENOMEM;
    struct tacit_registry_entry *old = tacit_registry_find(&l->old, request->name);
    node->creation = (old != NULL ? tacit_legacy_node_of(old)->creation : seed) + 1;
    if (node->creation < CREATION_MIN)
        node->creation = CREATION_MIN;
    int error = tacit_registry_add(&l->live, &node->entry);
    if (error) {
        free(node);
        return error;
    }
    if (old != NULL)
        forget(l, old);
    *ret_node = node;
    return TACIT_OK;
}

void tacit_legacy_unregister(struct tacit_legacy *l, struct tacit_legacy_node *node)
{
    tacit_registry_remove(&l->live, &node->entry);
    if (tacit_registry_add(&l->old, &node->entry) != TACIT_OK)
        free(node); /* only its creation is lost */
    if (l->old.count > TACIT_LEGACY_OLD_MAX)
        forget(l, l->old.oldest);
}

void tacit_legacy_free(struct tacit_legacy *l)
{
    while (l->live.oldest != NULL)
        tacit_legacy_unregister(l, tacit_legacy_node_of(l->live.oldest));
    while (l->old.oldest != NULL)
        forget(l, l->old.oldest);
    tacit_registry_free(&l->live);
    tacit_registry_free(&l->old);
}

/* A line of NAMES, or of DUMP, whose lines end with a zero: epmd's do. */
static size_t line(enum tacit_legacy_type type, bool old,
                   const struct tacit_legacy_node *n, char out[LINE_MAX_LEN])
{
    const char *name = n->entry.name;
    if (type == TACIT_LEGACY_NAMES)
        return (size_t)snprintf(out, LINE_MAX_LEN, "name %s at port %d\n", name, n->port);
    return 1 + (size_t)snprintf(out, LINE_MAX_LEN,
                                old ? "old/unused name <%s>, port = %d, fd = %d \n"
                                    : "active name     <%s> at port %d, fd = %d\n",
                                name, n->port, n->fd);
}

/* Two rounds: the first counts, the second writes. */
static size_t lines(const struct tacit_legacy *l, enum tacit_legacy_type type,
                    struct tacit_writer *w)
{
    char text[LINE_MAX_LEN];
    size_t total = 0;
    struct tacit_registry_entry *e = l->live.newest;
    bool old = false;
    while (e != NULL || (type == TACIT_LEGACY_DUMP && !old)) {
        if (e == NULL) {
            old = true;
            e = l->old.oldest;
            continue;
        }
        size_t len = line(type, old, tacit_legacy_node_of(e), text);
        if (w != NULL)
            tacit_put_bytes(w, text, len);
        total += len;
        e = old ? e->newer : e->older;
    }
    return total;
}

uint8_t *tacit_legacy_list(const struct tacit_legacy *l, enum tacit_legacy_type type,
                           uint16_t port, size_t *ret_len)
{
    size_t len = 4 + lines(l, type, NULL);
    uint8_t *out = malloc(len);
    if (out == NULL)
        return NULL;
    struct tacit_writer w = tacit_writer(out, len);
    tacit_put_u32(&w, port);
    lines(l, type, &w);
    *ret_len = len;
    return out;
}
