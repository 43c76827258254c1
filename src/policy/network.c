/* The networks of `from`. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether no bit behind the first `bits` is set: "192.0.2.1/24" is somebody's slip. */
static bool rest_is_zero(const struct tacit_address *address, unsigned bits)
{
    for (unsigned i = bits; i < 8 * sizeof address->bytes; i++) {
        if ((address->bytes[i / 8] & 0x80 >> i % 8) != 0)
            return false;
    }
    return true;
}

/* 0..128, without sign or leading zeros. */
static int bits_from_text(const char *text, unsigned *ret_bits)
{
    size_t len = strlen(text);
    if (len < 1 || len > 3 || strspn(text, "0123456789") != len ||
        (len > 1 && *text == '0') || atoi(text) > 128)
        return TACIT_EFORMAT;
    *ret_bits = (unsigned)atoi(text);
    return 0;
}

int policy_network_from_text(const char *text, struct policy_network *ret_network)
{
    struct policy_network n;
    char ip[TACIT_ADDRESS_TEXT];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof ip)
        return TACIT_EFORMAT;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (tacit_ip_from_text(ip, &n.address) != 0 || n.address.scope != 0)
        return TACIT_EFORMAT;
    /* "::ffff:192.0.2.0/120" was written in 128 bits, and is held in 32. */
    bool v4 = n.address.family == 4;
    unsigned written = v4 && strchr(ip, ':') == NULL ? 32 : 128, most = v4 ? 32 : 128;
    n.bits = written;
    if (slash != NULL && bits_from_text(slash + 1, &n.bits) != 0)
        return TACIT_EFORMAT;
    if (n.bits > written || written - n.bits > most)
        return TACIT_EFORMAT;
    n.bits = most - (written - n.bits);
    if (!rest_is_zero(&n.address, n.bits))
        return TACIT_EFORMAT;
    *ret_network = n;
    return 0;
}

void policy_network_to_text(const struct policy_network *network,
                            char ret_text[TACIT_NETWORK_TEXT])
{
    char ip[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(&network->address, ip);
    if (network->bits == (network->address.family == 4 ? 32 : 128))
        snprintf(ret_text, TACIT_NETWORK_TEXT, "%.43s", ip);
    else
        snprintf(ret_text, TACIT_NETWORK_TEXT, "%.43s/%u", ip, network->bits & 0xff);
}

bool policy_network_has(const struct policy_network *network,
                        const struct tacit_address *address)
{
    unsigned whole = network->bits / 8, left = network->bits % 8;
    const uint8_t *a = network->address.bytes, *b = address->bytes;
    if (network->address.family != address->family || memcmp(a, b, whole) != 0)
        return false;
    return left == 0 || ((a[whole] ^ b[whole]) & 0xff << (8 - left) & 0xff) == 0;
}
