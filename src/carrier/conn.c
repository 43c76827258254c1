/* A socket on which a handshake runs, in either role, and the rules it asks for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

/* Whether the peer's first message is for this node, or for it as its host's door. */
static bool is_wanted(const struct conn *c)
{
    return c->handshake.directory || strcmp(c->wanted, c->own_name) == 0;
}

/*
 * One that is for another host may have been recorded on its way there, by somebody who
 * holds no key: it is a stranger's. Who wants another node of this host has it wrong, and
 * need not wait to learn that; but for nobody is it the same twice.
 */
static int rule_first(void *context, const struct tacit_first *first,
                      const uint8_t ephemeral[NOISE_DHLEN])
{
    struct conn *c = context;
    snprintf(c->wanted, sizeof c->wanted, "%s", first->wanted);
    if (!c->handshake.directory && !tacit_name_same_host(c->wanted, c->own_name)) {
        atomic_fetch_add(&carrier_counters.replays, 1);
        return TACIT_ENAME;
    }
    int error = guard_first(&c->peer_address, ephemeral, first->time, &c->skew);
    if (error == TACIT_ELIMIT) {
        atomic_fetch_add(&carrier_counters.limited, 1);
        c->pending.first_seen = true;
        return error;
    }
    if (error) {
        atomic_fetch_add(&carrier_counters.replays, 1);
        return error;
    }
    c->pending.first_seen = true;
    if (!is_wanted(c))
        return TACIT_ENAME;
    atomic_fetch_add(&carrier_counters.exchanges, 1);
    return TACIT_OK;
}

static void rule_pair_key(void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    const struct conn *c = context;
    tacit_policy_pair_key(c->policy->policy, public_key, ret_key);
}

static int decide_directory(struct conn *c, const uint8_t public_key[NOISE_DHLEN])
{
    if (c->handshake.config.role == NOISE_RESPONDER)
        return rule_on_asker(c->policy->policy, public_key, &c->peer_address, &c->ruling);
    enum tacit_reason reason = tacit_policy_judge_door(
        c->policy->policy, c->door, public_key, shared_is_revoked(public_key));
    c->ruling.reason = TACIT_CLOSE_REFUSED;
    c->ruling.known = true; /* by its line: the log says what is wrong with it */
    snprintf(c->ruling.text, sizeof c->ruling.text, "%s",
             reason == TACIT_REVOKED ? "the door's key is revoked"
                                     : "the door shows another key than its door-key");
    return reason == TACIT_ALLOWED ? TACIT_OK : TACIT_EREFUSED;
}

static int rule_decide(void *context, const struct tacit_claim *claim,
                       const uint8_t public_key[NOISE_DHLEN])
{
    struct conn *c = context;
    if (c->handshake.directory)
        return decide_directory(c, public_key);
    bool inbound = c->handshake.config.role == NOISE_RESPONDER;
    int error = rule_on_peer(c->policy->policy, claim, public_key, &c->peer_address,
                             inbound, &c->ruling);
    if (error)
        return error;
    c->ruling.reason = TACIT_CLOSE_NAME;
    if (strcmp(claim->name, c->own_name) == 0) {
        snprintf(c->ruling.text, sizeof c->ruling.text,
                 "the name %.200s is this node's own", claim->name);
        return TACIT_EREFUSED;
    }
    return TACIT_OK;
}

static const struct tacit_channel_rules rules = {
    .first = rule_first,
    .pair_key = rule_pair_key,
    .decide = rule_decide,
};

