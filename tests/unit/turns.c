#include "turns.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECES_MAX = 16384,
};

size_t turns_queued, turns_held, turns_messages, turns_bytes, turns_room, turns_lent;
bool turns_busy;
char *turns_arrived;

/* With the emulator's fields before it. */
struct counted {
    int users;
    bool own;
    ErlDrvBinary binary;
};

static struct piece {
    ErlDrvBinary *binary;
    char *at;
    size_t len;
} queue[PIECES_MAX];
static SysIOVec shown[PIECES_MAX];
static size_t pieces;

static struct counted *counted(ErlDrvBinary *binary)
{
    return (struct counted *)(void *)((char *)binary - offsetof(struct counted, binary));
}

static ErlDrvBinary *new_binary(size_t size, bool own)
{
    struct counted *c = malloc(sizeof *c + size);
    if (c == NULL)
        abort();
    c->users = 1;
    c->own = own;
    c->binary.orig_size = (ErlDrvSInt)size;
    return &c->binary;
}

ErlDrvBinary *turns_binary(size_t size)
{
    return new_binary(size, false);
}

ErlDrvBinary *driver_alloc_binary(ErlDrvSizeT size)
{
    return new_binary(size, true);
}

ErlDrvBinary *driver_realloc_binary(ErlDrvBinary *binary, ErlDrvSizeT size)
{
    struct counted *c = realloc(counted(binary), sizeof *c + size);
    if (c == NULL)
        abort();
    c->binary.orig_size = (ErlDrvSInt)size;
    return &c->binary;
}

void driver_free_binary(ErlDrvBinary *binary)
{
    struct counted *c = counted(binary);
    if (--c->users == 0)
        free(c);
}

/* --- the queue ---------------------------------------------------------------------- */

static int put_at(size_t index, ErlDrvBinary *binary, char *at, size_t len)
{
    if (pieces == PIECES_MAX)
        abort();
    memmove(&queue[index + 1], &queue[index], (pieces - index) * sizeof queue[0]);
    queue[index] = (struct piece){binary, at, len};
    counted(binary)->users++;
    turns_held += counted(binary)->own ? (size_t)binary->orig_size : 0;
    turns_queued += len;
    pieces++;
    return 0;
}

static void take_first(void)
{
    ErlDrvBinary *binary = queue[0].binary;
    turns_held -= counted(binary)->own ? (size_t)binary->orig_size : 0;
    driver_free_binary(binary);
    memmove(&queue[0], &queue[1], --pieces * sizeof queue[0]);
}

int driver_enq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                   ErlDrvSizeT len)
{
    return put_at(pieces, binary, binary->orig_bytes + offset, len);
}

int driver_pushq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                     ErlDrvSizeT len)
{
    return put_at(0, binary, binary->orig_bytes + offset, len);
}

int driver_enq(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    ErlDrvBinary *copy = driver_alloc_binary(len);
    memcpy(copy->orig_bytes, bytes, len);
    put_at(pieces, copy, copy->orig_bytes, len);
    driver_free_binary(copy);
    return 0;
}

int driver_enqv(ErlDrvPort port, ErlIOVec *message, ErlDrvSizeT skip)
{
    for (int i = 0; i < message->vsize; i++) {
        SysIOVec *piece = &message->iov[i];
        size_t out = skip < piece->iov_len ? skip : piece->iov_len;
        char *at = (char *)piece->iov_base + out;
        skip -= out;
        if (piece->iov_len == out)
            continue;
        if (message->binv[i] != NULL)
            put_at(pieces, message->binv[i], at, piece->iov_len - out);
        else
            driver_enq(port, at, piece->iov_len - out);
    }
    return 0;
}

ErlDrvSizeT driver_sizeq(ErlDrvPort port)
{
    return turns_queued;
}

SysIOVec *driver_peekq(ErlDrvPort port, int *count)
{
    for (size_t i = 0; i < pieces; i++)
        shown[i] = (SysIOVec){.iov_base = queue[i].at, .iov_len = queue[i].len};
    *count = (int)pieces;
    return shown;
}

ErlDrvSizeT driver_deq(ErlDrvPort port, ErlDrvSizeT len)
{
    while (len > 0) {
        size_t n = queue[0].len < len ? queue[0].len : len;
        queue[0].at += n;
        queue[0].len -= n;
        turns_queued -= n;
        len -= n;
        if (queue[0].len == 0)
            take_first();
    }
    return turns_queued;
}

void turns_reset(void)
{
    (void)driver_deq(NULL, turns_queued);
    turns_busy = false;
    turns_messages = turns_bytes = 0;
}

/* --- what else is called ------------------------------------------------------------ */

void *driver_alloc(ErlDrvSizeT size)
{
    return malloc(size);
}

void driver_free(void *memory)
{
    free(memory);
}

void set_busy_port(ErlDrvPort port, int on)
{
    turns_busy = on;
}

int erl_drv_consume_timeslice(ErlDrvPort port, int percent)
{
    return 0;
}

char *erl_errno_id(int error)
{
    return strerror(error);
}

ErlDrvTime erl_drv_monotonic_time(ErlDrvTimeUnit unit)
{
    return 0;
}

int driver_output(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    size_t n = len < turns_room - turns_bytes ? len : turns_room - turns_bytes;
    memcpy(turns_arrived + turns_bytes, bytes, n);
    turns_bytes += n;
    turns_messages++;
    return 0;
}

int driver_output_binary(ErlDrvPort port, char *header, ErlDrvSizeT header_len,
                         ErlDrvBinary *binary, ErlDrvSizeT offset, ErlDrvSizeT len)
{
    return driver_output(port, binary->orig_bytes + offset, len);
}

void link_fail(struct link *l, int error, const char *reason, const char *text)
{
    l->failed = error;
}

void link_no_memory(struct link *l)
{
    l->failed = TACIT_ENOMEM;
}

void link_protocol_error(struct link *l, const char *text)
{
    l->failed = TACIT_EFORMAT;
}

void link_arm(struct link *l)
{
}

void link_select(struct link *l, bool read, bool write)
{
    l->selected_read = read;
    l->selected_write = write;
}

void link_send_close(struct link *l, enum tacit_close reason, const char *text)
{
}

struct policy_ref *shared_policy(void)
{
    turns_lent++;
    return NULL;
}

void policy_release(struct policy_ref *ref)
{
}

void term_atom(struct term *t, const char *name)
{
}

void term_port(struct term *t, ErlDrvPort port)
{
}

void term_list(struct term *t, const uint8_t *bytes, size_t len)
{
}

void term_tuple(struct term *t, unsigned arity)
{
}

void term_to_owner(struct term *t, ErlDrvPort port)
{
}
