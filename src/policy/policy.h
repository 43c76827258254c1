/*
 * policy: who may connect. tacit.conf, key files, what authorities sign.
 *
 * Parses text that it is given and decides; it does no I/O of its own: files come through
 * a tacit_files that the caller hands in (src/files is the real one). Calls base, noise
 * (for the identity's public key), inih and libsodium. carrier, door, ei and cli call
 * it. A loaded policy never changes, so that any thread may read it.
 */
#ifndef TACIT_POLICY_H
#define TACIT_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/key.h"
#include "base/time.h"
#include "noise/noise.h"
#include "policy/rules.h"

enum {
    TACIT_MESH_KEYS_MAX = 4, /* keys of a keyring */
    TACIT_LISTEN_MAX = 16,   /* addresses to listen on */
    TACIT_NETWORK_TEXT = 48, /* an address, and how many of its bits count */
    TACIT_USER_MAX = 32,
    TACIT_INTERFACE_MAX = 15,
    TACIT_CONF_MAX = 8 << 20, /* bytes of a tacit.conf */
};

/* Who may own a file, write it, and change the folders on the way to it. */
enum tacit_file_kind {
    TACIT_FILE_SIGNED, /* it counts by its signature: not for others to write */
    TACIT_FILE_SHARED, /* its owner may be another user; nobody else can put one there */
    TACIT_FILE_RULES,  /* its owner is root or the user of the process */
    TACIT_FILE_SECRET, /* the same, and nobody else can read it */
};

/*
 * Reads whole files for the policy. read() puts at most cap bytes of the file at path
 * into buf.
 * Returns 0, or an error with the reason in fault (with the path, without a line):
 * TACIT_EABSENT where nothing is there.
 */
struct tacit_files {
    void *context;
    int (*read)(void *context, const char *path, enum tacit_file_kind kind, char *buf,
                size_t cap, size_t *ret_len, struct tacit_fault *fault);
};

/* An interface whose addresses are listened on, as they come and go. */
struct tacit_interface {
    char name[TACIT_INTERFACE_MAX + 1];
    uint16_t port;
};

/* From [host] door-users: a user who may register names that match the glob. */
struct tacit_door_user {
    char user[TACIT_USER_MAX + 1]; /* a name, a number, or "*" */
    char glob[TACIT_NAME_MAX + 1];
};

struct tacit_policy;

/*
 * Loads the configuration at path, and every key file that it names. suites is the mask
 * of those that this machine can run: a configuration that leaves none is wrong here. On
 * an error nothing is returned and *fault says where and what was expected.
 */
int tacit_policy_load(const char *path, const struct tacit_files *files, unsigned suites,
                      struct tacit_policy **ret_policy, struct tacit_fault *fault);

/*
 * The same for the host's door, which holds no node's key: reads door-identity in place
 * of identity, and no pair key; a certificate that it cannot read is none. Without door
 * the configuration is wrong here.
 */
int tacit_policy_load_door(const char *path, const struct tacit_files *files,
                           unsigned suites, struct tacit_policy **ret_policy,
                           struct tacit_fault *fault);

/* Wipes and frees. NULL is allowed. */
void tacit_policy_free(struct tacit_policy *policy);

/* The path that it was loaded from. */
const char *tacit_policy_path(const struct tacit_policy *policy);

/*
 * The host's own key pair, in locked memory that lives as long as the policy. NULL where
 * the policy was loaded for the door.
 */
const struct noise_keypair *tacit_policy_identity(const struct tacit_policy *policy);

/* [host] certificate, as it is shown to peers: its text and length; 0 where none is set.
 */
size_t tacit_policy_own_certificate(const struct tacit_policy *policy,
                                    const char **ret_text);

/* Its not-before; 0 where none is set. */
uint64_t tacit_policy_own_signed_at(const struct tacit_policy *policy);

/*
 * What is wrong with that certificate at a time, the clocks' grace added, in a line for
 * people: it has run out, or is not valid yet. false: nothing, or none is set.
 */
bool tacit_policy_own_fault(const struct tacit_policy *policy, uint64_t now,
                            struct tacit_fault *ret_fault);

/* The mesh keys: the first seals, all open. Returns how many (1..TACIT_MESH_KEYS_MAX). */
size_t tacit_policy_mesh_keys(const struct tacit_policy *policy,
                              const struct tacit_secret **ret_keys);

/* The path of the file that they stand in. */
const char *tacit_policy_mesh_path(const struct tacit_policy *policy);

