/* tacit check: loads the configuration as a node would, and says what is in it. */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>

#include "policy/signed.h"
#include "socket/socket.h"

/* Those that the door listens on. */
static size_t print_interfaces(const struct tacit_policy *policy)
{
    const struct tacit_interface *interfaces;
    size_t count = tacit_policy_interfaces(policy, &interfaces);
    for (size_t i = 0; i < count; i++)
        printf("listen       %s:%u  (%s)\n", interfaces[i].name, interfaces[i].port,
               socket_interface_is_up(interfaces[i].name)
                   ? "interface"
                   : "no such interface, or without an address: nothing listens there "
                     "until it has one");
    return count;
}

static void print_host(const struct tacit_policy *policy)
{
    const struct noise_keypair *identity = tacit_policy_identity(policy);
    const struct tacit_address *listen, *source;
    const struct tacit_secret *mesh;
    char key[TACIT_KEY_TEXT], fingerprint[TACIT_FINGERPRINT_TEXT],
        address[TACIT_ADDRESS_TEXT];

    tacit_fingerprint(identity->public_key, fingerprint);
    tacit_key_to_text(identity->public_key, key);
    printf("fingerprint  %s\npublic key   %s\n", fingerprint, key);
    printf("mesh keys    %zu\n", tacit_policy_mesh_keys(policy, &mesh));
    size_t count = tacit_policy_listen(policy, &listen);
    for (size_t i = 0; i < count; i++) {
        tacit_address_to_text(&listen[i], address);
        printf("listen       %s\n", address);
    }
    count += print_interfaces(policy);
    if (tacit_policy_door(policy) != NULL)
        printf("door         %s\n", tacit_policy_door(policy));
    if (count == 0)
        puts("listen       nowhere: this host only connects to others");
    for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
        source = tacit_policy_source(policy, family);
        if (source == NULL)
            continue;
        tacit_address_to_text(source, address);
        printf("source       %s\n", address);
    }
    for (int suite = TACIT_SUITE_LAST; suite > 0; suite--) {
        if ((tacit_policy_suites(policy) >> suite & 1) != 0)
            printf("suite        %s\n", tacit_suite_name(suite));
    }
    printf("max message  %zu bytes\n", tacit_policy_max_message(policy));
}

/* What this host shows to those who ask for a certificate. */
static void print_certificate(const struct tacit_policy *policy)
{
    struct tacit_certificate own;
    char until[TACIT_TIME_TEXT];
    const char *text, *item;
    size_t len = tacit_policy_own_certificate(policy, &text);
    if (len == 0 || tacit_certificate_read(text, len, &own) != 0)
        return;
    fputs("certificate  for ", stdout);
    for (size_t i = 0; (item = tacit_certificate_name(&own, i)) != NULL; i++)
        printf("%s%s", i == 0 ? "" : ", ", item);
    for (size_t i = 0; (item = tacit_certificate_group(&own, i)) != NULL; i++)
        printf("%s%s", i == 0 ? "  in group " : ", ", item);
    tacit_time_to_text(own.not_after, until);
    printf("  until %s\n", until);
}

static void print_authorities(const struct tacit_policy *policy)
{
    const char *name, *glob;
    for (size_t i = 0; (name = tacit_policy_authority(policy, i)) != NULL; i++) {
        printf("authority    %s  for ", name);
        for (size_t j = 0; (glob = tacit_policy_authority_glob(policy, i, j)) != NULL;
             j++)
            printf("%s%s", j == 0 ? "" : ", ", glob);
        puts("");
    }
}

/* What of a line changes by itself. */
static void print_expires(const struct tacit_policy *policy,
                          const struct tacit_rule *rule)
{
    char at[TACIT_TIME_TEXT];
    if (rule->expires == TACIT_NEVER)
        return;
    tacit_time_to_text(rule->expires, at);
    printf("  %s %s", rule->expires <= cli_now(policy) ? "expired" : "expires", at);
}

static size_t print_groups(const struct tacit_policy *policy)
{
    const struct tacit_group *group;
    char network[TACIT_NETWORK_TEXT];
    size_t count = 0;
    for (; (group = tacit_policy_group(policy, count)) != NULL; count++) {
        printf("group        %s", group->name);
        for (size_t i = 0; tacit_policy_from(policy, &group->rule, i, network); i++)
            printf("%s%s", i == 0 ? "  from " : ", ", network);
        print_expires(policy, &group->rule);
        puts("");
    }
    return count;
}

static void print_peer(const struct tacit_policy *policy, const struct tacit_peer *peer)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    tacit_fingerprint(peer->public_key, fingerprint);
    printf("peer         %s  %s", peer->glob,
           peer->has_key ? fingerprint : "by certificate");
    if (peer->has_endpoint) {
        bool ipv6 = false;
        for (const char *c = peer->endpoint.host; *c != '\0'; c++)
            ipv6 = ipv6 || *c == ':';
        printf(ipv6 ? "  at [%s]:%u" : "  at %s:%u", peer->endpoint.host,
               peer->endpoint.port);
    }
    printf("%s%s%s", peer->pair_key != NULL ? "  with a pair key" : "",
           peer->has_door_key ? "  with its door's key" : "",
           peer->directory ? "  may ask for names" : "");
    print_expires(policy, &peer->rule);
    puts(peer->has_key && cli_is_revoked(policy, peer->public_key) ? "  revoked" : "");
}

static void print_policies(const struct tacit_policy *policy)
{
    const struct tacit_signed_policy *p;
    const char *notice;
    for (size_t i = 0; (p = tacit_policy_signed(policy, i)) != NULL; i++) {
        if (p->source == NULL)
            printf("policy       none yet, by [authority %s]\n", p->authority);
        else
            printf("policy       %s  serial %ju, by [authority %s]%s\n", p->source,
                   (uintmax_t)p->serial, p->authority,
                   p->fresh_until <= cli_now(policy) ? "  stale" : "");
    }
    for (size_t i = 0; (notice = tacit_policy_notice(policy, i)) != NULL; i++)
        printf("not taken    %s\n", notice);
}

int cli_check(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {NULL, 0, NULL, 0}};
    const char *values[1] = {NULL}, *glob;
    const struct tacit_peer *peer;
    struct tacit_policy *policy;
    struct tacit_fault fault;
    if (cli_options(argc, argv, options, values, 0) != 0)
        return CLI_USAGE;
    if (cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    if (tacit_policy_test(policy, &fault) != 0) {
        tacit_policy_free(policy);
        return cli_fail("%s", fault.text);
    }

    bool well = !tacit_policy_own_fault(policy, (uint64_t)time(NULL), &fault);
    printf("%s: %s\n", tacit_policy_path(policy), well ? "OK" : "it loads");
    print_host(policy);
    print_certificate(policy);
    print_authorities(policy);
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++)
        print_peer(policy, peer);
    if (print_groups(policy) == 0 && tacit_policy_peer(policy, 0) == NULL)
        puts("peer         none: nobody can connect");
    print_policies(policy);
    for (size_t i = 0; (glob = tacit_policy_plain(policy, i)) != NULL; i++)
        printf("plain        %s  (not encrypted)\n", glob);
    int status = well ? CLI_OK : cli_fail("%s", fault.text);
    tacit_policy_free(policy);
    return status;
}
