/* What stands in for the emulator where instructions are counted: emulator.c. */
#ifndef TACIT_BENCH_EMULATOR_H
#define TACIT_BENCH_EMULATOR_H

#include "carrier/carrier.h"

extern ErlDrvTime emulator_us; /* what time it is */
extern size_t emulator_delivered, emulator_delivered_bytes;

#endif
