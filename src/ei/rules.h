/*
 * The configuration of a C node: the one in force, and what a new one does to links that
 * are there. Rules that are in use stay for as long as somebody uses them.
 */
#ifndef TACIT_EI_RULES_H
#define TACIT_EI_RULES_H

#include <stdatomic.h>

#include "policy/revoked.h"

struct cnode;
struct cnode_link;

/* A configuration that was read. */
struct cnode_rules {
    atomic_uint users;
    unsigned generation; /* which of its node's it is, from 1 */
    struct tacit_policy *policy;
};

/*
 * Reads the configuration at conf, which may follow `before` (NULL: it is the first); and
 * what the host's nodes revoked into *revoked. Where anything is wrong nothing changes.
 */
int cnode_rules_read(const char *conf, const struct tacit_policy *before,
                     struct cnode_rules **ret_rules, struct tacit_revoked *revoked);

/*
 * Whose files it may be: the process's own and root's, unless the command says otherwise,
 * which root gives about other users' configurations, too.
 */
struct tacit_files;
void cnode_rules_files(struct tacit_files (*files)(void));

/* Those in force. The caller releases them. */
struct cnode_rules *cnode_rules_of(struct cnode *node);
void cnode_rules_release(struct cnode_rules *rules);

/*
 * Reads the configuration again; where anything is wrong nothing changes. Then ends the
 * links that it does not allow any more: *ret_dropped is how many.
 */
int cnode_reload(struct cnode *node, unsigned *ret_dropped);

/*
 * Whether a link is still allowed, where that may have changed: the rules are others, or
 * the time has come. 0, or an error: the link has ended, and the peer was told why.
 */
int cnode_link_review(struct cnode_link *l);

/* When the time comes by itself: a moment of wire_now_us(). */
int64_t cnode_link_next_review(struct cnode_link *l);

#endif
