#include "policy/policy-internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tacit/suite.h"

static int fault_of(struct tacit_fault *fault, const char *path, int error)
{
    /* Whatever failed below without words of its own. */
    if (fault->text[0] == '\0')
        policy_fault(fault, path, 0, "%s", tacit_error_text(error));
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
    int error = files->read(files->context, c->policy->path, false, text, TACIT_CONF_MAX,
                            &len, c->fault);
    if (error == 0) {
        c->at = text;
        c->end = text + len;
        error = policy_conf_read(c);
    }
    /* No key belongs there; whoever put one there all the same loses nothing here. */
    tacit_wipe(text, len);
    free(text);
    return error;
}

char *policy_path(const char *conf, const char *name)
{
    const char *slash = strrchr(conf, '/');
    int dir_len = *name == '/' || slash == NULL ? 0 : (int)(slash - conf + 1);
    size_t cap = (size_t)dir_len + strlen(name) + 1;
    char *path = malloc(cap);
    if (path != NULL)
        snprintf(path, cap, "%.*s%s", dir_len, conf, name);
    return path;
}

/* The one or few keys of the file that tacit.conf calls name. */
static int read_keys(const struct policy_conf *c, const struct tacit_files *files,
                     const char *name, size_t max, struct tacit_secret *ret_keys,
                     size_t *ret_count)
{
    char *path = policy_path(c->policy->path, name);
    if (path == NULL)
        return TACIT_ENOMEM;
    int error = tacit_key_file_read(path, files, max, ret_keys, ret_count, c->fault);
    free(path);
    return error;
}

static int read_pair_keys(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    size_t total = 0, used = 0, count;
    for (size_t i = 0; i < p->peers.count; i++)
        total += c->pair_paths.at[i] != NULL;
    if (total == 0)
        return 0;
    /* One piece for all: each sodium_malloc takes pages of its own. */
    p->pair_keys = sodium_allocarray(total, sizeof *p->pair_keys);
    if (p->pair_keys == NULL)
        return TACIT_ENOMEM;
    for (size_t i = 0; i < p->peers.count; i++) {
        if (c->pair_paths.at[i] == NULL)
            continue;
        struct tacit_secret *key = &p->pair_keys[used++];
        int error = read_keys(c, files, c->pair_paths.at[i], 1, key, &count);
        if (error != 0)
            return error;
        p->peers.at[i].pair_key = key;
    }
    sodium_mprotect_readonly(p->pair_keys);
    return 0;
}

static int read_pair(struct policy_conf *c, const struct tacit_files *files,
                     const char *name, struct noise_keypair *pair, bool *ret_has)
{
    size_t count;
    int error = read_keys(c, files, name, 1, &pair->private_key, &count);
    if (error == 0)
        error = noise_keypair_from_private(&pair->private_key, pair);
    *ret_has = error == 0;
    return error;
}

/* The door has its own identity, a node the host's; one that is its own door has both. */
static int read_identities(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    struct policy_secrets *s = p->secrets;
    int error = 0;
    if (!c->for_door)
        error = read_pair(c, files, c->identity, &s->identity, &p->has_identity);
    if (error == 0 && c->door_identity != NULL && (c->for_door || p->door == NULL))
        error = read_pair(c, files, c->door_identity, &s->door_identity,
                          &p->has_door_identity);
    return error;
}

/* The host's own: whether its authority counts is for the others to say. */
static int read_certificate(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    struct tacit_certificate certificate;
    if (c->certificate == NULL || c->for_door)
        return 0;
    char *path = policy_path(p->path, c->certificate);
    if (path == NULL)
        return TACIT_ENOMEM;
    int error = files->read(files->context, path, false, p->certificate,
                            sizeof p->certificate, &p->certificate_len, c->fault);
    if (error == 0 &&
        tacit_certificate_read(p->certificate, p->certificate_len, &certificate) != 0)
        error = policy_fault(c->fault, path, 0,
                             "not a certificate, or one that was altered, expected what "
                             "'tacit cert sign' wrote");
    if (error == 0 && memcmp(certificate.public_key, p->secrets->identity.public_key,
                             TACIT_KEY_BYTES) != 0)
        error = policy_fault(c->fault, path, 0,
                             "a certificate for another key, expected one for %s",
                             c->identity);
    free(path);
    return error;
}

