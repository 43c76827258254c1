/* One handshake under one snapshot of the configuration. */
#include "session/session.h"

#include <stdio.h>
#include <string.h>

static void find_pair_key(const void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    const struct tacit_session *s = context;
    tacit_policy_pair_key(s->policy, public_key, ret_key);
}

enum tacit_session_event tacit_session_fail(struct tacit_session *s, int error)
{
    tacit_handshake_wipe(&s->handshake);
    s->error = error;
    return TACIT_SESSION_FAILED;
}

/* As the sender of a first message that is none of ours would have it. */
static enum tacit_session_event silence(struct tacit_session *s, int error)
{
    (void)tacit_session_fail(s, error);
    return TACIT_SESSION_SILENT;
}

static bool is_responder(const struct tacit_session *s)
{
    return s->handshake.config.role == NOISE_RESPONDER;
}

/* --- the beginning ------------------------------------------------------------------ */

/* "@HOST": *ret_wanted is what the door's handshake wants, and the door's line is found.
 */
static int find_door(struct tacit_session *s, const char **ret_wanted)
{
    if (*s->wanted != '@')
        return TACIT_OK;
    *ret_wanted = "";
    s->door = tacit_policy_door_of(s->policy, s->wanted + 1);
    return s->door == NULL ? TACIT_EREFUSED : TACIT_OK;
}

enum tacit_session_event tacit_session_start(struct tacit_session *s,
                                             const struct tacit_session_config *config)
{
    const struct tacit_policy *policy = config->policy;
    const struct noise_keypair *door = tacit_policy_door_identity(policy);
    bool initiator = config->role == NOISE_INITIATOR;
    bool is_door = !initiator && *config->own_name == '\0';
    memset(s, 0, sizeof *s);
    s->policy = policy;
    s->gives_names = config->gives_names;
    s->own_name = config->own_name;
    s->wanted = initiator ? config->wanted : "";
    struct tacit_channel_config channel = {
        .role = config->role,
        .identity = is_door ? door : tacit_policy_identity(policy),
        .door_identity = door,
        .hidden_keys = config->hidden_keys,
        .suites = tacit_policy_suites(policy),
        .own_name = s->own_name,
        .own_dynamic = config->own_dynamic,
        .wanted = s->wanted,
        .now = config->now,
        .pair_key = find_pair_key,
        .context = s,
    };
    channel.mesh_key_count = tacit_policy_mesh_keys(policy, &channel.mesh_keys);
    channel.certificate_len = tacit_policy_own_certificate(policy, &channel.certificate);
    int error = find_door(s, &channel.wanted);
    if (!error)
        error = tacit_handshake_init(&s->handshake, &channel);
    return error ? tacit_session_fail(s, error) : TACIT_SESSION_MORE;
}

size_t tacit_session_wants(const struct tacit_session *s)
{
    return tacit_handshake_wants(&s->handshake);
}

const uint8_t *tacit_session_ephemeral(const struct tacit_session *s)
{
    return is_responder(s) ? s->handshake.noise.re : s->handshake.noise.e.public_key;
}

/* --- the first message -------------------------------------------------------------- */

/*
 * One that is for another node, be it of this host, may have been recorded on its way
 * there, by somebody who holds no key: it is a stranger's. Where nobody but the door
 * answers, every node's is.
 */
static enum tacit_session_event take_first(struct tacit_session *s)
{
    s->wanted = s->handshake.first.wanted;
    if (!s->handshake.directory && strcmp(s->wanted, s->own_name) != 0)
        return silence(s, TACIT_ENAME);
    return TACIT_SESSION_FIRST;
}

enum tacit_session_event tacit_session_first(struct tacit_session *s, int admission)
{
    if (admission && admission != TACIT_ELIMIT)
        return silence(s, admission);
    s->first_seen = true;
    int error = tacit_handshake_answer(&s->handshake, admission);
    return error ? tacit_session_fail(s, error) : TACIT_SESSION_MORE;
}

/* --- the peer ----------------------------------------------------------------------- */

static int decide_door(struct tacit_session *s, bool revoked)
{
    enum tacit_reason reason =
        tacit_policy_decide_door(s->policy, s->door, s->handshake.peer_key, revoked);
    if (reason == TACIT_ALLOWED)
        return TACIT_OK;
    s->ruling = (struct ruling){.reason = TACIT_CLOSE_REFUSED, .known = true};
    snprintf(s->ruling.text, sizeof s->ruling.text, "%s",
             reason == TACIT_REVOKED ? "the door's key is revoked"
                                     : "the door shows another key than its door-key");
    return TACIT_EREFUSED;
}

