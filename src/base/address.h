/* IP addresses and endpoints, and as text. */
#ifndef TACIT_BASE_ADDRESS_H
#define TACIT_BASE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    TACIT_PORT_DEFAULT = 4370,
    TACIT_HOST_MAX = 255, /* bytes of a host's name */
    TACIT_ADDRESS_TEXT = 80,
    TACIT_DOOR_PATH_MAX = 107, /* bytes of a Unix socket's path */
};

/* An IP address and port. family 4 or 6; IPv4 uses the first four bytes. */
struct tacit_address {
    uint8_t family;
    uint8_t bytes[16];
    uint16_t port;
    uint32_t scope; /* IPv6 zone index, 0 for none */
};

/* Where a node is reached: a host name or a literal address, and a port. */
struct tacit_endpoint {
    char host[TACIT_HOST_MAX + 1];
    uint16_t port;
};

/*
 * "192.0.2.1:4370", "[2001:db8::1]:4370"; without a port the default one is meant. A zone
 * is a number, on link-local addresses only ("[fe80::1%2]"). IPv4 addresses in IPv6 form
 * (::ffff:192.0.2.1) become IPv4. As text, port 0 is left out, and the brackets with it.
 */
int tacit_address_from_text(const char *text, struct tacit_address *ret_address);
void tacit_address_to_text(const struct tacit_address *address,
                           char ret_text[TACIT_ADDRESS_TEXT]);

/* An address without a port; IPv6 with or without brackets. */
int tacit_ip_from_text(const char *text, struct tacit_address *ret_address);

/* "HOST", "HOST:PORT" or "[IPV6]:PORT"; the host comes out without brackets. */
int tacit_endpoint_from_text(const char *text, struct tacit_endpoint *ret_endpoint);

/* Whether they are one address, with one port. */
bool tacit_address_equal(const struct tacit_address *a, const struct tacit_address *b);

bool tacit_address_is_wildcard(const struct tacit_address *address);

/* IPv4 addresses in IPv6 form become IPv4, as they are wherever rules are asked. */
void tacit_address_plain(struct tacit_address *address);

#endif