static int read_secrets(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    struct policy_secrets *s = p->secrets;
    p->mesh_path = policy_path(p->path, c->key_file);
    if (p->mesh_path == NULL)
        return TACIT_ENOMEM;
    int error =
        read_keys(c, files, c->key_file, TACIT_MESH_KEYS_MAX, s->mesh, &p->mesh_count);
    if (error == 0)
        error = read_identities(c, files);
    if (error == 0 && !c->for_door)
        error = read_pair_keys(c, files);
    if (error == 0)
        error = read_certificate(c, files);
    if (error == 0)
        sodium_mprotect_readonly(s);
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
        error = policy_fault(
            fault, path, 0, "[host] has no door, expected 'door = PATH' for secure-epmd");
    if (error == 0)
        error = policy_read_signed(&c, load->files);
    if (error == 0)
        error = read_secrets(&c, load->files);
    if (error == 0)
        error = finish_rules(policy, fault);
    load->took_new = c.took_new;
    /* Its own tests come before it is anybody's. */
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

/* A fault of a policy that is new costs that policy only. */
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
        c.authority = authority;
        error = policy_rules_read(&c, policy->path, &rules);
    }
    if (error == 0)
        error = finish_rules(policy, fault);
    if (error == 0)
        error = tacit_policy_test(policy, fault);
    policy_conf_free(&c);
    tacit_policy_free(policy);
    return error != 0 ? fault_of(fault, path, error) : 0;
}

const char *tacit_policy_path(const struct tacit_policy *policy)
{
    return policy->path;
}

const struct noise_keypair *tacit_policy_identity(const struct tacit_policy *policy)
{
    return policy->has_identity ? &policy->secrets->identity : NULL;
}

size_t tacit_policy_own_certificate(const struct tacit_policy *policy,
                                    const char **ret_text)
{
    *ret_text = policy->certificate;
    return policy->certificate_len;
}

const char *tacit_policy_mesh_path(const struct tacit_policy *policy)
{
    return policy->mesh_path;
}

size_t tacit_policy_mesh_keys(const struct tacit_policy *policy,
                              const struct tacit_secret **ret_keys)
{
    *ret_keys = policy->secrets->mesh;
    return policy->mesh_count;
}

size_t tacit_policy_listen(const struct tacit_policy *policy,
                           const struct tacit_address **ret_addresses)
{
    *ret_addresses = policy->listen;
    return policy->listen_count;
}

const struct tacit_address *tacit_policy_source(const struct tacit_policy *policy,
                                                uint8_t family)
{
    const struct tacit_address *source = &policy->source[family == 6];
    return source->family != 0 && source->family == family ? source : NULL;
}

unsigned tacit_policy_suites(const struct tacit_policy *policy)
{
    return policy->suites;
}

uint64_t tacit_policy_rekey_seconds(const struct tacit_policy *policy)
{
    return policy->rekey_seconds;
}

uint64_t tacit_policy_rekey_bytes(const struct tacit_policy *policy)
{
    return policy->rekey_bytes;
}

uint64_t tacit_policy_rekey_records(const struct tacit_policy *policy)
{
    return policy->rekey_records;
}

size_t tacit_policy_max_message(const struct tacit_policy *policy)
{
    return policy->max_message;
}

const struct tacit_peer *tacit_policy_peer(const struct tacit_policy *policy, size_t i)
{
    return i < policy->peers.count ? &policy->peers.at[i] : NULL;
}

bool tacit_policy_from(const struct tacit_policy *policy, const struct tacit_rule *rule,
                       size_t i, char ret_text[TACIT_NETWORK_TEXT])
{
    if (i >= rule->from_count)
        return false;
    policy_network_to_text(&policy->networks.at[rule->from + i], ret_text);
    return true;
}

const char *tacit_policy_plain(const struct tacit_policy *policy, size_t i)
{
    return i < policy->plain.count ? policy->plain.at[i].text : NULL;
}
