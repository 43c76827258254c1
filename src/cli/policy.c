/* tacit policy sign|show|verify: rules for a whole mesh, signed by its authority. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/signed.h"

/* A file in memory. */
struct text {
    char *bytes; /* TACIT_POLICY_MAX of them; free them */
    size_t len;
};

static int read_text(const char *path, struct text *ret_text)
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault = {""};
    struct text text = {.bytes = malloc(TACIT_POLICY_MAX)};
    if (text.bytes == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    if (files.read(files.context, path, TACIT_FILE_SIGNED, text.bytes, TACIT_POLICY_MAX,
                   &text.len, &fault) != 0) {
        free(text.bytes);
        return cli_fail("%s", fault.text);
    }
    *ret_text = text;
    return CLI_OK;
}

/* --- sign --------------------------------------------------------------------------- */

enum {
    AUTHORITY,
    SERIAL,
    FRESH_UNTIL,
    SIGN_OPTIONS
};

static int take_header(const char **values, struct tacit_signed_header *ret_header)
{
    uint64_t now = (uint64_t)time(NULL);
    struct tacit_signed_header header = {.serial = now, .fresh_until = TACIT_NEVER};
    const char *serial = values[SERIAL];
    if (serial != NULL) {
        size_t len = strlen(serial);
        header.serial = len > 0 && len <= 18 && strspn(serial, "0123456789") == len
                            ? strtoull(serial, NULL, 10)
                            : 0;
        if (header.serial == 0)
            return cli_fail("--serial: got '%s', expected a number above 0, of 18 digits "
                            "at most",
                            serial);
    }
    if (values[FRESH_UNTIL] != NULL && cli_take_end("--fresh-until", values[FRESH_UNTIL],
                                                    now, &header.fresh_until) != CLI_OK)
        return CLI_FAILED;
    *ret_header = header;
    return CLI_OK;
}

static int write_signed(const struct tacit_signed_header *header,
                        const struct tacit_secret *seed, const struct text *rules,
                        const char *path)
{
    struct tacit_fault fault;
    char *out = malloc(TACIT_POLICY_MAX);
    size_t len;
    int error = out == NULL ? TACIT_ENOMEM
                            : tacit_policy_sign(header, seed, rules->bytes, rules->len,
                                                out, TACIT_POLICY_MAX, &len);
    int status = CLI_OK;
    if (error == TACIT_ESPACE)
        status = cli_fail("the policy gets longer than %d bytes, expected fewer rules",
                          TACIT_POLICY_MAX);
    else if (error != 0)
        status = cli_fail("%s", tacit_error_text(error));
    else if (tacit_file_create(path, 0644, out, len, &fault) != 0)
        status = cli_fail("%s", fault.text);
    else
        printf("serial %ju\n", (uintmax_t)header->serial);
    free(out);
    return status;
}

static int sign(int argc, char **argv)
{
    static const struct option options[] = {
        {"authority", required_argument, NULL, AUTHORITY},
        {"serial", required_argument, NULL, SERIAL},
        {"fresh-until", required_argument, NULL, FRESH_UNTIL},
        {NULL, 0, NULL, 0}};
    const char *values[SIGN_OPTIONS] = {NULL};
    struct tacit_signed_header header;
    struct tacit_secret seed;
    struct tacit_fault fault;
    struct text rules;
    if (cli_options(argc, argv, options, values, 2) != 0)
        return CLI_USAGE;
    if (values[AUTHORITY] == NULL)
        return cli_misused("policy sign: expected --authority");
    const char *from = argv[optind], *to = argv[optind + 1];
    if (take_header(values, &header) != CLI_OK || read_text(from, &rules) != CLI_OK)
        return CLI_FAILED;
    int status = tacit_policy_try_rules(from, rules.bytes, rules.len, &fault) != 0
                     ? cli_fail("%s", fault.text)
                     : cli_read_authority(values[AUTHORITY], &seed);
    if (status == CLI_OK) {
        status = write_signed(&header, &seed, &rules, to);
        tacit_secret_wipe(&seed);
    }
    free(rules.bytes);
    return status;
}

/* --- show, verify ------------------------------------------------------------------- */

