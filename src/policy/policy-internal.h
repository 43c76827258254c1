/*
 * What the files of this room share: a policy's insides, and how they are asked.
 *
 *     policy.c      a policy is made, and ends: the order of what follows
 *     conf.c        tacit.conf is read; conf.h names the files for that
 *     signed.c      what authorities sign, of two kinds: certificate_text.c and
 *                   signed_policy.c; newest.c: which policy counts
 *     index.c       the order of peers; conflict.c: lines that contradict each other
 *     decide.c      the decision; lookup.c: which line is for a name or a key;
 *                   certificate.c: what a certificate says
 *     directory.c   the decision about those who ask a door
 *     settings.c    all else that a policy is asked for
 *     network.c     the networks of `from`; keyfile.c: files of keys
 */
#ifndef TACIT_POLICY_INTERNAL_H
#define TACIT_POLICY_INTERNAL_H

#include "policy/policy.h"
#include "policy/signed.h"

enum {
    POLICY_KEY_FILE_MAX = 4 << 10, /* bytes of a key file */
    POLICY_LINE_MAX = 256,         /* more than inih's own INI_MAX_LINE */
    POLICY_SIGNED_MAX = 1000,      /* groups, tests, patterns: each is held against all */
    POLICY_MESSAGE_DEFAULT = 256 << 20,
    POLICY_GRACE_DEFAULT = 300,
    POLICY_REKEY_SECONDS = 120,
    POLICY_REKEY_RECORDS = 1 << 30,
};

/* A quarter of what any suite's key may seal: the most, and the default. */
#define POLICY_REKEY_BYTES (UINT64_C(1) << 36)

/* In sodium_malloc memory, read-only once loaded. */
struct policy_secrets {
    struct noise_keypair identity, door_identity;
    struct tacit_secret mesh[TACIT_MESH_KEYS_MAX];
};

struct policy_name {
    char text[TACIT_NAME_MAX + 1];
};

/* The BLAKE2b-256 of a public key. */
struct policy_fingerprint {
    uint8_t bytes[TACIT_FINGERPRINT_BYTES];
};

/* A block of addresses: those that have the first `bits` bits of address. */
struct policy_network {
    struct tacit_address address;
    unsigned bits;
};

/* One [authority NAME] section. */
struct policy_authority {
    char name[TACIT_GROUP_MAX + 1];
    unsigned line;
    uint8_t public_key[TACIT_KEY_BYTES]; /* Ed25519 */
    size_t globs, glob_count;            /* of policy->authority_globs */
    char *policy, *kept, *refused; /* paths of its policies' files; NULL: it signs none */
};

/* One line of [test]. */
struct policy_test {
    const char *path;
    unsigned source, line; /* as in struct tacit_rule */
    bool allow, outbound, has_address;
    struct tacit_address address;
    char glob[TACIT_NAME_MAX + 1];
};

/* A list that grows while a configuration is read. */
#define POLICY_LIST(type)  \
    struct {               \
        type *at;          \
        size_t count, cap; \
    }

/* Makes room for one more: its address, all zeros, or NULL where out of memory. */
#define POLICY_ADD(list)                                                \
    policy_list_add((void **)&(list)->at, &(list)->count, &(list)->cap, \
                    sizeof *(list)->at)
void *policy_list_add(void **at, size_t *count, size_t *cap, size_t size);

/* Peers in some order that makes one kind of question fast. */
struct policy_index {
    const struct tacit_peer **peers;
    size_t count;
};

struct tacit_policy {
    char *path;
    char *mesh_path; /* of the keyring */
    struct policy_secrets *secrets;
    size_t mesh_count;
    struct tacit_address listen[TACIT_LISTEN_MAX];
    size_t listen_count;
    struct tacit_interface interfaces[TACIT_LISTEN_MAX];
    size_t interface_count;
    char certificate[TACIT_CERTIFICATE_MAX];
    size_t certificate_len;  /* 0: none */
    uint64_t certificate_at; /* its not-before */
    char *door;
    bool has_identity, has_door_identity, legacy_epmd;
    struct tacit_address source[2]; /* IPv4, IPv6; family 0 where none is set */
    unsigned suites;
    size_t max_message;
    uint64_t rekey_seconds, rekey_bytes, rekey_records;
    uint64_t clock_grace;           /* seconds */
    struct tacit_secret *pair_keys; /* locked; peers point into it */
    /* As they stand in the file, but for those that are sorted. */
    POLICY_LIST(struct tacit_peer) peers;
    POLICY_LIST(struct tacit_group) groups;
    POLICY_LIST(struct policy_network) networks;
    POLICY_LIST(struct policy_authority) authorities;
    POLICY_LIST(struct policy_name) authority_globs;
    POLICY_LIST(struct policy_name) plain;
    POLICY_LIST(struct policy_fingerprint) revoked; /* sorted */
    POLICY_LIST(struct tacit_door_user) door_users;
    POLICY_LIST(struct policy_name) plain_nodes; /* "GLOB@-" */
    POLICY_LIST(struct policy_test) tests;
    POLICY_LIST(struct tacit_signed_policy) signed_policies; /* i-th: source i + 1 */
    POLICY_LIST(struct tacit_fault) notices;
    bool heeded; /* revocations of a signed policy that is not taken */

