/* One direction of a connection: what comes in goes out later, in pieces, or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "wan.h"

enum {
    READ_MAX = 16384,
    LINE_BUFFER = 64 * 1024,    /* bytes that wait, whatever the rate */
    NO_LIMIT = 4 * 1024 * 1024, /* and where there is none */
};

static const uint64_t MS = 1000000; /* ns */

static struct conditions *conditions_of(const struct pipe *p)
{
    return &p->connection->conditions;
}

/* What is on its way, and a fifth of a second in front of the line. */
static size_t room(const struct pipe *p)
{
    const struct conditions *c = conditions_of(p);
    return c->rate == 0 ? NO_LIMIT
                        : LINE_BUFFER + (size_t)(c->rate * (c->delay + 200) / 1000);
}

/* --- in ----------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct chunk *chunk = malloc(sizeof *chunk + READ_MAX);
    if (chunk == NULL)
        abort();
    *buf = uv_buf_init(chunk->bytes, READ_MAX);
}

static void append(struct pipe *p, struct chunk *chunk)
{
    const struct conditions *c = conditions_of(p);
    uint64_t extra = c->jitter == 0 ? 0 : draw(&p->connection->random) % (c->jitter + 1);
    uint64_t due = uv_hrtime() + (c->delay + extra) * MS;
    p->last_due = chunk->due = due > p->last_due ? due : p->last_due;
    chunk->next = NULL;
    chunk->sent = 0;
    if (p->last == NULL)
        p->first = chunk;
    else
        p->last->next = chunk;
    p->last = chunk;
    p->queued += chunk->len;
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct pipe *p = stream->data;
    struct chunk *chunk =
        buf->base == NULL
            ? NULL
            : (struct chunk *)(void *)(buf->base - offsetof(struct chunk, bytes));
    if (chunk == NULL || nread == 0 || (p->deaf && nread > 0)) {
        free(chunk);
        return;
    }
    if (nread < 0 && p->deaf) {
        free(chunk);
        connection_close(p->connection, nread != UV_EOF);
        return;
    }
    if (nread < 0)
        uv_read_stop(stream);
    p->reading = nread > 0;
    chunk->len = nread > 0 ? (size_t)nread : 0;
    chunk->reset = nread < 0 && nread != UV_EOF;
    append(p, chunk);
    pipe_pump(p);
}

static void read_on(struct pipe *p)
{
    bool wanted = p->deaf || (!p->connection->stalled && p->queued < room(p));
    bool over = p->last != NULL && p->last->len == 0;
    if (p->ended || over || wanted == p->reading)
        return;
    p->reading = wanted;
    if (wanted)
        uv_read_start((uv_stream_t *)p->from, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)p->from);
}

/* --- out ---------------------------------------------------------------------------- */

static void drop_first(struct pipe *p)
{
    struct chunk *chunk = p->first;
    p->first = chunk->next;
    if (p->first == NULL)
        p->last = NULL;
    free(chunk);
}

static void on_timer(uv_timer_t *timer)
{
    pipe_pump(timer->data);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
}

/* Passes the end on; the second to do so closes. */
static void end(struct pipe *p, bool reset)
{
    struct connection *c = p->connection;
    p->ended = true;
    drop_first(p);
    if (reset || c->pipes[!p->way].ended)
        connection_close(c, reset);
    else
        uv_shutdown(&p->shutdown, (uv_stream_t *)p->to, on_shutdown);
}

static void on_written(uv_write_t *request, int status)
{
    struct pipe *p = request->data;
    p->writing = false;
    if (p->connection->closing)
        return;
    if (status < 0) {
        if (!p->deaf)
            connection_close(p->connection, true);
        return;
    }
    p->queued -= p->piece;
    p->first->sent += p->piece;
    p->counted += p->piece;
    p->passed += p->piece;
    if (p->first->sent == p->first->len)
        drop_first(p);
    pipe_pump(p);
}

/* Whether this is the byte at which the fault strikes. */
static bool faulty(const struct pipe *p)
{
    const struct conditions *c = conditions_of(p);
    return c->fault != FAULT_NONE && !p->connection->fault_done && c->way == p->way &&
           p->counted >= c->after;
}

/* How much goes at once: up to a segment, the fault, or 5 ms of the line. */
static size_t piece(const struct pipe *p)
{
    const struct conditions *c = conditions_of(p);
    uint64_t most = p->first->len - p->first->sent;
    if (c->segment > 0 && most > c->segment)
        most = c->segment;
    if (c->rate > 0 && most > c->rate / 200 + 1)
        most = c->rate / 200 + 1;
    if (c->fault != FAULT_NONE && !p->connection->fault_done && c->way == p->way &&
        most > c->after - p->counted)
        most = c->after - p->counted;
    return (size_t)most;
}

static void send_piece(struct pipe *p, uint64_t now)
{
    const struct conditions *c = conditions_of(p);
    p->piece = piece(p);
    if (c->rate > 0) {
        uint64_t from = p->free_from > now ? p->free_from : now;
        p->free_from = from + p->piece * 1000 * MS / c->rate;
    }
    uv_buf_t buf = uv_buf_init(p->first->bytes + p->first->sent, (unsigned)p->piece);
    p->write.data = p;
    p->writing = true;
    if (uv_write(&p->write, (uv_stream_t *)p->to, &buf, 1, on_written) != 0) {
        p->writing = false;
        connection_close(p->connection, true);
    }
}

static void flip(struct pipe *p)
{
    char *byte = p->first->bytes + p->first->sent;
    *byte = (char)(*byte ^ 1 << draw(&p->connection->random) % 8);
}

void pipe_pump(struct pipe *p)
{
    struct connection *c = p->connection;
    if (c->closing)
        return;
    read_on(p);
    if (p->writing || p->first == NULL || p->ended || p->deaf || c->stalled)
        return;
    uint64_t now = uv_hrtime();
    uint64_t due = p->first->due > p->free_from ? p->first->due : p->free_from;
    if (due > now) {
        uv_timer_start(&p->timer, on_timer, (due - now + MS - 1) / MS, 0);
    } else if (p->first->len == 0) {
        end(p, p->first->reset);
    } else if (faulty(p)) {
        if (c->conditions.fault == FAULT_FLIP)
            flip(p);
        connection_fault(c); /* and that pumps where there is anything left */
    } else {
        send_piece(p, now);
    }
}

/* --- from the first moment to the last -----------------------------------------------
 */

int pipe_init(struct pipe *p, struct connection *c, enum way way)
{
    *p = (struct pipe){.connection = c, .way = way};
    p->from = &c->ends[way];
    p->to = &c->ends[!way];
    p->from->data = p->timer.data = p;
    return uv_timer_init(c->ends[0].loop, &p->timer);
}

void pipe_deafen(struct pipe *p)
{
    p->deaf = true;
    uv_timer_stop(&p->timer);
    if (p->last != NULL && p->last->len == 0)
        connection_close(p->connection, false); /* the end was read already */
    else
        pipe_pump(p);
}

void pipe_clear(struct pipe *p)
{
    while (p->first != NULL)
        drop_first(p);
}
