#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/program.h"

static void complain(const char *format, va_list args)
{
    fputs("tacit: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    return CLI_FAILED;
}

int cli_misused(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    complain(format, args);
    va_end(args);
    return CLI_USAGE;
}

int cli_options(int argc, char **argv, const struct option *options, const char **values,
                int args)
{
    int index;
    const char *next = program_next_option(argv);
    opterr = 0; /* its own messages start with another name than ours */
    for (; (index = getopt_long(argc, argv, ":", options, NULL)) != -1;
         next = program_next_option(argv)) {
        if (index == '?' || index == ':')
            return cli_misused("'%s': %s", next,
                               program_option_fault(index, next, options));
        if (values[index] != NULL)
            return cli_misused("'--%s' is given twice, expected once",
                               options[index].name);
        values[index] = optarg != NULL ? optarg : "";
    }
    if (argc - optind == args || args == CLI_ANY)
        return 0;
    return cli_misused("%s: got %d argument%s, expected %d", argv[0], argc - optind,
                       argc - optind == 1 ? "" : "s", args);
}

const char *cli_conf_path(const char *option)
{
    const char *environment = getenv("TACIT_CONF");
    if (option != NULL)
        return option;
    return environment != NULL && *environment != '\0' ? environment
                                                       : "/etc/tacit/tacit.conf";
}

int cli_run_verb(int argc, char **argv, const struct cli_verb *verbs)
{
    for (size_t i = 0; argc > 1 && verbs[i].name != NULL; i++) {
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    return argc > 1 ? cli_misused("%s: '%s' is none of its commands", argv[0], argv[1])
                    : cli_misused("%s: expected one of its commands", argv[0]);
}

struct tacit_files cli_files(void)
{
    static struct tacit_files_user user;
    return tacit_files_command(&user);
}

int cli_load(const char *option, struct tacit_policy **ret_policy)
{
    struct tacit_files files = cli_files();
    struct tacit_revoked revoked = {0};
    struct tacit_policy *policy;
    struct tacit_fault fault;
    if (tacit_policy_load(cli_conf_path(option), &files, tacit_suites_available(),
                          &policy, &fault) != 0)
        return cli_fail("%s", fault.text);
    if (tacit_file_revoked(tacit_policy_path(policy), &revoked, &fault) != 0) {
        tacit_policy_free(policy);
        return cli_fail("%s", fault.text);
    }
    tacit_revoked_free(&revoked);
    *ret_policy = policy;
    return CLI_OK;
}

bool cli_is_revoked(const struct tacit_policy *policy,
                    const uint8_t public_key[TACIT_KEY_BYTES])
{
    struct tacit_revoked list = {0};
    struct tacit_fault fault;
    bool revoked = tacit_policy_revokes(policy, public_key) ||
                   tacit_file_revoked(tacit_policy_path(policy), &list, &fault) != 0 ||
                   tacit_revoked_has(&list, public_key);
    tacit_revoked_free(&list);
    return revoked;
}

uint64_t cli_now(const struct tacit_policy *policy)
{
    uint64_t now = tacit_wall_clock(), own = tacit_policy_own_signed_at(policy);
    return now > own ? now : own;
}

bool cli_is_one_file(const char *one, const char *two)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(two, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

int cli_take_end(const char *option, const char *text, uint64_t from, uint64_t *ret_time)
{
    size_t len = strlen(text);
    if (len >= 2 && len <= 6 && text[len - 1] == 'd' &&
        strspn(text, "0123456789") == len - 1) {
        *ret_time = from + strtoull(text, NULL, 10) * 86400;
        return CLI_OK;
    }
    return tacit_time_from_text(text, ret_time) == 0
               ? CLI_OK
               : cli_fail("%s: got '%s', expected days such as 365d, or a time such as "
                          "2026-12-31 or 2026-12-31T23:59:59Z",
                          option, text);
}

size_t cli_key_text(enum tacit_key_kind kind, const struct tacit_secret *keys,
                    size_t count, char ret_text[CLI_KEY_FILE])
{
    size_t len =
        (size_t)snprintf(ret_text, TACIT_KEY_TITLE + 1, "%s\n", tacit_key_title(kind));
    for (size_t i = 0; i < count; i++) {
        tacit_key_to_text(keys[i].bytes, ret_text + len);
        len += TACIT_KEY_TEXT;
        ret_text[len - 1] = '\n'; /* in place of its zero */
    }
    return len;
}

int cli_write_key(const char *path, enum tacit_key_kind kind,
                  const struct tacit_secret *key)
{
    struct tacit_fault fault;
    char text[CLI_KEY_FILE];
    size_t len = cli_key_text(kind, key, 1, text);
    int error = tacit_file_create(path, 0600, text, len, &fault);
    tacit_wipe(text, sizeof text);
    return error != 0 ? cli_fail("%s", fault.text) : CLI_OK;
}

int cli_take_public_key(const char *what, const char *text,
                        uint8_t ret_key[TACIT_KEY_BYTES])
{
    /* Not quoted: it may be a private key by mistake. */
    if (strncmp(text, "# tacit ", 8) == 0)
        return cli_fail("%s: that is a file with a secret in it, expected a public key, "
                        "which 'tacit keygen' or 'tacit pubkey' printed",
                        what);
    if (tacit_key_from_text(text, ret_key) != 0 || !noise_public_key_ok(ret_key))
        return cli_fail("%s: expected one that 'tacit keygen' or 'tacit pubkey' printed",
                        what);
    return CLI_OK;
}

static int read_overlay(void *context, const char *path, enum tacit_file_kind kind,
                        char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const struct cli_overlay *overlay = context;
    for (size_t i = 0; i < overlay->count; i++) {
        const struct cli_text *text = &overlay->texts[i];
        if (strcmp(text->path, path) != 0)
            continue;
        if (text->size > cap) {
            snprintf(fault->text, sizeof fault->text,
                     "%.300s: %zu bytes, expected at most %zu", path, text->size, cap);
            return TACIT_ESPACE;
        }
        memcpy(buf, text->bytes, text->size);
        *ret_len = text->size;
        return 0;
    }
    return overlay->below.read(overlay->below.context, path, kind, buf, cap, ret_len,
                               fault);
}

struct tacit_files cli_overlay_files(struct cli_overlay *overlay)
{
    return (struct tacit_files){.context = overlay, .read = read_overlay};
}
