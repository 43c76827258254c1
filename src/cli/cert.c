/* tacit cert sign|show|verify: certificates, which stand for [peer] lines. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "policy/signed.h"

/* --- sign --------------------------------------------------------------------------- */

enum {
    AUTHORITY,
    PUBLIC_KEY,
    NAMES,
    GROUPS,
    NOT_BEFORE,
    NOT_AFTER,
    SIGN_OPTIONS
};

/* Each item of a comma-separated list. */
static int add_each(struct tacit_certificate *certificate, const char *option,
                    const char *list,
                    int (*add)(struct tacit_certificate *, const char *))
{
    char item[TACIT_NAME_MAX + 1];
    while (list != NULL) {
        size_t len = strcspn(list, ",");
        snprintf(item, sizeof item, "%.*s", (int)(len < sizeof item ? len : 0), list);
        int error = add(certificate, item);
        if (error == TACIT_ESPACE)
            return cli_fail("%s: more than a certificate of %d bytes holds", option,
                            TACIT_CERTIFICATE_MAX);
        if (error != 0)
            return cli_fail(
                "%s: got '%.*s', expected %s", option, (int)(len < 200 ? len : 200), list,
                add == tacit_certificate_add_name
                    ? "a node name such as app@db1.example.net or *@db1.example.net"
                    : "a group's name");
        list = list[len] == ',' ? list + len + 1 : NULL;
    }
    return CLI_OK;
}

static int fill(struct tacit_certificate *c, const char **values)
{
    *c = (struct tacit_certificate){.not_before = (uint64_t)time(NULL)};
    if (cli_take_public_key("--public-key", values[PUBLIC_KEY], c->public_key) != CLI_OK)
        return CLI_FAILED;
    if (values[NOT_BEFORE] != NULL &&
        tacit_time_from_text(values[NOT_BEFORE], &c->not_before) != 0)
        return cli_fail("--not-before: got '%s', expected a time such as 2026-12-31 or "
                        "2026-12-31T23:59:59Z",
                        values[NOT_BEFORE]);
    int status =
        cli_take_end("--not-after", values[NOT_AFTER], c->not_before, &c->not_after);
    if (status == CLI_OK && c->not_after <= c->not_before)
        status = cli_fail("--not-after: got '%s', expected a later time than "
                          "--not-before's",
                          values[NOT_AFTER]);
    if (status == CLI_OK)
        status = add_each(c, "--name", values[NAMES], tacit_certificate_add_name);
    if (status == CLI_OK)
        status = add_each(c, "--group", values[GROUPS], tacit_certificate_add_group);
    return status;
}

static int sign(int argc, char **argv)
{
    static const struct option options[] = {
        {"authority", required_argument, NULL, AUTHORITY},
        {"public-key", required_argument, NULL, PUBLIC_KEY},
        {"name", required_argument, NULL, NAMES},
        {"group", required_argument, NULL, GROUPS},
        {"not-before", required_argument, NULL, NOT_BEFORE},
        {"not-after", required_argument, NULL, NOT_AFTER},
        {NULL, 0, NULL, 0}};
    const char *values[SIGN_OPTIONS] = {NULL};
    char text[TACIT_CERTIFICATE_MAX];
    struct tacit_certificate certificate;
    struct tacit_secret seed;
    struct tacit_fault fault;
    size_t len;
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    if (!values[AUTHORITY] || !values[PUBLIC_KEY] || !values[NAMES] || !values[NOT_AFTER])
        return cli_misused(
            "cert sign: expected --authority, --public-key, --name and --not-after");
    if (fill(&certificate, values) != CLI_OK ||
        cli_read_authority(values[AUTHORITY], &seed) != CLI_OK)
        return CLI_FAILED;
    int error = tacit_certificate_sign(&certificate, &seed, text, &len);
    tacit_secret_wipe(&seed);
    if (error != 0)
        return cli_fail("more than a certificate of %d bytes holds, expected fewer names "
                        "and groups",
                        TACIT_CERTIFICATE_MAX);
    if (tacit_file_create(argv[optind], 0644, text, len, &fault) != 0)
        return cli_fail("%s", fault.text);
    return CLI_OK;
}

/* --- show, verify ------------------------------------------------------------------- */

int cli_read_certificate(const char *path, char text[TACIT_CERTIFICATE_MAX],
                         size_t *ret_len, struct tacit_certificate *ret_certificate)
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault = {""};
    if (files.read(files.context, path, TACIT_FILE_SIGNED, text, TACIT_CERTIFICATE_MAX,
                   ret_len, &fault) != 0)
        return cli_fail("%s", fault.text);
    int error = tacit_certificate_read(text, *ret_len, ret_certificate);
    if (error == TACIT_EAUTH)
        return cli_fail("%s: the signature does not hold: it was altered", path);
    if (error != 0)
        return cli_fail("%s: not a certificate, expected what 'tacit cert sign' wrote",
                        path);
    return CLI_OK;
}

static void print_list(const char *label, const struct tacit_certificate *c,
                       const char *(*at)(const struct tacit_certificate *, size_t))
{
    const char *item;
    for (size_t i = 0; (item = at(c, i)) != NULL; i++)
        printf("%-12s %s\n", label, item);
}

static void print_certificate(const struct tacit_certificate *c)
{
    char key[TACIT_KEY_TEXT], print[TACIT_FINGERPRINT_TEXT], from[TACIT_TIME_TEXT],
        to[TACIT_TIME_TEXT];
    print_list("name", c, tacit_certificate_name);
    tacit_fingerprint(c->public_key, print);
    tacit_key_to_text(c->public_key, key);
    printf("fingerprint  %s\npublic key   %s\n", print, key);
    print_list("group", c, tacit_certificate_group);
    tacit_time_to_text(c->not_before, from);
    tacit_time_to_text(c->not_after, to);
    tacit_key_to_text(c->authority, key);
    printf("not before   %s\nnot after    %s\nauthority    %s\n", from, to, key);
}

static int show(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    char text[TACIT_CERTIFICATE_MAX];
    struct tacit_certificate certificate;
    size_t len;
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    int status = cli_read_certificate(argv[optind], text, &len, &certificate);
    if (status == CLI_OK)
        print_certificate(&certificate);
    return status;
}

static int verify(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {NULL, 0, NULL, 0}};
    const char *values[1] = {NULL}, *name, *authority;
    char text[TACIT_CERTIFICATE_MAX];
    struct tacit_certificate certificate;
    struct tacit_policy *policy;
    size_t len;
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    const char *path = argv[optind];
    if (cli_read_certificate(path, text, &len, &certificate) != CLI_OK ||
        cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    enum tacit_reason reason = tacit_policy_check_certificate(
        policy, &certificate, (uint64_t)time(NULL), &name, &authority);
    if (reason == TACIT_ALLOWED && cli_is_revoked(policy, certificate.public_key))
        reason = TACIT_REVOKED;
    int status = CLI_OK;
    if (reason == TACIT_ALLOWED)
        printf("%s: good, signed by [authority %s]\n", path, authority);
    else if (name != NULL)
        status = cli_fail("%s: name %s: %s", path, name, tacit_reason_text(reason));
    else
        status = cli_fail("%s: %s", path, tacit_reason_text(reason));
    tacit_policy_free(policy);
    return status;
}

int cli_cert(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"sign", sign}, {"show", show}, {"verify", verify}, {NULL, NULL}};
    return cli_run_verb(argc, argv, verbs);
}
