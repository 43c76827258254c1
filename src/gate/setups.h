/*
 * Links that are up as channels, but not yet for Erlang: the peer has proved its key and
 * has yet to show that it has the cookie. Until then it costs a port and a process, and
 * Erlang makes an atom of its name, for good. No I/O, no clock: now is the caller's, in
 * milliseconds of a monotonic clock.
 */
#ifndef TACIT_GATE_SETUPS_H
#define TACIT_GATE_SETUPS_H

#include <stddef.h>

#include "gate/bucket.h"
#include "noise/noise.h"

enum {
    TACIT_SETUPS_MAX = 1024, /* at once */
    TACIT_SETUPS_OF_KEY = 256,
    TACIT_SETUPS_NAMES = 1024, /* buckets for new names: keys share them by chance */
};

/* Zero it to start. */
struct tacit_setups {
    struct {
        uint8_t key[NOISE_DHLEN];
        unsigned count; /* 0: nobody's */
    } of[TACIT_SETUPS_MAX];
    unsigned count;
    bool keyed;
    uint8_t hash_key[16];
    struct tacit_bucket names[TACIT_SETUPS_NAMES];
};

/* One more of the peer with this static key; false: it has as many as it may, or all
 * have.
 */
bool tacit_setups_enter(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN]);
/* One that was entered is over: it is a link now, or gone. */
void tacit_setups_leave(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN]);

/*
 * A name comes up of which there is no atom: false where the key has brought too many
 * that never became links, 1000 and one a minute.
 */
bool tacit_setups_name(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN],
                       int64_t now);
/* The name has a link: it does not count. */
void tacit_setups_named(struct tacit_setups *s, const uint8_t key[NOISE_DHLEN]);

#endif
