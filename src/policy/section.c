/* Sections are entered and left, their keys taken, and the whole looked at, by the table.
 */
#include "policy/conf.h"

#include <string.h>

/* What must be in the section that ends here. */
static int leave_section(struct policy_conf *c)
{
    if (c->section == NULL || c->passes_over)
        return 0;
    for (unsigned i = 0; c->section->keys[i].name != NULL; i++) {
        const struct policy_key *key = &c->section->keys[i];
        const char *required = key->required;
        if (required == NULL || !policy_has_key(c, key) || (c->keys_seen >> i & 1) != 0)
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

/* The same rule as inih's: a ';' behind white space starts a comment. */
static size_t without_comment(const char *text, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (text[i] == ';' && policy_is_space(text[i - 1]))
            return i;
    }
    return len;
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
    while (name_len < inner_len && !policy_is_space(inner[name_len]))
        name_len++;
    const struct policy_section *section = policy_find_section(c, inner, name_len);
    const char *rest = inner + name_len;
    size_t rest_len = inner_len - name_len;
    policy_trim(&rest, &rest_len);
    c->passes_over = false;
    if (c->revoked_only) {
        c->section = rest_len == 0 ? section : NULL;
        return 0;
    }
    if (section == NULL || (section->open != NULL) != (rest_len > 0)) {
        char names[128];
        return CONF_FAULT(c, c->line, "got '%s', expected %s", QUOTE(text, len),
                          policy_section_names(c, names, sizeof names));
    }

    unsigned bit = 1u << (section - policy_sections);
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
    if (c->passes_over)
        return 0;
    while (keys[i].name != NULL &&
           (strcmp(keys[i].name, name) != 0 || !policy_has_key(c, &keys[i])))
        i++;
    if (c->revoked_only && keys[i].set != policy_set_revoked)
        return 0;
    if (keys[i].name == NULL)
        return CONF_FAULT(c, c->line, "unknown key '%s' in %s, expected %s",
                          QUOTE(name, strlen(name)), c->section->shown,
                          policy_key_names(c, names, sizeof names));
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
    for (unsigned i = 0; i < POLICY_SECTIONS; i++) {
        if (policy_sections[i].required != NULL && (c->sections_seen >> i & 1) == 0)
            return CONF_FAULT(c, 0, "no %s, expected one with '%s'",
                              policy_sections[i].shown, policy_sections[i].required);
    }
    if (check_keys_or_authorities(c) != 0)
        return c->error;
    if (p->interface_count > 0 && p->door == NULL)
        return CONF_FAULT(c, c->interface_line,
                          "listen: got '%s', expected " POLICY_AN_ADDRESS,
                          p->interfaces[0].name);
    for (size_t i = 0; i < p->listen_count && !c->listen_wildcard; i++) {
        if (!tacit_address_is_wildcard(&p->listen[i]))
            continue;
        tacit_address_to_text(&p->listen[i], text);
        return CONF_FAULT(c, c->listen_lines[i],
                          "listen: got '%s', expected this host's own addresses, or also "
                          "'listen-wildcard = yes'",
                          text);
    }
    return 0;
}
