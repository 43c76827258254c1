/* The files that tacit.conf names: its keys, the host's certificate. */
#include "policy/conf.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
                     const char *name, enum tacit_key_kind kind, size_t max,
                     struct tacit_secret *ret_keys, size_t *ret_count)
{
    char *path = policy_path(c->policy->path, name);
    if (path == NULL)
        return TACIT_ENOMEM;
    int error =
        tacit_key_file_read(path, files, kind, max, ret_keys, ret_count, c->fault);
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
        int error =
            read_keys(c, files, c->pair_paths.at[i], TACIT_KEY_PAIR, 1, key, &count);
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
    int error =
        read_keys(c, files, name, TACIT_KEY_PRIVATE, 1, &pair->private_key, &count);
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

static int open_certificate(const struct policy_conf *c, const struct tacit_files *files,
                            const char *path, struct tacit_certificate *ret_certificate)
{
    struct tacit_policy *p = c->policy;
    int error = files->read(files->context, path, TACIT_FILE_SIGNED, p->certificate,
                            sizeof p->certificate, &p->certificate_len, c->fault);
    if (error != 0)
        return error;
    if (tacit_certificate_read(p->certificate, p->certificate_len, ret_certificate) != 0)
        return tacit_fault_at(c->fault, path, 0,
                              "not a certificate, or one that was altered, expected what "
                              "'tacit cert sign' wrote");
    if (!c->for_door && memcmp(ret_certificate->public_key,
                               p->secrets->identity.public_key, TACIT_KEY_BYTES) != 0)
        return tacit_fault_at(c->fault, path, 0,
                              "a certificate for another key, expected one for %s",
                              c->identity);
    return 0;
}

/*
 * The host's own: whether its authority counts is for the others to say. The door shows
 * it to nobody: it learns from it how late it is at least, if its user may read it.
 */
static int read_certificate(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    struct tacit_certificate certificate;
    if (c->certificate == NULL)
        return 0;
    char *path = policy_path(p->path, c->certificate);
    if (path == NULL)
        return TACIT_ENOMEM;
    int error = open_certificate(c, files, path, &certificate);
    if (error == 0)
        p->certificate_at = certificate.not_before;
    free(path);
    if (!c->for_door)
        return error;
    p->certificate_len = 0;
    c->fault->text[0] = '\0';
    return 0;
}

static int check_peer(const struct policy_conf *c, const struct tacit_peer *peer,
                      const uint8_t secret[TACIT_KEY_BYTES], const char *what)
{
    bool key =
        peer->has_key && sodium_memcmp(peer->public_key, secret, TACIT_KEY_BYTES) == 0;
    bool door =
        peer->has_door_key && sodium_memcmp(peer->door_key, secret, TACIT_KEY_BYTES) == 0;
    if (!key && !door)
        return 0;
    return tacit_fault_at(c->fault, peer->rule.path, peer->rule.line,
                          "[peer %.160s]: %s is %s, a secret, expected what 'tacit "
                          "pubkey' prints",
                          peer->glob, key ? "public-key" : "door-key", what);
}

/* A secret in the place of another one, or of a public key: the files say no more than
 * what they hold, if they are old. */
static int check_one(const struct policy_conf *c, const uint8_t secret[TACIT_KEY_BYTES],
                     const char *what)
{
    const struct tacit_policy *p = c->policy;
    int error = 0;
    for (size_t i = 0; i < p->peers.count && error == 0; i++)
        error = check_peer(c, &p->peers.at[i], secret, what);
    for (size_t i = 0; i < p->authorities.count && error == 0; i++) {
        const struct policy_authority *authority = &p->authorities.at[i];
        if (sodium_memcmp(authority->public_key, secret, TACIT_KEY_BYTES) == 0)
            error = tacit_fault_at(c->fault, c->path, authority->line,
                                   "[authority %s]: public-key is %s, a secret, expected "
                                   "what 'tacit authority show' prints",
                                   authority->name, what);
    }
    return error;
}

/* A pair key is looked for on its own line only: there may be thousands of them. */
static int check_pair_keys(const struct policy_conf *c)
{
    const struct tacit_policy *p = c->policy;
    int error = 0;
    for (size_t i = 0; i < p->peers.count && error == 0; i++) {
        const struct tacit_peer *peer = &p->peers.at[i];
        if (peer->pair_key != NULL)
            error = check_peer(c, peer, peer->pair_key->bytes, "the line's pair key");
    }
    return error;
}

/* Whether secret is one of the mesh keys. */
static bool is_mesh_key(const struct tacit_policy *p, const struct tacit_secret *secret)
{
    for (size_t i = 0; i < p->mesh_count; i++)
        if (tacit_secret_equal(&p->secrets->mesh[i], secret))
            return true;
    return false;
}

static int check_pair(const struct policy_conf *c, const struct noise_keypair *pair,
                      bool has, const char *name, const char *what)
{
    if (!has)
        return 0;
    if (is_mesh_key(c->policy, &pair->private_key))
        return tacit_fault_at(
            c->fault, c->path, 0,
            "%s holds a key of key-file's, expected a private key of its own", name);
    return check_one(c, pair->private_key.bytes, what);
}

static int check_secrets(const struct policy_conf *c)
{
    const struct tacit_policy *p = c->policy;
    const struct policy_secrets *s = p->secrets;
    int error = 0;
    for (size_t i = 0; i < p->mesh_count && error == 0; i++)
        error = check_one(c, s->mesh[i].bytes, "a mesh key");
    if (error == 0)
        error = check_pair(c, &s->identity, p->has_identity, "identity",
                           "this host's private key");
    if (error == 0)
        error = check_pair(c, &s->door_identity, p->has_door_identity, "door-identity",
                           "the door's private key");
    return error == 0 ? check_pair_keys(c) : error;
}

int policy_read_secrets(struct policy_conf *c, const struct tacit_files *files)
{
    struct tacit_policy *p = c->policy;
    struct policy_secrets *s = p->secrets;
    p->mesh_path = policy_path(p->path, c->key_file);
    if (p->mesh_path == NULL)
        return TACIT_ENOMEM;
    int error = read_keys(c, files, c->key_file, TACIT_KEY_MESH, TACIT_MESH_KEYS_MAX,
                          s->mesh, &p->mesh_count);
    if (error == 0)
        error = read_identities(c, files);
    if (error == 0 && !c->for_door)
        error = read_pair_keys(c, files);
    if (error == 0)
        error = read_certificate(c, files);
    if (error == 0)
        error = check_secrets(c);
    if (error == 0)
        sodium_mprotect_readonly(s);
    return error;
}
