/* One connection of the command to a door or a node. */
#include "cli/client.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cursor.h"
#include "cli/cli.h"

enum {
    PART_MS = 2000, /* what a peer may take to hang up */
};

struct client *client_new(void)
{
    struct client *c = tacit_secret_alloc(sizeof *c);
    if (c != NULL)
        c->fd = -1;
    return c;
}

/* --- bytes -------------------------------------------------------------------------- */

void client_take(struct client *c, int fd, unsigned ms)
{
    c->deadline = wire_deadline(ms);
    c->stream = (struct tacit_stream){0};
    c->fd = fd;
}

int client_send(struct client *c, const uint8_t *bytes, size_t len)
{
    return wire_send(c->fd, bytes, len, c->deadline);
}

static int receive_all(struct client *c, uint8_t *bytes, size_t len)
{
    return wire_receive(c->fd, bytes, len, c->deadline);
}

/* --- the channel -------------------------------------------------------------------- */

int client_handshake(struct client *c, const struct tacit_policy *policy,
                     const char *own_name, const char *wanted)
{
    struct tacit_session_config config = {
        .role = NOISE_INITIATOR,
        .policy = policy,
        .own_name = own_name,
        .wanted = wanted,
        .now = (uint64_t)time(NULL),
    };
    enum tacit_session_event event = tacit_session_start(&c->session, &config);
    event = wire_session(c->fd, &c->session, event, c->deadline);
    return event == TACIT_SESSION_PEER ? TACIT_OK : c->session.error;
}

int client_proceed(struct client *c, const struct tacit_address *address, bool revoked)
{
    uint64_t moment = cli_now(c->session.policy);
    struct tacit_now now = {.wall = moment, .ends = moment, .begins = moment};
    enum tacit_session_event event =
        tacit_session_peer(&c->session, address, &now, revoked);
    event = wire_session(c->fd, &c->session, event, c->deadline);
    if (event == TACIT_SESSION_FAILED)
        return c->session.error;
    int error = tacit_session_take(&c->session, &c->channel);
    c->open = !error;
    return error;
}

int client_receive(struct client *c, size_t *ret_len)
{
    int error = receive_all(c, c->record, TACIT_RECORD_HEADER);
    size_t len = error ? 0 : tacit_record_size(c->record, TACIT_RECORD_HEADER);
    if (!error)
        error =
            receive_all(c, c->record + TACIT_RECORD_HEADER, len - TACIT_RECORD_HEADER);
    *ret_len = len;
    return error;
}

/* --- distribution messages ---------------------------------------------------------- */

int client_send_message(struct client *c, const uint8_t *message, size_t len)
{
    uint8_t length[4], out[TACIT_RECORD_HEADER + CLIENT_MESSAGE_MAX + TACIT_TAG_MAX];
    struct tacit_writer w = tacit_writer(length, sizeof length);
    struct iovec iov[] = {{length, sizeof length}, {(void *)(uintptr_t)message, len}};
    size_t size;
    tacit_put_u32(&w, (uint32_t)len);
    int error = tacit_channel_seal(&c->channel, TACIT_RECORD_DATA, iov, 2, out,
                                   sizeof out, &size);
    return error ? error : client_send(c, out, size);
}

/* Opens the next record. */
static int next_record(struct client *c)
{
    struct tacit_stream_record record;
    size_t size;
    int error = client_receive(c, &size);
    if (!error)
        error = tacit_stream_open(&c->stream, &c->channel, c->record, size, &record);
    if (!error && record.type == TACIT_RECORD_DATA)
        return TACIT_OK;
    c->open = false; /* nobody listens any more */
    if (error || record.type != TACIT_RECORD_CLOSE)
        return error ? error : TACIT_EFORMAT;
    c->reason = record.reason;
    memcpy(c->text, record.text, sizeof c->text);
    return TACIT_ECLOSED;
}

int client_receive_message(struct client *c, uint8_t *message, size_t cap,
                           size_t *ret_len)
{
    const uint8_t *bytes;
    c->stream.memory = message;
    c->stream.cap = cap;
    int error = TACIT_OK;
    while (!error) {
        switch (tacit_stream_next(&c->stream, cap, &bytes, ret_len)) {
        case TACIT_STREAM_MESSAGE:
            memcpy(message, bytes, *ret_len);
            return TACIT_OK;
        case TACIT_STREAM_LONG:
            return TACIT_OK;
        case TACIT_STREAM_MEMORY_WANTED:
        case TACIT_STREAM_TOO_LONG:
            return TACIT_ESPACE;
        case TACIT_STREAM_TICK:
            break;
        case TACIT_STREAM_RECORD:
            error = next_record(c);
            break;
        }
    }
    return error;
}

/* --- the end ------------------------------------------------------------------------ */

/*
 * The peer is told that nothing more comes: a connection without that was cut. Then its
 * end is waited for, so that nothing of this one is left there when the command is over.
 */
static void part(struct client *c)
{
    uint8_t out[TACIT_RECORD_HEADER + TACIT_CONTROL_MAX + TACIT_TAG_MAX];
    size_t len;
    c->deadline = wire_deadline(PART_MS);
    if (tacit_channel_seal_close(&c->channel, TACIT_CLOSE_DONE, "", out, sizeof out,
                                 &len) == TACIT_OK &&
        client_send(c, out, len) == TACIT_OK) {
        shutdown(c->fd, SHUT_WR);
        while (receive_all(c, out, 1) == TACIT_OK)
            ;
    }
}

void client_close(struct client *c)
{
    if (c->open)
        part(c);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->open = false;
    tacit_session_wipe(&c->session);
    tacit_channel_wipe(&c->channel);
}

void client_free(struct client *c)
{
    if (c != NULL)
        client_close(c);
    tacit_secret_free(c);
}
