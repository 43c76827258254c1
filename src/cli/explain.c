/* tacit explain: which line decides about a node, and why. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "policy/signed.h"

struct explain {
    const char *name;
    const struct tacit_policy *policy;
    uint8_t key[TACIT_KEY_BYTES];
    bool has_key, has_address, has_certificate;
    struct tacit_address address;
    struct tacit_certificate certificate;
};

static void decide(const struct explain *e, bool inbound, struct tacit_decision *ret)
{
    struct tacit_question q = {.name = e->name,
                               .public_key = e->key,
                               .address = e->has_address ? &e->address : NULL,
                               .inbound = inbound,
                               .now = cli_now(e->policy)};
    if (e->has_certificate)
        q.certificate = &e->certificate;
    if (!e->has_key) /* what the lines say of any peer that has the key they name */
        tacit_policy_explain(e->policy, &q, ret);
    if (!e->has_key && ret->peer != NULL && ret->peer->has_key)
        q.public_key = ret->peer->public_key;
    if (e->has_key)
        tacit_policy_decide(e->policy, &q, ret);
    bool known = e->has_key || q.public_key != e->key;
    if (known && cli_is_revoked(e->policy, q.public_key))
        ret->reason = TACIT_REVOKED;
}

static void print_from(const struct explain *e, const struct tacit_rule *rule)
{
    char network[TACIT_NETWORK_TEXT];
    for (size_t i = 0; tacit_policy_from(e->policy, rule, i, network); i++)
        printf("%s%s", i == 0 ? "  from " : ", ", network);
}

/* One direction; whether it is allowed. */
static bool print_direction(const struct explain *e, bool inbound)
{
    struct tacit_decision d;
    char until[TACIT_TIME_TEXT];
    decide(e, inbound, &d);
    const struct tacit_rule *rule = tacit_decision_rule(&d);
    printf("%-4s %-8s", inbound ? "in" : "out",
           d.reason == TACIT_ALLOWED ? "allowed" : "denied");
    if (d.peer != NULL)
        printf(" %s:%u [peer %s]", rule->path, rule->line, d.peer->glob);
    else if (d.group != NULL)
        printf(" %s:%u [group %s]", rule->path, rule->line, d.group->name);
    if (d.reason != TACIT_ALLOWED)
        printf("%s %s", rule != NULL ? ":" : "", tacit_reason_text(d.reason));
    else if (inbound && !e->has_address)
        print_from(e, rule);
    if (d.reason == TACIT_ALLOWED && d.until != TACIT_NEVER) {
        tacit_time_to_text(d.until, until);
        printf("  until %s", until);
    }
    puts("");
    return d.reason == TACIT_ALLOWED;
}

enum {
    CONF,
    FROM,
    KEY,
    CERTIFICATE,
    OPTIONS
};

static int take_arguments(struct explain *e, const char **values)
{
    char text[TACIT_CERTIFICATE_MAX], bracketed[TACIT_ADDRESS_TEXT];
    size_t len;
    if (!tacit_name_ok(e->name))
        return cli_fail("NAME: got '%s', expected a node name such as "
                        "app@db1.example.net",
                        e->name);
    if (values[FROM] != NULL) {
        bool bare_v6 = strchr(values[FROM], ':') != NULL && *values[FROM] != '[';
        snprintf(bracketed, sizeof bracketed, bare_v6 ? "[%s]" : "%s", values[FROM]);
        if (tacit_address_from_text(bracketed, &e->address) != 0)
            return cli_fail("--from: got '%s', expected an address such as 198.51.100.7 "
                            "or 2001:db8::7",
                            values[FROM]);
        e->has_address = true;
    }
    if (values[CERTIFICATE] != NULL) {
        if (cli_read_certificate(values[CERTIFICATE], text, &len, &e->certificate) != 0)
            return CLI_FAILED;
        e->has_certificate = e->has_key = true;
        memcpy(e->key, e->certificate.public_key, sizeof e->key);
    }
    if (values[KEY] != NULL &&
        cli_take_public_key("--key", values[KEY], e->key) != CLI_OK)
        return CLI_FAILED;
    e->has_key = e->has_key || values[KEY] != NULL;
    return CLI_OK;
}

int cli_explain(int argc, char **argv)
{
    static const struct option options[] = {
        {"conf", required_argument, NULL, CONF},
        {"from", required_argument, NULL, FROM},
        {"key", required_argument, NULL, KEY},
        {"certificate", required_argument, NULL, CERTIFICATE},
        {NULL, 0, NULL, 0}};
    const char *values[OPTIONS] = {NULL};
    static struct explain e;
    struct tacit_policy *policy;
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    e.name = argv[optind];
    if (take_arguments(&e, values) != CLI_OK || cli_load(values[CONF], &policy) != CLI_OK)
        return CLI_FAILED;
    e.policy = policy;
    bool in = print_direction(&e, true), out = print_direction(&e, false);
    tacit_policy_free(policy);
    return in || out ? CLI_OK : CLI_FAILED;
}
