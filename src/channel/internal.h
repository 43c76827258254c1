/*
 * What handshake.c, record.c and rekey.c share and nobody else may call: the protocols,
 * and how a channel comes by the record keys of a generation. PROTOCOL.md, "Records" and
 * "Fresh keys".
 */
#ifndef TACIT_CHANNEL_INTERNAL_H
#define TACIT_CHANNEL_INTERNAL_H

#include "channel/record.h"
#include "noise/noise.h"

/* Of the handshake that opens a channel, and of the one that gives it fresh keys. */
enum tacit__protocol {
    TACIT__HANDSHAKE,
    TACIT__REKEY,
};

/* NULL: its name is not one that noise can take apart. */
const struct noise_protocol *tacit__protocol(enum tacit__protocol which);

/*
 * The root and hash of a generation, in place of those before: from the Split() keys of
 * the handshake that was made for it, its initiator's first, and from its hash. The
 * directions keep the keys that they have.
 */
void tacit__set_root(struct tacit_channel *ch, uint32_t generation,
                     const struct tacit_secret split[2], const uint8_t h[NOISE_HASHLEN]);

/* Wipes a direction's key and gives it the one of ch's root; its counts begin again. */
void tacit__switch_send(struct tacit_channel *ch);
void tacit__switch_receive(struct tacit_channel *ch);

#endif
