/* Messages to processes: terms, and what the port that listens tells its owner and the
 * acceptor. */
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

/* --- of the port that listens --------------------------------------------------------
 */

void tell_event(struct listener *l, const struct conn *c, const char *reason,
                const char *text)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT] = "", address[TACIT_ADDRESS_TEXT];
    char left_out[64] = "", full[REASON_MAX + sizeof left_out];
    struct term t = {0};
    const struct tacit_handshake *hs = &c->session.handshake;
    uint64_t missing;
    if (!tacit_lines_allow(&l->lines, monotonic_ms(), &missing))
        return;
    if (missing > 0)
        snprintf(left_out, sizeof left_out, " (%ju lines left out)", (uintmax_t)missing);
    snprintf(full, sizeof full, "%s%s", text, left_out);
    if (hs->peer.name[0] != '\0') /* it has shown its key */
        tacit_fingerprint(hs->peer_key, fingerprint);
    tacit_address_to_text(&c->peer_address, address);
    term_atom(&t, "tacit_event");
    term_port(&t, l->port);
    term_atom(&t, reason);
    term_binary(&t, hs->peer.name);
    term_binary(&t, fingerprint);
    term_binary(&t, address);
    term_binary(&t, c->session.ruling.line);
    term_binary(&t, full);
    term_tuple(&t, 8);
    term_send(&t, l->port, l->acceptor);
}

void tell_accept(struct listener *l, ErlDrvPort port, const struct tacit_claim *peer)
{
    struct term t = {0};
    term_atom(&t, "tacit_accept");
    term_port(&t, l->port);
    term_port(&t, port);
    term_binary(&t, peer->name);
    term_atom(&t, peer->dynamic ? "true" : "false");
    term_tuple(&t, 5);
    term_send(&t, l->port, l->acceptor);
}

void tell_door(struct listener *l, const char *what, const char *text)
{
    struct term t = {0};
    term_atom(&t, "tacit_door");
    term_port(&t, l->port);
    term_atom(&t, what);
    term_binary(&t, text);
    term_tuple(&t, 4);
    if (!l->registration.told)
        term_to_owner(&t, l->port);
    else if (l->accepting)
        term_send(&t, l->port, l->acceptor);
}
