/* What went wrong. */
#include "ei/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "tacit/error.h"

static _Thread_local char text[FAULT_TEXT];
static _Thread_local bool is_well; /* what failed before is over */

int cnode_fault(int error, const char *format, ...)
{
    va_list args;
    int saved = errno;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    errno = saved;
    is_well = false;
    return error;
}

void cnode_well(void)
{
    is_well = true;
}

const char *cnode_fault_text(void)
{
    return is_well ? "ei itself, not the connection: erl_errno says what" : text;
}

int cnode_errno(int error)
{
    switch (error) {
    case TACIT_OK:
        return 0;
    case TACIT_ENOMEM:
        return ENOMEM;
    case TACIT_ESYSTEM:
        return errno != 0 ? errno : EIO;
    case TACIT_EINVAL:
    case TACIT_ECONFIG:
        return EINVAL;
    case TACIT_ETIMEOUT:
        return ETIMEDOUT;
    case TACIT_EREFUSED:
    case TACIT_ENAME:
        return EACCES;
    case TACIT_ELIMIT:
        return EMSGSIZE;
    case TACIT_ETRUNCATED:
    case TACIT_ECLOSED:
        return ECONNRESET;
    default:
        return EIO;
    }
}
