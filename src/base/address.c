#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "tacit/error.h"

/* A whole number without sign or leading zeros, at most max. */
static int number_from_text(const char *text, uint32_t max, uint32_t *ret_number)
{
    uint64_t number = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return TACIT_EFORMAT;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return TACIT_EFORMAT;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > max)
            return TACIT_EFORMAT;
    }
    *ret_number = (uint32_t)number;
    return 0;
}

static int port_from_text(const char *text, uint16_t *ret_port)
{
    uint32_t port;
    if (number_from_text(text, 65535, &port) != 0 || port == 0)
        return TACIT_EFORMAT;
    *ret_port = (uint16_t)port;
    return 0;
}

void tacit_address_plain(struct tacit_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    /* An IPv4 address in disguise would pass every rule about IPv4 addresses. */
    if (address->family == 6 && memcmp(address->bytes, mapped, sizeof mapped) == 0) {
        address->family = 4;
        memmove(address->bytes, address->bytes + 12, 4);
        memset(address->bytes + 4, 0, 12);
    }
}

static int ipv6_from_text(const char *text, struct tacit_address *ret_address)
{
    struct tacit_address a = {.family = 6};
    char ip[INET6_ADDRSTRLEN];
    const char *zone = strchr(text, '%');
    size_t len = zone != NULL ? (size_t)(zone - text) : strlen(text);
    if (len >= sizeof ip)
        return TACIT_EFORMAT;
    memcpy(ip, text, len);
    ip[len] = '\0';
    if (inet_pton(AF_INET6, ip, a.bytes) != 1)
        return TACIT_EFORMAT;
    if (zone != NULL) {
        /* Only link-local addresses have a zone. Names of interfaces would need I/O. */
        bool link_local = a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80;
        if (!link_local || number_from_text(zone + 1, UINT32_MAX, &a.scope) != 0 ||
            a.scope == 0)
            return TACIT_EFORMAT;
    }
    tacit_address_plain(&a);
    *ret_address = a;
    return 0;
}

static int ip_from_text(const char *text, struct tacit_address *ret_address)
{
    struct tacit_address a = {.family = 4};
    if (strchr(text, ':') != NULL)
        return ipv6_from_text(text, ret_address);
    if (inet_pton(AF_INET, text, a.bytes) != 1)
        return TACIT_EFORMAT;
    *ret_address = a;
    return 0;
}

/*
 * Takes "HOST", "HOST:PORT", "[HOST]" or "[HOST]:PORT" apart. host gets at most cap - 1
 * bytes; without a port the default one is meant.
 */
static int split_host_port(const char *text, char *host, size_t cap, bool *ret_bracketed,
                           uint16_t *ret_port)
{
    bool bracketed = *text == '[';
    const char *start = text + bracketed;
    size_t len = strcspn(start, bracketed ? "]" : ":");
    const char *rest = start + len + bracketed;
    if (len == 0 || len >= cap || (bracketed && start[len] != ']'))
        return TACIT_EFORMAT;
    if (*rest != '\0' && (*rest != ':' || port_from_text(rest + 1, ret_port) != 0))
        return TACIT_EFORMAT;
    if (*rest == '\0')
        *ret_port = TACIT_PORT_DEFAULT;
    memcpy(host, start, len);
    host[len] = '\0';
    *ret_bracketed = bracketed;
    return 0;
}

int tacit_address_from_text(const char *text, struct tacit_address *ret_address)
{
    struct tacit_address a;
    char ip[TACIT_ADDRESS_TEXT];
    uint16_t port;
    bool bracketed;
    /* Brackets are for IPv6 and IPv6 needs them: "::1:4370" would be another address. */
    if (split_host_port(text, ip, sizeof ip, &bracketed, &port) != 0 ||
        bracketed != (strchr(ip, ':') != NULL) || ip_from_text(ip, &a) != 0)
        return TACIT_EFORMAT;
    a.port = port;
    *ret_address = a;
    return 0;
}

int tacit_ip_from_text(const char *text, struct tacit_address *ret_address)
{
    char ip[TACIT_ADDRESS_TEXT];
    size_t len = strlen(text);
    if (*text != '[')
        return ip_from_text(text, ret_address);
    if (len < 2 || len - 2 >= sizeof ip || text[len - 1] != ']')
        return TACIT_EFORMAT;
    memcpy(ip, text + 1, len - 2);
    ip[len - 2] = '\0';
    return strchr(ip, ':') != NULL ? ip_from_text(ip, ret_address) : TACIT_EFORMAT;
}

void tacit_address_to_text(const struct tacit_address *address,
                           char ret_text[TACIT_ADDRESS_TEXT])
{
    char ip[INET6_ADDRSTRLEN] = "?", zone[16] = "", port[8] = "";
    bool brackets = address->family == 6 && address->port != 0;
    inet_ntop(address->family == 6 ? AF_INET6 : AF_INET, address->bytes, ip, sizeof ip);
    if (address->scope != 0)
        snprintf(zone, sizeof zone, "%%%u", (unsigned)address->scope);
    if (address->port != 0)
        snprintf(port, sizeof port, ":%u", address->port);
    snprintf(ret_text, TACIT_ADDRESS_TEXT, "%s%s%s%s%s", brackets ? "[" : "", ip, zone,
             brackets ? "]" : "", port);
}

bool tacit_address_is_wildcard(const struct tacit_address *address)
{
    static const uint8_t zeros[16];
    return memcmp(address->bytes, zeros, sizeof zeros) == 0;
}

bool tacit_address_equal(const struct tacit_address *a, const struct tacit_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0 &&
           a->port == b->port && a->scope == b->scope;
}

/* A name for the resolver, or an IPv4 address. */
static bool dns_name_ok(const char *host)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *last = strrchr(host, '.');
    last = last != NULL ? last + 1 : host;
    if (host[strspn(host, allowed)] != '\0' || *host == '.' || *host == '-' ||
        *last == '\0' || strstr(host, "..") != NULL)
        return false;
    /* The resolver would take "10.1" and "0x7f.1" for addresses that nobody meant. */
    struct tacit_address address;
    bool numeric = last[strspn(last, "0123456789")] == '\0' ||
                   strncmp(last, "0x", 2) == 0 || strncmp(last, "0X", 2) == 0;
    return !numeric || ip_from_text(host, &address) == 0;
}

int tacit_endpoint_from_text(const char *text, struct tacit_endpoint *ret_endpoint)
{
    struct tacit_endpoint endpoint;
    struct tacit_address address;
    bool bracketed;
    memset(&endpoint, 0, sizeof endpoint);
    if (split_host_port(text, endpoint.host, sizeof endpoint.host, &bracketed,
                        &endpoint.port) != 0)
        return TACIT_EFORMAT;
    if (bracketed ? ipv6_from_text(endpoint.host, &address) != 0
                  : !dns_name_ok(endpoint.host))
        return TACIT_EFORMAT;
    *ret_endpoint = endpoint;
    return 0;
}
