/* One who asks a node that is its own door which nodes there are: itself, and no other.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"
#include "channel/directory.h"

struct asker {
    struct tacit_channel channel;
    size_t got;
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
};

int asker_start(struct conn *c)
{
    c->asker = tacit_secret_alloc(sizeof *c->asker);
    if (c->asker == NULL)
        return TACIT_ENOMEM;
    return tacit_session_take(&c->session, &c->asker->channel);
}

void asker_free(struct asker *a)
{
    tacit_secret_free(a);
}

/* All of it fits the socket: little was sent before. */
static int answer(struct conn *c, const char *name)
{
    uint8_t out[TACIT_DIRECTORY_ANSWER_MAX];
    const char *const names[] = {name};
    size_t from = 0, len;
    for (bool done = false; !done;) {
        int error =
            tacit_directory_answer(&c->asker->channel, names, 1, &from, out, &len, &done);
        if (!error && write(c->fd, out, len) != (ssize_t)len)
            error = TACIT_ECUT;
        if (error)
            return error;
    }
    shutdown(c->fd, SHUT_WR);
    c->silent = true; /* until it has read that and goes, or its deadline comes */
    return TACIT_OK;
}

static enum conn_state failed(struct conn *c, int error)
{
    c->event = tacit_session_fail(&c->session, error);
    return CONN_OVER;
}

enum conn_state asker_advance(struct conn *c, const char *name)
{
    struct asker *a = c->asker;
    for (;;) {
        size_t size = tacit_record_size(a->question, a->got); /* 0: not known yet */
        size_t whole = size == 0 ? TACIT_RECORD_HEADER : size;
        if (whole > sizeof a->question)
            return failed(c, TACIT_EFORMAT);
        if (size > 0 && a->got == size)
            break;
        ssize_t n = read(c->fd, a->question + a->got, whole - a->got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CONN_READ;
        if (n <= 0)
            return failed(c, TACIT_ECUT);
        a->got += (size_t)n;
    }
    int error = tacit_directory_question(&a->channel, a->question, a->got);
    if (!error)
        error = answer(c, name);
    return error ? failed(c, error) : CONN_READ;
}
