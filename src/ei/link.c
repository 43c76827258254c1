/* One link: its rules, its handshake as a caller, its end. */
#include "ei/link.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ei/fault.h"
#include "socket/socket.h"

enum {
    PART_MS = 2000,      /* what a peer may take to hang up */
    PART_EARLY_MS = 500, /* one with whom there was no link yet */
};

/* --- rules ---------------------------------------------------------------------------
 */

/* As a node's driver has it (src/carrier/conn.c). */
static int rule_first(void *context, const struct tacit_first *first,
                      const uint8_t ephemeral[NOISE_DHLEN])
{
    struct cnode_link *l = context;
    snprintf(l->wanted, sizeof l->wanted, "%s", first->wanted);
    if (!tacit_name_same_host(l->wanted, l->node->name))
        return TACIT_ENAME;
    int error = cnode_guard_first(l->node, &l->address, ephemeral, first->time);
    l->first_seen = error == TACIT_OK || error == TACIT_ELIMIT;
    if (!error && strcmp(l->wanted, l->node->name) != 0)
        error = TACIT_ENAME;
    return error;
}

static void rule_pair_key(void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    const struct cnode_link *l = context;
    tacit_policy_pair_key(l->rules->policy, public_key, ret_key);
}

static int rule_decide(void *context, const struct tacit_claim *claim,
                       const uint8_t key[NOISE_DHLEN])
{
    struct cnode_link *l = context;
    const struct tacit_policy *policy = l->rules->policy;
    struct tacit_now now = cnode_now(l->node);
    int error =
        ruling_on_peer(policy, claim, key, &l->address, l->inbound, now.ends, now.begins,
                       cnode_is_revoked(l->node, policy, key), &l->ruling);
    if (error)
        return error;
    cnode_signed(l->node, &now, l->ruling.signed_at);
    l->ruling.reason = TACIT_CLOSE_NAME;
    if (strcmp(claim->name, l->node->name) == 0) {
        snprintf(l->ruling.text, sizeof l->ruling.text,
                 "the name %.200s is this node's own", claim->name);
        return TACIT_EREFUSED;
    }
    if (claim->dynamic) {
        snprintf(l->ruling.text, sizeof l->ruling.text,
                 "a C node gives no names: expected one of the peer's own");
        return TACIT_EREFUSED;
    }
    return TACIT_OK;
}

const struct tacit_channel_rules cnode_link_rules = {
    .first = rule_first, .pair_key = rule_pair_key, .decide = rule_decide};

/* --- the beginning -------------------------------------------------------------------
 */

struct cnode_link *cnode_link_new(struct cnode *node, int fd)
{
    struct cnode_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->handshake = tacit_secret_alloc(sizeof *l->handshake);
    l->channel = tacit_secret_alloc(sizeof *l->channel);
    if (l->handshake == NULL || l->channel == NULL) {
        tacit_secret_free(l->handshake);
        tacit_secret_free(l->channel);
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->reading, NULL);
    pthread_mutex_init(&l->writing, NULL);
    pthread_mutex_init(&l->lock, NULL);
    l->node = cnode_hold(node);
    l->rules = cnode_rules_of(node);
    l->reviewed = l->rules->generation;
    l->process = cnode_process();
    l->fd = fd;
    l->setup_until = WIRE_NEVER;
    l->failed = TACIT_ESTATE; /* until there is a channel */
    return l;
}

void cnode_link_set_limits(struct cnode_link *l, const struct tacit_policy *policy)
{
    l->limits = (struct tacit_rekey_limits){
        .seconds = tacit_policy_rekey_seconds(policy),
        .bytes = tacit_policy_rekey_bytes(policy),
        .records = tacit_policy_rekey_records(policy),
    };
}

/* Rules that change are asked about it from now on. */
static void enlist(struct cnode_link *l)
{
    struct cnode *node = l->node;
    pthread_mutex_lock(&node->links_lock);
    l->next = node->links;
    if (l->next != NULL)
        l->next->previous = l;
    node->links = l;
    pthread_mutex_unlock(&node->links_lock);
}

static void delist(struct cnode_link *l)
{
    struct cnode *node = l->node;
    pthread_mutex_lock(&node->links_lock);
    if (l->previous != NULL)
        l->previous->next = l->next;
    else if (node->links == l)
        node->links = l->next;
    if (l->next != NULL)
        l->next->previous = l->previous;
    l->next = l->previous = NULL;
    pthread_mutex_unlock(&node->links_lock);
}

void cnode_link_begin(struct cnode_link *l)
{
    l->peer = l->handshake->peer;
    if (l->peer.certificate_len > 0)
        memcpy(l->certificate, l->peer.certificate, l->peer.certificate_len);
    l->peer.certificate = l->certificate;
    memcpy(l->peer_key, l->handshake->peer_key, sizeof l->peer_key);
    tacit_secret_free(l->handshake);
    l->handshake = NULL;
    cnode_link_set_limits(l, l->rules->policy);
    l->keys_since = wire_now_us();
    l->failed = TACIT_OK;
    enlist(l);
}

/* --- dialling ------------------------------------------------------------------------
 */

