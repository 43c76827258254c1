/* The values of [mesh], [host] and [plain]. */
#include "policy/conf.h"

#include <stdlib.h>
#include <string.h>

#include "tacit/suite.h"

static const struct {
    const char *name;
    int suite;
} suites[] = {
    {"aegis-256", TACIT_SUITE_AEGIS_256},
    {"aes-256-gcm", TACIT_SUITE_AES_256_GCM},
    {"chacha20-poly1305", TACIT_SUITE_CHACHA20_POLY1305},
};

/* Keeps a path as written. */
static int set_path(struct policy_conf *c, const char *value, char **ret_path)
{
    uint8_t key[TACIT_KEY_BYTES];
    bool is_key = tacit_key_from_text(value, key) == 0;
    tacit_wipe(key, sizeof key);
    if (*value == '\0' || is_key)
        return policy_value_fault(c, value, "the path of a file that holds the key");
    *ret_path = strdup(value);
    return *ret_path != NULL ? 0 : TACIT_ENOMEM;
}

int policy_set_key_file(struct policy_conf *c, const char *value)
{
    return set_path(c, value, &c->key_file);
}

int policy_set_identity(struct policy_conf *c, const char *value)
{
    return set_path(c, value, &c->identity);
}

int policy_set_certificate(struct policy_conf *c, const char *value)
{
    if (*value == '\0')
        return policy_value_fault(c, value, "the path of a certificate's file");
    return set_path(c, value, &c->certificate);
}

int policy_set_door_identity(struct policy_conf *c, const char *value)
{
    return set_path(c, value, &c->door_identity);
}

int policy_set_pair_key(struct policy_conf *c, const char *value)
{
    return set_path(c, value, &c->pair_paths.at[c->pair_paths.count - 1]);
}

static int add_suite(struct policy_conf *c, const char *item)
{
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        unsigned bit = 1u << suites[i].suite;
        if (strcmp(item, suites[i].name) != 0)
            continue;
        if ((c->policy->suites & bit) != 0)
            return policy_value_fault(c, item, "each suite once");
        c->policy->suites |= bit;
        return 0;
    }
    return policy_value_fault(c, item, "aegis-256, aes-256-gcm or chacha20-poly1305");
}

int policy_set_suites(struct policy_conf *c, const char *value)
{
    c->policy->suites = 0; /* from all that there are to those that are named */
    int error = policy_each_item(c, value, add_suite);
    if (error != 0)
        return error;
    c->policy->suites &= c->suites;
    return c->policy->suites != 0
               ? 0
               : policy_value_fault(c, value, "one at least that this machine can run");
}

static int add_listen(struct policy_conf *c, const char *item)
{
    struct tacit_policy *p = c->policy;
    struct tacit_address address;
    if (tacit_address_from_text(item, &address) != 0) {
        int error = policy_add_interface(c, item);
        return error == TACIT_EFORMAT ? policy_value_fault(c, item, POLICY_AN_ADDRESS)
                                      : error;
    }
    for (size_t i = 0; i < p->listen_count; i++) {
        if (tacit_address_equal(&p->listen[i], &address))
            return policy_value_fault(c, item, "each address once");
    }
    if (p->listen_count == TACIT_LISTEN_MAX)
        return policy_value_fault(c, item, "at most 16 addresses");
    c->listen_lines[p->listen_count] = c->line;
    p->listen[p->listen_count++] = address;
    return 0;
}

int policy_set_listen(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_listen);
}

int policy_set_listen_wildcard(struct policy_conf *c, const char *value)
{
    return policy_set_flag(c, value, &c->listen_wildcard);
}

static int add_source(struct policy_conf *c, const char *item)
{
    struct tacit_address address;
    if (tacit_ip_from_text(item, &address) != 0 || tacit_address_is_wildcard(&address))
        return policy_value_fault(c, item,
                                  "an address without a port, such as 192.0.2.10 or "
                                  "2001:db8::10");
    struct tacit_address *source = &c->policy->source[address.family == 6];
    if (source->family != 0)
        return policy_value_fault(c, item, "at most one IPv4 and one IPv6 address");
    *source = address;
    return 0;
}

