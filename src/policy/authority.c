/* [authority NAME] and its values. */
#include "policy/conf.h"

#include <stdio.h>
#include <string.h>

int policy_add_authority(struct policy_conf *c, const char *name)
{
    c->key = "[authority]";
    if (!policy_label_ok(name))
        return c->error = policy_value_fault(c, name,
                                             "a name of letters, digits, '-', '_', '.'");
    for (size_t i = 0; i < c->policy->authorities.count; i++) {
        const struct policy_authority *other = &c->policy->authorities.at[i];
        if (strcmp(other->name, name) == 0)
            return CONF_FAULT(c, c->line,
                              "[authority %s] is also at line %u, expected "
                              "once",
                              name, other->line);
    }
    struct policy_authority *authority = POLICY_ADD(&c->policy->authorities);
    if (authority == NULL)
        return c->error = TACIT_ENOMEM;
    memcpy(authority->name, name, strlen(name) + 1);
    authority->line = c->line;
    authority->globs = c->policy->authority_globs.count;
    return 0;
}

static struct policy_authority *last_authority(struct policy_conf *c)
{
    return &c->policy->authorities.at[c->policy->authorities.count - 1];
}

int policy_set_authority_key(struct policy_conf *c, const char *value)
{
    struct policy_authority *authority = last_authority(c);
    if (tacit_key_from_text(value, authority->public_key) != 0)
        return policy_value_fault(c, value,
                                  "an authority's public key: base64, 44 characters");
    for (size_t i = 0; i + 1 < c->policy->authorities.count; i++) {
        const struct policy_authority *other = &c->policy->authorities.at[i];
        if (memcmp(other->public_key, authority->public_key, TACIT_KEY_BYTES) == 0)
            return CONF_FAULT(c, c->line,
                              "public-key: [authority %s] at line %u has the same, "
                              "expected one section an authority",
                              other->name, other->line);
    }
    return 0;
}

static int add_authority_name(struct policy_conf *c, const char *item)
{
    if (!tacit_glob_ok(item))
        return policy_value_fault(
            c, item, "a node name such as app@db1.example.net or *@*.example.net");
    struct policy_name *name = POLICY_ADD(&c->policy->authority_globs);
    if (name == NULL)
        return TACIT_ENOMEM;
    memcpy(name->text, item, strlen(item) + 1);
    last_authority(c)->glob_count++;
    return 0;
}

int policy_set_authority_names(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_authority_name);
}

int policy_set_authority_policy(struct policy_conf *c, const char *value)
{
    struct policy_authority *authority = last_authority(c);
    if (*value == '\0')
        return policy_value_fault(c, value, "the path of a file for its policies");
    authority->policy = policy_path(c->policy->path, value);
    if (authority->policy == NULL ||
        asprintf(&authority->kept, "%s.kept", authority->policy) < 0) {
        authority->kept = NULL;
        return TACIT_ENOMEM;
    }
    if (asprintf(&authority->refused, "%s.refused", authority->policy) < 0) {
        authority->refused = NULL;
        return TACIT_ENOMEM;
    }
    return 0;
}
