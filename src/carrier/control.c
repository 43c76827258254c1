/* Commands of erlang/src/tacit_drv.erl: whose they are. */
#include <string.h>

#include "control.h"

enum {
    INET_MAGIC = 0x03f1a300,
    INET_REQUESTS = 0x100,
    REPLY_MAX = 64 * 1024,
};

ErlDrvSSizeT control_reply(char **rbuf, size_t rlen, uint8_t status, const void *bytes,
                           size_t len)
{
    if (len > REPLY_MAX)
        len = REPLY_MAX;
    if (1 + len > rlen) {
        char *larger = driver_alloc(1 + len);
        if (larger == NULL)
            return -1;
        *rbuf = larger;
    }
    (*rbuf)[0] = (char)status;
    if (len > 0)
        memcpy(*rbuf + 1, bytes, len);
    return (ErlDrvSSizeT)(1 + len);
}

ErlDrvSSizeT control_ok(char **rbuf, size_t rlen)
{
    return control_reply(rbuf, rlen, 0, NULL, 0);
}

ErlDrvSSizeT control_failed(char **rbuf, size_t rlen, const char *text)
{
    return control_reply(rbuf, rlen, 1, text, strlen(text));
}

void control_get_text(struct tacit_reader *r, char text[TACIT_NAME_MAX + 1])
{
    size_t len = tacit_get_u8(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL)
        len = 0;
    else
        memcpy(text, bytes, len);
    text[len] = '\0';
}

void control_get_name(struct tacit_reader *r, char name[TACIT_NAME_MAX + 1])
{
    size_t len = tacit_left(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL || len > TACIT_NAME_MAX)
        len = 0;
    else
        memcpy(name, bytes, len);
    name[len] = '\0';
}

ErlDrvSSizeT carrier_control(struct carrier_port *p, unsigned command, const uint8_t *buf,
                             size_t len, char **rbuf, size_t rlen)
{
    if (command >= INET_MAGIC && command < INET_MAGIC + INET_REQUESTS)
        return p->link == NULL
                   ? -1
                   : inet_control(p->link, command - INET_MAGIC, buf, len, rbuf, rlen);
    struct tacit_reader r = tacit_reader(buf, len);
    enum command known = (enum command)command;
    ErlDrvSSizeT size = control_policy(p, known, &r, rbuf, rlen);
    if (size < 0)
        size = control_listener(p, known, &r, rbuf, rlen);
    if (size < 0)
        size = control_link(p, known, &r, rbuf, rlen);
    return size;
}
