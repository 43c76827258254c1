/*
 * What the files of this room share: a policy's insides, and a configuration while it is
 * being read.
 */
#ifndef TACIT_POLICY_INTERNAL_H
#define TACIT_POLICY_INTERNAL_H

#include "policy/policy.h"

enum {
    POLICY_KEY_FILE_MAX = 4 << 10, /* bytes of a key file */
    POLICY_LINE_MAX = 256,         /* more than inih's own INI_MAX_LINE */
    POLICY_MESSAGE_DEFAULT = 256 << 20,
};

/* In sodium_malloc memory, read-only once loaded. */
struct policy_secrets {
    struct noise_keypair identity, door_identity;
    struct tacit_secret mesh[TACIT_MESH_KEYS_MAX];
};

/* Peers in some order that makes one kind of question fast. */
struct policy_index {
    const struct tacit_peer **peers;
    size_t count;
};

struct tacit_policy {
    char *path;
    struct policy_secrets *secrets;
    size_t mesh_count;
    struct tacit_address listen[TACIT_LISTEN_MAX];
    size_t listen_count;
    struct tacit_interface interfaces[TACIT_LISTEN_MAX];
    size_t interface_count;
    char *door;
    bool has_identity, has_door_identity, legacy_epmd;
    struct tacit_door_user *door_users;
    size_t door_user_count;
    struct tacit_address source[2]; /* IPv4, IPv6; family 0 where none is set */
    unsigned suites;
    size_t max_message;
    struct tacit_peer *peers; /* as they stand in the file */
    size_t peer_count;
    struct tacit_secret *pair_keys; /* locked; peers point into it */
    char (*plain)[TACIT_NAME_MAX + 1];
    size_t plain_count;

    struct policy_index exact; /* names without '*', by name */
    struct policy_index hosts; /* "*@host" without another '*', by name */
    struct policy_index globs; /* all others, the most specific first */
    struct policy_index keys;  /* every peer, by public key */
};

struct policy_section;

#define POLICY_AN_ADDRESS                                                              \
    "an address such as 192.0.2.10:4370 or [2001:db8::10]:4370, or, with 'door', the " \
    "name of an interface"

/* A tacit.conf while it is being read. */
struct policy_conf {
    struct tacit_policy *policy;
    struct tacit_fault *fault;
    unsigned suites;      /* those that this machine can run */
    const char *at, *end; /* the text that is left */
    unsigned line;        /* of the text handed out last */
    int error;            /* the first error; nothing is read after it */

    const struct policy_section *section; /* NULL before the first */
    unsigned section_line;
    unsigned sections_seen; /* bit i: the i-th section of the table */
    unsigned keys_seen;     /* bit i: the i-th key of the section */
    const char *key;        /* the key whose value is being set */
    const char *pending;    /* a line that inih has not yet given back as a pair */
    size_t pending_len;

    unsigned listen_line;
    bool listen_wildcard;
    bool for_door;                             /* whose secrets are to be read */
    char *key_file, *identity, *door_identity; /* paths as written */
    char **pair_paths; /* for each peer: a path as written, or NULL */
    size_t peer_cap, plain_cap, door_user_cap;
};

/* --- faults (text.c) -------------------------------------------------------------- */

/* Text made fit for a message: printable, bounded, and with anything like a key hidden.
 */
struct policy_quoted {
    char text[160];
};

const char *policy_quote(struct policy_quoted *quoted, const char *text, size_t len);

/* Writes "PATH:LINE: ..." ("PATH: ..." for line 0) and returns TACIT_ECONFIG. */
__attribute__((format(printf, 4, 5))) int policy_fault(struct tacit_fault *fault,
                                                       const char *path, unsigned line,
                                                       const char *format, ...);

/* --- globs (name.c) --------------------------------------------------------------- */

/* How many characters of a glob are not '*'. */
size_t policy_glob_literals(const char *glob);

/* Whether some name matches both globs. */
bool policy_globs_meet(const char *a, const char *b);

/* --- addresses (address.c) -------------------------------------------------------- */

/* An address without a port; IPv6 with or without brackets. */
int policy_ip_from_text(const char *text, struct tacit_address *ret_address);
bool policy_address_is_wildcard(const struct tacit_address *address);
bool policy_address_equal(const struct tacit_address *a, const struct tacit_address *b);

/* --- reading tacit.conf (conf.c, section.c, peers.c, values.c) -------------------- */

/* The first error of c, at a line of the file or, for 0, at the whole of it. */
#define CONF_FAULT(c, line, ...) \
    ((c)->error = policy_fault((c)->fault, (c)->policy->path, line, __VA_ARGS__))
#define QUOTE(text, len) policy_quote(&(struct policy_quoted){{0}}, text, len)

/* Reads the text c->at .. c->end into c->policy. Key files are not opened. */
int policy_conf_read(struct policy_conf *c);

/* A line that starts with '[': leaves the section before it and enters this one. */
int policy_enter_section(struct policy_conf *c, const char *text, size_t len);

/* "name = value" in the section. */
int policy_take_pair(struct policy_conf *c, const char *name, const char *value);

/* What only shows at the end of the file. */
int policy_check_whole(struct policy_conf *c);

/* Takes white space off both ends. */
void policy_trim(const char **text, size_t *len);

/* Frees what c holds beside the policy. */
void policy_conf_free(struct policy_conf *c);

/* "PATH:LINE: KEY: got 'VALUE', expected ...", for the key being set. */
int policy_value_fault(struct policy_conf *c, const char *value, const char *expected);

/* Opens a [peer GLOB]: the values that follow are set in the last of policy->peers. */
int policy_add_peer(struct policy_conf *c, const char *glob);

/* "yes" or "no". */
int policy_set_flag(struct policy_conf *c, const char *value, bool *ret_flag);

/* An item of listen that is no address: an interface's name. TACIT_EFORMAT: nor that. */
int policy_add_interface(struct policy_conf *c, const char *item);

/* name as seen from the folder of the file conf; the caller frees it. NULL: no memory. */
char *policy_path(const char *conf, const char *name);

typedef int policy_set_fn(struct policy_conf *c, const char *value);
policy_set_fn policy_set_key_file, policy_set_suites, policy_set_identity,
    policy_set_listen, policy_set_listen_wildcard, policy_set_source,
    policy_set_max_message, policy_set_public_key, policy_set_pair_key,
    policy_set_endpoint, policy_set_plain_node, policy_set_door, policy_set_door_identity,
    policy_set_door_users, policy_set_legacy_epmd, policy_set_door_key,
    policy_set_directory;

/* --- the order of peers (index.c, conflict.c) ------------------------------------- */

/* Builds the indices of a policy whose peers and pair keys are there. */
int policy_index_build(struct tacit_policy *policy);
void policy_index_free(struct tacit_policy *policy);

/* Whether the lines of the file contradict one another. */
int policy_check_conflicts(const struct tacit_policy *policy, struct tacit_fault *fault);

/* Whether two lines of one host give its door two keys (directory.c). */
int policy_check_doors(const struct tacit_policy *policy, struct tacit_fault *fault);

#endif
