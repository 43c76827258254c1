/* Names, keys, addresses and times as text, wherever people write or read them. */
#ifndef TACIT_POLICY_TEXT_H
#define TACIT_POLICY_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/rules.h"

enum {
    TACIT_KEY_TEXT = 45, /* base64 of 32 bytes, with its zero */
    TACIT_FINGERPRINT_BYTES = 32,
    TACIT_FINGERPRINT_TEXT = 44, /* of a fingerprint, with its zero */
    TACIT_ADDRESS_TEXT = 80,
    TACIT_NETWORK_TEXT = 48, /* an address, and how many of its bits count */
    TACIT_TIME_TEXT = 21,    /* "2026-12-31T23:59:59Z" with its zero */
};

/* --- names ------------------------------------------------------------------------ */

/*
 * Whether name may be a node's: one '@', a name part of letters, digits, '_', '-', a host
 * part of bytes 33..126 without '*', at most 255 bytes. Names are compared byte for byte.
 */
bool tacit_name_ok(const char *name);

/* The same for a bare host part. */
bool tacit_host_ok(const char *host);

/* Whether both have a host part, and the same one, byte for byte. */
bool tacit_name_same_host(const char *a, const char *b);

/* Whether glob may stand in a rule: a name in which '*' is allowed in both parts. */
bool tacit_glob_ok(const char *glob);

/* Whether glob matches name. '*' matches any run of bytes but '@'. */
bool tacit_glob_match(const char *glob, const char *name);

/* --- keys, addresses as text ------------------------------------------------------ */

/* 32 bytes as base64, and back. Decoding is strict: 44 characters, canonical. */
void tacit_key_to_text(const uint8_t key[TACIT_KEY_BYTES], char ret_text[TACIT_KEY_TEXT]);
int tacit_key_from_text(const char *text, uint8_t ret_key[TACIT_KEY_BYTES]);

/* The fingerprint of a public key: base64url, unpadded, of its BLAKE2b-256. */
void tacit_fingerprint(const uint8_t public_key[TACIT_KEY_BYTES],
                       char ret_text[TACIT_FINGERPRINT_TEXT]);

/* The same as bytes, and from text: TACIT_EFORMAT. */
void tacit_fingerprint_bytes(const uint8_t public_key[TACIT_KEY_BYTES],
                             uint8_t ret_hash[TACIT_FINGERPRINT_BYTES]);
int tacit_fingerprint_from_text(const char *text,
                                uint8_t ret_hash[TACIT_FINGERPRINT_BYTES]);

/*
 * "192.0.2.1:4370", "[2001:db8::1]:4370"; without a port the default one is meant. A zone
 * is a number, on link-local addresses only ("[fe80::1%2]"). IPv4 addresses in IPv6 form
 * (::ffff:192.0.2.1) become IPv4. As text, port 0 is left out, and the brackets with it.
 */
int tacit_address_from_text(const char *text, struct tacit_address *ret_address);
void tacit_address_to_text(const struct tacit_address *address,
                           char ret_text[TACIT_ADDRESS_TEXT]);

/* Whether they are one address, with one port. */
bool tacit_address_equal(const struct tacit_address *a, const struct tacit_address *b);

/*
 * "2026-12-31T23:59:59Z", in UTC, or "2026-12-31", the day's first second; years 1970 to
 * 9999. In seconds since 1970.
 */
int tacit_time_from_text(const char *text, uint64_t *ret_time);
void tacit_time_to_text(uint64_t time, char ret_text[TACIT_TIME_TEXT]);

/* "HOST", "HOST:PORT" or "[IPV6]:PORT"; the host comes out without brackets. */
int tacit_endpoint_from_text(const char *text, struct tacit_endpoint *ret_endpoint);

#endif
