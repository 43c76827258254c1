/* ei's contexts: a table of numbers, in parts that have a lock each. */
#include "ei/context.h"

#include <errno.h>
#include <stdlib.h>

#include "ei/fault.h"

enum {
    PARTS = 32,
};

static struct part {
    pthread_mutex_t lock;
    pthread_cond_t left; /* the last user has left one that is closing */
    struct cnode_context *first;
} parts[PARTS];

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uintptr_t newest;

/* --- fork() --------------------------------------------------------------------------
 */

/* No thread is in the middle of the table when the process is copied. */
static void lock_all(void)
{
    for (size_t i = 0; i < PARTS; i++)
        pthread_mutex_lock(&parts[i].lock);
}

static void unlock_all(void)
{
    for (size_t i = 0; i < PARTS; i++)
        pthread_mutex_unlock(&parts[i].lock);
}

static void become_child(void)
{
    cnode_forked();
    unlock_all();
}

/* --- the table -----------------------------------------------------------------------
 */

static void start(void)
{
    for (size_t i = 0; i < PARTS; i++) {
        pthread_mutex_init(&parts[i].lock, NULL);
        pthread_cond_init(&parts[i].left, NULL);
    }
    (void)pthread_atfork(lock_all, unlock_all, become_child);
}

static struct part *part_of(uintptr_t number)
{
    return &parts[number % PARTS];
}

/* With the part's lock held. */
static struct cnode_context **find(struct part *p, uintptr_t number)
{
    struct cnode_context **at = &p->first;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

void *cnode_context_new(struct cnode *node, struct cnode_link *link)
{
    struct cnode_context *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    (void)pthread_once(&once, start);
    c->node = cnode_hold(node);
    c->link = link;
    c->process = cnode_process();
    c->number = atomic_fetch_add(&newest, 1) + 1;
    struct part *p = part_of(c->number);
    pthread_mutex_lock(&p->lock);
    c->next = p->first;
    p->first = c;
    pthread_mutex_unlock(&p->lock);
    return (void *)c->number; /* NOLINT: it is never taken for an address */
}

struct cnode_context *cnode_context_enter(void *ei)
{
    struct part *p = part_of((uintptr_t)ei);
    pthread_mutex_lock(&p->lock);
    struct cnode_context *c = *find(p, (uintptr_t)ei);
    bool foreign = c != NULL && c->process != cnode_process();
    if (foreign)
        c = NULL;
    if (c != NULL)
        c->users++;
    pthread_mutex_unlock(&p->lock);
    if (c == NULL)
        (void)cnode_fault(EBADF, "%s",
                          foreign ? "it is of the process that this one was forked from: "
                                    "expected to be closed here, and no more"
                                  : "it was closed");
    return c;
}

void cnode_context_leave(struct cnode_context *c)
{
    struct part *p = part_of(c->number);
    pthread_mutex_lock(&p->lock);
    if (--c->users == 0 && c->closing)
        pthread_cond_broadcast(&p->left);
    pthread_mutex_unlock(&p->lock);
}

/* --- the end -------------------------------------------------------------------------
 */

static void wake_users(struct cnode_context *c)
{
    if (c->link != NULL) {
        cnode_link_close(c->link, TACIT_CLOSE_DONE, "");
        cnode_link_wake(c->link);
    }
    if (c->listener != NULL)
        atomic_store(&c->listener->closing, true);
}

/* Nobody finds it any more; *ret_users: some are still in it. */
static struct cnode_context *remove_it(struct part *p, uintptr_t number, bool *ret_users)
{
    pthread_mutex_lock(&p->lock);
    struct cnode_context **at = find(p, number), *c = *at;
    if (c != NULL) {
        *at = c->next;
        c->closing = true;
        *ret_users = c->users > 0;
    }
    pthread_mutex_unlock(&p->lock);
    return c;
}

void cnode_context_close(void *ei)
{
    struct part *p = part_of((uintptr_t)ei);
    bool used;
    struct cnode_context *c = remove_it(p, (uintptr_t)ei, &used);
    if (c == NULL)
        return;
    if (c->process != cnode_process()) {
        cnode_link_abandon(c->link);
        cnode_listener_abandon(c->listener);
        return; /* what threads of the other process are doing with it, nobody knows */
    }
    if (used)
        wake_users(c);
    pthread_mutex_lock(&p->lock);
    while (c->users > 0)
        pthread_cond_wait(&p->left, &p->lock);
    pthread_mutex_unlock(&p->lock);
    cnode_link_free(c->link);
    cnode_listener_free(c->listener);
    cnode_release(c->node);
    free(c);
}
