/*
 * Two sides of a channel, in memory: what the programs that test src/channel share. A
 * side answers its handshake's questions as its fields say, and notes what it was asked.
 */
#ifndef TACIT_TEST_CHANNEL_H
#define TACIT_TEST_CHANNEL_H

#include "test_unit.h"

#include <sodium.h>
#include <string.h>

#include "channel/handshake.h"

/* Messages as they cross the wire, their length included. */
enum {
    WIRE_1 = TACIT_MESSAGE_HEADER + TACIT_MESSAGE_1,
    WIRE_2 = TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2,
    WIRE_3 = TACIT_MESSAGE_HEADER + TACIT_MESSAGE_3,
    ANY_SIZE = 1 << 20, /* for pieces as large as they come */
};

struct side {
    struct tacit_handshake hs;
    struct tacit_channel channel;
    struct noise_keypair identity;
    const struct noise_keypair *door_identity;
    struct tacit_secret mesh_keys[4], pair_key;
    size_t mesh_key_count;
    unsigned suites;
    const char *name, *wanted, *certificate;
    bool dynamic;
    int first_answer, decide_answer;
    unsigned firsts, pair_keys, decisions; /* how often it was asked */
    struct tacit_first first;
    struct tacit_claim claim;
    uint8_t ephemeral[NOISE_DHLEN], pair_key_of[NOISE_DHLEN], decided[NOISE_DHLEN];
};

/* An initiator i and a responder r that agree on everything; not started. */
struct pair {
    struct side i, r;
};

static const uint64_t NOW = 1800000000;

void pair_make(struct pair *p);
/* Starts one side; gives what tacit_handshake_init does. */
int side_start(struct side *s, enum noise_role role);
/* Starts both, which must work. */
void pair_start(struct pair *p);

/* Moves all that from has to send to to, cut into pieces; to's error, or 0. */
int carry(struct side *from, struct side *to, size_t piece);
/* Carries until nobody has anything to send; the first error, or 0. */
int carry_all(struct pair *p, size_t piece);
/* Carries all, which must work, and finishes both. */
void pair_open(struct pair *p);

/* Takes a message out of what a side has to send. */
size_t take_output(struct side *from, uint8_t out[WIRE_2]);
/* All of them, and answers what they make it ask. */
int feed(struct side *to, const uint8_t *bytes, size_t len);
/* Answers what its handshake asks, if it asks: as its fields say; the error, or 0. */
int side_answer(struct side *s);

/* Failed for good: wants nothing, has nothing to send, holds no secret. */
void assert_dead(const struct side *s);

/*
 * A peer that seals what it likes: Noise as the channel uses it, with payloads of the
 * test's own. Its psks are those of the side.
 */
struct raw {
    struct noise_protocol protocol;
    struct noise_handshake noise;
    const struct side *side;
};

void raw_start(struct raw *raw, const struct side *side, enum noise_role role);
/* Seals payload behind its length. Gives the message's size. */
size_t raw_write(struct raw *raw, const uint8_t *payload, size_t len, uint8_t *out,
                 size_t out_cap);
/* Opens a message and gives its payload; it must open. */
size_t raw_read(struct raw *raw, const uint8_t *message, size_t len, uint8_t *payload,
                size_t cap);

#endif
