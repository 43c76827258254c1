/*
 * What the policy's answer about a peer means on a channel: whether it may come, what it
 * hears where it may not, and what our own log says. No I/O, no clock. session.h has the
 * room.
 */
#ifndef TACIT_SESSION_RULING_H
#define TACIT_SESSION_RULING_H

#include "channel/payload.h"
#include "channel/record.h"
#include "gate/clock.h"
#include "policy/policy.h"

enum {
    RULING_TEXT = 256,
    RULING_LINE = 240, /* "FILE:LINE", with its zero; of a long path the end */
};

/* What the rules say of a peer. */
struct ruling {
    enum tacit_close reason; /* why not */
    char text[RULING_TEXT];  /* the same for people */
    enum tacit_reason why;   /* for us: more than a key that is not known may hear */
    bool known;              /* the key */
    uint8_t visibility;      /* enum tacit_visibility: what the peer must be */
    char line[RULING_LINE];  /* of the configuration, that decided; "" for none */
    uint64_t until;          /* when to ask again, in seconds since 1970 */
    uint64_t signed_at;      /* not-before of the certificate that counted; 0: none did */
};

/*
 * Whether the policy allows the peer, who proved to hold key, at address, now; revoked:
 * the host has revoked the key by itself. 0, or an error with *ret_ruling filled.
 */
int ruling_on_peer(const struct tacit_policy *policy, const struct tacit_claim *peer,
                   const uint8_t key[NOISE_DHLEN], const struct tacit_address *address,
                   bool inbound, const struct tacit_now *now, bool revoked,
                   struct ruling *ret_ruling);

/* The same for one who asks for the directory and proved to hold key. */
int ruling_on_requester(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                        const struct tacit_address *address, const struct tacit_now *now,
                        bool revoked, struct ruling *ret_ruling);

/*
 * Whether a peer that was let in is the kind of node that its rule asks for: "", or what
 * is wrong. visibility and seen: enum tacit_visibility, of the ruling and of the peer.
 */
const char *ruling_visibility_fault(uint8_t visibility, uint8_t seen);

/* What a refusal says in our own log: of one who dialled us, or whom we dialled. */
const char *ruling_for_us(const struct ruling *ruling);
const char *ruling_of_ours(const struct ruling *ruling);

#endif
