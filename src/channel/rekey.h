/*
 * Fresh keys for a live channel, by a new Diffie-Hellman inside it. PROTOCOL.md, "Fresh
 * keys".
 *
 *     one side                                the other
 *     -> offer    KK message 1
 *                                             <- accept  KK message 2; it sends under new
 *                                                keys from here on
 *     -> switch   it sends under new keys from here on
 *
 * Traffic goes on meanwhile, in both directions. No I/O, no allocation, no clock.
 */
#ifndef TACIT_CHANNEL_REKEY_H
#define TACIT_CHANNEL_REKEY_H

#include "channel/record.h"

enum {
    TACIT_REKEY_MESSAGE = NOISE_DHLEN + NOISE_TAGLEN, /* of KK, either one */
    TACIT_REKEY_DATA_MAX = 1 + 4 + TACIT_REKEY_MESSAGE,
    TACIT_REKEY_RECORD_MAX = TACIT_RECORD_HEADER + TACIT_REKEY_DATA_MAX + TACIT_TAG_MAX,
    TACIT_REKEY_WAIT_MIN =
        30, /* seconds that an exchange may take, whatever the limits */
    /* The least limits that anybody has: offers that come sooner are bounded. */
    TACIT_REKEY_BYTES_MIN = 1 << 20,
    TACIT_REKEY_RECORDS_MIN = 1000,
};

/* From when on fresh keys are due, for each direction by itself. */
struct tacit_rekey_limits {
    uint64_t seconds, bytes, records;
};

/* The long-lived keys, lent for the time of one call: the channel keeps none of them. */
struct tacit_rekey_keys {
    const struct noise_keypair *identity; /* own: that of the handshake */
    const uint8_t *peer_key;              /* NOISE_DHLEN bytes, likewise */
    struct tacit_secret pair_key;         /* zeros where there is none */
};

/*
 * Whether fresh keys are due: a direction has reached its limit, or the keys are `age`
 * seconds old, and no exchange is under way. One of the two sides is asked for an eighth
 * more, so that as a rule one alone offers: for what it sends, the one that sends it; for
 * the age, the handshake's initiator.
 */
bool tacit_rekey_due(const struct tacit_channel *ch,
                     const struct tacit_rekey_limits *limits, uint64_t age);

/*
 * Whether an exchange that began `waited` seconds ago should be over: the limit's
 * seconds, TACIT_REKEY_WAIT_MIN at least, are up. Then somebody may hold its records back
 * who has the present keys, and nothing but ticks is to cross under them any more.
 */
bool tacit_rekey_overdue(const struct tacit_channel *ch,
                         const struct tacit_rekey_limits *limits, uint64_t waited);

/*
 * Whether the data of a record of type rekey is an offer that comes before the present
 * keys have carried, in either direction, what the least limits are: how many of these
 * are taken is for the caller to bound, as each costs five X25519.
 */
bool tacit_rekey_is_early(const struct tacit_channel *ch, const uint8_t *data,
                          size_t len);

/*
 * Seals an offer into out (TACIT_REKEY_RECORD_MAX bytes are enough). TACIT_ESTATE: an
 * exchange is under way, or there are no more generations.
 */
int tacit_rekey_offer(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                      uint8_t *out, size_t out_cap, size_t *ret_len);

/*
 * Takes the data of a record of type rekey, and seals the answer into out: *ret_len is 0
 * where none is due. The answer must be sent before anything that is sealed later. An
 * error means that the peer broke the protocol, or that the keys are worn (TACIT_ELIMIT):
 * the channel can still seal a close, and is then to be wiped.
 */
int tacit_rekey_take(struct tacit_channel *ch, const struct tacit_rekey_keys *keys,
                     const uint8_t *data, size_t len, uint8_t *out, size_t out_cap,
                     size_t *ret_len);

#endif
