/* What went wrong. */
#include "ei/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "tacit/error.h"

static _Thread_local char text[FAULT_TEXT];

int cnode_fault(int error, const char *format, ...)
{
    va_list args;
    int saved = errno;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    errno = saved;
    return error;
}

const char *cnode_fault_text(void)
{
    return text;
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
