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

enum {
    TACIT_POLICY_MAX = 4 << 20, /* bytes of a signed policy's text */
};

/* The highest serial number of a policy: 18 digits. */
#define TACIT_SERIAL_MAX UINT64_C(999999999999999999)

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
enum tacit_reason
tacit_policy_check_certificate(const struct tacit_policy *policy,
                               const struct tacit_certificate *certificate, uint64_t now,
                               const char **ret_name, const char **ret_authority);

/* --- policies ----------------------------------------------------------------------- */

/* What a signed policy says of itself. */
struct tacit_signed_header {
    uint64_t serial;      /* 1..TACIT_SERIAL_MAX: of one authority's the highest counts */
    uint64_t fresh_until; /* seconds since 1970, then it is stale; TACIT_NEVER */
};

/* The rules of a signed policy; text is a part of the policy's. */
struct tacit_signed_rules {
    struct tacit_signed_header header;
    uint8_t hash[TACIT_KEY_BYTES]; /* of header and rules: two with one hash are one */
    const char *text;
    size_t len;
    unsigned line; /* lines of the policy that stand before the rules */
};

/*
 * Signs rules, text as in tacit.conf: try them before. TACIT_EINVAL: not a serial;
 * TACIT_ESPACE: longer than cap.
 */
int tacit_policy_sign(const struct tacit_signed_header *header,
                      const struct tacit_secret *seed, const char *rules, size_t len,
                      char *out, size_t cap, size_t *ret_len);

/*
 * Whether a policy may hold these rules: [mesh] with revoked alone, [peer] without
 * pair-key, [group] and [test], whose tests pass. The fault names path, and lines of
 * text.
 */
int tacit_policy_try_rules(const char *path, const char *text, size_t len,
                           struct tacit_fault *fault);

/*
 * Opens a policy whose signature holds under the authority that it names; whose that is,
 * and what the rules say, is for tacit_policy_load. TACIT_EAUTH or TACIT_EFORMAT, for
 * which tacit_policy_open_text has words.
 */
int tacit_policy_open(const char *text, size_t len,
                      uint8_t ret_authority[TACIT_KEY_BYTES],
                      struct tacit_signed_rules *ret_rules);
const char *tacit_policy_open_text(const char *text, size_t len, int error);

/*
 * An [authority NAME] with a policy = FILE: tacit_policy_load takes the newest of its
 * policies that is in FILE or in FILE.kept, with its rules behind those of tacit.conf. A
 * file that is no better than the other is passed over with a notice. So is one that is
 * new and has a fault, but for the keys that it revokes. What was in force keeps no
 * tacit.conf from loading: lines that it no longer may have count for nothing.
 */
struct tacit_signed_policy {
    const char *authority; /* the section's name */
    const uint8_t *public_key;
    const char *path, *kept;
    const char *source; /* the one of the two that was read; NULL: none */
    bool is_new;        /* and it was not in force before */
    uint64_t serial;    /* 0: none */
    uint64_t fresh_until;
    uint8_t hash[TACIT_KEY_BYTES];
    char *text; /* NULL: none */
    size_t len;
};

/* The i-th authority's, or NULL past the last. */
const struct tacit_signed_policy *tacit_policy_signed(const struct tacit_policy *policy,
                                                      size_t i);

/* That of the authority with this key, or NULL. */
const struct tacit_signed_policy *
tacit_policy_signed_by(const struct tacit_policy *policy,
                       const uint8_t key[TACIT_KEY_BYTES]);

/* What was passed over and why, for the log: the i-th, or NULL past the last. */
const char *tacit_policy_notice(const struct tacit_policy *policy, size_t i);

/* Whether keys are revoked by a newer signed policy that otherwise is passed over. */
bool tacit_policy_heeds(const struct tacit_policy *policy);

/*
 * Whether a policy may come after the one in force: no authority's policy goes back, or
 * is another under the same serial. TACIT_ECONFIG.
 */
int tacit_policy_follows(const struct tacit_policy *policy,
                         const struct tacit_policy *before, struct tacit_fault *fault);

#endif
