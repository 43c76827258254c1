/* tacit authority new|show FILE: a key that signs certificates and policies. */
#include "cli/cli.h"

#include <sodium.h>
#include <stdio.h>

#include "policy/signed.h"

int cli_read_authority(const char *path, struct tacit_secret *ret_seed)
{
    struct tacit_files files = cli_files();
    struct tacit_fault fault = {""};
    size_t count;
    int error = tacit_key_file_read(path, &files, TACIT_KEY_AUTHORITY, 1, ret_seed,
                                    &count, &fault);
    return error == 0 ? CLI_OK
                      : cli_fail("%s", *fault.text != '\0' ? fault.text
                                                           : tacit_error_text(error));
}

static void print_key(const struct tacit_secret *seed)
{
    uint8_t key[TACIT_KEY_BYTES];
    char text[TACIT_KEY_TEXT];
    tacit_authority_key(seed, key);
    tacit_key_to_text(key, text);
    puts(text);
}

static int new_authority(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct tacit_secret seed;
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    randombytes_buf(seed.bytes, sizeof seed.bytes);
    int status = cli_write_key(argv[optind], TACIT_KEY_AUTHORITY, &seed);
    if (status == CLI_OK)
        print_key(&seed);
    tacit_secret_wipe(&seed);
    return status;
}

static int show_authority(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct tacit_secret seed;
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    int status = cli_read_authority(argv[optind], &seed);
    if (status == CLI_OK)
        print_key(&seed);
    tacit_secret_wipe(&seed);
    return status;
}

int cli_authority(int argc, char **argv)
{
    static const struct cli_verb verbs[] = {
        {"new", new_authority}, {"show", show_authority}, {NULL, NULL}};
    return cli_run_verb(argc, argv, verbs);
}
