/* What every fuzz target has: the one function that libFuzzer calls, and its oath. */
#ifndef TACIT_FUZZ_H
#define TACIT_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What must hold whatever comes in. */
#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

#endif