    struct policy_index exact; /* names without '*', by name */
    struct policy_index hosts; /* '*' in the name part only: by host, likewise */
    struct policy_index globs; /* all others, the most specific first */
    struct policy_index keys;  /* every peer with a key, by it */
};

/* --- networks (network.c) --------------------------------------------------------- */

/* "198.51.100.0/24", "2001:db8::/32", or one address. TACIT_EFORMAT. */
int policy_network_from_text(const char *text, struct policy_network *ret_network);
void policy_network_to_text(const struct policy_network *network,
                            char ret_text[TACIT_NETWORK_TEXT]);
bool policy_network_has(const struct policy_network *network,
                        const struct tacit_address *address);

/* --- what an authority signs (signed.c, certificate.c) ---------------------------- */

/* An envelope taken apart; nothing of it is true yet. */
struct policy_envelope {
    uint8_t authority[TACIT_KEY_BYTES];
    uint8_t signature[64];
    const char *body;
    size_t len;
};

/* TACIT_EFORMAT. No signature is looked at. */
int policy_envelope_read(enum tacit_signed_kind kind, const char *text, size_t len,
                         struct policy_envelope *ret_envelope);

/* Adds a notice. */
int policy_note(struct tacit_policy *policy, const struct tacit_fault *fault);
/* Whether the signed policy of a source was not in force before. */
bool policy_is_new(const struct tacit_policy *policy, unsigned source);
/* Who signed the rules of a source; NULL: nobody, they are tacit.conf's. */
const struct policy_authority *policy_source(const struct tacit_policy *policy,
                                             unsigned source);
/* Whether a signed [group] is for nodes of this name: its authority's names bound it. */
bool policy_group_for(const struct tacit_policy *policy, const struct tacit_group *group,
                      const char *name, bool dynamic);

/* Whether text may be the name of a group or an authority. */
bool policy_label_ok(const char *text);

/* Whether the holder is in the group; whether it may be the node called name. */
bool policy_certificate_in_group(const struct tacit_certificate *certificate,
                                 const char *group);
bool policy_certificate_for(const struct tacit_certificate *certificate, const char *name,
                            bool dynamic);
/* The [authority] with this key, or NULL. */
const struct policy_authority *
policy_find_authority(const struct tacit_policy *policy,
                      const uint8_t public_key[TACIT_KEY_BYTES]);
/* Whether it may sign for the name. */
bool policy_authority_for(const struct tacit_policy *policy,
                          const struct policy_authority *authority, const char *name,
                          bool dynamic);

/* Whether a certificate is valid, the clocks' grace added; *until: when that may change.
 */
enum tacit_reason policy_valid_now(const struct tacit_policy *policy,
                                   const struct tacit_certificate *certificate,
                                   uint64_t now, uint64_t begins, uint64_t *until);
void policy_lower(uint64_t *until, uint64_t time);

/* --- decisions (decide.c) --------------------------------------------------------- */

/* Whether the conditions of a line hold; *until is lowered to when that ends. */
enum tacit_reason policy_rule_allows(const struct tacit_policy *policy,
                                     const struct tacit_rule *rule,
                                     const struct tacit_question *q, uint64_t *until);

/* --- tests (tests.c) -------------------------------------------------------------- */

/*
 * Runs the signed tests. One that fails is a fault of a policy that is new; it was good
 * for this host when its policy came in force: then the host's own file comes first, and
 * it is noted.
 */
int policy_test_signed(struct tacit_policy *policy, struct tacit_fault *fault);

/* --- look-ups (lookup.c) ---------------------------------------------------------- */

/*
 * The [peer] that decides about a static name, or for a bare host about its dynamic ones;
 * NULL where none matches. name may be a glob: then one that matches all of its names.
 */
const struct tacit_peer *policy_deciding_peer(const struct tacit_policy *policy,
                                              const char *name, bool dynamic);

/* The lines with this key, in their order: the first, and how many. */
const struct tacit_peer **policy_lines_of(const struct tacit_policy *policy,
                                          const uint8_t public_key[TACIT_KEY_BYTES],
                                          size_t *ret_count);

/* The more specific of two lines; of equals the one of tacit.conf, then the first. */
const struct tacit_peer *policy_more_specific(const struct tacit_peer *a,
                                              const struct tacit_peer *b);
bool policy_is_revoked(const struct tacit_policy *policy,
                       const uint8_t public_key[TACIT_KEY_BYTES]);
void policy_sort_revoked(struct tacit_policy *policy);

/* --- the order of peers (index.c, conflict.c) ------------------------------------- */

/* Builds the indices of a policy whose peers and pair keys are there. */
int policy_index_build(struct tacit_policy *policy);
void policy_index_free(struct tacit_policy *policy);

/* Whether the lines of the file contradict one another. */
int policy_check_conflicts(const struct tacit_policy *policy, struct tacit_fault *fault);

/*
 * Whether one of them gives way: what was signed elsewhere to tacit.conf, and where both
 * were, and are in force, to the [authority] that stands before its own.
 */
bool policy_gives_way(const struct tacit_policy *policy, const struct tacit_peer *a,
                      const struct tacit_peer *b);

/* Whether two lines of one host give its door two keys (directory.c). */
int policy_check_doors(const struct tacit_policy *policy, struct tacit_fault *fault);

#endif
