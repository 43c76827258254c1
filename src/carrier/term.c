/* Terms for messages to processes, put together piece by piece. */
#include <stdio.h>
#include <string.h>

#include "carrier.h"

static void push(struct term *t, ErlDrvTermData value)
{
    if (t->size < TERM_MAX)
        t->data[t->size++] = value;
}

void term_atom(struct term *t, const char *name)
{
    char space[256]; /* driver_mk_atom takes no const */
    snprintf(space, sizeof space, "%s", name);
    push(t, ERL_DRV_ATOM);
    push(t, driver_mk_atom(space));
}

void term_port(struct term *t, ErlDrvPort port)
{
    push(t, ERL_DRV_PORT);
    push(t, driver_mk_port(port));
}

void term_unsigned(struct term *t, uint64_t value)
{
    push(t, ERL_DRV_UINT);
    push(t, (ErlDrvTermData)value);
}

void term_binary(struct term *t, const char *text)
{
    push(t, ERL_DRV_BUF2BINARY);
    push(t, (ErlDrvTermData)text);
    push(t, strlen(text));
}

void term_list(struct term *t, const uint8_t *bytes, size_t len)
{
    push(t, ERL_DRV_STRING);
    push(t, (ErlDrvTermData)bytes);
    push(t, len);
}

void term_tuple(struct term *t, unsigned arity)
{
    push(t, ERL_DRV_TUPLE);
    push(t, arity);
}

void term_to_owner(struct term *t, ErlDrvPort port)
{
    erl_drv_output_term(driver_mk_port(port), t->data, (int)t->size);
}

void term_send(struct term *t, ErlDrvPort port, ErlDrvTermData pid)
{
    erl_drv_send_term(driver_mk_port(port), pid, t->data, (int)t->size);
}
