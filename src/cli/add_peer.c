/* tacit add-peer: one [peer] more, or no change at all. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct add_peer {
    const char *conf, *name, *key, *endpoint;
    struct tacit_files files;
    struct tacit_fault fault;
};

/* Everything by itself first, for messages that name the argument. */
static int check_arguments(const struct add_peer *a)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_endpoint endpoint;
    if (!tacit_glob_ok(a->name))
        return cli_fail("NAME: got '%s', expected a node name such as "
                        "app@db1.example.net or *@db1.example.net",
                        a->name);
    if (cli_take_public_key("PUBLIC-KEY", a->key, key) != CLI_OK)
        return CLI_FAILED;
    if (a->endpoint != NULL && tacit_endpoint_from_text(a->endpoint, &endpoint) != 0)
        return cli_fail("--endpoint: got '%s', expected HOST, HOST:PORT or [IPV6]:PORT",
                        a->endpoint);
    return CLI_OK;
}

static int check_new(struct add_peer *a)
{
    struct tacit_policy *policy;
    const struct tacit_peer *peer;
    int status = CLI_OK;
    if (tacit_policy_load(a->conf, &a->files, tacit_suites_available(), &policy,
                          &a->fault) != 0)
        return cli_fail("%s", a->fault.text);
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++) {
        if (strcmp(peer->glob, a->name) == 0)
            status = cli_fail("%s:%u: [peer %s] is there already, expected a new name",
                              a->conf, peer->rule.line, peer->glob);
    }
    tacit_policy_free(policy);
    return status;
}

/* Appends the section to the len bytes of text, which has room for it. */
static size_t append(const struct add_peer *a, char *text, size_t len, size_t room)
{
    const char *gap = len > 0 && text[len - 1] != '\n' ? "\n\n" : "\n";
    int n =
        snprintf(text + len, room, "%s[peer %s]\npublic-key = %s\n%s%s%s", gap, a->name,
                 a->key, a->endpoint != NULL ? "endpoint = " : "",
                 a->endpoint != NULL ? a->endpoint : "", a->endpoint != NULL ? "\n" : "");
    return len + (size_t)n;
}

static int change(struct add_peer *a, char *text, size_t room)
{
    size_t len;
    struct tacit_policy *policy;
    if (a->files.read(a->files.context, a->conf, TACIT_FILE_RULES, text, TACIT_CONF_MAX,
                      &len, &a->fault) != 0)
        return cli_fail("%s", a->fault.text);
    len = append(a, text, len, room);
    struct cli_overlay overlay = {
        .texts = {{a->conf, text, len}}, .count = 1, .below = a->files};
    struct tacit_files files = cli_overlay_files(&overlay);
    if (tacit_policy_load(a->conf, &files, tacit_suites_available(), &policy,
                          &a->fault) != 0)
        return cli_fail("nothing was changed, it would not load: %s", a->fault.text);
    int error = tacit_policy_test(policy, &a->fault);
    tacit_policy_free(policy);
    if (error != 0)
        return cli_fail("nothing was changed, its own test fails: %s", a->fault.text);
    if (tacit_file_replace(a->conf, text, len, &a->fault) != 0)
        return cli_fail("%s", a->fault.text);
    return CLI_OK;
}

int cli_add_peer(int argc, char **argv)
{
    enum {
        SECTION_MAX = 1024
    };
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {"endpoint", required_argument, NULL, 1},
                                            {NULL, 0, NULL, 0}};
    const char *values[2] = {NULL};
    if (cli_options(argc, argv, options, values, 2) != 0)
        return CLI_USAGE;
    struct add_peer a = {.conf = cli_conf_path(values[0]),
                         .name = argv[optind],
                         .key = argv[optind + 1],
                         .endpoint = values[1],
                         .files = cli_files()};
    if (check_arguments(&a) != 0 || check_new(&a) != 0)
        return CLI_FAILED;
    char *text = malloc(TACIT_CONF_MAX + SECTION_MAX);
    if (text == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int status = change(&a, text, SECTION_MAX);
    free(text);
    return status;
}
