/* Records' data -> messages to the emulator. */
#include <string.h>

#include "carrier.h"

enum {
    SMALL_MESSAGE = 4096,      /* below this a copy costs less than a binary of its own */
    FIRST_GROWTH = 128 * 1024, /* a message's buffer grows with what arrives */
    HANDSHAKE_MESSAGE_MAX = 65535,
};

/* One message of the distribution handshake: {tacit_data, Port, Data} to the owner. */
static void deliver_handshake(struct link *l, const uint8_t *bytes, size_t len)
{
    struct term t = {0};
    term_atom(&t, "tacit_data");
    term_port(&t, l->port);
    term_list(&t, bytes, len);
    term_tuple(&t, 3);
    l->wants_message = false;
    term_to_owner(&t, l->port);
}

/*
 * Every message that came in passes here, whole: the one place for a filter on what a
 * peer may do.
 */
static enum link_fate deliver(struct link *l, ErlDrvBinary *binary, const uint8_t *bytes,
                              size_t len)
{
    int gone;
    if (tacit_keys_changing(l->channel)) /* or the clock is not asked */
        link_check_keys(l, erl_drv_monotonic_time(ERL_DRV_USEC));
    if (l->doomed)
        return LINK_LIVES;
    l->received_messages++;
    l->keys.used = true;
    if (l->state == LINK_PASSIVE) {
        deliver_handshake(l, bytes, len);
        return LINK_LIVES;
    }
    if (binary != NULL && len >= SMALL_MESSAGE)
        gone = driver_output_binary(l->port, NULL, 0, binary, 0, len);
    else
        gone = driver_output(l->port, (char *)(uintptr_t)bytes, len);
    /* -1: the emulator has ended the link, for what the message was; l is gone. */
    return gone < 0 ? LINK_GONE : LINK_LIVES;
}

static enum link_fate deliver_copy(struct link *l, const uint8_t *bytes, size_t len)
{
    if (len < SMALL_MESSAGE || l->state == LINK_PASSIVE)
        return deliver(l, NULL, bytes, len);
    ErlDrvBinary *binary = driver_alloc_binary(len);
    if (binary == NULL) {
        link_no_memory(l);
        return LINK_LIVES;
    }
    memcpy(binary->orig_bytes, bytes, len);
    enum link_fate fate = deliver(l, binary, (uint8_t *)binary->orig_bytes, len);
    driver_free_binary(binary);
    return fate;
}

enum link_fate link_deliver_long(struct link *l)
{
    ErlDrvBinary *binary = l->input.message;
    size_t len = l->input.message_len;
    l->input.message = NULL;
    l->input.header_len = 0;
    enum link_fate fate = deliver(l, binary, (uint8_t *)binary->orig_bytes, len);
    driver_free_binary(binary);
    return fate;
}

bool link_grow(struct link *l, size_t more)
{
    struct link_input *in = &l->input;
    size_t need = in->message_got + more;
    size_t have = in->message == NULL ? 0 : (size_t)in->message->orig_size;
    if (need <= have)
        return true;
    size_t size = have * 2 < FIRST_GROWTH ? FIRST_GROWTH : have * 2;
    if (size > in->message_len)
        size = in->message_len;
    if (size < need)
        size = need;
    ErlDrvBinary *grown = in->message == NULL ? driver_alloc_binary(size)
                                              : driver_realloc_binary(in->message, size);
    if (grown == NULL) {
        link_no_memory(l);
        return false;
    }
    in->message = grown;
    return true;
}

static bool length_ok(struct link *l, size_t len)
{
    if (l->state == LINK_PASSIVE && len > HANDSHAKE_MESSAGE_MAX) {
        link_protocol_error(l, "a distribution handshake message over 65535 bytes");
        return false;
    }
    if (len > l->max_message) {
        char text[REASON_MAX];
        snprintf(text, sizeof text,
                 "a message of %zu bytes, over the receiver's max-message = %zu", len,
                 l->max_message);
        link_send_close(l, TACIT_CLOSE_TOO_BIG, text);
        link_doom(l, TACIT_ELIMIT, "too_big", text);
        return false;
    }
    return true;
}

static size_t take(struct link_input *in, uint8_t *to, size_t len)
{
    size_t n = in->plain_len < len ? in->plain_len : len;
    memcpy(to, in->plain, n);
    in->plain += n;
    in->plain_len -= n;
    return n;
}

enum link_fate link_consume(struct link *l)
{
    struct link_input *in = &l->input;
    if (in->message != NULL) {
        size_t left = in->message_len - in->message_got;
        size_t n = in->plain_len < left ? in->plain_len : left;
        if (!link_grow(l, n))
            return LINK_LIVES;
        in->message_got +=
            take(in, (uint8_t *)in->message->orig_bytes + in->message_got, n);
        return LINK_LIVES;
    }
    in->header_len += take(in, in->header + in->header_len, 4 - in->header_len);
    if (in->header_len < 4)
        return LINK_LIVES;
    size_t len = (size_t)in->header[0] << 24 | (size_t)in->header[1] << 16 |
                 (size_t)in->header[2] << 8 | in->header[3];
    if (len == 0) { /* a tick: the count of received bytes has moved, which is its use */
        in->header_len = 0;
        l->received_messages++;
        return LINK_LIVES;
    }
    if (!length_ok(l, len))
        return LINK_LIVES;
    if (len <= in->plain_len) {
        const uint8_t *bytes = in->plain;
        in->plain += len;
        in->plain_len -= len;
        in->header_len = 0;
        return deliver_copy(l, bytes, len);
    }
    in->message_len = len;
    in->message_got = 0;
    (void)link_grow(l, in->plain_len);
    return LINK_LIVES;
}
