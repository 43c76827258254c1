/* Commands to the port that listens. */
#include <string.h>

#include "control.h"

static void put_address(struct tacit_writer *w, const struct tacit_address *a)
{
    if (a == NULL)
        return;
    tacit_put_u8(w, a->family);
    tacit_put_u16(w, a->port);
    tacit_put_bytes(w, a->bytes, a->family == 4 ? 4 : 16);
}

/* The answer: creation (0: there is no door to wait for), then the address, if any. */
static ErlDrvSSizeT do_listen(struct carrier_port *p, struct tacit_reader *r, char **rbuf,
                              size_t rlen)
{
    char name[TACIT_NAME_MAX + 1], text[TACIT_FAULT_MAX] = "memory ran out";
    uint8_t space[32];
    control_get_name(r, name);
    if (!tacit_name_ok(name)) {
        snprintf(
            text, sizeof text,
            "%.200s is not a node name that Tacit takes, expected NAME@HOST with "
            "letters, digits, '_', '-' before the '@' and no '*' after it, all ASCII",
            name);
        return control_failed(rbuf, rlen, text);
    }
    if (p->link != NULL || p->listener != NULL)
        return control_failed(rbuf, rlen, "the port is in use");
    if (listener_start(p->port, name, &p->listener, text) != TACIT_OK)
        return control_failed(rbuf, rlen, text);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u32(&w, listener_creation(p->listener));
    put_address(&w, listener_address(p->listener));
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* The number of the reload. */
static ErlDrvSSizeT do_listen_try(struct listener *l, struct tacit_reader *r, char **rbuf,
                                  size_t rlen)
{
    char text[TACIT_FAULT_MAX] = "memory ran out";
    return listener_try(l, tacit_get_u64(r), text) == TACIT_OK
               ? control_ok(rbuf, rlen)
               : control_failed(rbuf, rlen, text);
}

ErlDrvSSizeT control_listener(struct carrier_port *p, enum command command,
                              struct tacit_reader *r, char **rbuf, size_t rlen)
{
    if (command == COMMAND_LISTEN)
        return do_listen(p, r, rbuf, rlen);
    if (p->listener == NULL)
        return -1;
    switch (command) {
    case COMMAND_ACCEPT:
        listener_accept(p->listener, driver_caller(p->port));
        return control_ok(rbuf, rlen);
    case COMMAND_LISTEN_TRY:
        return do_listen_try(p->listener, r, rbuf, rlen);
    case COMMAND_LISTEN_SETTLE:
        listener_settle(p->listener);
        return control_ok(rbuf, rlen);
    default:
        return -1;
    }
}
