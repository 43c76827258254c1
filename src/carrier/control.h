/*
 * Commands of erlang/src/tacit_drv.erl, by port_control. A command's bytes are laid out
 * as the functions that answer them read them, integers big-endian. The reply is a list:
 * 0 and a result, or 1 and an error's text.
 */
#ifndef TACIT_CARRIER_CONTROL_H
#define TACIT_CARRIER_CONTROL_H

#include "base/cursor.h"
#include "carrier.h"

/* Far from inet's own requests, which inet.c answers. tacit_drv.erl has the same list. */
enum command {
    COMMAND_RELEASE = 0x7ac10001,
    COMMAND_LISTEN,
    COMMAND_ACCEPT,
    COMMAND_CONNECT,
    COMMAND_RECV,
    COMMAND_ACTIVE,
    COMMAND_TICK,
    COMMAND_REFUSE,
    COMMAND_ENDPOINT,
    COMMAND_IS_PLAIN,
    COMMAND_PLAIN,
    COMMAND_LAST,
    COMMAND_RELOAD,
    COMMAND_ADOPT,
    COMMAND_GIVE_UP,
    COMMAND_LISTEN_TRY,
    COMMAND_LISTEN_SETTLE,
    COMMAND_REVIEW,
    COMMAND_REVOKED,
    COMMAND_KEY_OF,
    COMMAND_SEEN,
    COMMAND_PEER_KEYS,
    COMMAND_PROCEED,
    COMMAND_NEW_NAME,
    COMMAND_DUE = 0x7ac10040,
    COMMAND_CLOCK,
};

/* Replies status and len bytes; a reply longer than the emulator's buffer gets its own.
 */
ErlDrvSSizeT control_reply(char **rbuf, size_t rlen, uint8_t status, const void *bytes,
                           size_t len);
ErlDrvSSizeT control_ok(char **rbuf, size_t rlen);
ErlDrvSSizeT control_failed(char **rbuf, size_t rlen, const char *text);

/* The next u8-length string, as C has them. */
void control_get_text(struct tacit_reader *r, char text[TACIT_NAME_MAX + 1]);
/* The rest, as a name. */
void control_get_name(struct tacit_reader *r, char name[TACIT_NAME_MAX + 1]);

/* Each answers the commands of its kind; -1: not one of them. */
ErlDrvSSizeT control_policy(struct carrier_port *p, enum command command,
                            struct tacit_reader *r, char **rbuf, size_t rlen);
ErlDrvSSizeT control_listener(struct carrier_port *p, enum command command,
                              struct tacit_reader *r, char **rbuf, size_t rlen);
ErlDrvSSizeT control_link(struct carrier_port *p, enum command command,
                          struct tacit_reader *r, char **rbuf, size_t rlen);

#endif
