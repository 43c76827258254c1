/*
 * A trial connection to a node, stage by stage: tacit doctor and tacit ping. It goes the
 * whole way that a node of this host would go, on its behalf, and ends before there is a
 * link that anybody could use. Calls client.h and control.h.
 */
#ifndef TACIT_CLI_TRIAL_H
#define TACIT_CLI_TRIAL_H

#include "cli/client.h"
#include "cli/control.h"

/* In this order; what a stage needs, those before it have. */
enum trial_stage {
    TRIAL_NAME,       /* valid, and not of a plain node */
    TRIAL_ADDRESS,    /* endpoint or DNS */
    TRIAL_TCP,        /* somebody listens */
    TRIAL_MESH_KEY,   /* message 2 came, and opens */
    TRIAL_NODE,       /* the node that was asked for answers */
    TRIAL_IDENTITY,   /* its key is good for its name here */
    TRIAL_RULE_HERE,  /* the line that decides here allows it */
    TRIAL_RULE_THERE, /* and so does that on the other side */
    TRIAL_FLAGS,      /* the two emulators can talk */
    TRIAL_COOKIE,     /* and know the same cookie */
    TRIAL_STAGES
};

/* "mesh key", ... */
const char *trial_stage_name(enum trial_stage stage);

enum trial_verdict {
    TRIAL_OK,
    TRIAL_FAILED,
    TRIAL_NOT_CHECKED,
};

enum {
    TRIAL_TEXT = 1024,
};

struct trial {
    const struct tacit_policy *policy;
    const char *node;               /* to be reached */
    char own[TACIT_NAME_MAX + 1];   /* the node that it is for; "": none known */
    char control[CONTROL_PATH_MAX]; /* its control socket; "": it does not run */
    enum trial_stage last;          /* to go no further than this */
    void (*told)(struct trial *t, enum trial_stage stage, enum trial_verdict verdict,
                 const char *text); /* one call a stage, in order, to the first failure */
    struct tacit_address address;   /* that answered */
    int64_t tcp_us, handshake_us, answer_us; /* how long each took */
    char why[TRIAL_TEXT + 16];               /* the failed stage's text */
    /* Its own: */
    struct client *client;
    bool visible; /* the node that it is for is no hidden one */
    uint64_t flags, mandatory;
    struct tacit_decision decision; /* of this side */
    bool failed, decided;
};

/*
 * Finds out on whose behalf: the node called as (NULL: any) of those that run here with
 * the configuration. Without one that runs there are stages that cannot be checked.
 */
void trial_find_own(struct trial *t, const char *as);

/* Runs it: whether no stage failed. */
bool trial_run(struct trial *t);

/* --- for trial.c and trial_node.c */

/* Tells of a stage; false where it failed. */
__attribute__((format(printf, 4, 5))) bool trial_tell(struct trial *t,
                                                      enum trial_stage stage,
                                                      enum trial_verdict verdict,
                                                      const char *format, ...);

/* trial_node.c: what happens in the channel: the last three stages. */
bool trial_run_node(struct trial *t);

#endif
