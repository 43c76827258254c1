/* tacit pubkey FILE: the public key of an identity. */
#include "cli/cli.h"

#include <stdio.h>

int cli_pubkey(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct tacit_files files = cli_files();
    struct noise_keypair pair;
    struct tacit_secret key;
    struct tacit_fault fault = {""};
    size_t count;
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    int error = tacit_key_file_read(argv[optind], &files, TACIT_KEY_PRIVATE, 1, &key,
                                    &count, &fault);
    if (error == 0)
        error = noise_keypair_from_private(&key, &pair);
    tacit_secret_wipe(&key);
    if (error != 0)
        return cli_fail("%s", *fault.text != '\0' ? fault.text : tacit_error_text(error));

    char text[TACIT_KEY_TEXT];
    tacit_secret_wipe(&pair.private_key);
    tacit_key_to_text(pair.public_key, text);
    puts(text);
    return CLI_OK;
}
