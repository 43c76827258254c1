/*
 * What the three handshake messages carry: strict, length-checked, of one size each.
 * PROTOCOL.md, "Payloads".
 */
#ifndef TACIT_CHANNEL_PAYLOAD_H
#define TACIT_CHANNEL_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/meshkey.h"
#include "noise/noise.h"
#include "tacit/error.h"

/*
 * A directory link's two sides: names that no node and no host can have. The empty name
 * is the one wanted. PROTOCOL.md, "Directory".
 */
#define TACIT_DOOR_NAME "@door"
#define TACIT_REQUESTER_NAME "@asker"

enum {
    TACIT_VERSION = 1, /* the one protocol version of this code */
    TACIT_CLAIM_NAME_MAX = 255,
    TACIT_CLAIM_MESH_KEYS_MAX = 4,
    TACIT_CLAIM_CERTIFICATE_MAX = 640, /* bytes: policy's, which this room knows not */
    /* Payload sizes: padded, so that lengths tell nothing. */
    TACIT_FIRST_PAYLOAD = 336,
    TACIT_CLAIM_PAYLOAD = 1024,
    /* Message sizes: message 1 is e and a tag, 2 is e, s, two tags, 3 is s, two tags. */
    TACIT_MESSAGE_1 = NOISE_DHLEN + TACIT_FIRST_PAYLOAD + NOISE_TAGLEN,
    TACIT_MESSAGE_2 = 2 * NOISE_DHLEN + TACIT_CLAIM_PAYLOAD + 2 * NOISE_TAGLEN,
    TACIT_MESSAGE_3 = NOISE_DHLEN + TACIT_CLAIM_PAYLOAD + 2 * NOISE_TAGLEN,
    TACIT_MESSAGE_HEADER = 2,
};

/* Message 1: readable by everyone who holds the mesh key, so nothing secret. */
struct tacit_first {
    uint8_t version_min, version_max;
    unsigned suites;                       /* mask of suites on offer */
    uint64_t time;                         /* seconds since 1970 */
    char wanted[TACIT_CLAIM_NAME_MAX + 1]; /* the node asked for; "": the door itself */
};

/* Messages 2 and 3: who is speaking. version and suite are the responder's choice (2). */
struct tacit_claim {
    uint8_t version; /* 0: none in common */
    uint8_t suite;   /* 0: none in common */
    bool dynamic;    /* name is a bare host: the peer wants to be named by us */
    char name[TACIT_CLAIM_NAME_MAX + 1];
    size_t certificate_len;  /* 0: none; it is for the rules to read */
    const char *certificate; /* another's: it may go, or be wiped, before the claim */
    size_t
        mesh_key_count; /* key IDs of the mesh keys that it can open; it seals with the */
    uint8_t mesh_keys[TACIT_CLAIM_MESH_KEYS_MAX][TACIT_KEY_ID]; /* first. 0: not told */
};

/* Writes exactly TACIT_FIRST_PAYLOAD / TACIT_CLAIM_PAYLOAD bytes. */
int tacit_first_write(const struct tacit_first *first, uint8_t out[TACIT_FIRST_PAYLOAD]);
int tacit_claim_write(const struct tacit_claim *claim, uint8_t out[TACIT_CLAIM_PAYLOAD]);

/*
 * TACIT_EFORMAT: not exactly what PROTOCOL.md describes. A claim's certificate is in the
 * payload.
 */
int tacit_first_read(const uint8_t *payload, size_t len, struct tacit_first *ret_first);
int tacit_claim_read(const uint8_t *payload, size_t len, struct tacit_claim *ret_claim);

#endif
