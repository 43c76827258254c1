/* World's end of messages: what the driver queues, sends to processes and puts off. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

enum {
    ATOMS_MAX = 128,
};

static char atoms[ATOMS_MAX][32];

/* --- a port's queue -------------------------------------------------------------------
 */

int driver_enq(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    struct port *p = port_of(port);
    if (fault_now())
        return -1;
    if (len > QUEUE_MAX - p->queue_end)
        abort();
    if (len > 0) /* bytes may be NULL then */
        memcpy(p->queue + p->queue_end, bytes, len);
    p->queue_end += len;
    return 0;
}

int driver_enq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                   ErlDrvSizeT len)
{
    return driver_enq(port, binary->orig_bytes + offset, len);
}

int driver_enqv(ErlDrvPort port, ErlIOVec *message, ErlDrvSizeT skip)
{
    for (int i = 0; i < message->vsize; i++) {
        size_t len = message->iov[i].iov_len, left_out = skip < len ? skip : len;
        skip -= left_out;
        if (driver_enq(port, (char *)message->iov[i].iov_base + left_out, len - left_out))
            return -1;
    }
    return 0;
}

int driver_pushq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                     ErlDrvSizeT len)
{
    struct port *p = port_of(port);
    size_t size = driver_sizeq(port);
    if (fault_now())
        return -1;
    if (len > QUEUE_MAX - size)
        abort();
    memmove(p->queue + len, p->queue + p->queue_start, size);
    memcpy(p->queue, binary->orig_bytes + offset, len);
    p->queue_start = 0;
    p->queue_end = len + size;
    return 0;
}

ErlDrvSizeT driver_sizeq(ErlDrvPort port)
{
    return port_of(port)->queue_end - port_of(port)->queue_start;
}

SysIOVec *driver_peekq(ErlDrvPort port, int *count)
{
    struct port *p = port_of(port);
    p->vector.iov_base = p->queue + p->queue_start;
    p->vector.iov_len = driver_sizeq(port);
    *count = p->vector.iov_len > 0;
    return &p->vector;
}

ErlDrvSizeT driver_deq(ErlDrvPort port, ErlDrvSizeT len)
{
    struct port *p = port_of(port);
    p->queue_start += len;
    if (p->queue_start == p->queue_end)
        p->queue_start = p->queue_end = 0;
    return driver_sizeq(port);
}

/* --- messages -------------------------------------------------------------------------
 */

int driver_output(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    port_of(port)->delivered += len;
    return 0;
}

int driver_output_binary(ErlDrvPort port, char *header, ErlDrvSizeT header_len,
                         ErlDrvBinary *binary, ErlDrvSizeT offset, ErlDrvSizeT len)
{
    return driver_output(port, binary->orig_bytes + offset, len);
}

ErlDrvTermData driver_mk_atom(char *name)
{
    for (ErlDrvTermData i = 0; i < ATOMS_MAX; i++) {
        if (atoms[i][0] == '\0')
            snprintf(atoms[i], sizeof atoms[i], "%s", name);
        if (strcmp(atoms[i], name) == 0)
            return i;
    }
    abort();
}

ErlDrvTermData driver_mk_port(ErlDrvPort port)
{
    return (ErlDrvTermData)(void *)port;
}

static struct port *accepted[PORTS_MAX];
static size_t accepted_count;

static void note_accepted(struct port *p)
{
    if (accepted_count == PORTS_MAX)
        abort();
    accepted[accepted_count++] = p;
}

struct port *world_accepted(void)
{
    struct port *first = accepted[0];
    if (accepted_count == 0)
        return NULL;
    memmove(accepted, accepted + 1, --accepted_count * sizeof accepted[0]);
    return first;
}

/* {Atom, Port, ...}, or {tacit_loaded, Number, ...} */
int erl_drv_send_term(ErlDrvTermData port, ErlDrvTermData to, ErlDrvTermData *term,
                      int len)
{
    struct port *p = (struct port *)(term[2] == ERL_DRV_PORT ? term[3] : port);
    const char *name = atoms[term[1]];
    if (strcmp(name, "tacit_accept") == 0)
        note_accepted((struct port *)term[5]);
    snprintf(p->told, sizeof p->told, "%s", name);
    p->told_data += strcmp(name, "tacit_data") == 0;
    return 1;
}

int erl_drv_output_term(ErlDrvTermData port, ErlDrvTermData *term, int len)
{
    return erl_drv_send_term(port, 0, term, len);
}

/* --- the rest -------------------------------------------------------------------------
 */

ErlDrvMutex *erl_drv_mutex_create(char *name)
{
    return malloc(1);
}

void erl_drv_mutex_destroy(ErlDrvMutex *mutex)
{
    free(mutex);
}

void erl_drv_mutex_lock(ErlDrvMutex *mutex)
{
}

void erl_drv_mutex_unlock(ErlDrvMutex *mutex)
{
}

/* Runs at once: there is one thread. */
int erl_drv_thread_create(char *name, ErlDrvTid *tid, void *(*run)(void *), void *data,
                          ErlDrvThreadOpts *options)
{
    if (fault_now())
        return -1;
    run(data);
    return 0;
}

int erl_drv_thread_join(ErlDrvTid tid, void **ret_value)
{
    return 0;
}

int driver_monitor_process(ErlDrvPort port, ErlDrvTermData process,
                           ErlDrvMonitor *monitor)
{
    return fault_now() ? 1 : 0;
}

int driver_demonitor_process(ErlDrvPort port, const ErlDrvMonitor *monitor)
{
    return 0;
}

int driver_compare_monitors(const ErlDrvMonitor *a, const ErlDrvMonitor *b)
{
    return 0;
}

ErlDrvTermData driver_caller(ErlDrvPort port)
{
    return 0;
}

int driver_lock_driver(ErlDrvPort port)
{
    return 0;
}
