/*
 * Memory that runs out when the test says so: every allocation of the code under test is
 * counted, and one of them fails. The linker sends malloc and the others here (--wrap).
 */
#ifndef TACIT_MEMORY_FAULT_H
#define TACIT_MEMORY_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* From now on counts allocations, and fails the at-th; 0: none. */
void fault_arm(size_t at);
/* No more failures; whether one happened. */
bool fault_disarm(void);
/* Each failure is told on stderr. */
void fault_tell(void);
/* Whether the allocation that is about to be made must fail. */
bool fault_now(void);

/* What was allocated and not freed since the program began. */
size_t fault_live(void);
/* For allocations that the linker does not send here. */
void fault_add(void *memory);
void fault_remove(void *memory);

#endif
