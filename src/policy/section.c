/* tacit.conf as a table: which sections there are, and which keys each of them takes. */
#include "policy/policy-internal.h"

#include <string.h>

enum {
    KEYS_MAX = 11,
};

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
    struct policy_key keys[KEYS_MAX + 1];
};

static const struct policy_section sections[] = {
    {"mesh",
     "[mesh]",
     "key-file = FILE",
     NULL,
     false,
     {{"key-file", policy_set_key_file, "key-file = FILE", false, true},
      {"suites", policy_set_suites, NULL, false, true},
      {"revoked", policy_set_revoked, NULL, true, false},
      {"rekey-seconds", policy_set_rekey_seconds, NULL, false, true},
      {"rekey-bytes", policy_set_rekey_bytes, NULL, false, true},
      {"rekey-records", policy_set_rekey_records, NULL, false, true},
      {"clock-grace", policy_set_clock_grace, NULL, false, true}}},
    {"host",
     "[host]",
     "identity = FILE",
     NULL,
     true,
     {{"identity", policy_set_identity, "identity = FILE", false, false},
      {"certificate", policy_set_certificate, NULL, false, false},
      {"listen", policy_set_listen, NULL, true, false},
      {"listen-wildcard", policy_set_listen_wildcard, NULL, false, false},
      {"source", policy_set_source, NULL, false, false},
      {"max-message", policy_set_max_message, NULL, false, false},
      {"door", policy_set_door, NULL, false, false},
      {"door-identity", policy_set_door_identity, NULL, false, false},
      {"door-users", policy_set_door_users, NULL, true, false},
      {"legacy-epmd", policy_set_legacy_epmd, NULL, false, false}}},
    {"peer",
     "[peer NAME]",
     NULL,
     policy_add_peer,
     false,
     {{"public-key", policy_set_public_key, NULL, false, false},
      {"pair-key", policy_set_pair_key, NULL, false, true},
      {"endpoint", policy_set_endpoint, NULL, false, false},
      {"from", policy_set_from, NULL, true, false},
      {"direction", policy_set_direction, NULL, false, false},
      {"visibility", policy_set_visibility, NULL, false, false},
      {"expires", policy_set_expires, NULL, false, false},
      {"door-key", policy_set_door_key, NULL, false, false},
      {"directory", policy_set_directory, NULL, false, false}}},
    {"group",
     "[group NAME]",
     NULL,
     policy_add_group,
     false,
     {{"from", policy_set_from, NULL, true, false},
      {"direction", policy_set_direction, NULL, false, false},
      {"visibility", policy_set_visibility, NULL, false, false},
      {"expires", policy_set_expires, NULL, false, false}}},
    {"authority",
     "[authority NAME]",
     NULL,
     policy_add_authority,
     true,
     {{"public-key", policy_set_authority_key, "public-key = KEY", false, false},
      {"names", policy_set_authority_names, "names = NAME", true, false},
      {"policy", policy_set_authority_policy, NULL, false, false}}},
    {"test",
     "[test]",
     NULL,
     NULL,
     false,
     {{"allow", policy_add_allow_test, NULL, true, false},
      {"deny", policy_add_deny_test, NULL, true, false}}},
    {"plain",
     "[plain]",
     NULL,
     NULL,
     true,
     {{"node", policy_set_plain_node, "node = NAME", true, false}}},
};

enum {
    SECTIONS = sizeof sections / sizeof sections[0]
};

int policy_value_fault(struct policy_conf *c, const char *value, const char *expected)
{
    return CONF_FAULT(c, c->line, "%s: got '%s', expected %s", c->key,
                      QUOTE(value, strlen(value)), expected);
}

/* Whether the file that is read may have it. */
static bool has_section(const struct policy_conf *c, const struct policy_section *section)
{
    return c->authority == NULL || !section->is_local;
}

static bool has_key(const struct policy_conf *c, const struct policy_key *key)
{
    return c->authority == NULL || !key->is_local;
}

/* What must be in the section that ends here. */
static int leave_section(struct policy_conf *c)
{
    if (c->section == NULL)
        return 0;
    for (unsigned i = 0; c->section->keys[i].name != NULL; i++) {
        const struct policy_key *key = &c->section->keys[i];
        const char *required = key->required;
        if (required == NULL || !has_key(c, key) || (c->keys_seen >> i & 1) != 0)
            continue;
        if (c->section->open != NULL)
            return CONF_FAULT(c, c->section_line, "[%s %s] has no %s, expected '%s'",
                              c->section->name, c->argument, c->section->keys[i].name,
                              required);
        return CONF_FAULT(c, c->section_line, "%s has no %s, expected '%s'",
                          c->section->shown, c->section->keys[i].name, required);
    }
    return 0;
}

static const struct policy_section *find_section(const struct policy_conf *c,
                                                 const char *name, size_t len)
{
    for (unsigned i = 0; i < SECTIONS; i++) {
        if (strlen(sections[i].name) == len && memcmp(sections[i].name, name, len) == 0 &&
            has_section(c, &sections[i]))
            return &sections[i];
    }
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

void policy_trim(const char **text, size_t *len)
{
    for (; *len > 0 && is_space(**text); (*text)++)
        (*len)--;
    while (*len > 0 && is_space((*text)[*len - 1]))
        (*len)--;
}

/* The same rule as inih's: a ';' behind white space starts a comment. */
static size_t without_comment(const char *text, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (text[i] == ';' && is_space(text[i - 1]))
            return i;
    }
    return len;
}

