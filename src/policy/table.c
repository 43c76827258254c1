/* tacit.conf as a table: which sections there are, and which keys each of them takes. */
#include "policy/conf.h"

#include <string.h>

const struct policy_section policy_sections[POLICY_SECTIONS] = {
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
      {"legacy-epmd", policy_set_legacy_epmd, NULL, false, false},
      {"plain-nodes", policy_set_plain_nodes, NULL, true, false}}},
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

static bool has_section(const struct policy_conf *c, const struct policy_section *section)
{
    return c->authority == NULL || !section->is_local;
}

bool policy_has_key(const struct policy_conf *c, const struct policy_key *key)
{
    return c->authority == NULL || !key->is_local;
}

const struct policy_section *policy_find_section(const struct policy_conf *c,
                                                 const char *name, size_t len)
{
    for (unsigned i = 0; i < POLICY_SECTIONS; i++) {
        if (strlen(policy_sections[i].name) == len &&
            memcmp(policy_sections[i].name, name, len) == 0 &&
            has_section(c, &policy_sections[i]))
            return &policy_sections[i];
    }
    return NULL;
}

/* Puts the next of a list, "a, b or c", behind those that are in out already. */
static void name_next(char *out, size_t cap, const char *name, bool is_last)
{
    strncat(out, out[0] == '\0' ? "" : is_last ? " or " : ", ", cap - strlen(out) - 1);
    strncat(out, name, cap - strlen(out) - 1);
}

const char *policy_section_names(const struct policy_conf *c, char *out, size_t cap)
{
    unsigned last = POLICY_SECTIONS - 1;
    while (!has_section(c, &policy_sections[last]))
        last--;
    out[0] = '\0';
    for (unsigned i = 0; i <= last; i++)
        if (has_section(c, &policy_sections[i]))
            name_next(out, cap, policy_sections[i].shown, i == last);
    return out;
}

const char *policy_key_names(const struct policy_conf *c, char *out, size_t cap)
{
    const struct policy_key *keys = c->section->keys;
    const char *name = NULL;
    out[0] = '\0';
    for (unsigned i = 0; keys[i].name != NULL; i++) {
        if (!policy_has_key(c, &keys[i]))
            continue;
        if (name != NULL)
            name_next(out, cap, name, false);
        name = keys[i].name;
    }
    if (name != NULL)
        name_next(out, cap, name, true);
    return out;
}
