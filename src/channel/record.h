/*
 * Records: everything that crosses an established channel. PROTOCOL.md, "Records".
 *
 * No I/O, no allocation. A record that does not open ends the channel for good.
 */
#ifndef TACIT_CHANNEL_RECORD_H
#define TACIT_CHANNEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "channel/suite.h"
#include "noise/noise.h"
#include "tacit/error.h"

enum {
    TACIT_RECORD_HEADER = 2,
    TACIT_RECORD_BODY_MAX = 65535,
    TACIT_RECORD_MAX = TACIT_RECORD_HEADER + TACIT_RECORD_BODY_MAX,
    TACIT_TAG_MAX = 32,
    /* The most data that fits a record whatever the suite: body less tag. */
    TACIT_RECORD_DATA_MAX = TACIT_RECORD_BODY_MAX - TACIT_TAG_MAX,
    TACIT_CLOSE_TEXT_MAX = 200,
    TACIT_CONTROL_MAX = 256, /* data of a record that is not of type data */
};

/* What a record carries: sealed with it, and never sent. */
enum tacit_record_type {
    TACIT_RECORD_DATA = 1,
    TACIT_RECORD_REKEY = 2, /* fresh keys are agreed: rekey.h */
    TACIT_RECORD_CLOSE = 3,
};

/* Why a side closes; told inside the seal, so to an authenticated peer only. */
enum tacit_close {
    TACIT_CLOSE_DONE = 1,      /* nothing more to say */
    TACIT_CLOSE_REFUSED = 2,   /* no line allows the key */
    TACIT_CLOSE_NAME = 3,      /* the key is known, but not good for the name claimed */
    TACIT_CLOSE_MISMATCH = 4,  /* the distribution handshake claims another name */
    TACIT_CLOSE_KEY_LIMIT = 5, /* the keys have sealed all that they may */
    TACIT_CLOSE_PROTOCOL = 6,  /* the peer broke the protocol */
    TACIT_CLOSE_TOO_BIG = 7,   /* a distribution message over the limit */
    /* For keys that are known: which of the rules is in the way. */
    TACIT_CLOSE_ADDRESS = 8,      /* not from this address */
    TACIT_CLOSE_DIRECTION = 9,    /* the link is for the other side to open */
    TACIT_CLOSE_EXPIRED = 10,     /* the rule, or the certificate, has run out */
    TACIT_CLOSE_REVOKED = 11,     /* the key is revoked */
    TACIT_CLOSE_CERTIFICATE = 12, /* what the certificate says does not allow it */
    TACIT_CLOSE_VISIBILITY = 13,  /* hidden or visible, and the rule wants the other */
    TACIT_CLOSE_BUSY = 14, /* no room for one link more just now, of the key or of all */
    TACIT_CLOSE_LAST = TACIT_CLOSE_BUSY
};

/* One direction of a channel. */
struct tacit_direction {
    struct tacit_seal_key key;
    uint64_t counter; /* records so far: the next one's nonce */
    uint64_t bytes;   /* sealed bytes so far */
};

/* Where a side is on its way to fresh keys; only rekey.c looks inside. */
struct tacit_rekey {
    enum {
        TACIT_REKEY_NONE,     /* both directions have the keys of one generation */
        TACIT_REKEY_OFFERED,  /* our offer is out */
        TACIT_REKEY_ACCEPTED, /* we send under the new keys, the peer not yet */
    } state;
    bool ignored;                 /* the peer's offer crossed ours, and lost */
    struct noise_handshake noise; /* OFFERED; without our static private key */
};

/* An established channel. It holds keys: wipe it when done. */
struct tacit_channel {
    struct tacit_direction send, receive;
    enum tacit_suite suite;
    enum noise_role role; /* of the handshake, for the channel's whole life */
    uint32_t generation;  /* of root: 0 from the handshake, one more with each rekey */
    uint8_t root[NOISE_HASHLEN]; /* what the record keys come from: secret */
    uint8_t h[NOISE_HASHLEN];    /* hash of the handshake that root came from */
    struct tacit_rekey rekey;
    bool failed;
};

/*
 * Derives the record keys of generation 0 from what a finished handshake gives: its two
 * Split() keys, initiator's first, and its hash.
 */
void tacit_channel_init(struct tacit_channel *ch, enum noise_role role,
                        enum tacit_suite suite, const struct tacit_secret split[2],
                        const uint8_t h[NOISE_HASHLEN]);

/*
 * Seals one record of the type into out. A single piece is sealed straight from where it
 * lies (out + TACIT_RECORD_HEADER, or anywhere else that does not overlap out); several
 * are put together in out first. TACIT_ESPACE: out_cap is too small; TACIT_ELIMIT: too
 * much for a record of the type, or the key is worn out.
 */
int tacit_channel_seal(struct tacit_channel *ch, enum tacit_record_type type,
                       const struct iovec *iov, int iov_count, uint8_t *out,
                       size_t out_cap, size_t *ret_len);

/*
 * How many bytes the record at the front of bytes takes, header included: 0 where fewer
 * than two are there yet. The record is complete when len is at least that.
 */
size_t tacit_record_size(const uint8_t *bytes, size_t len);

/*
 * Opens the complete record of size bytes. Its data goes to out, which may be
 * record + TACIT_RECORD_HEADER (in place) or size - TACIT_RECORD_HEADER - tag bytes of
 * the caller's.
 * After any error the channel has failed: nothing of the record may be used.
 */
int tacit_channel_open(struct tacit_channel *ch, const uint8_t *record, size_t size,
                       uint8_t *out, size_t *ret_len, enum tacit_record_type *ret_type);

/* Seals a close with its reason and a text of at most TACIT_CLOSE_TEXT_MAX bytes. */
int tacit_channel_seal_close(struct tacit_channel *ch, enum tacit_close reason,
                             const char *text, uint8_t *out, size_t out_cap,
                             size_t *ret_len);

/* Reads a close record's plaintext; ret_text gets printable ASCII only. */
int tacit_close_parse(const uint8_t *data, size_t len, enum tacit_close *ret_reason,
                      char ret_text[TACIT_CLOSE_TEXT_MAX + 1]);

/* "refused", "name", ...: for logs and as an Erlang atom. */
const char *tacit_close_name(enum tacit_close reason);

/* Wipes its keys: the channel is over. */
void tacit_channel_wipe(struct tacit_channel *ch);

#endif