static int start(struct conn *c, enum noise_role role)
{
    bool asks = c->wanted[0] == '@';
    struct tacit_channel_config config = {
        .role = role,
        .identity = tacit_policy_identity(c->policy->policy),
        .door_identity = tacit_policy_door_identity(c->policy->policy),
        .suites = tacit_policy_suites(c->policy->policy),
        .own_name = c->own_name,
        .own_dynamic = c->own_dynamic,
        .wanted = asks ? "" : c->wanted,
        .now = wall_clock(),
        .rules = &rules,
        .context = c,
    };
    if (asks)
        c->door = tacit_policy_door_of(c->policy->policy, c->wanted + 1);
    if (asks && c->door == NULL)
        return TACIT_EREFUSED;
    config.mesh_key_count = tacit_policy_mesh_keys(c->policy->policy, &config.mesh_keys);
    config.hidden_keys = shared_hidden_keys(c->policy->policy);
    config.certificate_len =
        tacit_policy_own_certificate(c->policy->policy, &config.certificate);
    int error = tacit_handshake_init(&c->handshake, &config);
    if (error || role == NOISE_RESPONDER)
        return error;
    /* Our own first message, sent back to us, is a replay too. */
    guard_own(c->handshake.noise.e.public_key, config.now);
    return TACIT_OK;
}

int conn_start(struct conn *c)
{
    return start(c, NOISE_INITIATOR);
}

struct conn *conn_new(int fd, enum noise_role role, const char *own_name,
                      bool own_dynamic, const char *wanted, int *ret_error)
{
    struct conn *c = tacit_secret_alloc(sizeof *c);
    *ret_error = TACIT_ENOMEM;
    if (c == NULL)
        return NULL;
    c->fd = fd;
    c->policy = shared_policy();
    snprintf(c->own_name, sizeof c->own_name, "%s", own_name);
    snprintf(c->wanted, sizeof c->wanted, "%s", wanted);
    c->own_dynamic = own_dynamic;
    *ret_error = c->policy == NULL         ? TACIT_ESTATE
                 : role == NOISE_INITIATOR ? TACIT_OK
                                           : start(c, role);
    if (*ret_error == TACIT_OK)
        return c;
    conn_free(c);
    return NULL;
}

void conn_free(struct conn *c)
{
    if (c == NULL)
        return;
    tacit_handshake_wipe(&c->handshake);
    asker_free(c->asker);
    policy_release(c->policy);
    tacit_secret_free(c);
}

/* Sends what the handshake has to send; false: the socket takes no more now. */
static bool send_output(struct conn *c, int *ret_error)
{
    const uint8_t *bytes;
    size_t len;
    while ((len = tacit_handshake_output(&c->handshake, &bytes)) > 0) {
        ssize_t n = write(c->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            *ret_error = errno == EAGAIN || errno == EWOULDBLOCK ? TACIT_OK : TACIT_ECUT;
            return false;
        }
        if (c->handshake.config.role == NOISE_RESPONDER &&
            !(c->pending.first_seen && is_wanted(c)))
            atomic_fetch_add(&carrier_counters.told, (uint64_t)n);
        tacit_handshake_sent(&c->handshake, (size_t)n);
    }
    return true;
}

/* A stranger: whatever it says is read and forgotten, a bounded amount at a time. */
static enum conn_state discard(struct conn *c, int *ret_error)
{
    uint8_t waste[4096];
    ssize_t n = read(c->fd, waste, sizeof waste);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)))
        return CONN_READ;
    *ret_error = TACIT_ECUT;
    return CONN_FAILED;
}

enum conn_state conn_advance(struct conn *c, int *ret_error)
{
    *ret_error = TACIT_OK;
    if (c->silent)
        return discard(c, ret_error);
    for (;;) {
        if (!send_output(c, ret_error))
            return *ret_error ? CONN_FAILED : CONN_WRITE;
        if (c->handshake.state == TACIT_HANDSHAKE_DONE) {
            atomic_fetch_add(&carrier_counters.handshakes, 1);
            return CONN_DONE;
        }
        /* Never past the handshake: what follows is the link's. */
        uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
        size_t wants = tacit_handshake_wants(&c->handshake), used;
        ssize_t n = read(c->fd, bytes, wants);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return CONN_READ;
        *ret_error = n <= 0
                         ? TACIT_ECUT
                         : tacit_handshake_feed(&c->handshake, bytes, (size_t)n, &used);
        if (*ret_error)
            return CONN_FAILED;
    }
}