/* [host] listen, in order; 0 where the host does not listen. */
size_t tacit_policy_listen(const struct tacit_policy *policy,
                           const struct tacit_address **ret_addresses);

/* The interfaces of [host] listen, for the door; 0 where there are none. */
size_t tacit_policy_interfaces(const struct tacit_policy *policy,
                               const struct tacit_interface **ret_interfaces);

/* [host] door: the path of the Unix socket of secure-epmd, or NULL without a door. */
const char *tacit_policy_door(const struct tacit_policy *policy);

/*
 * The key pair that answers directory questions, or NULL where none is set. A node that
 * has a door is not given it: the door has it.
 */
const struct noise_keypair *tacit_policy_door_identity(const struct tacit_policy *policy);

/* The i-th pair of [host] door-users, or NULL past the last. */
const struct tacit_door_user *tacit_policy_door_user(const struct tacit_policy *policy,
                                                     size_t i);

/*
 * Whether some door-users line lets this user register name. user is the user's name, or
 * "" where the number has none. root and the door's own user need no line: that is the
 * caller's to know.
 */
bool tacit_policy_door_allows(const struct tacit_policy *policy, const char *user,
                              uint32_t uid, const char *name);

/* [host] legacy-epmd: whether the door speaks OTP's epmd protocol on loopback. */
bool tacit_policy_legacy_epmd(const struct tacit_policy *policy);

/* [host] plain-nodes: whether a node may register this name, without a host, there. */
bool tacit_policy_plain_node(const struct tacit_policy *policy, const char *name);

/* [host] source for the family (4 or 6), or NULL where none is set. Its port is 0. */
const struct tacit_address *tacit_policy_source(const struct tacit_policy *policy,
                                                uint8_t family);

/* Those of [mesh] suites that this machine can run; all of the latter where not set. */
unsigned tacit_policy_suites(const struct tacit_policy *policy);

/* [mesh] rekey-seconds, rekey-bytes, rekey-records: when a link needs fresh keys. */
uint64_t tacit_policy_rekey_seconds(const struct tacit_policy *policy);
uint64_t tacit_policy_rekey_bytes(const struct tacit_policy *policy);
uint64_t tacit_policy_rekey_records(const struct tacit_policy *policy);

/* [host] max-message, bytes: the largest distribution message accepted. */
size_t tacit_policy_max_message(const struct tacit_policy *policy);

/*
 * Whether the peer may be the node that it says it is. The most specific [peer] whose
 * glob matches decides, alone: with a public-key it asks for that key and looks at no
 * certificate; without one it asks for a certificate for the name. Where no [peer]
 * matches, the [group]s of a certificate decide. Nothing matching: denied. For a dynamic
 * name only a glob whose name part is exactly "*" matches. Always fills *ret_decision.
 * 0, TACIT_ENAME (not a valid name) or TACIT_EREFUSED.
 */
int tacit_policy_decide(const struct tacit_policy *policy,
                        const struct tacit_question *question,
                        struct tacit_decision *ret_decision);

/*
 * The same for any peer that holds the right key, or certificate, for the name: what the
 * lines say, no matter who asks. Without an address one that the line allows is meant;
 * public_key and certificate are not looked at, and no dynamic name is known here.
 */
void tacit_policy_explain(const struct tacit_policy *policy,
                          const struct tacit_question *question,
                          struct tacit_decision *ret_decision);

/*
 * Runs the configuration's own tests, [test]: to be done before it comes in force.
 * TACIT_ECONFIG, with the test that fails in *fault. They are asked as if no line had
 * expired: a file that passes once passes on every day, and a node starts with it.
 */
int tacit_policy_test(const struct tacit_policy *policy, struct tacit_fault *fault);

/*
 * Whether the policy, just loaded, may come in force after `before` (NULL: it is the
 * first): nothing that was signed goes back (signed.h), and every [test] holds. In that
 * order for node, C node and door. TACIT_ECONFIG, and *fault.
 */
int tacit_policy_may_follow(const struct tacit_policy *policy,
                            const struct tacit_policy *before, struct tacit_fault *fault);

/* Whether a revoked line, of tacit.conf or signed, is for this public key. */
bool tacit_policy_revokes(const struct tacit_policy *policy,
                          const uint8_t public_key[TACIT_KEY_BYTES]);

/* Whether any line knows this public key. */
bool tacit_policy_knows_key(const struct tacit_policy *policy,
                            const uint8_t public_key[TACIT_KEY_BYTES]);

