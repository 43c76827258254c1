/* The conditions that [peer] and [group] have in common; [group] itself. */
#include "policy/conf.h"

#include <string.h>

void policy_rule_init(struct policy_conf *c, struct tacit_rule *rule)
{
    *rule = (struct tacit_rule){.path = c->path,
                                .source = c->source,
                                .line = c->line,
                                .from = c->policy->networks.count,
                                .direction = TACIT_DIRECTION_BOTH,
                                .visibility = TACIT_EITHER,
                                .expires = TACIT_NEVER};
    c->rule = rule;
}

bool policy_label_ok(const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t len = strnlen(text, TACIT_GROUP_MAX + 1);
    return len > 0 && len <= TACIT_GROUP_MAX && strspn(text, allowed) == len;
}

int policy_add_group(struct policy_conf *c, const char *name)
{
    c->key = "[group]";
    if (strcmp(name, "*") != 0 && !policy_label_ok(name))
        return c->error = policy_value_fault(
                   c, name,
                   "a group's name (letters, digits, '-', '_', '.'), or * for the holder "
                   "of any certificate");
    if (policy_check_count(c, &c->signed_groups, "[group] sections") != 0)
        return c->error;
    for (size_t i = 0; i < c->policy->groups.count; i++) {
        const struct tacit_group *other = &c->policy->groups.at[i];
        if (other->rule.source == c->source && strcmp(other->name, name) == 0)
            return CONF_FAULT(c, c->line, "[group %s] is also at line %u, expected once",
                              name, other->rule.line);
    }
    struct tacit_group *group = POLICY_ADD(&c->policy->groups);
    if (group == NULL)
        return c->error = TACIT_ENOMEM;
    memcpy(group->name, name, strlen(name) + 1);
    policy_rule_init(c, &group->rule);
    return 0;
}

static int add_from(struct policy_conf *c, const char *item)
{
    struct policy_network network;
    if (policy_network_from_text(item, &network) != 0)
        return policy_value_fault(
            c, item, "a network such as 198.51.100.0/24 or 2001:db8::/32, or an address");
    struct policy_network *place = POLICY_ADD(&c->policy->networks);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = network;
    c->rule->from_count++;
    return 0;
}

int policy_set_from(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_from);
}

int policy_set_direction(struct policy_conf *c, const char *value)
{
    static const char *const names[] = {"in", "out", "both"};
    for (uint8_t i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            c->rule->direction = i + 1;
            return 0;
        }
    }
    return policy_value_fault(c, value, "in, out or both");
}

int policy_set_visibility(struct policy_conf *c, const char *value)
{
    bool hidden = strcmp(value, "hidden") == 0;
    if (!hidden && strcmp(value, "visible") != 0)
        return policy_value_fault(c, value, "hidden or visible");
    c->rule->visibility = hidden ? TACIT_HIDDEN : TACIT_VISIBLE;
    return 0;
}

int policy_set_expires(struct policy_conf *c, const char *value)
{
    if (tacit_time_from_text(value, &c->rule->expires) != 0)
        return policy_value_fault(c, value,
                                  "a time such as 2026-12-31 or 2026-12-31T23:59:59Z");
    return 0;
}
