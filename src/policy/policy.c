/* A policy is made: its configuration read, its rules put in order; and its end. */
#include "policy/conf.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static int fault_of(struct tacit_fault *fault, const char *path, int error)
{
    /* Whatever failed below without words of its own. */
    if (fault->text[0] == '\0')
        tacit_fault_at(fault, path, 0, "%s", tacit_error_text(error));
    return error;
}

static struct tacit_policy *new_policy(const char *path)
{
    struct tacit_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->path = strdup(path);
    p->secrets = sodium_malloc(sizeof *p->secrets);
    p->max_message = POLICY_MESSAGE_DEFAULT;
    p->rekey_seconds = POLICY_REKEY_SECONDS;
    p->rekey_bytes = POLICY_REKEY_BYTES;
    p->rekey_records = POLICY_REKEY_RECORDS;
    p->legacy_epmd = true;
    p->clock_grace = POLICY_GRACE_DEFAULT;
    if (p->path == NULL || p->secrets == NULL) {
        tacit_policy_free(p);
        return NULL;
    }
    return p;
}

void tacit_policy_free(struct tacit_policy *policy)
{
    if (policy == NULL)
        return;
    policy_index_free(policy);
    sodium_free(policy->secrets); /* wipes */
    sodium_free(policy->pair_keys);
    free(policy->peers.at);
    free(policy->groups.at);
    free(policy->networks.at);
    for (size_t i = 0; i < policy->authorities.count; i++) {
        free(policy->authorities.at[i].policy);
        free(policy->authorities.at[i].kept);
        free(policy->authorities.at[i].refused);
    }
    for (size_t i = 0; i < policy->signed_policies.count; i++)
        free(policy->signed_policies.at[i].text);
    free(policy->signed_policies.at);
    free(policy->notices.at);
    free(policy->authorities.at);
    free(policy->authority_globs.at);
    free(policy->plain.at);
    free(policy->revoked.at);
    free(policy->tests.at);
    free(policy->door);
    free(policy->door_users.at);
    free(policy->plain_nodes.at);
    free(policy->mesh_path);
    free(policy->path);
    free(policy);
}

static int read_conf(struct policy_conf *c, const struct tacit_files *files)
{
    char *text = malloc(TACIT_CONF_MAX);
    if (text == NULL)
        return TACIT_ENOMEM;
    size_t len = 0;
    int error = files->read(files->context, c->policy->path, TACIT_FILE_RULES, text,
                            TACIT_CONF_MAX, &len, c->fault);
    if (error == 0) {
        c->at = text;
        c->end = text + len;
        error = policy_conf_read(c);
    }
    /* No key belongs there; who put one there all the same loses nothing here. */
    tacit_wipe(text, len);
    free(text);
    return error;
}

/* All rules are there: makes them ready to be asked. */
static int finish_rules(struct tacit_policy *policy, struct tacit_fault *fault)
{
    policy_sort_revoked(policy);
    int error = policy_index_build(policy);
    return error != 0 ? error : policy_check_conflicts(policy, fault);
}

/* What is to be loaded. */
struct load {
    const char *path;
    const struct tacit_files *files;
    unsigned suites;
    bool for_door;
    bool kept_only; /* see struct policy_conf */
    bool took_new;
};

static int load_once(struct load *load, struct tacit_policy **ret_policy,
                     struct tacit_fault *fault)
{
    const char *path = load->path;
    fault->text[0] = '\0';
    struct tacit_policy *policy = new_policy(path);
    if (policy == NULL)
        return fault_of(fault, path, TACIT_ENOMEM);

    policy->suites = load->suites;
    struct policy_conf c = {.policy = policy,
                            .path = policy->path,
                            .fault = fault,
                            .suites = load->suites,
                            .kept_only = load->kept_only,
                            .for_door = load->for_door};
    int error = read_conf(&c, load->files);
    if (error == 0 && load->for_door && policy->door == NULL)
        error = tacit_fault_at(
            fault, path, 0, "[host] has no door, expected 'door = PATH' for secure-epmd");
    if (error == 0)
        error = policy_read_signed(&c, load->files);
    if (error == 0)
        error = policy_read_secrets(&c, load->files);
    if (error == 0)
        error = finish_rules(policy, fault);
    load->took_new = c.took_new;
    /* Tests come before it is anybody's. */
    if (error == 0)
        error = policy_test_signed(policy, fault);
    if (error == 0 && c.took_new)
        error = tacit_policy_test(policy, fault);
    policy_conf_free(&c);
    if (error != 0) {
        tacit_policy_free(policy);
        return fault_of(fault, path, error);
    }
    *ret_policy = policy;
    return 0;
}

/* A fault of a policy that is new costs that policy only; what it revokes is revoked. */
static int load(struct load load, struct tacit_policy **ret_policy,
                struct tacit_fault *fault)
{
    struct tacit_fault again;
    if (sodium_init() < 0) {
        fault->text[0] = '\0';
        return fault_of(fault, load.path, TACIT_ECRYPTO);
    }
    int error = load_once(&load, ret_policy, fault);
    if (error == 0 || !load.took_new)
        return error;
    load.kept_only = true;
    struct tacit_policy *policy;
    if (load_once(&load, &policy, &again) != 0)
        return error;
    if (policy_note(policy, fault) != 0) {
        tacit_policy_free(policy);
        return error;
    }
    /* Why is said first: who brought the new one asks for it. */
    struct tacit_fault *notices = policy->notices.at, *last;
    last = &notices[policy->notices.count - 1];
    again = notices[0];
    notices[0] = *last;
    *last = again;
    *ret_policy = policy;
    return 0;
}

int tacit_policy_load(const char *path, const struct tacit_files *files, unsigned suites,
                      struct tacit_policy **ret_policy, struct tacit_fault *fault)
{
    struct load what = {.path = path, .files = files, .suites = suites};
    return load(what, ret_policy, fault);
}

int tacit_policy_load_door(const char *path, const struct tacit_files *files,
                           unsigned suites, struct tacit_policy **ret_policy,
                           struct tacit_fault *fault)
{
    struct load what = {.path = path, .files = files, .suites = suites, .for_door = true};
    return load(what, ret_policy, fault);
}

int tacit_policy_try_rules(const char *path, const char *text, size_t len,
                           struct tacit_fault *fault)
{
    /* For any name: how far the authority may go is each host's to say. */
    static const struct policy_name any = {"*@*"};
    struct tacit_policy *policy = new_policy(path);
    fault->text[0] = '\0';
    if (policy == NULL)
        return fault_of(fault, path, TACIT_ENOMEM);
    struct policy_conf c = {.policy = policy, .fault = fault, .source = 1};
    struct policy_authority *authority = POLICY_ADD(&policy->authorities);
    struct policy_name *glob = POLICY_ADD(&policy->authority_globs);
    struct tacit_signed_policy *signed_policy = POLICY_ADD(&policy->signed_policies);
    const struct tacit_signed_rules rules = {.text = text, .len = len};
    int error = TACIT_ENOMEM;
    if (authority != NULL && glob != NULL && signed_policy != NULL) {
        *glob = any;
        authority->glob_count = 1;
        signed_policy->public_key = authority->public_key;
        signed_policy->is_new = true;
        c.authority = authority;
        error = policy_rules_read(&c, policy->path, &rules);
    }
    if (error == 0)
        error = finish_rules(policy, fault);
    if (error == 0)
        error = policy_test_signed(policy, fault);
    policy_conf_free(&c);
    tacit_policy_free(policy);
    return error != 0 ? fault_of(fault, path, error) : 0;
}
