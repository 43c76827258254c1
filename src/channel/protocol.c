#include <pthread.h>

#include "channel/internal.h"

static const char names[][48] = {
    [TACIT__HANDSHAKE] = "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b",
    [TACIT__REKEY] = "Noise_KKpsk2_25519_ChaChaPoly_BLAKE2b",
};

/* Taken apart once; every handshake keeps a pointer to its own. */
static struct noise_protocol parsed[sizeof names / sizeof names[0]];
static pthread_once_t parsed_once = PTHREAD_ONCE_INIT;
static bool parsed_ok;

static void parse(void)
{
    parsed_ok =
        noise_protocol_parse(names[TACIT__HANDSHAKE], &parsed[TACIT__HANDSHAKE]) ==
            TACIT_OK &&
        noise_protocol_parse(names[TACIT__REKEY], &parsed[TACIT__REKEY]) == TACIT_OK;
}

const struct noise_protocol *tacit__protocol(enum tacit__protocol which)
{
    pthread_once(&parsed_once, parse);
    return parsed_ok ? &parsed[which] : NULL;
}
