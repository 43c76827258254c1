/*
 * Addresses of a host, within a deadline. The system's resolver takes no deadline, so a
 * name is asked for on a thread of its own, which nobody waits for any longer than that.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ei/wire.h"
#include "socket/socket.h"

/* One question. Whoever of the two is last frees it. */
struct question {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int users;
    bool done;
    int error;
    struct addrinfo *found;
    char host[TACIT_HOST_MAX + 1];
};

static int ask(const char *host, int flags, struct addrinfo **ret_found)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    return getaddrinfo(host, NULL, &hints, ret_found);
}

/* Takes the lock with it. */
static void leave(struct question *q)
{
    bool last = --q->users == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    if (q->found != NULL)
        freeaddrinfo(q->found);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void *answer(void *argument)
{
    struct question *q = argument;
    struct addrinfo *found = NULL;
    int error = ask(q->host, 0, &found);
    pthread_mutex_lock(&q->lock);
    q->error = error;
    q->found = error == 0 ? found : NULL;
    q->done = true;
    pthread_cond_signal(&q->answered);
    leave(q);
    return NULL;
}

static struct question *question(const char *host)
{
    struct question *q = calloc(1, sizeof *q);
    pthread_condattr_t clock;
    pthread_attr_t detached;
    pthread_t thread;
    if (q == NULL)
        return NULL;
    snprintf(q->host, sizeof q->host, "%s", host);
    q->users = 2;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&q->answered, &clock);
    pthread_condattr_destroy(&clock);
    pthread_mutex_init(&q->lock, NULL);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &detached, answer, q);
    pthread_attr_destroy(&detached);
    if (error == 0)
        return q;
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
    return NULL;
}

static size_t take(const struct addrinfo *found, uint16_t port, struct tacit_address *ret,
                   size_t max)
{
    size_t count = 0;
    for (const struct addrinfo *i = found; i != NULL && count < max; i = i->ai_next) {
        socket_address(i->ai_addr, &ret[count]);
        ret[count].port = port;
        count += ret[count].family != 0;
    }
    return count;
}

static int wait_for(struct question *q, int64_t deadline)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / 1000000),
                             .tv_nsec = (long)(deadline % 1000000) * 1000};
    int error = 0;
    while (!q->done && error != ETIMEDOUT)
        error = deadline == WIRE_NEVER
                    ? pthread_cond_wait(&q->answered, &q->lock)
                    : pthread_cond_timedwait(&q->answered, &q->lock, &until);
    return q->done ? TACIT_OK : TACIT_ETIMEOUT;
}

/* A literal address needs nobody to be asked. */
static bool resolve_literal(const struct tacit_endpoint *endpoint,
                            struct tacit_address *ret, size_t max, size_t *ret_count)
{
    struct addrinfo *found = NULL;
    if (ask(endpoint->host, AI_NUMERICHOST, &found) != 0)
        return false;
    *ret_count = take(found, endpoint->port, ret, max);
    freeaddrinfo(found);
    return *ret_count > 0;
}

int wire_resolve(const struct tacit_endpoint *endpoint, int64_t deadline,
                 struct tacit_address *ret, size_t max, size_t *ret_count,
                 const char **ret_why)
{
    if (resolve_literal(endpoint, ret, max, ret_count))
        return TACIT_OK;
    struct question *q = question(endpoint->host);
    if (q == NULL) {
        *ret_why = "memory or threads ran out";
        return TACIT_ENAME;
    }
    pthread_mutex_lock(&q->lock);
    int error = wait_for(q, deadline);
    if (error) {
        *ret_why = "no answer from the resolver";
    } else {
        *ret_count = take(q->found, endpoint->port, ret, max);
        *ret_why = q->error == 0 ? "no IP address" : gai_strerror(q->error);
        error = *ret_count > 0 ? TACIT_OK : TACIT_ENAME;
    }
    leave(q);
    return error;
}
