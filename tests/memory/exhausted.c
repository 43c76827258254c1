/*
 * For a program that is tested from outside: TACIT_FAULT_AT=N in its environment lets its
 * N-th allocation fail, and it says so.
 */
#include <stdlib.h>

#include "fault.h"

__attribute__((constructor)) static void arm_by_environment(void)
{
    const char *at = getenv("TACIT_FAULT_AT");
    fault_tell();
    if (at != NULL)
        fault_arm(strtoul(at, NULL, 10));
}
