#include "noise.h"

#include <string.h>

/* Section 7.5. The initiator sends messages 0 and 2, the responder message 1. */
static const struct pattern {
    const char *name;
    bool initiator_static_known, responder_static_known;
    uint8_t messages[NOISE_MESSAGES_MAX][NOISE_TOKENS_MAX];
} patterns[] = {
    {
        .name = "NN",
        .messages = {
            /* -> */ {NOISE_E},
            /* <- */ {NOISE_E, NOISE_EE},
        },
    },
    {
        .name = "NK",
        .responder_static_known = true,
        .messages = {
            /* -> */ {NOISE_E, NOISE_ES},
            /* <- */ {NOISE_E, NOISE_EE},
        },
    },
    {
        .name = "KK",
        .initiator_static_known = true,
        .responder_static_known = true,
        .messages = {
            /* -> */ {NOISE_E, NOISE_ES, NOISE_SS},
            /* <- */ {NOISE_E, NOISE_EE, NOISE_SE},
        },
    },
    {
        .name = "IK",
        .responder_static_known = true,
        .messages = {
            /* -> */ {NOISE_E, NOISE_ES, NOISE_S, NOISE_SS},
            /* <- */ {NOISE_E, NOISE_EE, NOISE_SE},
        },
    },
    {
        .name = "XX",
        .messages = {
            /* -> */ {NOISE_E},
            /* <- */ {NOISE_E, NOISE_EE, NOISE_S, NOISE_ES},
            /* -> */ {NOISE_S, NOISE_SE},
        },
    },
};

/* What a name ends with: section 8 has no other order of its parts. */
static const struct {
    const char *text;
    enum noise_cipher_kind cipher;
} endings[] = {
    {"_25519_ChaChaPoly_BLAKE2b", NOISE_CHACHAPOLY},
    {"_25519_AESGCM_BLAKE2b", NOISE_AESGCM},
};

/* Whether text begins with prefix; if so, moves it behind. */
static bool skip(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

/* Section 9.4: psk0 opens the first message, pskN ends the Nth. */
static int place_psk(struct noise_protocol *p, unsigned n)
{
    if (n > p->message_count)
        return TACIT_EINVAL;
    uint8_t *tokens = p->tokens[n == 0 ? 0 : n - 1];
    unsigned count = 0;
    while (tokens[count] != NOISE_END)
        count++;
    if (count + 1 >= NOISE_TOKENS_MAX)
        return TACIT_EINVAL;
    if (n == 0)
        memmove(tokens + 1, tokens, count);
    tokens[n == 0 ? 0 : count] = NOISE_PSK;
    p->psk_count++;
    return 0;
}

/*
 * Reads "psk0+psk3". Section 8: modifiers whose order does not matter are sorted, so each
 * protocol has one name.
 */
static int parse_modifiers(const char **at, struct noise_protocol *p)
{
    int last = -1;
    if (**at == '_')
        return 0;
    do {
        if (!skip(at, "psk") || **at < '0' || **at > '9')
            return TACIT_EINVAL;
        int n = *(*at)++ - '0';
        if (n <= last || place_psk(p, (unsigned)n) != 0)
            return TACIT_EINVAL;
        last = n;
    } while (skip(at, "+"));
    return 0;
}

static int parse_pattern(const char **at, struct noise_protocol *p)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const struct pattern *pattern = &patterns[i];
        if (!skip(at, pattern->name))
            continue;
        p->initiator_static_known = pattern->initiator_static_known;
        p->responder_static_known = pattern->responder_static_known;
        memcpy(p->tokens, pattern->messages, sizeof p->tokens);
        while (p->message_count < NOISE_MESSAGES_MAX &&
               p->tokens[p->message_count][0] != NOISE_END)
            p->message_count++;
        return 0;
    }
    return TACIT_EINVAL;
}

static int parse_ending(const char *at, struct noise_protocol *p)
{
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (strcmp(at, endings[i].text) == 0) {
            p->cipher = endings[i].cipher;
            return 0;
        }
    }
    return TACIT_EINVAL;
}

int noise_protocol_parse(const char *name, struct noise_protocol *ret_protocol)
{
    struct noise_protocol p = {.psk_count = 0};
    size_t len = strnlen(name, NOISE_NAME_MAX + 1);
    if (len > NOISE_NAME_MAX)
        return TACIT_EINVAL;
    memcpy(p.name, name, len);

    const char *at = p.name;
    if (!skip(&at, "Noise_") || parse_pattern(&at, &p) != 0 ||
        parse_modifiers(&at, &p) != 0 || parse_ending(at, &p) != 0)
        return TACIT_EINVAL;
    *ret_protocol = p;
    return 0;
}
