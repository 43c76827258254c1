/*
 * The keys that a host has revoked by itself: the text of the file `revoked` that is
 * beside its tacit.conf, which tacit:revoke/1 writes. src/files reads the file.
 */
#ifndef TACIT_POLICY_REVOKED_H
#define TACIT_POLICY_REVOKED_H

#include "policy/policy.h"

/* Zeroed: none is revoked. */
struct tacit_revoked {
    size_t count;
    uint8_t (*at)[TACIT_FINGERPRINT_BYTES]; /* in order, none twice */
};

/*
 * Takes the text: a fingerprint a line, as they stand in logs, or an empty line; nothing
 * else, no blank and no comment, for what is not understood might be somebody who is
 * revoked. Where a line is anything else *list stays as it was, and the fault has path
 * and line.
 */
int tacit_revoked_parse(struct tacit_revoked *list, const char *path, const char *text,
                        size_t len, struct tacit_fault *fault);

bool tacit_revoked_has(const struct tacit_revoked *list,
                       const uint8_t public_key[TACIT_KEY_BYTES]);

/* TACIT_ENOMEM. */
int tacit_revoked_copy(const struct tacit_revoked *list, struct tacit_revoked *ret_copy);

/* Frees what it holds; zeroed after. */
void tacit_revoked_free(struct tacit_revoked *list);

#endif
