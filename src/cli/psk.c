/* tacit psk FILE: a new mesh key, or a new pair key. */
#include "cli/cli.h"

#include <sodium.h>

int cli_psk(int argc, char **argv)
{
    static const struct option none[] = {{NULL, 0, NULL, 0}};
    struct tacit_secret key;
    if (cli_options(argc, argv, none, NULL, 1) != 0)
        return CLI_USAGE;
    randombytes_buf(key.bytes, sizeof key.bytes);
    int status = cli_write_key(argv[optind], TACIT_KEY_SHARED, &key);
    tacit_secret_wipe(&key);
    return status;
}
