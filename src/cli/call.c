/* tacit call and tacit eval: a node's functions from the command line, as erl_call does.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/remote.h"
#include "ei/wire.h"

enum {
    SOURCE_MAX = 16 << 20, /* bytes of a module or of expressions */
    TIMEOUT_MAX = 1 << 20, /* seconds */
    COOKIE_MAX = EI_MAX_COOKIE_SIZE - 1,
};

/* What both take. */
enum value {
    CONF,
    AS,
    COOKIE,
    COOKIE_FILE,
    TIMEOUT,
    APPLY,
    MODULE,
    VALUES
};

static const struct option options[] = {
    {"conf", required_argument, NULL, CONF},
    {"as", required_argument, NULL, AS},
    {"cookie", required_argument, NULL, COOKIE},
    {"cookie-file", required_argument, NULL, COOKIE_FILE},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"apply", required_argument, NULL, APPLY},
    {"module", no_argument, NULL, MODULE},
    {NULL, 0, NULL, 0}};

/* --- texts ---------------------------------------------------------------------------
 */

/* The whole standard input, to be freed; NULL with the reason printed. */
static char *read_input(void)
{
    size_t cap = 4096, len = 0, n;
    char *text = malloc(cap);
    while (text != NULL && (n = fread(text + len, 1, cap - len - 1, stdin)) > 0) {
        len += n;
        if (len + 1 < cap)
            continue;
        cap *= 2;
        char *grown = cap <= SOURCE_MAX ? realloc(text, cap) : NULL;
        if (grown == NULL)
            free(text);
        text = grown;
    }
    if (text == NULL || ferror(stdin) != 0 || memchr(text, '\0', len) != NULL) {
        cli_fail("the standard input cannot be read, expected text of at most %d bytes",
                 SOURCE_MAX / 2);
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

/* The next word of erl_call's -a, ended by a zero; def where there is none. */
static const char *word(char **at, const char *def)
{
    char *start = *at + strspn(*at, " \t");
    if (*start == '\0')
        return def;
    *at = start + strcspn(start, " \t");
    if (**at != '\0')
        *(*at)++ = '\0';
    return start;
}

/* --- the calls -----------------------------------------------------------------------
 */

/* Prints what came back; the call's status. */
static int show(int status, char *text, bool quiet)
{
    if (status == CLI_OK && !quiet)
        puts(text);
    else if (status == CLI_EXCEPTION)
        fprintf(stderr, "%s\n", text);
    free(text);
    return status;
}

/* -m: the module that stands on the standard input is compiled and loaded there. */
static int load_module(struct remote *r, bool quiet)
{
    char *source = read_input(), *text = NULL;
    if (source == NULL)
        return CLI_FAILED;
    const char *texts[] = {source};
    int status = remote_call(r, "load", texts, 1, &text);
    free(source);
    return show(status, text, quiet);
}

static int call(struct remote *r, const char *const texts[3])
{
    char *text = NULL;
    int status = remote_call(r, "call", texts, 3, &text);
    return show(status, text, false);
}

/* --- arguments -----------------------------------------------------------------------
 */

/* As erl_call has them: one dash and one letter will do. */
static void lengthen(int argc, char **argv)
{
    static char apply[] = "--apply", module[] = "--module", cookie[] = "--cookie";
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-a") == 0)
            argv[i] = apply;
        else if (strcmp(argv[i], "-m") == 0)
            argv[i] = module;
        else if (strcmp(argv[i], "-c") == 0)
            argv[i] = cookie;
        else
            continue;
        i += argv[i] != module; /* its argument is not looked at */
    }
}

static int take_timeout(const char *text, int64_t *ret_deadline)
{
    char *end;
    if (text == NULL) {
        *ret_deadline = WIRE_NEVER;
        return CLI_OK;
    }
    long seconds = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end != '\0' || seconds < 1 ||
        seconds > TIMEOUT_MAX)
        return cli_fail("--timeout: got '%s', expected 1 to %d seconds", text,
                        TIMEOUT_MAX);
    *ret_deadline = wire_now_us() + (int64_t)seconds * 1000000;
    return CLI_OK;
}

/* The first line of the file, without what is blank at its end. */
static int read_cookie(const char *path, char cookie[COOKIE_MAX + 2])
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault;
    size_t len = 0;
    if (files.read(files.context, path, TACIT_FILE_SECRET, cookie, COOKIE_MAX + 1, &len,
                   &fault) != 0)
        return cli_fail("%s", fault.text);
    while (len > 0 && isspace((unsigned char)cookie[len - 1]))
        len--;
    cookie[len] = '\0';
    return len > 0 && len <= COOKIE_MAX && strlen(cookie) == len &&
                   strchr(cookie, '\n') == NULL
               ? CLI_OK
               : cli_fail("%s: expected a cookie, one line of at most %d bytes", path,
                          COOKIE_MAX);
}

/*
 * The cookie that is given in one of three ways, or NULL: that of ~/.erlang.cookie. One
 * on the command line is taken from there at once: all users of a host see each other's.
 */