/* Why the handshake came no further: for people. */
static int explain(const struct cnode_link *l, const char *wanted, int error)
{
    const struct tacit_handshake *hs = l->handshake;
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    if (hs->peer.name[0] == '\0' && (error == TACIT_ECUT || error == TACIT_ETIMEOUT))
        return cnode_fault(error,
                           "%s: connected, but no answer: another mesh key, a wrong "
                           "clock, no node of that name, or no Tacit there",
                           wanted);
    if (hs->peer.name[0] != '\0' && strcmp(hs->peer.name, wanted) != 0)
        return cnode_fault(error, "%s: %s answers", wanted, hs->peer.name);
    if (error != TACIT_EREFUSED)
        return cnode_fault(error, "%s: %s", wanted, tacit_error_text(error));
    tacit_fingerprint(hs->peer_key, fingerprint);
    return cnode_fault(error, "%s: %s: it has shown the key %s", wanted,
                       ruling_of_ours(&l->ruling), fingerprint);
}

int cnode_link_dial(struct cnode_link *l, const char *wanted, int64_t deadline)
{
    struct tacit_channel_config config =
        wire_config(l->rules->policy, l->node->name, &cnode_link_rules, l);
    config.hidden_keys = cnode_hidden_keys(l->node, l->rules->policy);
    snprintf(l->wanted, sizeof l->wanted, "%s", wanted);
    socket_peer(l->fd, &l->address);
    config.wanted = l->wanted;
    l->setup_until = deadline;
    int error = tacit_handshake_init(l->handshake, &config);
    /* Our own first message, sent back to us, is a replay too. */
    if (!error)
        error = cnode_guard_first(l->node, NULL, l->handshake->noise.e.public_key,
                                  config.now);
    if (!error)
        error = wire_handshake(l->fd, l->handshake, deadline, l->channel);
    if (error)
        return explain(l, wanted, error);
    cnode_link_begin(l);
    return TACIT_OK;
}

/* --- the end -------------------------------------------------------------------------
 */

int cnode_link_fail(struct cnode_link *l, int error, const char *text)
{
    pthread_mutex_lock(&l->lock);
    if (l->failed == TACIT_OK) {
        l->failed = error;
        snprintf(l->why, sizeof l->why, "%s", text);
    }
    pthread_mutex_unlock(&l->lock);
    return error;
}

void cnode_link_explain(struct cnode_link *l, int error)
{
    const char *who = l->peer.name[0] != '\0' ? l->peer.name : l->wanted;
    pthread_mutex_lock(&l->lock);
    if (l->failed)
        (void)cnode_fault(error, "%s: %s", who, l->why);
    else
        (void)cnode_fault(error, "%s: %s", who, tacit_error_text(error));
    pthread_mutex_unlock(&l->lock);
}

void cnode_link_close(struct cnode_link *l, enum tacit_close reason, const char *text)
{
    size_t len = 0;
    pthread_mutex_lock(&l->lock);
    if (l->failed == TACIT_OK) {
        int error =
            tacit_channel_seal_close(l->channel, reason, text, l->out + l->out_end,
                                     sizeof l->out - l->out_end, &len);
        l->out_end += error ? 0 : len;
        l->failed = TACIT_ECLOSED;
        snprintf(l->why, sizeof l->why, "%s",
                 *text != '\0' ? text : "this program has closed it");
    }
    pthread_mutex_unlock(&l->lock);
    (void)cnode_link_flush_some(l);
}

/* What the system has of it is still sent; what it has not got rid of is cut short. */
void cnode_link_wake(struct cnode_link *l)
{
    shutdown(l->fd, SHUT_RDWR);
}

/*
 * The peer reads all that was sent to it, also where it has not been read itself: a
 * socket that is closed with something to read is reset. And when the program is over
 * nothing of the link is left there.
 */
static void part(struct cnode_link *l)
{
    int64_t deadline = wire_deadline(l->up ? PART_MS : PART_EARLY_MS);
    bool peer_ended = l->failed == TACIT_ECUT;
    cnode_link_close(l, TACIT_CLOSE_DONE, "");
    if (peer_ended || wire_send(l->fd, l->out + l->out_at, l->out_end - l->out_at,
                                deadline) != TACIT_OK)
        return;
    shutdown(l->fd, SHUT_WR);
    ssize_t n = 1;
    while (n > 0 && wire_wait(l->fd, POLLIN, deadline) == TACIT_OK) {
        n = recv(l->fd, l->in.raw, sizeof l->in.raw, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            n = 1;
    }
}

void cnode_link_abandon(struct cnode_link *l)
{
    if (l == NULL)
        return;
    close(l->fd);
    if (l->handshake != NULL)
        tacit_wipe(l->handshake, sizeof *l->handshake);
    tacit_wipe(l->channel, sizeof *l->channel);
}

void cnode_link_free(struct cnode_link *l)
{
    if (l == NULL)
        return;
    delist(l);
    if (l->handshake == NULL)
        part(l);
    close(l->fd);
    tacit_secret_free(l->handshake);
    tacit_secret_free(l->channel);
    pthread_mutex_destroy(&l->reading);
    pthread_mutex_destroy(&l->writing);
    pthread_mutex_destroy(&l->lock);
    free(l->in.message);
    cnode_rules_release(l->rules);
    cnode_release(l->node);
    sodium_memzero(l, sizeof *l);
    free(l);
}
