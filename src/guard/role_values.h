/* How the values of [role NAME] are written. */
#ifndef TACIT_GUARD_ROLE_VALUES_H
#define TACIT_GUARD_ROLE_VALUES_H

#include "guard/role.h"

/* Whether it may be a registered name, or a pattern of such. */
bool tacit_role_name_ok(const char *name);

/* The bit of a word of `may`; 0: it is none. */
unsigned tacit_role_may_word(const char *word);

/*
 * The parts of `M:F/A`, or of what stands for several: 0, TACIT_ENOMEM or TACIT_ECONFIG.
 * Its three texts are the caller's to free.
 */
int tacit_role_parse_call(const char *text, struct tacit_role_item *ret);

#endif
