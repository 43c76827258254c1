/*
 * A tacit.conf while it is being read, and the rules that an authority signed likewise.
 * conf.c takes the text apart; section.c knows where each line belongs, by the
 * table in table.c; the values are set by what item.c offers in values.c, door.c,
 * peers.c, conditions.c, authority.c and tests.c; the files that it names are read in
 * newest.c and secrets.c.
 */
#ifndef TACIT_POLICY_CONF_H
#define TACIT_POLICY_CONF_H

#include "policy/policy-internal.h"

struct policy_section;

/* A tacit.conf while it is being read. */
struct policy_conf {
    struct tacit_policy *policy;
    struct tacit_fault *fault;
    const char *path; /* of the file; lives as long as the policy */
    unsigned source;  /* 0: tacit.conf; above: as in struct tacit_rule */
    const struct policy_authority *authority; /* who signed the file; NULL: tacit.conf */
    bool kept_only;       /* no policies but those that were in force before */
    bool took_new;        /* one that was not */
    bool revoked_only;    /* nothing counts but what is revoked, and no fault */
    bool passes_over;     /* the section: it is not for the authority any more */
    unsigned suites;      /* those that this machine can run */
    const char *at, *end; /* the text that is left */
    unsigned line;        /* of the text handed out last */
    int error;            /* the first error; nothing is read after it */

    const struct policy_section *section; /* NULL before the first */
    unsigned section_line;
    unsigned sections_seen; /* bit i: the i-th section of the table */
    unsigned keys_seen;     /* bit i: the i-th key of the section */
    unsigned signed_groups, signed_patterns, signed_tests; /* of signed rules, so far */
    struct tacit_rule *rule;        /* of the section, where it has one */
    char argument[POLICY_LINE_MAX]; /* NAME of [peer NAME] */
    const char *key;                /* the key whose value is being set */
    const char *pending; /* a line that inih has not yet given back as a pair */
    size_t pending_len;

    unsigned listen_lines[TACIT_LISTEN_MAX], interface_line; /* its first one's */
    bool listen_wildcard;
    bool for_door; /* whose secrets are to be read */
    char *key_file, *identity, *door_identity, *certificate; /* paths as written */
    POLICY_LIST(char *) pair_paths; /* for each peer: a path as written, or NULL */
};

/* --- lines (conf.c, section.c) ---------------------------------------------------- */

/* The first error of c, at a line of the file or, for 0, at the whole of it. */
#define CONF_FAULT(c, line, ...) \
    ((c)->error = tacit_fault_at((c)->fault, (c)->path, line, __VA_ARGS__))
#define QUOTE(text, len) tacit_quote(&(struct tacit_quoted){{0}}, text, len)

/* Reads the text c->at .. c->end into c->policy. Key files are not opened. */
int policy_conf_read(struct policy_conf *c);

/* The same for rules that are signed: c->source and c->authority say by whom. */
int policy_rules_read(struct policy_conf *c, const char *path,
                      const struct tacit_signed_rules *rules);

/*
 * Of rules that are not taken the keys that they revoke: whatever else is wrong with
 * them, those come in force.
 */
int policy_heed_revoked(struct policy_conf *c, const char *path,
                        const struct tacit_signed_rules *rules);

/*
 * A line of signed rules is for nodes that their authority may not sign for: a fault, or
 * where they are in force already a notice, and *ret_pass: the line counts for nothing.
 */
int policy_outside(struct policy_conf *c, const char *shown, const char *glob,
                   bool *ret_pass);
/* One more in signed rules of what is held against all others: how many there may be. */
int policy_check_count(struct policy_conf *c, unsigned *count, const char *what);

/* A line that starts with '[': leaves the section before it and enters this one. */
int policy_enter_section(struct policy_conf *c, const char *text, size_t len);

/* "name = value" in the section. */
int policy_take_pair(struct policy_conf *c, const char *name, const char *value);

/* What only shows at the end of the file. */
int policy_check_whole(struct policy_conf *c);

