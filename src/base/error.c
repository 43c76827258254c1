#include "tacit/error.h"

static const struct {
    const char *name, *text;
} errors[TACIT_ERROR_COUNT] = {
    [TACIT_OK] = {"ok", "no error"},
    [TACIT_ENOMEM] = {"no_memory", "out of memory"},
    [TACIT_ESYSTEM] = {"system", "a system call failed"},
    [TACIT_EABSENT] = {"absent", "there is no such file"},
    [TACIT_ECRYPTO] = {"crypto", "libsodium did not start"},
    [TACIT_EINVAL] = {"invalid", "invalid argument"},
    [TACIT_ESTATE] = {"state", "called at the wrong moment"},
    [TACIT_ESPACE] = {"space", "buffer too small"},
    [TACIT_EFORMAT] = {"format", "malformed bytes"},
    [TACIT_EAUTH] = {"auth", "a seal does not open: wrong key or altered bytes"},
    [TACIT_EKEY] = {"key", "a public key that is low-order or not canonical"},
    [TACIT_EREPLAY] = {"replay", "a first message that was seen before"},
    [TACIT_ETIME] = {"time", "the clocks of the two hosts differ too much"},
    [TACIT_EVERSION] = {"version", "no protocol version in common"},
    [TACIT_ESUITE] = {"suite", "no suite in common"},
    [TACIT_ELIMIT] = {"limit", "a limit is reached"},
    [TACIT_ENAME] = {"name", "not the node that was asked for"},
    [TACIT_EREFUSED] = {"refused", "no line of the configuration allows it"},
    [TACIT_ECONFIG] = {"config", "the configuration is wrong"},
    [TACIT_ECLOSED] = {"closed", "the peer closed the link"},
    [TACIT_ETRUNCATED] = {"truncated", "the connection ended without a sealed close"},
    [TACIT_ETIMEOUT] = {"timeout", "the deadline passed"},
};

const char *tacit_error_text(int error)
{
    if (error < 0 || error >= TACIT_ERROR_COUNT)
        return "unknown error";
    return errors[error].text;
}

const char *tacit_error_name(int error)
{
    if (error < 0 || error >= TACIT_ERROR_COUNT)
        return "unknown";
    return errors[error].name;
}
