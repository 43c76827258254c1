/*
 * As much of the emulator as the data path of src/carrier calls, so that its
 * instructions can be counted without it: messages that are delivered are counted and
 * dropped, time stands still unless the harness moves it. ../../emulator.c has the rest.
 */
#include "emulator.h"

#include <stdio.h>
#include <stdlib.h>

ErlDrvTime emulator_us;
size_t emulator_delivered, emulator_delivered_bytes;

ErlDrvTime erl_drv_monotonic_time(ErlDrvTimeUnit unit)
{
    return unit == ERL_DRV_USEC ? emulator_us : emulator_us / 1000;
}

static int delivered(size_t len)
{
    emulator_delivered++;
    emulator_delivered_bytes += len;
    return 0;
}

int driver_output(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    return delivered(len);
}

int driver_output_binary(ErlDrvPort port, char *header, ErlDrvSizeT header_len,
                         ErlDrvBinary *binary, ErlDrvSizeT offset, ErlDrvSizeT len)
{
    return delivered(len);
}

/* The harness reads what was written before more is: nothing is ever queued. */
ErlDrvSizeT driver_sizeq(ErlDrvPort port)
{
    return 0;
}

static int never(const char *what)
{
    fprintf(stderr, "%s was called: the harness has not read in time\n", what);
    exit(1);
}

int driver_enq(ErlDrvPort port, char *bytes, ErlDrvSizeT len)
{
    return never("driver_enq");
}

int driver_enq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                   ErlDrvSizeT len)
{
    return never("driver_enq_bin");
}

int driver_enqv(ErlDrvPort port, ErlIOVec *message, ErlDrvSizeT skip)
{
    return never("driver_enqv");
}

int driver_pushq_bin(ErlDrvPort port, ErlDrvBinary *binary, ErlDrvSizeT offset,
                     ErlDrvSizeT len)
{
    return never("driver_pushq_bin");
}

SysIOVec *driver_peekq(ErlDrvPort port, int *count)
{
    *count = 0;
    return NULL;
}

ErlDrvSizeT driver_deq(ErlDrvPort port, ErlDrvSizeT len)
{
    return 0;
}

/* --- and of shared.c, link.c and term.c ----------------------------------------------
 */

void link_fail(struct link *l, int error, const char *reason, const char *text)
{
    never(text);
}

void link_no_memory(struct link *l)
{
    never("out of memory");
}

void link_protocol_error(struct link *l, const char *text)
{
    never(text);
}

void link_arm(struct link *l)
{
}

void link_select(struct link *l, bool read, bool write)
{
}

void link_send_close(struct link *l, enum tacit_close reason, const char *text)
{
    never(text);
}

struct policy_ref *shared_policy(void)
{
    never("no keys wear out here");
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
