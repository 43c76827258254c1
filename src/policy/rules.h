/*
 * Who may be which node, from where, in which direction and how long: the rules of
 * tacit.conf, and the one decision that they make. policy.h loads them.
 *
 * The decision is a pure function of its question: it is asked when a handshake ends, and
 * again for every live link when the rules change or when its `until` comes.
 */
#ifndef TACIT_POLICY_RULES_H
#define TACIT_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/name.h"
#include "base/secret.h"
#include "tacit/error.h"

enum {
    TACIT_GROUP_MAX = 63,        /* bytes of a group's or an authority's name */
    TACIT_CERTIFICATE_MAX = 640, /* bytes of a certificate's text */
};

/* The time of an answer that never changes. */
#define TACIT_NEVER UINT64_MAX

/* Who may open a link, as a mask. */
enum tacit_direction_mask {
    TACIT_DIRECTION_IN = 1,  /* the peer to us */
    TACIT_DIRECTION_OUT = 2, /* we to the peer */
    TACIT_DIRECTION_BOTH = 3,
};

/* Whether a peer must be a hidden node in Erlang's sense. */
enum tacit_visibility {
    TACIT_EITHER = 0,
    TACIT_HIDDEN = 1,
    TACIT_VISIBLE = 2,
};

/* The conditions that [peer] and [group] have in common. */
struct tacit_rule {
    const char *path; /* of the file that it stands in; lives as long as the policy */
    unsigned source;  /* 0: tacit.conf; above: the signed policies, in its order */
    unsigned line;    /* of the section, for messages */
    size_t from;      /* networks of the policy: the first, and how many; 0: any */
    size_t from_count;
    uint8_t direction;  /* enum tacit_direction_mask */
    uint8_t visibility; /* enum tacit_visibility */
    uint64_t expires;   /* seconds since 1970 from which on it denies; TACIT_NEVER */
};

/* One [peer GLOB] section. */
struct tacit_peer {
    char glob[TACIT_NAME_MAX + 1];
    struct tacit_rule rule;
    bool has_key; /* without one: any peer that shows a certificate for it */
    uint8_t public_key[TACIT_KEY_BYTES];
    const struct tacit_secret *pair_key; /* in the policy's locked memory; NULL: none */
    bool has_endpoint;
    struct tacit_endpoint endpoint;
    bool directory; /* its key may ask this host's door for the names of nodes */
    bool has_door_key;
    uint8_t door_key[TACIT_KEY_BYTES]; /* of its own host's door */
};

/* One [group NAME] section: for holders of certificates that are in it. */
struct tacit_group {
    char name[TACIT_GROUP_MAX + 1]; /* "*": every certificate's holder */
    struct tacit_rule rule;
    bool replaced; /* it is signed, and tacit.conf has one of its name: counts for nothing
                    */
};

/*
 * A certificate whose signature holds under its authority's key. Whether that authority
 * is ours, and may sign for the name, is for the decision.
 */
struct tacit_certificate {
    uint8_t authority[TACIT_KEY_BYTES];  /* Ed25519 */
    uint8_t public_key[TACIT_KEY_BYTES]; /* X25519: of the holder */
    uint64_t not_before, not_after;      /* seconds since 1970; good in between */
    size_t name_count, group_count;
    /* The names (globs) and then the groups, each with its zero. */
    char text[TACIT_CERTIFICATE_MAX];
};

/* Why; the name and the text of each are for logs, tests and people. */
enum tacit_reason {
    TACIT_ALLOWED,
    TACIT_NOT_A_NAME,      /* nothing that could be a node's */
    TACIT_NO_LINE,         /* no line is for the name, and no certificate was shown */
    TACIT_OTHER_KEY,       /* the deciding [peer] has another public-key */
    TACIT_NO_CERTIFICATE,  /* the deciding [peer] asks for one */
    TACIT_BAD_CERTIFICATE, /* its signature does not hold, or what it says is malformed */
    TACIT_NO_AUTHORITY, /* no [authority] of ours signed it, or it may not for the name */
    TACIT_OTHER_HOLDER, /* it was made out to another key */
    TACIT_OTHER_NAME,   /* it is not for this name */
    TACIT_NOT_YET,      /* it is not valid yet */
    TACIT_RUN_OUT,      /* it is not valid any more */
    TACIT_NO_GROUP,     /* no [group] of ours is for its holder */
    TACIT_REVOKED,      /* the key is on a revoked line */
    TACIT_WRONG_DIRECTION, /* the deciding line is for the other direction only */
    TACIT_WRONG_ADDRESS,   /* the peer's address is outside the deciding line's from */
    TACIT_EXPIRED,         /* the deciding line's expires has come */
    TACIT_REASON_COUNT
};

/* "no_line", and "no [peer] line allows it". Never NULL. */
const char *tacit_reason_name(enum tacit_reason reason);
const char *tacit_reason_text(enum tacit_reason reason);

/* What is asked. Whether the peer holds public_key was proved before. */
struct tacit_question {
    const char *name; /* of the peer; for a dynamic one the bare host */
    bool dynamic;
    const uint8_t *public_key;           /* TACIT_KEY_BYTES of them */
    const struct tacit_address *address; /* of the peer; NULL: not known */
    bool inbound;                        /* it dialled us */
    uint64_t now;                        /* seconds since 1970 */
    uint64_t begins; /* by which what begins is judged, where the clock was set ahead and
                        that is later; else 0 */
    const struct tacit_certificate *certificate; /* NULL: none, or not a good one: then */
    enum tacit_reason certificate_fault; /* why tacit_policy_certificate() refused it */
};

struct tacit_decision {
    enum tacit_reason reason;
    const struct tacit_peer *peer;   /* the deciding line, also where it denies; */
    const struct tacit_group *group; /* at most one of the two is there */
    uint64_t until; /* when the answer may change by itself: ask again then */
    bool known; /* a line or a certificate is for the key: it may be told the reason */
    uint8_t visibility; /* where allowed: what the deciding line asks for */
};

/* The conditions of the deciding line, with its file and line; NULL where there is none.
 */
const struct tacit_rule *tacit_decision_rule(const struct tacit_decision *decision);

/* The i-th name (a glob) or group of a certificate, or NULL past the last. */
const char *tacit_certificate_name(const struct tacit_certificate *certificate, size_t i);
const char *tacit_certificate_group(const struct tacit_certificate *certificate,
                                    size_t i);

#endif
