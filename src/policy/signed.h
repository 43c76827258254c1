/*
 * Texts that a mesh's authority signs: certificates and policies. PROTOCOL.md of
 * src/channel, "Certificates", has the format.
 *
 *     tacit certificate 1
 *     authority = BASE64      Ed25519 public key
 *     signature = BASE64      of the body behind the empty line
 *
 *     ...
 *
 * A body is looked at only after its signature holds. The two kinds are signed under
 * contexts of their own, so that neither ever passes for the other.
 */
#ifndef TACIT_POLICY_SIGNED_H
#define TACIT_POLICY_SIGNED_H

#include "policy/policy.h"

enum tacit_signed_kind {
    TACIT_SIGNED_CERTIFICATE,
    TACIT_SIGNED_POLICY,
};

/* The public key of the authority whose seed a key file holds. */
void tacit_authority_key(const struct tacit_secret *seed,
                         uint8_t ret_key[TACIT_KEY_BYTES]);

/* Puts envelope and body into out. TACIT_ESPACE where cap is too small. */
int tacit_sign(enum tacit_signed_kind kind, const struct tacit_secret *seed,
               const char *body, size_t len, char *out, size_t cap, size_t *ret_len);

/*
 * Checks the signature: whether the authority in the envelope is one of ours is for the
 * caller. The body is a part of text. TACIT_EFORMAT: no such envelope; TACIT_EAUTH: the
 * signature does not hold.
 */
int tacit_signed_open(enum tacit_signed_kind kind, const char *text, size_t len,
                      uint8_t ret_authority[TACIT_KEY_BYTES], const char **ret_body,
                      size_t *ret_len);

/* --- certificates ------------------------------------------------------------------- */

/*
 * Adds a name (a glob) or a group to one that is being made; names come first.
 * TACIT_EFORMAT: not a glob, or not a group's name; TACIT_ESPACE: it gets too long;
 * TACIT_ESTATE: a name behind a group.
 */
int tacit_certificate_add_name(struct tacit_certificate *certificate, const char *glob);
int tacit_certificate_add_group(struct tacit_certificate *certificate, const char *group);

/*
 * Signs it; its authority is filled in. TACIT_EINVAL: no name, a key that is none, or an
 * empty validity; TACIT_ESPACE: longer than TACIT_CERTIFICATE_MAX.
 */
int tacit_certificate_sign(struct tacit_certificate *certificate,
                           const struct tacit_secret *seed,
                           char ret_text[TACIT_CERTIFICATE_MAX], size_t *ret_len);

/*
 * Reads a certificate whose signature holds under the authority that it names.
 * TACIT_EAUTH, or TACIT_EFORMAT: its text is not exactly what tacit_certificate_sign
 * makes.
 */
int tacit_certificate_read(const char *text, size_t len,
                           struct tacit_certificate *ret_certificate);

/*
 * The same for one that a peer showed, under a policy: TACIT_ALLOWED, or why it counts
 * for nothing. Of an authority that is not the policy's not even the signature is tried.
 */
enum tacit_reason tacit_policy_certificate(const struct tacit_policy *policy,
                                           const char *text, size_t len,
                                           struct tacit_certificate *ret_certificate);

/*
 * What the policy thinks of a certificate at a time, for every name in it: TACIT_ALLOWED
 * with the authority's name, or why not, with the name at fault or NULL.
 */
enum tacit_reason tacit_policy_judge(const struct tacit_policy *policy,
                                     const struct tacit_certificate *certificate,
                                     uint64_t now, const char **ret_name,
                                     const char **ret_authority);

#endif
