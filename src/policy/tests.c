/* [test]: assertions of a configuration's, checked on every load. */
#include "policy/conf.h"

#include <stdio.h>
#include <string.h>

/* Takes the next word off the front of *at; "" at the end. */
static void take_word(const char **at, char word[POLICY_LINE_MAX])
{
    *at += strspn(*at, " \t");
    size_t len = strcspn(*at, " \t");
    snprintf(word, POLICY_LINE_MAX, "%.*s", (int)len, *at);
    *at += len;
}

static int read_test(struct policy_conf *c, const char *value, bool allow,
                     struct policy_test *test)
{
    char word[POLICY_LINE_MAX];
    const char *at = value;
    *test = (struct policy_test){
        .path = c->path, .source = c->source, .line = c->line, .allow = allow};
    take_word(&at, word);
    if (!(allow ? tacit_name_ok(word) : tacit_glob_ok(word)))
        return policy_value_fault(c, value,
                                  allow
                                      ? "a node name, such as 'app@db1.example.net from "
                                        "198.51.100.7', or 'NAME out'"
                                      : "a node name or pattern, such as "
                                        "'*@lab.example.net', 'NAME from ADDRESS' or "
                                        "'NAME out'");
    memcpy(test->glob, word, strlen(word) + 1);
    take_word(&at, word);
    test->outbound = strcmp(word, "out") == 0;
    if (strcmp(word, "from") == 0) {
        test->has_address = true;
        take_word(&at, word);
        if (tacit_ip_from_text(word, &test->address) != 0)
            return policy_value_fault(c, value, "an address behind 'from'");
    } else if (*word != '\0' && !test->outbound) {
        return policy_value_fault(c, value, "'from ADDRESS' or 'out' behind the name");
    }
    take_word(&at, word);
    return *word == '\0' ? 0 : policy_value_fault(c, value, "nothing more behind it");
}

static int add_test(struct policy_conf *c, const char *value, bool allow)
{
    struct policy_test test, *place;
    char shown[POLICY_LINE_MAX + sizeof "allow "];
    bool passes_over;
    snprintf(shown, sizeof shown, "%s %s", allow ? "allow" : "deny", value);
    if (read_test(c, value, allow, &test) != 0 ||
        policy_outside(c, shown, test.glob, &passes_over) != 0 ||
        policy_check_count(c, &c->signed_tests, "tests") != 0 || passes_over)
        return c->error;
    place = POLICY_ADD(&c->policy->tests);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = test;
    return 0;
}

int policy_add_allow_test(struct policy_conf *c, const char *value)
{
    return add_test(c, value, true);
}

int policy_add_deny_test(struct policy_conf *c, const char *value)
{
    return add_test(c, value, false);
}

/* --- the holder of the right key ------------------------------------------------------
 */

/* The conditions of a line, for one who comes from where the line itself says, if asked
 * from nowhere. */
static enum tacit_reason ask_rule(const struct tacit_policy *policy,
                                  const struct tacit_rule *rule,
                                  const struct tacit_question *question)
{
    struct tacit_question q = *question;
    uint64_t until = TACIT_NEVER;
    if (q.address == NULL && rule->from_count > 0)
        q.address = &policy->networks.at[rule->from].address;
    return policy_rule_allows(policy, rule, &q, &until);
}

/* Whether some authority may sign for what glob has in it, in whole or in part. */
static bool authority_reaches(const struct tacit_policy *policy, const char *glob)
{
    for (size_t i = 0; i < policy->authority_globs.count; i++) {
        if (tacit_globs_meet(policy->authority_globs.at[i].text, glob))
            return true;
    }
    return false;
}

/* Likewise whether a [group] is for some of it. */
static bool group_reaches(const struct tacit_policy *policy,
                          const struct tacit_group *group, const char *glob)
{
    const struct policy_authority *authority = policy_source(policy, group->rule.source);
    if (group->replaced || authority == NULL)
        return !group->replaced;
    for (size_t i = 0; i < authority->glob_count; i++) {
        const char *own = policy->authority_globs.at[authority->globs + i].text;
        if (tacit_globs_meet(own, glob))
            return true;
    }
    return false;
}

/* What the line says; whether its key is revoked is another question. */
static enum tacit_reason ask_peer(const struct tacit_policy *policy,
                                  const struct tacit_peer *peer,
                                  const struct tacit_question *q, const char *glob)
{
    if (!peer->has_key && !authority_reaches(policy, glob))
        return TACIT_NO_AUTHORITY;
    return ask_rule(policy, &peer->rule, q);
}

static enum tacit_reason ask_groups(const struct tacit_policy *policy,
                                    const struct tacit_question *q, const char *glob,
                                    const struct tacit_group **ret_group)
{
    enum tacit_reason reason = TACIT_NO_LINE;
    if (!authority_reaches(policy, glob))
        return reason;
    for (size_t i = 0; i < policy->groups.count && reason != TACIT_ALLOWED; i++) {
        if (!group_reaches(policy, &policy->groups.at[i], glob))
            continue;
        *ret_group = &policy->groups.at[i];
        reason = ask_rule(policy, &policy->groups.at[i].rule, q);
    }
    return reason;
}

