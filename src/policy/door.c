/* The keys of [host] that are about its door, secure-epmd. */
#include "policy/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int policy_set_legacy_epmd(struct policy_conf *c, const char *value)
{
    return policy_set_flag(c, value, &c->policy->legacy_epmd);
}

static int add_plain_node(struct policy_conf *c, const char *item)
{
    struct policy_name name;
    int len = snprintf(name.text, sizeof name.text, "%s@-", item);
    if (len >= (int)sizeof name.text || !tacit_glob_ok(name.text))
        return policy_value_fault(c, item, "names without a host, such as old, or old*");
    struct policy_name *place = POLICY_ADD(&c->policy->plain_nodes);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = name;
    return 0;
}

int policy_set_plain_nodes(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_plain_node);
}

bool tacit_policy_plain_node(const struct tacit_policy *policy, const char *name)
{
    char whole[TACIT_NAME_MAX + 1];
    if (snprintf(whole, sizeof whole, "%s@-", name) >= (int)sizeof whole)
        return false;
    for (size_t i = 0; i < policy->plain_nodes.count; i++)
        if (tacit_glob_match(policy->plain_nodes.at[i].text, whole))
            return true;
    return false;
}

int policy_set_door(struct policy_conf *c, const char *value)
{
    char *path = policy_path(c->policy->path, value);
    if (path == NULL)
        return TACIT_ENOMEM;
    c->policy->door = path;
    if (*value == '\0' || strlen(path) > TACIT_DOOR_PATH_MAX)
        return policy_value_fault(c, value,
                                  "the path of a Unix socket, 107 bytes at most");
    return 0;
}

/* As useradd has them, or a number, or '*' for every user. */
static bool user_ok(const char *user, size_t len)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-.$";
    if (len == 1 && *user == '*')
        return true;
    return len > 0 && len <= TACIT_USER_MAX && *user != '-' && strspn(user, all) >= len;
}

static int add_door_user(struct policy_conf *c, const char *user, size_t user_len,
                         const char *glob)
{
    struct tacit_policy *p = c->policy;
    if (!tacit_glob_ok(glob))
        return policy_value_fault(c, glob,
                                  "names such as app@db1.example.net, '*' allowed");
    struct tacit_door_user *entry = POLICY_ADD(&p->door_users);
    if (entry == NULL)
        return TACIT_ENOMEM;
    snprintf(entry->user, sizeof entry->user, "%.*s", (int)user_len, user);
    snprintf(entry->glob, sizeof entry->glob, "%s", glob);
    return 0;
}

/* "USER: GLOB, GLOB ..." */
int policy_set_door_users(struct policy_conf *c, const char *value)
{
    const char *colon = strchr(value, ':'), *user = value;
    size_t len = colon != NULL ? (size_t)(colon - value) : 0;
    policy_trim(&user, &len);
    if (!user_ok(user, len))
        return policy_value_fault(
            c, value, "a user and names, such as 'rabbitmq: rabbit@db1.example.net'");
    int error = 0;
    const char *at = colon + 1;
    for (bool more = true; more && error == 0;) {
        char glob[POLICY_LINE_MAX];
        size_t item_len = strcspn(at, ",");
        const char *item = at;
        more = at[item_len] == ',';
        at += item_len + more;
        policy_trim(&item, &item_len);
        snprintf(glob, sizeof glob, "%.*s", (int)item_len, item);
        error = add_door_user(c, user, len, glob);
    }
    return error;
}

int policy_add_interface(struct policy_conf *c, const char *item)
{
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789_-.";
    struct tacit_policy *p = c->policy;
    struct tacit_endpoint endpoint;
    char port[POLICY_LINE_MAX];
    size_t len = strspn(item, all);
    bool letter = (*item >= 'a' && *item <= 'z') || (*item >= 'A' && *item <= 'Z');
    /* With a host in front of it, ":4370" is read as every other port is. */
    snprintf(port, sizeof port, "x%s", item + len);
    if (!letter || len > TACIT_INTERFACE_MAX || (item[len] != '\0' && item[len] != ':') ||
        tacit_endpoint_from_text(port, &endpoint) != 0)
        return TACIT_EFORMAT;
    for (size_t i = 0; i < p->interface_count; i++) {
        if (strncmp(p->interfaces[i].name, item, len) == 0 &&
            p->interfaces[i].name[len] == '\0' && p->interfaces[i].port == endpoint.port)
            return policy_value_fault(c, item, "each interface once");
    }
    if (p->interface_count == 0)
        c->interface_line = c->line;
    if (p->interface_count == TACIT_LISTEN_MAX)
        return policy_value_fault(c, item, "at most 16 interfaces");
    struct tacit_interface *interface = &p->interfaces[p->interface_count++];
    snprintf(interface->name, sizeof interface->name, "%.*s", (int)len, item);
    interface->port = endpoint.port;
    return 0;
}

const char *tacit_policy_door(const struct tacit_policy *policy)
{
    return policy->door;
}

const struct noise_keypair *tacit_policy_door_identity(const struct tacit_policy *policy)
{
    return policy->has_door_identity ? &policy->secrets->door_identity : NULL;
}

bool tacit_policy_legacy_epmd(const struct tacit_policy *policy)
{
    return policy->legacy_epmd;
}

size_t tacit_policy_interfaces(const struct tacit_policy *policy,
                               const struct tacit_interface **ret_interfaces)
{
    *ret_interfaces = policy->interfaces;
    return policy->interface_count;
}

const struct tacit_door_user *tacit_policy_door_user(const struct tacit_policy *policy,
                                                     size_t i)
{
    return i < policy->door_users.count ? &policy->door_users.at[i] : NULL;
}

bool tacit_policy_door_allows(const struct tacit_policy *policy, const char *user,
                              uint32_t uid, const char *name)
{
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)uid);
    for (size_t i = 0; i < policy->door_users.count; i++) {
        const struct tacit_door_user *entry = &policy->door_users.at[i];
        bool his = strcmp(entry->user, "*") == 0 || strcmp(entry->user, number) == 0 ||
                   (*user != '\0' && strcmp(entry->user, user) == 0);
        if (his && tacit_glob_match(entry->glob, name))
            return true;
    }
    return false;
}