static int take_cookie(const char *const values[VALUES], const char **ret_cookie)
{
    static char cookie[COOKIE_MAX + 2];
    const char *environment = getenv("TACIT_COOKIE"), *text = values[COOKIE];
    if (text != NULL && values[COOKIE_FILE] != NULL)
        return cli_misused("got --cookie and --cookie-file, expected one of them");
    if (values[COOKIE_FILE] != NULL) {
        *ret_cookie = cookie;
        return read_cookie(values[COOKIE_FILE], cookie);
    }
    if (text == NULL && environment != NULL && *environment != '\0')
        text = environment;
    if (text == NULL)
        return CLI_OK;
    size_t len = strlen(text);
    snprintf(cookie, sizeof cookie, "%s", text);
    if (text == values[COOKIE])
        tacit_wipe((void *)(uintptr_t)text, len);
    *ret_cookie = cookie;
    return len > 0 && len <= COOKIE_MAX
               ? CLI_OK
               : cli_fail("the cookie has %zu bytes, expected 1 to %d", len, COOKIE_MAX);
}

/* Everything but the texts: connects. */
static int open_remote(struct remote *r, const char *const values[VALUES],
                       const char *node, const char *cookie,
                       struct tacit_policy **ret_policy)
{
    *r = (struct remote){.node = node, .as = values[AS], .cookie = cookie, .fd = -1};
    int status = take_timeout(values[TIMEOUT], &r->deadline);
    if (status == CLI_OK)
        status = cli_load(values[CONF], ret_policy);
    if (status != CLI_OK)
        return status;
    r->policy = *ret_policy;
    return remote_open(r);
}

static int finish(struct remote *r, struct tacit_policy *policy, int status)
{
    remote_close(r);
    tacit_policy_free(policy);
    return status;
}

/*
 * Module, function and arguments: from the words behind the node, or out of apply, which
 * is cut up. All NULL: nothing is to be called. false: neither one nor the other.
 */
static bool take_call(char **words, int count, char *apply, const char *texts[3])
{
    texts[1] = "start";
    texts[2] = "[]";
    if (apply != NULL) {
        texts[0] = word(&apply, NULL);
        texts[1] = word(&apply, "start");
        apply += strspn(apply, " \t");
        texts[2] = *apply != '\0' ? apply : "[]";
        return count == 0 && texts[0] != NULL;
    }
    for (int i = 0; i < count && i < 3; i++)
        texts[i] = words[i];
    return count == 0 || count == 2 || count == 3;
}

int cli_call(int argc, char **argv)
{
    const char *values[VALUES] = {NULL}, *texts[3] = {NULL}, *cookie = NULL;
    struct tacit_policy *policy = NULL;
    struct remote r;
    lengthen(argc, argv);
    if (cli_options(argc, argv, options, values, CLI_ANY) != 0)
        return CLI_USAGE;
    int status = take_cookie(values, &cookie);
    if (status != CLI_OK)
        return status;
    if (argc == optind)
        return cli_misused("call: expected a node, and what to call");
    char *apply = values[APPLY] != NULL ? strdup(values[APPLY]) : NULL;
    bool loads = values[MODULE] != NULL;
    if (!take_call(argv + optind + 1, argc - optind - 1, apply, texts) ||
        (!loads && texts[0] == NULL)) {
        status = cli_misused("call: expected MODULE FUNCTION [ARGS] behind the node, or "
                             "these as one word behind -a");
    } else {
        status = open_remote(&r, values, argv[optind], cookie, &policy);
        if (status == CLI_OK && loads)
            status = load_module(&r, texts[0] != NULL);
        if (status == CLI_OK && texts[0] != NULL)
            status = call(&r, texts);
        status = finish(&r, policy, status);
    }
    free(apply);
    return status;
}

int cli_eval(int argc, char **argv)
{
    const char *values[VALUES] = {NULL}, *cookie = NULL;
    struct tacit_policy *policy = NULL;
    struct remote r;
    char *input = NULL, *text = NULL;
    lengthen(argc, argv);
    if (cli_options(argc, argv, options, values, CLI_ANY) != 0)
        return CLI_USAGE;
    int status = take_cookie(values, &cookie);
    if (status != CLI_OK)
        return status;
    if (values[APPLY] != NULL || values[MODULE] != NULL)
        return cli_misused("eval: '-a' and '-m' are for call");
    if (argc - optind < 1 || argc - optind > 2)
        return cli_misused("eval: expected a node, and expressions as one word");
    const char *node = argv[optind], *expression = argv[optind + 1];
    if (expression == NULL && (expression = input = read_input()) == NULL)
        return CLI_FAILED;
    status = open_remote(&r, values, node, cookie, &policy);
    if (status == CLI_OK) {
        status = remote_call(&r, "eval", &expression, 1, &text);
        status = show(status, text, false);
    }
    free(input);
    return finish(&r, policy, status);
}
