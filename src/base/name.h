/* Node names, and the globs that stand for them in rules. */
#ifndef TACIT_BASE_NAME_H
#define TACIT_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum {
    TACIT_NAME_MAX = 255, /* bytes of a node name */
};

/*
 * Whether name may be a node's: one '@', a name part of letters, digits, '_', '-', a host
 * part of bytes 33..126 without '*', at most 255 bytes. Names are compared byte for byte.
 */
bool tacit_name_ok(const char *name);

/* The same for a bare host part. */
bool tacit_host_ok(const char *host);

/* Whether both have a host part, and the same one, byte for byte. */
bool tacit_name_same_host(const char *a, const char *b);

/* Whether glob may stand in a rule: a name in which '*' is allowed in both parts. */
bool tacit_glob_ok(const char *glob);

/* Whether glob matches name. '*' matches any run of bytes but '@'. */
bool tacit_glob_match(const char *glob, const char *name);

/* Whether glob is for the name, or for all dynamic names of a bare host. */
bool tacit_glob_is_for(const char *glob, const char *name, bool dynamic);

/* How many characters of a glob are not '*'. */
size_t tacit_glob_literals(const char *glob);

/* Whether it is for more than one name, and for another set than all of one host's. */
bool tacit_glob_is_pattern(const char *glob);

/* Whether some name matches both globs. */
bool tacit_globs_meet(const char *a, const char *b);

#endif
