/*
 * Commands of erlang/src/tacit_drv.erl, by port_control. A command's bytes are laid out
 * as the functions that answer them read them, integers big-endian. The reply is a list:
 * 0 and a result, or 1 and an error's text.
 */
#ifndef TACIT_CARRIER_CONTROL_H
#define TACIT_CARRIER_CONTROL_H

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

#endif