/* Opens the policy at path: its signature holds, no matter whose. */
static int open_policy(const char *path, struct text *ret_text,
                       uint8_t ret_authority[TACIT_KEY_BYTES],
                       struct tacit_signed_rules *ret_rules)
{
    if (read_text(path, ret_text) != CLI_OK)
        return CLI_FAILED;
    int error =
        tacit_policy_open(ret_text->bytes, ret_text->len, ret_authority, ret_rules);
    if (error == 0)
        return CLI_OK;
    cli_fail("%s: %s", path,
             tacit_policy_open_text(ret_text->bytes, ret_text->len, error));
    free(ret_text->bytes);
    return CLI_FAILED;
}

static int show(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct tacit_signed_rules rules;
    struct tacit_fault fault;
    struct text text;
    uint8_t authority[TACIT_KEY_BYTES];
    char key[TACIT_KEY_TEXT], until[TACIT_TIME_TEXT];
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    const char *path = argv[optind];
    if (open_policy(path, &text, authority, &rules) != CLI_OK)
        return CLI_FAILED;
    tacit_key_to_text(authority, key);
    printf("serial       %ju\nauthority    %s\n", (uintmax_t)rules.header.serial, key);
    if (rules.header.fresh_until != TACIT_NEVER) {
        tacit_time_to_text(rules.header.fresh_until, until);
        printf("fresh until  %s\n", until);
    }
    /* Nothing is printed that a terminal would obey. */
    int status = CLI_OK;
    if (tacit_policy_try_rules(path, rules.text, rules.len, &fault) != 0)
        status = cli_fail("rules: %s", fault.text);
    else
        printf("\n%.*s", (int)rules.len, rules.text);
    free(text.bytes);
    return status;
}

static int not_taken(const struct tacit_policy *policy,
                     const struct tacit_signed_policy *slot, const char *path,
                     uint64_t serial)
{
    const char *notice = tacit_policy_notice(policy, 0);
    if (serial > slot->serial && notice != NULL)
        return cli_fail("as %s", notice);
    return cli_fail("%s: serial %ju, expected one above %ju, which is in force", path,
                    (uintmax_t)serial, (uintmax_t)slot->serial);
}

/* Loads the configuration as it would be with this policy in its file. */
static int try_policy(const struct tacit_policy *now, const char *conf, const char *path,
                      const struct text *text, const struct tacit_signed_rules *rules,
                      const uint8_t key[TACIT_KEY_BYTES])
{
    const struct tacit_signed_policy *slot = tacit_policy_signed_by(now, key);
    struct cli_overlay overlay = {.count = 1, .below = cli_files()};
    struct tacit_policy *then;
    struct tacit_fault fault;
    if (slot == NULL)
        return cli_fail("%s: no [authority] with a 'policy' line signed it", path);
    overlay.texts[0] =
        (struct cli_text){.path = slot->path, .bytes = text->bytes, .size = text->len};
    struct tacit_files files = cli_overlay_files(&overlay);
    if (tacit_policy_load(conf, &files, tacit_suites_available(), &then, &fault) != 0)
        return cli_fail("%s", fault.text);
    const struct tacit_signed_policy *taken = tacit_policy_signed_by(then, key);
    int status = CLI_OK;
    if (tacit_policy_follows(then, now, &fault) != 0 ||
        tacit_policy_test(then, &fault) != 0)
        status = cli_fail("%s", fault.text);
    else if (taken == NULL || memcmp(taken->hash, rules->hash, sizeof taken->hash) != 0)
        status = not_taken(then, slot, path, rules->header.serial);
    else
        printf("%s: good, serial %ju, signed by [authority %s]\n", path,
               (uintmax_t)taken->serial, taken->authority);
    tacit_policy_free(then);
    return status;
}

static int verify(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {NULL, 0, NULL, 0}};
    const char *values[1] = {NULL};
    struct tacit_signed_rules rules;
    struct tacit_policy *policy;
    struct text text;
    uint8_t authority[TACIT_KEY_BYTES];
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    const char *path = argv[optind];
    if (open_policy(path, &text, authority, &rules) != CLI_OK)
        return CLI_FAILED;
    int status = cli_load(values[0], &policy);
    if (status == CLI_OK) {
        status =
            try_policy(policy, cli_conf_path(values[0]), path, &text, &rules, authority);
        tacit_policy_free(policy);
    }
    free(text.bytes);
    return status;
}

int cli_policy(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"sign", sign}, {"show", show}, {"verify", verify}, {NULL, NULL}};
    return cli_run_verb(argc, argv, verbs);
}