/* What the rules cannot know: who we are. */
static int decide_name(struct tacit_session *s)
{
    const struct tacit_claim *peer = &s->handshake.peer;
    s->ruling.reason = TACIT_CLOSE_NAME;
    if (strcmp(peer->name, s->own_name) == 0)
        snprintf(s->ruling.text, sizeof s->ruling.text,
                 "the name %.200s is this node's own", peer->name);
    else if (peer->dynamic && !s->gives_names)
        snprintf(s->ruling.text, sizeof s->ruling.text,
                 "a C node gives no names: expected one of the peer's own");
    else
        return TACIT_OK;
    return TACIT_EREFUSED;
}

static int decide(struct tacit_session *s, const struct tacit_address *address,
                  const struct tacit_now *now, bool revoked)
{
    const struct tacit_handshake *hs = &s->handshake;
    if (hs->directory)
        return is_responder(s) ? ruling_on_requester(s->policy, hs->peer_key, address,
                                                     now, revoked, &s->ruling)
                               : decide_door(s, revoked);
    int error = ruling_on_peer(s->policy, &hs->peer, hs->peer_key, address,
                               is_responder(s), now, revoked, &s->ruling);
    return error ? error : decide_name(s);
}

/* It is who it says, but may not: it gets that inside the seal, and nothing else. */
static enum tacit_session_event seal_refusal(struct tacit_session *s)
{
    struct tacit_channel channel;
    int error = tacit_handshake_finish(&s->handshake, &channel);
    if (!error)
        error = tacit_channel_seal_close(&channel, s->ruling.reason, s->ruling.text,
                                         s->close, sizeof s->close, &s->close_len);
    tacit_channel_wipe(&channel);
    return error ? tacit_session_fail(s, error) : TACIT_SESSION_REFUSED;
}

enum tacit_session_event tacit_session_peer(struct tacit_session *s,
                                            const struct tacit_address *address,
                                            const struct tacit_now *now, bool revoked)
{
    int verdict = decide(s, address, now, revoked);
    int error = tacit_handshake_answer(&s->handshake, verdict);
    if (error)
        return tacit_session_fail(s, error);
    if (verdict)
        return seal_refusal(s);
    return s->handshake.directory ? TACIT_SESSION_DIRECTORY : TACIT_SESSION_UP;
}

enum tacit_session_event tacit_session_refuse(struct tacit_session *s,
                                              enum tacit_close reason, const char *text)
{
    s->ruling.reason = reason;
    snprintf(s->ruling.text, sizeof s->ruling.text, "%s", text);
    return seal_refusal(s);
}

/* --- bytes -------------------------------------------------------------------------- */

enum tacit_session_event tacit_session_feed(struct tacit_session *s, const uint8_t *in,
                                            size_t len, size_t *ret_used)
{
    *ret_used = 0;
    int error = tacit_handshake_feed(&s->handshake, in, len, ret_used);
    if (error)
        return is_responder(s) && !s->first_seen ? silence(s, error)
                                                 : tacit_session_fail(s, error);
    switch (s->handshake.state) {
    case TACIT_HANDSHAKE_ASK_FIRST:
        return take_first(s);
    case TACIT_HANDSHAKE_ASK_PEER:
        return TACIT_SESSION_PEER;
    default:
        return TACIT_SESSION_MORE;
    }
}

/* A close comes behind the last message; a responder's last one is long gone by then. */
size_t tacit_session_output(const struct tacit_session *s, const uint8_t **ret_bytes)
{
    size_t len = tacit_handshake_output(&s->handshake, ret_bytes);
    if (len > 0)
        return len;
    *ret_bytes = s->close + s->close_sent;
    return s->close_len - s->close_sent;
}

void tacit_session_sent(struct tacit_session *s, size_t len)
{
    const uint8_t *bytes;
    if (tacit_handshake_output(&s->handshake, &bytes) > 0)
        tacit_handshake_sent(&s->handshake, len);
    else
        s->close_sent += len;
}

int tacit_session_take(struct tacit_session *s, struct tacit_channel *ret_channel)
{
    return tacit_handshake_finish(&s->handshake, ret_channel);
}

void tacit_session_mesh_key(const struct tacit_session *s, uint8_t ret_id[TACIT_KEY_ID])
{
    const struct tacit_handshake *hs = &s->handshake;
    tacit_key_id(&hs->config.mesh_keys[hs->mesh_key], ret_id);
}

void tacit_session_wipe(struct tacit_session *s)
{
    tacit_handshake_wipe(&s->handshake);
}
