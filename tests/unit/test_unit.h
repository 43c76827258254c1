/* What every cmocka program needs, in the order that cmocka wants. */
#ifndef TACIT_TEST_UNIT_H
#define TACIT_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
