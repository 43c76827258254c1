/*
 * What the stand-ins for the emulator have in common, which the tests of memory (world.c)
 * and the counting of instructions (bench/instructions) link the carrier with: its memory
 * is malloc's, a port that is busy is nobody's concern.
 */
#include <stdlib.h>
#include <string.h>

#include <erl_driver.h>

void *driver_alloc(ErlDrvSizeT size)
{
    return malloc(size);
}

void driver_free(void *memory)
{
    free(memory);
}

ErlDrvBinary *driver_alloc_binary(ErlDrvSizeT size)
{
    ErlDrvBinary *binary = malloc(sizeof *binary + size);
    if (binary != NULL)
        binary->orig_size = (ErlDrvSInt)size;
    return binary;
}

ErlDrvBinary *driver_realloc_binary(ErlDrvBinary *binary, ErlDrvSizeT size)
{
    ErlDrvBinary *grown = realloc(binary, sizeof *binary + size);
    if (grown != NULL)
        grown->orig_size = (ErlDrvSInt)size;
    return grown;
}

void driver_free_binary(ErlDrvBinary *binary)
{
    free(binary);
}

void set_busy_port(ErlDrvPort port, int on)
{
}

int erl_drv_consume_timeslice(ErlDrvPort port, int percent)
{
    return 0;
}

char *erl_errno_id(int error)
{
    return strerror(error);
}