/*
 * Whether the holder of the question's key may ask this host's door for the names of its
 * nodes: a [peer] with that key has directory = yes, and its from, direction and expires
 * allow it. A requester has no name: any of the key's lines will do; the question's name
 * and certificate are not looked at. Always fills *ret_decision. 0 or TACIT_EREFUSED.
 */
int tacit_policy_may_ask(const struct tacit_policy *policy,
                         const struct tacit_question *question,
                         struct tacit_decision *ret_decision);

/* What a requester that was refused is told: the reason, if a line is for its key. */
const char *tacit_policy_ask_text(const struct tacit_decision *decision);

/*
 * The line that knows the door of host (a name's host part): one with door-key and that
 * host, the most specific; its endpoint, if it has one, is the door's. NULL: none.
 */
const struct tacit_peer *tacit_policy_door_of(const struct tacit_policy *policy,
                                              const char *host);

/*
 * Whether public_key is that of the door on this line. revoked: this host has revoked the
 * key by itself. TACIT_NO_LINE: it is another; TACIT_REVOKED also by the policy's own
 * lines.
 */
enum tacit_reason tacit_policy_decide_door(const struct tacit_policy *policy,
                                           const struct tacit_peer *line,
                                           const uint8_t public_key[TACIT_KEY_BYTES],
                                           bool revoked);

/* Where that door is reached: the line's endpoint, else host and port 4370. TACIT_ENAME:
 * no line knows one. */
int tacit_policy_door_endpoint(const struct tacit_policy *policy, const char *host,
                               struct tacit_endpoint *ret_endpoint);

/* The pair key that belongs to a public key; 32 zero bytes where none is set. */
void tacit_policy_pair_key(const struct tacit_policy *policy,
                           const uint8_t public_key[TACIT_KEY_BYTES],
                           struct tacit_secret *ret_key);

/*
 * Where to reach the node called name: the deciding [peer]'s endpoint, else the name's
 * host part and port 4370. TACIT_ENAME where name is not valid.
 */
int tacit_policy_endpoint(const struct tacit_policy *policy, const char *name,
                          struct tacit_endpoint *ret_endpoint);

/* Whether a [plain] line names this node. */
bool tacit_policy_is_plain(const struct tacit_policy *policy, const char *name);

/* The i-th [peer] as they stand in the file, or NULL past the last. */
const struct tacit_peer *tacit_policy_peer(const struct tacit_policy *policy, size_t i);

/* The i-th network of a rule's from, as text ("198.51.100.0/24"); false past the last. */
bool tacit_policy_from(const struct tacit_policy *policy, const struct tacit_rule *rule,
                       size_t i, char ret_text[TACIT_NETWORK_TEXT]);

/* The i-th [group] in force, those of signed policies included, or NULL past the last. */
const struct tacit_group *tacit_policy_group(const struct tacit_policy *policy, size_t i);

/* The name of the i-th [authority], and the j-th glob of the names that it may sign for;
 * NULL past the last. */
const char *tacit_policy_authority(const struct tacit_policy *policy, size_t i);
const char *tacit_policy_authority_glob(const struct tacit_policy *policy, size_t i,
                                        size_t j);

/* The i-th glob of [plain], or NULL past the last. */
const char *tacit_policy_plain(const struct tacit_policy *policy, size_t i);

/*
 * What a key file is for. Those that the commands make say so in their first line; a file
 * without such a line may be any.
 */
enum tacit_key_kind {
    TACIT_KEY_PRIVATE, /* a host's, or a door's, identity */
    TACIT_KEY_MESH,
    TACIT_KEY_PAIR,
    TACIT_KEY_SHARED, /* one that may become either of the two before */
    TACIT_KEY_AUTHORITY,
};

enum {
    TACIT_KEY_TITLE = 24, /* bytes of such a line, with its zero in place of its end */
};

/* "# tacit private key" ...: a comment, to those who do not know it. */
const char *tacit_key_title(enum tacit_key_kind kind);

/*
 * Reads a key file by itself: 1..max keys, one a line, none twice, with blank lines and
 * comments (';' or '#' first) between them. A file that says that it is of another kind
 * is refused. No fault quotes anything of the file.
 */
int tacit_key_file_read(const char *path, const struct tacit_files *files,
                        enum tacit_key_kind kind, size_t max,
                        struct tacit_secret *ret_keys, size_t *ret_count,
                        struct tacit_fault *fault);

#endif
