/* The port of one link: its callbacks, its one timer, its end. dial.c has how it comes to
 * be. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "carrier.h"

/* The peer's fingerprint, once it showed a key. */
static void peer_fingerprint(const struct link *l, char text[TACIT_FINGERPRINT_TEXT])
{
    const uint8_t *key =
        l->conn != NULL ? l->conn->session.handshake.peer_key : l->peer_key;
    text[0] = '\0';
    if (!sodium_is_zero(key, NOISE_DHLEN))
        tacit_fingerprint(key, text);
}

/*
 * {tacit_down, Port, Reason, Text, Fingerprint, Line}, or for a live link what dist_util
 * waits for.
 */
static void tell_down(struct link *l)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    struct term t = {0};
    bool active = l->state == LINK_ACTIVE;
    term_atom(&t, active ? "tcp_closed" : "tacit_down");
    term_port(&t, l->port);
    if (!active) {
        peer_fingerprint(l, fingerprint);
        term_atom(&t, l->doom_reason);
        term_binary(&t, l->doom_text);
        term_binary(&t, fingerprint);
        term_binary(&t, l->conn != NULL ? l->conn->session.ruling.line : l->line);
    }
    term_tuple(&t, active ? 2 : 6);
    term_to_owner(&t, l->port);
}

void link_doom(struct link *l, int error, const char *reason, const char *text)
{
    if (l->doomed)
        return;
    l->doomed = error;
    snprintf(l->doom_reason, sizeof l->doom_reason, "%s", reason);
    snprintf(l->doom_text, sizeof l->doom_text, "%s", text);
    const char *name = l->peer.name[0] != '\0' ? l->peer.name
                       : l->conn != NULL       ? l->conn->wanted
                                               : "";
    if (name[0] != '\0')
        shared_note_refusal(name, !l->initiator, l->doom_reason, l->doom_text);
}

void link_protocol_error(struct link *l, const char *text)
{
    link_send_close(l, TACIT_CLOSE_PROTOCOL, text);
    link_doom(l, TACIT_EFORMAT, "protocol", text);
}

void link_no_memory(struct link *l)
{
    link_doom(l, TACIT_ENOMEM, "no_memory", "memory ran out");
}

/* Ends a doomed link: the owner is told first, then the port goes. Touch nothing after.
 */
static void end(struct link *l)
{
    tell_down(l);
    driver_exit(l->port, 0);
}

void link_arm(struct link *l)
{
    if (l->doomed || l->gathering || l->resting || l->pumping) {
        driver_set_timer(l->port, 0);
    } else if (l->deadline != 0) {
        ErlDrvTime wait = l->deadline - monotonic_ms();
        driver_set_timer(l->port, wait < 0 ? 0 : (unsigned long)wait);
    } else {
        driver_cancel_timer(l->port);
    }
}

void link_select(struct link *l, bool read, bool write)
{
    ErlDrvEvent event = (ErlDrvEvent)(intptr_t)l->fd;
    if (read != l->selected_read)
        driver_select(l->port, event, read ? ERL_DRV_READ | ERL_DRV_USE : ERL_DRV_READ,
                      read);
    if (write != l->selected_write)
        driver_select(l->port, event, write ? ERL_DRV_WRITE | ERL_DRV_USE : ERL_DRV_WRITE,
                      write);
    l->selected_read = read;
    l->selected_write = write;
}

/* The end of a callback: nothing may touch the link after this. */
static void settle(struct link *l)
{
    if (l->doomed)
        end(l);
    else if (!l->flushing)
        link_arm(l); /* a port that closes has one deadline, whatever still comes in */
}

void link_ready_read(struct link *l)
{
    if (l->state == LINK_HANDSHAKE)
        link_handshake(l);
    else if (link_read(l) == LINK_GONE)
        return;
    settle(l);
}

void link_ready_write(struct link *l)
{
    if (l->state == LINK_CONNECTING)
        link_connected(l);
    else if (l->state == LINK_HANDSHAKE)
        link_handshake(l);
    else
        link_send_queue(l);
    settle(l);
}

static void out_of_time(struct link *l)
{
    if (l->state < LINK_HANDSHAKE)
        link_doom(l, TACIT_ETIMEOUT, "etimedout", "no answer to TCP's connect");
    else
        link_doom(
            l, TACIT_ETIMEOUT, "silence",
            "connected, but no answer: another mesh key, a wrong clock, another host, or "
            "no Tacit there");
}

void link_timeout(struct link *l)
{
    if (l->flushing) {
        driver_exit(l->port, 0); /* the peer does not read: the rest is lost */
        return;
    }
    if (l->deadline != 0 && l->deadline <= monotonic_ms())
        out_of_time(l);
    if (l->pumping) {
        l->pumping = false;
        if (!l->doomed && link_read(l) == LINK_GONE)
            return;
    }
    if (!l->doomed)
        link_turn(l);
    settle(l);
}

void link_flush(struct link *l)
{
    l->flushing = true;
    driver_set_timer(l->port, FLUSH_DEADLINE_MS);
}

void link_send_close(struct link *l, enum tacit_close reason, const char *text)
{
    uint8_t record[TACIT_RECORD_HEADER + 512];
    size_t len;
    if (l->channel == NULL || driver_sizeq(l->port) > 0)
        return;
    link_flush_output(l);
    if (driver_sizeq(l->port) > 0 ||
        tacit_channel_seal_close(l->channel, reason, text, record, sizeof record, &len))
        return;
    ssize_t sent = write(l->fd, record, len); /* a hint to the peer: best effort */
    (void)sent;
}

/* Unread input would turn the close into a reset, which can overtake our last words. */
static void drain(int fd)
{
    uint8_t waste[4096];
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 16; i++)
        if (read(fd, waste, sizeof waste) <= 0)
            return;
}

void link_set_up(struct link *l, bool is_active)
{
    if (l->setting_up)
        shared_setup_leave(l->peer_key);
    if (l->new_name && is_active)
        shared_setup_named(l->peer_key);
    l->setting_up = l->new_name = false;
}

void link_stop(struct link *l)
{
    link_set_up(l, false);
    if (l->fd >= 0) {
        if (l->channel != NULL && !l->doomed) {
            link_send_close(l, TACIT_CLOSE_DONE, "");
            shared_note_refusal(l->peer.name, !l->initiator, "closed",
                                "this node ended the link");
        }
        drain(l->fd);
        driver_select(l->port, (ErlDrvEvent)(intptr_t)l->fd,
                      ERL_DRV_READ | ERL_DRV_WRITE | ERL_DRV_USE, 0);
    }
    due_clear(&l->due);
    link_free_input(l);
    link_free_output(l);
    conn_free(l->conn);
    tacit_secret_free(l->channel);
    identity_release(l->identity);
    free(l->certificate);
    free(l);
}

void link_emergency_close(const struct link *l)
{
    if (l->fd >= 0)
        shutdown(l->fd, SHUT_RDWR);
}
