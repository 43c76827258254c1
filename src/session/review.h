/*
 * A live link: whether it may go on. Asked when the rules, the keys that are revoked or
 * the time are others; the facts are what its handshake proved, and what the distribution
 * handshake said since. session.h has the room.
 */
#ifndef TACIT_SESSION_REVIEW_H
#define TACIT_SESSION_REVIEW_H

#include "session/ruling.h"

enum {
    TACIT_PAIR_KEY_ID = 16,
};

/* What a link is judged by. The owner keeps what is pointed to. */
struct tacit_review {
    const struct tacit_claim *peer; /* its certificate, too */
    const uint8_t *peer_key;
    const struct tacit_address *address;
    bool inbound;
    enum tacit_suite suite;     /* in use */
    uint8_t seen;               /* enum tacit_visibility: what the peer said that it is */
    const uint8_t *pair_key_id; /* of the pair key that the handshake used */
};

/* By what a pair key is known again; the key ID of zeros where the peer has none. */
void tacit_pair_key_id(const struct tacit_policy *policy, const uint8_t key[NOISE_DHLEN],
                       uint8_t ret_id[TACIT_PAIR_KEY_ID]);

/*
 * Whether the link may go on under this policy, now; revoked: the host has revoked the
 * peer's key by itself. *ret_ruling is filled: 0, or an error, and what to close with.
 */
int tacit_review(const struct tacit_review *link, const struct tacit_policy *policy,
                 const struct tacit_now *now, bool revoked, struct ruling *ret_ruling);

#endif