static bool revoked(const struct tacit_policy *policy, const struct tacit_peer *peer)
{
    return peer != NULL && peer->has_key && policy_is_revoked(policy, peer->public_key);
}

static void explain_rules(const struct tacit_policy *policy,
                          const struct tacit_question *question,
                          struct tacit_decision *ret_decision)
{
    struct tacit_decision *d = ret_decision;
    *d = (struct tacit_decision){.until = TACIT_NEVER, .known = true};
    if (!tacit_name_ok(question->name)) {
        d->reason = TACIT_NOT_A_NAME;
        return;
    }
    d->peer = policy_deciding_peer(policy, question->name, false);
    d->reason = d->peer != NULL ? ask_peer(policy, d->peer, question, question->name)
                                : ask_groups(policy, question, question->name, &d->group);
}

void tacit_policy_explain(const struct tacit_policy *policy,
                          const struct tacit_question *question,
                          struct tacit_decision *ret_decision)
{
    explain_rules(policy, question, ret_decision);
    if (revoked(policy, ret_decision->peer))
        ret_decision->reason = TACIT_REVOKED;
}

/* --- the tests ------------------------------------------------------------------------
 */

static int test_fault(const struct policy_test *test, const struct tacit_rule *rule,
                      const char *what, struct tacit_fault *fault)
{
    char by[256] = "";
    if (rule != NULL)
        snprintf(by, sizeof by, " (%.200s:%u)", rule->path, rule->line);
    return tacit_fault_at(fault, test->path, test->line, "%s %s: %s%s",
                          test->allow ? "allow" : "deny", test->glob, what, by);
}

/* A key that is revoked is not what the line says: a revocation never fails a test. */
static int run_allow(const struct tacit_policy *policy, const struct policy_test *test,
                     const struct tacit_question *q, struct tacit_fault *fault)
{
    struct tacit_decision d;
    explain_rules(policy, q, &d);
    return d.reason == TACIT_ALLOWED ? 0
                                     : test_fault(test, tacit_decision_rule(&d),
                                                  tacit_reason_text(d.reason), fault);
}

/* No line for any name of the glob allows, but those behind a more specific one. */
static int run_deny(const struct tacit_policy *policy, const struct policy_test *test,
                    const struct tacit_question *q, struct tacit_fault *fault)
{
    const struct tacit_peer *best = policy_deciding_peer(policy, test->glob, false);
    const struct tacit_group *group = NULL;
    for (size_t i = 0; i < policy->peers.count; i++) {
        const struct tacit_peer *peer = &policy->peers.at[i];
        if (tacit_globs_meet(peer->glob, test->glob) &&
            policy_more_specific(best, peer) == peer && !revoked(policy, peer) &&
            ask_peer(policy, peer, q, test->glob) == TACIT_ALLOWED)
            return test_fault(test, &peer->rule, "it is allowed", fault);
    }
    if (best == NULL && ask_groups(policy, q, test->glob, &group) == TACIT_ALLOWED)
        return test_fault(test, &group->rule, "it is allowed", fault);
    return 0;
}

static int run_test(const struct tacit_policy *policy, const struct policy_test *test,
                    struct tacit_fault *fault)
{
    struct tacit_question q = {.name = test->glob,
                               .address = test->has_address ? &test->address : NULL,
                               .inbound = !test->outbound,
                               .now = 0};
    return test->allow ? run_allow(policy, test, &q, fault)
                       : run_deny(policy, test, &q, fault);
}

int tacit_policy_test(const struct tacit_policy *policy, struct tacit_fault *fault)
{
    int error = 0;
    for (size_t i = 0; i < policy->tests.count && error == 0; i++)
        if (policy->tests.at[i].source == 0)
            error = run_test(policy, &policy->tests.at[i], fault);
    return error;
}

int tacit_policy_may_follow(const struct tacit_policy *policy,
                            const struct tacit_policy *before, struct tacit_fault *fault)
{
    int error = before == NULL ? 0 : tacit_policy_follows(policy, before, fault);
    return error != 0 ? error : tacit_policy_test(policy, fault);
}

int policy_test_signed(struct tacit_policy *policy, struct tacit_fault *fault)
{
    int error = 0;
    for (size_t i = 0; i < policy->tests.count && error == 0; i++) {
        const struct policy_test *test = &policy->tests.at[i];
        struct tacit_fault found;
        if (test->source == 0 || run_test(policy, test, &found) == 0)
            continue;
        if (!policy_is_new(policy, test->source)) {
            error = policy_note(policy, &found);
        } else {
            *fault = found;
            error = TACIT_ECONFIG;
        }
    }
    return error;
}
