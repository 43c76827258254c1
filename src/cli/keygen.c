/* tacit keygen FILE: a new identity. */
#include "cli/cli.h"

#include <stdio.h>

int cli_keygen(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct noise_keypair pair;
    char text[TACIT_KEY_TEXT];
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    noise_keypair_generate(&pair);
    int status = cli_write_key(argv[optind], TACIT_KEY_PRIVATE, &pair.private_key);
    tacit_secret_wipe(&pair.private_key);
    if (status != CLI_OK)
        return status;
    tacit_key_to_text(pair.public_key, text);
    puts(text);
    return CLI_OK;
}