/* Puts the next of a list, "a, b or c", behind those that are in out already. */
static void name_next(char *out, size_t cap, const char *name, bool is_last)
{
    strncat(out, out[0] == '\0' ? "" : is_last ? " or " : ", ", cap - strlen(out) - 1);
    strncat(out, name, cap - strlen(out) - 1);
}

static const char *section_names(const struct policy_conf *c, char *out, size_t cap)
{
    unsigned last = SECTIONS - 1;
    while (!has_section(c, &sections[last]))
        last--;
    out[0] = '\0';
    for (unsigned i = 0; i <= last; i++)
        if (has_section(c, &sections[i]))
            name_next(out, cap, sections[i].shown, i == last);
    return out;
}

/* The keys of the section. */
static const char *key_names(const struct policy_conf *c, char *out, size_t cap)
{
    const struct policy_key *keys = c->section->keys;
    const char *name = NULL;
    out[0] = '\0';
    for (unsigned i = 0; keys[i].name != NULL; i++) {
        if (!has_key(c, &keys[i]))
            continue;
        if (name != NULL)
            name_next(out, cap, name, false);
        name = keys[i].name;
    }
    if (name != NULL)
        name_next(out, cap, name, true);
    return out;
}

/* A line that starts with '['. */
int policy_enter_section(struct policy_conf *c, const char *text, size_t len)
{
    if (leave_section(c) != 0)
        return c->error;
    len = without_comment(text, len);
    policy_trim(&text, &len);
    if (text[len - 1] != ']')
        return CONF_FAULT(c, c->line, "got '%s', expected a section such as [mesh]",
                          QUOTE(text, len));
    const char *inner = text + 1;
    size_t inner_len = len - 2, name_len = 0;
    policy_trim(&inner, &inner_len);
    while (name_len < inner_len && !is_space(inner[name_len]))
        name_len++;
    const struct policy_section *section = find_section(c, inner, name_len);
    const char *rest = inner + name_len;
    size_t rest_len = inner_len - name_len;
    policy_trim(&rest, &rest_len);
    if (section == NULL || (section->open != NULL) != (rest_len > 0)) {
        char names[128];
        return CONF_FAULT(c, c->line, "got '%s', expected %s", QUOTE(text, len),
                          section_names(c, names, sizeof names));
    }

    unsigned bit = 1u << (section - sections);
    if (section->open == NULL && (c->sections_seen & bit) != 0)
        return CONF_FAULT(c, c->line, "a second %s, expected one", section->shown);
    c->sections_seen |= bit;
    c->section = section;
    c->section_line = c->line;
    c->keys_seen = 0;
    if (section->open == NULL)
        return 0;
    memcpy(c->argument, rest, rest_len);
    c->argument[rest_len] = '\0';
    int error = section->open(c, c->argument);
    return error != 0 ? c->error = error : 0;
}

int policy_take_pair(struct policy_conf *c, const char *name, const char *value)
{
    const struct policy_key *keys = c->section->keys;
    char names[256];
    unsigned i = 0;
    while (keys[i].name != NULL &&
           (strcmp(keys[i].name, name) != 0 || !has_key(c, &keys[i])))
        i++;
    if (keys[i].name == NULL)
        return CONF_FAULT(c, c->line, "unknown key '%s' in %s, expected %s",
                          QUOTE(name, strlen(name)), c->section->shown,
                          key_names(c, names, sizeof names));
    if ((c->keys_seen >> i & 1) != 0 && !keys[i].repeats)
        return CONF_FAULT(c, c->line, "%s is set twice in %s, expected once", name,
                          c->section->shown);
    c->keys_seen |= 1u << i;
    c->key = keys[i].name;
    return keys[i].set(c, value);
}

/* A [peer] without a key asks for a certificate: then somebody must sign them. */
static int check_keys_or_authorities(struct policy_conf *c)
{
    const struct tacit_policy *p = c->policy;
    for (size_t i = 0; i < p->peers.count; i++) {
        const struct tacit_peer *peer = &p->peers.at[i];
        if (!peer->has_key && c->pair_paths.at[i] != NULL)
            return CONF_FAULT(
                c, peer->rule.line,
                "[peer %s] has a pair-key but no public-key, expected both: "
                "a pair key belongs to a public key",
                peer->glob);
        if (!peer->has_key && p->authorities.count == 0)
            return CONF_FAULT(c, peer->rule.line,
                              "[peer %s] has no public-key, expected 'public-key = KEY'",
                              peer->glob);
    }
    return 0;
}

int policy_check_whole(struct policy_conf *c)
{
    struct tacit_policy *p = c->policy;
    char text[TACIT_ADDRESS_TEXT];
    if (leave_section(c) != 0 || c->authority != NULL)
        return c->error;
    for (unsigned i = 0; i < SECTIONS; i++) {
        if (sections[i].required != NULL && (c->sections_seen >> i & 1) == 0)
            return CONF_FAULT(c, 0, "no %s, expected one with '%s'", sections[i].shown,
                              sections[i].required);
    }
    if (check_keys_or_authorities(c) != 0)
        return c->error;
    if (p->interface_count > 0 && p->door == NULL)
        return CONF_FAULT(c, c->interface_line,
                          "listen: got '%s', expected " POLICY_AN_ADDRESS,
                          p->interfaces[0].name);
    for (size_t i = 0; i < p->listen_count && !c->listen_wildcard; i++) {
        if (!policy_address_is_wildcard(&p->listen[i]))
            continue;
        tacit_address_to_text(&p->listen[i], text);
        return CONF_FAULT(c, c->listen_lines[i],
                          "listen: got '%s', expected this host's own addresses, or also "
                          "'listen-wildcard = yes'",
                          text);
    }
    return 0;
}
