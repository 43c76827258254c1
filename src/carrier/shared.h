/* What all ports of the driver share, and the rules on who may come. */
#ifndef TACIT_CARRIER_SHARED_H
#define TACIT_CARRIER_SHARED_H

#include <erl_driver.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/handshake.h"
#include "gate/admission.h"
#include "gate/clock.h"
#include "policy/revoked.h"
#include "session/ruling.h"

enum {
    REASON_MAX = 256,
};

/* --- shared.c --------------------------------------------------------------------- */

/* A private key in use by somebody: a configuration, or links that were made with it. */
struct identity {
    atomic_uint count;
    struct noise_keypair *pair; /* in locked memory, read-only */
};

/* A policy in use by somebody. */
struct policy_ref {
    atomic_uint count;
    struct identity
        *identity; /* the policy's own: shared with others that have the same */
    struct tacit_policy *policy;
    struct tacit_revoked revoked; /* as its file had them when it was read */
};

/* Why a link to or from a name did not come up, or ended. */
struct refusal {
    char name[TACIT_NAME_MAX + 1];
    char reason[32];       /* an atom's text */
    char text[REASON_MAX]; /* for people */
    uint64_t time;         /* seconds since 1970 */
    uint64_t number;       /* the later, the higher; 0: there is none */
    bool inbound;
};

struct counters {
    atomic_uint_least64_t accepted;   /* sockets */
    atomic_uint_least64_t pending;    /* of them, handshake not done: goes up and down */
    atomic_uint_least64_t strangers;  /* of them, without a valid first message */
    atomic_uint_least64_t replays;    /* first messages seen before, out of time, or for
                                         another host */
    atomic_uint_least64_t refused;    /* authenticated, but not allowed */
    atomic_uint_least64_t evicted;    /* to make room */
    atomic_uint_least64_t handshakes; /* completed, in either role */
    atomic_uint_least64_t exchanges;  /* first messages answered: X25519 was computed */
    atomic_uint_least64_t limited;    /* valid ones that were too many: it was not */
    atomic_uint_least64_t
        unauthenticated_bytes; /* bytes sent before a valid first message */
};

extern struct counters carrier_counters;

/* When the driver is loaded, and unloaded. */
int shared_init(void);
void shared_finish(void);

/* The configuration that the reload of this number has read: it replaces what another
 * offered. Takes ref over. */
void shared_offer(struct policy_ref *ref, uint64_t reload);
/* What that reload offers, or NULL; give it back with policy_release. */
struct policy_ref *shared_candidate(uint64_t reload);
/* Puts that in force; false: there is none, or another's. */
bool shared_adopt(uint64_t reload);
void shared_withdraw(uint64_t reload);

/* The policy in force; NULL before the first load. Give it back with policy_release. */
struct policy_ref *shared_policy(void);
void policy_release(struct policy_ref *ref);

/* tacit_setups_*, under its lock: what is just being set up with the peer of this key. */
bool shared_setup_enter(const uint8_t key[NOISE_DHLEN]);
void shared_setup_leave(const uint8_t key[NOISE_DHLEN]);
bool shared_setup_name(const uint8_t key[NOISE_DHLEN]);
void shared_setup_named(const uint8_t key[NOISE_DHLEN]);

/* Remembers why a link with name failed; the oldest is forgotten. */
void shared_note_refusal(const char *name, bool inbound, const char *reason,
                         const char *text);
bool shared_last_refusal(const char *name, struct refusal *ret_refusal);

/* The keys that this host revoked by itself: those in force, which *list replaces. */
void shared_revoke(struct tacit_revoked *list);
/* A copy of them; TACIT_ENOMEM. */
int shared_revoked(struct tacit_revoked *ret_list);
bool shared_is_revoked(const uint8_t key[NOISE_DHLEN]);

/* This node's place at the host's door, for tacit:info/0. */
struct door_status {
    char path[TACIT_DOOR_PATH_MAX + 1]; /* of the door's socket; "": it needs none */
    char state[16];                     /* none, registered, lost, refused */
    char text[REASON_MAX];              /* for people: what is wrong */
};

/* Keeps it; copies it out. */
void shared_set_door(const char *path, const char *state, const char *text);
void shared_door(struct door_status *ret_status);

/*
 * The mesh keys that the host's door opens: none before it has told, NULL where this node
 * is not reached by a door. Whether that is another than before.
 */
bool shared_set_door_keys(const struct tacit_key_ids *key_ids);
/* Those of the policy's mesh keys that no peer is to be shown: tacit_mesh_hidden. */
unsigned shared_hidden_keys(const struct tacit_policy *policy);

uint64_t wall_clock(void); /* seconds since 1970 */
ErlDrvTime monotonic_ms(void);

/* --- admission and clock
 * ---------------------------------------------------------------- */

/* When the driver is loaded, and unloaded. */
int gate_init(void);
void gate_finish(void);

/* What time it is: gate/clock.h. */
struct tacit_now gate_now(void);
/* A certificate of that time counted: it is never earlier than that. */
void gate_signed(const struct tacit_now *now, uint64_t time);
/* Our own certificate is of that time, or 0. */
void gate_own_signed(uint64_t time);
/* The seconds by which the wall clock was set since the last call; 0: it was not. */
int64_t gate_step(void);

/* tacit_admission_first, under its lock: a first message that came in, from this source.
 */
int gate_first(const struct tacit_address *source, const uint8_t ephemeral[NOISE_DHLEN],
               uint64_t time, int *ret_skew);
/* One of this node's own, lest it come back. */
void gate_own(const uint8_t ephemeral[NOISE_DHLEN], uint64_t time);
/* An allowed peer came from there: the reserve is for it. Or one that is not. */
void gate_known(const struct tacit_address *peer, bool known);
size_t gate_count(void); /* of sources that are known */
/* tacit_admission_news, under its lock. */
bool gate_news(struct tacit_admission_told *told, struct tacit_admission_news *ret_news);

/* --- identities ----------------------------------------------------------- */

/* A copy of the pair; NULL: no memory. */
struct identity *identity_new(const struct noise_keypair *pair);
struct identity *identity_hold(struct identity *identity);
void identity_release(struct identity *identity); /* NULL is allowed */

#endif
