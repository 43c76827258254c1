/* What the values of every section have in common: how they are cut and refused. */
#include "policy/conf.h"

#include <string.h>

bool policy_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

void policy_trim(const char **text, size_t *len)
{
    for (; *len > 0 && policy_is_space(**text); (*text)++)
        (*len)--;
    while (*len > 0 && policy_is_space((*text)[*len - 1]))
        (*len)--;
}

int policy_value_fault(struct policy_conf *c, const char *value, const char *expected)
{
    return CONF_FAULT(c, c->line, "%s: got '%s', expected %s", c->key,
                      QUOTE(value, strlen(value)), expected);
}

int policy_each_item(struct policy_conf *c, const char *value, policy_set_fn *set)
{
    char item[256]; /* a value is shorter: inih's line is */
    int error = 0;
    for (bool more = true; more && error == 0;) {
        value += strspn(value, " \t");
        size_t len = strcspn(value, ",");
        more = value[len] == ',';
        size_t end = len;
        while (end > 0 && (value[end - 1] == ' ' || value[end - 1] == '\t'))
            end--;
        if (end >= sizeof item)
            return TACIT_ESPACE;
        memcpy(item, value, end);
        item[end] = '\0';
        value += len + more;
        error = set(c, item);
    }
    return error;
}

int policy_set_flag(struct policy_conf *c, const char *value, bool *ret_flag)
{
    bool yes = strcmp(value, "yes") == 0;
    if (!yes && strcmp(value, "no") != 0)
        return policy_value_fault(c, value, "yes or no");
    *ret_flag = yes;
    return 0;
}

/* --- of a signed policy --------------------------------------------------------------
 */

int policy_outside(struct policy_conf *c, const char *shown, const char *glob,
                   bool *ret_pass)
{
    struct tacit_fault fault;
    *ret_pass = false;
    if (c->authority == NULL ||
        policy_authority_for(c->policy, c->authority, glob, false))
        return 0;
    tacit_fault_at(&fault, c->path, c->line,
                   "%.300s is for nodes that [authority %s] may not sign for, "
                   "expected one within its names",
                   shown, c->authority->name);
    *ret_pass = !policy_is_new(c->policy, c->source);
    if (*ret_pass)
        return policy_note(c->policy, &fault);
    *c->fault = fault;
    return c->error = TACIT_ECONFIG;
}

int policy_check_count(struct policy_conf *c, unsigned *count, const char *what)
{
    if (c->authority == NULL || ++*count <= POLICY_SIGNED_MAX ||
        !policy_is_new(c->policy, c->source))
        return 0;
    return CONF_FAULT(c, c->line, "more than %d %s, expected fewer in a signed policy",
                      POLICY_SIGNED_MAX, what);
}