int policy_set_source(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_source);
}

/* Reads a count, with K, M or G or without, from low to high. */
static bool read_count(const char *value, uint64_t low, uint64_t high,
                       uint64_t *ret_count)
{
    static const char units[] = "KMG";
    uint64_t count = 0;
    const char *at = value;
    for (; *at >= '0' && *at <= '9' && count <= high; at++)
        count = count * 10 + (uint64_t)(*at - '0');
    const char *unit = *at != '\0' ? strchr(units, *at) : NULL;
    if (unit != NULL && count <= high) { /* else the shift could wrap round */
        count <<= 10 * (unit - units + 1);
        at++;
    }
    if (*at != '\0' || count < low || count > high)
        return false;
    *ret_count = count;
    return true;
}

int policy_set_max_message(struct policy_conf *c, const char *value)
{
    uint64_t bytes;
    if (!read_count(value, 64 << 10, (uint64_t)2047 << 20, &bytes))
        return policy_value_fault(c, value, "64K to 2047M: bytes, or with K, M or G");
    c->policy->max_message = (size_t)bytes;
    return 0;
}

/* The least of bytes and records is in the protocol: src/channel/rekey.h. */
int policy_set_rekey_seconds(struct policy_conf *c, const char *value)
{
    size_t digits = strspn(value, "0123456789");
    if (value[digits] != '\0' || !read_count(value, 1, 86400, &c->policy->rekey_seconds))
        return policy_value_fault(c, value, "1 to 86400 seconds");
    return 0;
}

int policy_set_rekey_bytes(struct policy_conf *c, const char *value)
{
    if (!read_count(value, 1 << 20, POLICY_REKEY_BYTES, &c->policy->rekey_bytes))
        return policy_value_fault(c, value, "1M to 64G: bytes, or with K, M or G");
    return 0;
}

int policy_set_rekey_records(struct policy_conf *c, const char *value)
{
    if (!read_count(value, 1000, POLICY_REKEY_RECORDS, &c->policy->rekey_records))
        return policy_value_fault(c, value, "1000 to 1G: records, or with K, M or G");
    return 0;
}

int policy_set_clock_grace(struct policy_conf *c, const char *value)
{
    size_t len = strlen(value);
    bool ok = len > 0 && len <= 5 && strspn(value, "0123456789") == len;
    if (!ok || atoi(value) > 86400)
        return policy_value_fault(c, value, "0 to 86400 seconds");
    c->policy->clock_grace = (uint64_t)atoi(value);
    return 0;
}

static int add_revoked(struct policy_conf *c, const char *item)
{
    struct policy_fingerprint fingerprint;
    if (tacit_fingerprint_from_text(item, fingerprint.bytes) != 0)
        return policy_value_fault(c, item,
                                  "a fingerprint that 'tacit check' or a log shows");
    struct policy_fingerprint *place = POLICY_ADD(&c->policy->revoked);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = fingerprint;
    return 0;
}

int policy_set_revoked(struct policy_conf *c, const char *value)
{
    return policy_each_item(c, value, add_revoked);
}

/* dist_util's list of those who are let in knows whole names and whole hosts only. */
static bool plain_node_ok(const char *value)
{
    bool whole_host = strncmp(value, "*@", 2) == 0;
    return whole_host ? tacit_host_ok(value + 2) : tacit_name_ok(value);
}

int policy_set_plain_node(struct policy_conf *c, const char *value)
{
    struct tacit_policy *p = c->policy;
    if (!plain_node_ok(value))
        return policy_value_fault(
            c, value, "a whole name such as app@db1.example.net, or *@db1.example.net");
    struct policy_name *name = POLICY_ADD(&p->plain);
    if (name == NULL)
        return TACIT_ENOMEM;
    memcpy(name->text, value, strlen(value) + 1);
    return 0;
}
