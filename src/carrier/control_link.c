/* Commands to the port of a link. */
#include <errno.h>
#include <string.h>

#include "control.h"

/* dynamic, own name, wanted name, timeout in ms, family, port, scope, address. */
static ErlDrvSSizeT do_connect(struct carrier_port *p, struct tacit_reader *r,
                               char **rbuf, size_t rlen)
{
    char own[TACIT_NAME_MAX + 1], wanted[TACIT_NAME_MAX + 1];
    struct tacit_address address = {0};
    bool dynamic = tacit_get_u8(r) != 0;
    control_get_text(r, own);
    control_get_text(r, wanted);
    uint32_t timeout = tacit_get_u32(r);
    address.family = tacit_get_u8(r);
    address.port = tacit_get_u16(r);
    address.scope = tacit_get_u32(r);
    size_t size = address.family == 4 ? 4 : 16;
    const uint8_t *bytes = tacit_get_bytes(r, size);
    if (bytes == NULL || p->link != NULL || p->listener != NULL)
        return control_failed(rbuf, rlen, "einval");
    memcpy(address.bytes, bytes, size);
    bool own_ok = dynamic ? tacit_host_ok(own) : tacit_name_ok(own);
    /* Who asks a door has no name. */
    if (wanted[0] == '@' ? !tacit_host_ok(wanted + 1) : !own_ok || !tacit_name_ok(wanted))
        return control_failed(rbuf, rlen, "name");
    int error = link_connect(p->port, own, dynamic, wanted, &address, timeout, &p->link);
    if (error == TACIT_ESYSTEM)
        return control_failed(rbuf, rlen, erl_errno_id(errno));
    return error ? control_failed(rbuf, rlen, tacit_error_name(error))
                 : control_ok(rbuf, rlen);
}

static void put_text(struct tacit_writer *w, const char *text)
{
    size_t len = strlen(text);
    tacit_put_u8(w, (uint8_t)len);
    tacit_put_bytes(w, text, len);
}

/* Nothing where the link still may be; else inbound, name, fingerprint, address, line,
 * why.
 */
static ErlDrvSSizeT do_review(struct link *l, char **rbuf, size_t rlen)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT], address[TACIT_ADDRESS_TEXT];
    uint8_t space[TACIT_NAME_MAX + sizeof fingerprint + sizeof address + RULING_LINE +
                  REASON_MAX];
    bool doomed = l->doomed;
    link_review(l);
    if (doomed || !l->doomed)
        return control_ok(rbuf, rlen);
    tacit_fingerprint(l->peer_key, fingerprint);
    tacit_address_to_text(&l->peer_address, address);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u8(&w, !l->initiator);
    put_text(&w, l->peer.name);
    put_text(&w, fingerprint);
    put_text(&w, address);
    put_text(&w, l->line);
    tacit_put_bytes(&w, l->doom_text, strlen(l->doom_text));
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* The distribution handshake claims something else than the channel proved. */
static ErlDrvSSizeT do_refuse(struct link *l, struct tacit_reader *r, char **rbuf,
                              size_t rlen)
{
    char text[TACIT_NAME_MAX + 1];
    static const enum tacit_close reasons[] = {TACIT_CLOSE_MISMATCH,
                                               TACIT_CLOSE_VISIBILITY, TACIT_CLOSE_BUSY};
    enum tacit_close reason = reasons[tacit_get_u8(r) % 3];
    control_get_name(r, text);
    atomic_fetch_add(&carrier_counters.refused, 1);
    link_send_close(l, reason, text);
    link_doom(l, TACIT_ENAME, tacit_close_name(reason), text);
    link_arm(l);
    return control_ok(rbuf, rlen);
}

/* A peer's keyring changed while the link was up: marks as text, each with a line's end.
 */
static ErlDrvSSizeT do_peer_keys(struct link *l, struct tacit_reader *r, char **rbuf,
                                 size_t rlen)
{
    uint8_t marks[TACIT_CLAIM_MESH_KEYS_MAX][TACIT_MESH_MARK];
    size_t count = tacit_left(r) / TACIT_MESH_MARK_TEXT;
    if (tacit_left(r) % TACIT_MESH_MARK_TEXT != 0 || count > TACIT_CLAIM_MESH_KEYS_MAX)
        return control_failed(rbuf, rlen, "einval");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *text = tacit_get_bytes(r, TACIT_MESH_MARK_TEXT);
        if (tacit_mesh_mark_from_text((const char *)text, marks[i]))
            return control_failed(rbuf, rlen, "einval");
    }
    memcpy(l->peer.mesh_keys, marks, count * sizeof marks[0]);
    l->peer.mesh_key_count = count;
    return control_ok(rbuf, rlen);
}

ErlDrvSSizeT control_link(struct carrier_port *p, enum command command,
                          struct tacit_reader *r, char **rbuf, size_t rlen)
{
    struct link *l = p->link;
    if (command == COMMAND_CONNECT)
        return do_connect(p, r, rbuf, rlen);
    if (l == NULL)
        return -1;
    switch (command) {
    case COMMAND_PROCEED: /* within so many ms */
        if (l->state != LINK_CONNECTED)
            return control_failed(rbuf, rlen, "einval");
        link_proceed(l, tacit_get_u32(r));
        return control_ok(rbuf, rlen);
    case COMMAND_RECV:
        if (l->state != LINK_PASSIVE)
            return control_failed(rbuf, rlen, "einval");
        l->wants_message = true;
        (void)link_read(l); /* PASSIVE: the link always lives */
        link_arm(l);
        return control_ok(rbuf, rlen);
    case COMMAND_SEEN: /* 1: the peer is a visible node; 0: a hidden one */
        l->seen = tacit_get_u8(r) ? TACIT_VISIBLE : TACIT_HIDDEN;
        return *link_visibility_fault(l) == '\0'
                   ? control_ok(rbuf, rlen)
                   : control_failed(rbuf, rlen, link_visibility_fault(l));
    case COMMAND_NEW_NAME:
        if (l->state != LINK_PASSIVE || l->new_name)
            return control_failed(rbuf, rlen, "einval");
        l->new_name = shared_setup_name(l->peer_key);
        return l->new_name ? control_ok(rbuf, rlen)
                           : control_failed(rbuf, rlen,
                                            "its key has brought too many names that "
                                            "never became links");
    case COMMAND_ACTIVE:
        if (l->state != LINK_PASSIVE)
            return control_failed(rbuf, rlen, "einval");
        l->state = LINK_ACTIVE;
        link_set_up(l, true);
        l->pumping = true;
        link_arm(l);
        return control_ok(rbuf, rlen);
    case COMMAND_TICK:
        link_tick(l);
        return control_ok(rbuf, rlen);
    case COMMAND_REFUSE:
        return do_refuse(l, r, rbuf, rlen);
    case COMMAND_REVIEW:
        return do_review(l, rbuf, rlen);
    case COMMAND_PEER_KEYS:
        return do_peer_keys(l, r, rbuf, rlen);
    default:
        return -1;
    }
}
