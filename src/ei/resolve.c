#include "ei/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "socket/socket.h"

/* One family's part of a question. */
struct requester {
    struct wire_question *question;
    int family;
    bool done;
    int error;
    struct addrinfo *found;
};

/* The last of the three frees it. */
struct wire_question {
    pthread_mutex_t lock;
    int users;
    int answered[2]; /* a pipe: a byte an answer */
    struct requester requesters[WIRE_FAMILIES];
    char host[TACIT_HOST_MAX + 1];
};

static int ask(const char *host, int family, int flags, struct addrinfo **ret_found)
{
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags};
    return getaddrinfo(host, NULL, &hints, ret_found);
}

static void free_question(struct wire_question *q)
{
    for (int i = 0; i < WIRE_FAMILIES; i++)
        if (q->requesters[i].found != NULL)
            freeaddrinfo(q->requesters[i].found);
    close(q->answered[0]);
    close(q->answered[1]);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

/* Takes the lock with it. */
static void leave(struct wire_question *q)
{
    bool last = --q->users == 0;
    pthread_mutex_unlock(&q->lock);
    if (last)
        free_question(q);
}

static void *answer(void *argument)
{
    struct requester *a = argument;
    struct wire_question *q = a->question;
    struct addrinfo *found = NULL;
    int error = ask(q->host, a->family, 0, &found);
    pthread_mutex_lock(&q->lock);
    a->error = error;
    a->found = error == 0 ? found : NULL;
    a->done = true;
    ssize_t written = write(q->answered[1], "", 1); /* it has room for both */
    (void)written;
    leave(q);
    return NULL;
}

static bool start(struct requester *a)
{
    pthread_attr_t detached;
    pthread_t thread;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    int error = pthread_create(&thread, &detached, answer, a);
    pthread_attr_destroy(&detached);
    return error == 0;
}

static bool open_pipe(int fds[2])
{
    if (pipe(fds) < 0)
        return false;
    if (socket_prepare(fds[0]) < 0) {
        close(fds[1]);
        return false;
    }
    if (socket_prepare(fds[1]) < 0) {
        close(fds[0]);
        return false;
    }
    return true;
}

struct wire_question *wire_ask(const char *host)
{
    static const int families[] = {[WIRE_IPV6] = AF_INET6, [WIRE_IPV4] = AF_INET};
    struct wire_question *q = calloc(1, sizeof *q);
    if (q == NULL || !open_pipe(q->answered)) {
        free(q);
        return NULL;
    }
    pthread_mutex_init(&q->lock, NULL);
    snprintf(q->host, sizeof q->host, "%s", host);
    q->users = 1 + WIRE_FAMILIES;
    for (int i = 0; i < WIRE_FAMILIES; i++) {
        struct requester *a = &q->requesters[i];
        a->question = q;
        a->family = families[i];
        if (start(a))
            continue;
        pthread_mutex_lock(&q->lock);
        a->error = EAI_MEMORY;
        a->done = true;
        leave(q);
    }
    return q;
}

int wire_question_fd(const struct wire_question *q)
{
    return q->answered[0];
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

bool wire_answer(struct wire_question *q, enum wire_family family, uint16_t port,
                 struct tacit_address *ret, size_t max, size_t *ret_count,
                 const char **ret_why)
{
    const struct requester *a = &q->requesters[family];
    pthread_mutex_lock(&q->lock);
    bool done = a->done;
    if (done) {
        *ret_count = take(a->found, port, ret, max);
        *ret_why = a->error == 0 ? "no IP address" : gai_strerror(a->error);
    }
    pthread_mutex_unlock(&q->lock);
    return done;
}

size_t wire_literal(const char *text, uint16_t port, struct tacit_address *ret,
                    size_t max)
{
    struct addrinfo *found = NULL;
    if (ask(text, AF_UNSPEC, AI_NUMERICHOST, &found) != 0)
        return 0;
    size_t count = take(found, port, ret, max);
    freeaddrinfo(found);
    return count;
}

void wire_forget(struct wire_question *q)
{
    if (q == NULL)
        return;
    pthread_mutex_lock(&q->lock);
    leave(q);
}
