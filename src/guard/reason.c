#include "reason.h"

static const char *const reasons[TACIT_GUARD_REASONS] = {
    [TACIT_GUARD_FINE] = "",
    [TACIT_GUARD_MEMORY] = "out of memory",
    [TACIT_GUARD_FORM] = "a message of an unknown form",
    [TACIT_GUARD_HEADER] = "a malformed distribution header",
    [TACIT_GUARD_ATOM] = "a malformed atom",
    [TACIT_GUARD_TAG] = "a term that nodes do not send each other",
    [TACIT_GUARD_TERM] = "a malformed term",
    [TACIT_GUARD_TRUNCATED] = "a truncated term",
    [TACIT_GUARD_TRAILING] = "bytes behind a message's end",
    [TACIT_GUARD_FRAGMENT] = "a fragment out of order",
    [TACIT_GUARD_PIECES] = "too much in open fragments",
    [TACIT_GUARD_WORDS] = "a message of too many heap words",
    [TACIT_GUARD_ATOM_BUDGET] = "too many new atoms",
    [TACIT_GUARD_NODES] = "too many incarnations of nodes",
    [TACIT_GUARD_FUNS] = "too many funs",
    [TACIT_GUARD_CONTROL] = "a malformed control message",
    [TACIT_GUARD_ARGUMENTS] = "arguments that are not a list of that length",
    [TACIT_GUARD_LATE_FUN] = "a fun that the role does not allow",
    [TACIT_GUARD_RATE] = "more than its role allows a second",
};

const char *tacit_guard_reason_text(enum tacit_guard_reason reason)
{
    return reason < TACIT_GUARD_REASONS ? reasons[reason] : "unknown";
}