/* Takes white space off both ends. */
void policy_trim(const char **text, size_t *len);
bool policy_is_space(char c);

/* Frees what c holds beside the policy. */
void policy_conf_free(struct policy_conf *c);

/* --- the table (table.c) ---------------------------------------------------------- */

enum {
    POLICY_SECTIONS = 7,
    POLICY_KEYS_MAX = 12, /* of one section */
};

/* Sets a value, or opens the section of that name. */
typedef int policy_set_fn(struct policy_conf *c, const char *value);

struct policy_key {
    const char *name;
    policy_set_fn *set;
    const char *required; /* what to write, where it must be there */
    bool repeats;
    bool is_local; /* not for others to sign */
};

struct policy_section {
    const char *name;
    const char *shown; /* how it is written */
    const char *required;
    policy_set_fn *open; /* takes NAME of [peer NAME]; such sections repeat */
    bool is_local;       /* not for others to sign */
    struct policy_key keys[POLICY_KEYS_MAX + 1];
};

extern const struct policy_section policy_sections[POLICY_SECTIONS];

/* Whether the file that is being read may have the key. */
bool policy_has_key(const struct policy_conf *c, const struct policy_key *key);

/* The section called name, or NULL: the file may have none of that name. */
const struct policy_section *policy_find_section(const struct policy_conf *c,
                                                 const char *name, size_t len);

/* "a, b or c": the sections that the file may have, and the keys of the one it is in. */
const char *policy_section_names(const struct policy_conf *c, char *out, size_t cap);
const char *policy_key_names(const struct policy_conf *c, char *out, size_t cap);

/* --- values ----------------------------------------------------------------------- */

/* "PATH:LINE: KEY: got 'VALUE', expected ...", for the key being set. */
int policy_value_fault(struct policy_conf *c, const char *value, const char *expected);

/* "yes" or "no". */
int policy_set_flag(struct policy_conf *c, const char *value, bool *ret_flag);

/* An item of listen that is no address: an interface's name. TACIT_EFORMAT: nor that. */
int policy_add_interface(struct policy_conf *c, const char *item);

/* Calls set with each item of a comma-separated list; an empty item is an item too. */
int policy_each_item(struct policy_conf *c, const char *value, policy_set_fn *set);

/* Opens a [peer GLOB] and the like: the values that follow are set in the list's last. */
policy_set_fn policy_add_peer, policy_add_group, policy_add_authority;

/* A rule that says nothing yet. */
void policy_rule_init(struct policy_conf *c, struct tacit_rule *rule);

#define POLICY_AN_ADDRESS                                                              \
    "an address such as 192.0.2.10:4370 or [2001:db8::10]:4370, or, with 'door', the " \
    "name of an interface"

policy_set_fn policy_set_key_file, policy_set_suites, policy_set_identity,
    policy_set_certificate, policy_set_listen, policy_set_listen_wildcard,
    policy_set_source, policy_set_max_message, policy_set_public_key, policy_set_pair_key,
    policy_set_endpoint, policy_set_plain_node, policy_set_from, policy_set_direction,
    policy_set_visibility, policy_set_expires, policy_set_authority_key,
    policy_set_authority_names, policy_set_authority_policy, policy_set_revoked,
    policy_set_clock_grace, policy_add_allow_test, policy_add_deny_test, policy_set_door,
    policy_set_door_identity, policy_set_door_users, policy_set_legacy_epmd,
    policy_set_plain_nodes, policy_set_door_key, policy_set_directory,
    policy_set_rekey_seconds, policy_set_rekey_bytes, policy_set_rekey_records;

/* --- the files that it names (newest.c, secrets.c) -------------------------------- */

/* name as seen from the folder of the file conf; the caller frees it. NULL: no memory. */
char *policy_path(const char *conf, const char *name);

/* Reads the newest policy of each authority that may sign them. */
int policy_read_signed(struct policy_conf *c, const struct tacit_files *files);

/* Reads the keys, and the host's certificate. */
int policy_read_secrets(struct policy_conf *c, const struct tacit_files *files);

#endif
