#include "handshake.h"

#include <string.h>

#include "channel/internal.h"

static const char prologue[] = "Tacit 1"; /* never changes: PROTOCOL.md, "Versions" */

/*
 * psk0 is the mesh key; psk3 the pair key, known once the peer's static key is. A pair
 * key belongs to two nodes' identities: the door, which has one of its own, has none.
 */
static int give_psk(void *context, const struct noise_handshake *noise, unsigned index,
                    struct tacit_secret *ret_psk)
{
    const struct tacit_handshake *hs = context;
    if (index == 0)
        *ret_psk = hs->config.mesh_keys[hs->mesh_key];
    else if (hs->directory || hs->config.pair_key == NULL)
        memset(ret_psk, 0, sizeof *ret_psk);
    else
        hs->config.pair_key(hs->config.context, noise->rs, ret_psk);
    return TACIT_OK;
}

static int start_noise(struct tacit_handshake *hs)
{
    return noise_handshake_init(&hs->noise, tacit__protocol(TACIT__HANDSHAKE),
                                hs->config.role, (const uint8_t *)prologue,
                                sizeof prologue - 1, hs->config.identity, NULL, give_psk,
                                hs);
}

/* Seals the next message around payload and queues it behind its length. */
static int queue_message(struct tacit_handshake *hs, const uint8_t *payload, size_t len)
{
    size_t size;
    int error =
        noise_handshake_write(&hs->noise, payload, len, hs->out + TACIT_MESSAGE_HEADER,
                              sizeof hs->out - TACIT_MESSAGE_HEADER, &size);
    if (error)
        return error;
    hs->out[0] = (uint8_t)(size >> 8);
    hs->out[1] = (uint8_t)size;
    hs->out_len = TACIT_MESSAGE_HEADER + size;
    hs->out_sent = 0;
    return TACIT_OK;
}

/* The name by which a side goes on a directory link. */
static const char *directory_name(enum noise_role role)
{
    return role == NOISE_RESPONDER ? TACIT_DOOR_NAME : TACIT_REQUESTER_NAME;
}

static int write_claim(struct tacit_handshake *hs, uint8_t version, uint8_t suite)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_claim own = {
        .version = version,
        .suite = suite,
        .dynamic = hs->config.own_dynamic && !hs->directory,
    };
    const char *name =
        hs->directory ? directory_name(hs->config.role) : hs->config.own_name;
    size_t len = strnlen(name, sizeof own.name);
    if (len == sizeof own.name ||
        hs->config.certificate_len > TACIT_CLAIM_CERTIFICATE_MAX)
        return TACIT_EINVAL;
    memcpy(own.name, name, len);
    if (hs->config.certificate_len > 0 && !hs->directory) {
        own.certificate = hs->config.certificate;
        own.certificate_len = hs->config.certificate_len;
    }
    for (size_t i = 0;
         i < hs->config.mesh_key_count && own.mesh_key_count < TACIT_CLAIM_MESH_KEYS_MAX;
         i++)
        if ((hs->config.hidden_keys >> i & 1) == 0)
            tacit_key_id(&hs->config.mesh_keys[i], own.mesh_keys[own.mesh_key_count++]);
    int error = tacit_claim_write(&own, payload);
    if (!error)
        error = queue_message(hs, payload, sizeof payload);
    tacit_wipe(payload, sizeof payload);
    return error;
}

/* -> psk0, e */
static int write_first(struct tacit_handshake *hs)
{
    uint8_t payload[TACIT_FIRST_PAYLOAD];
    struct tacit_first first = {
        .version_min = TACIT_VERSION,
        .version_max = TACIT_VERSION,
        .suites = hs->config.suites,
        .time = hs->config.now,
    };
    size_t len = strnlen(hs->config.wanted, sizeof first.wanted);
    if (len == sizeof first.wanted)
        return TACIT_EINVAL;
    memcpy(first.wanted, hs->config.wanted, len);
    int error = tacit_first_write(&first, payload);
    if (!error)
        error = queue_message(hs, payload, sizeof payload);
    hs->state = TACIT_HANDSHAKE_WAIT_2;
    return error;
}

/* Opens message 1 under whichever mesh key fits. No Diffie-Hellman happens here. */
static int open_first(struct tacit_handshake *hs, const uint8_t *msg, size_t len,
                      struct tacit_first *ret_first)
{
    uint8_t payload[TACIT_FIRST_PAYLOAD];
    size_t payload_len;
    int error = TACIT_EAUTH;
    for (hs->mesh_key = 0; hs->mesh_key < hs->config.mesh_key_count; hs->mesh_key++) {
        error = start_noise(hs);
        if (error)
            return error;
        error = noise_handshake_read(&hs->noise, msg, len, payload, sizeof payload,
                                     &payload_len);
        if (!error)
            return tacit_first_read(payload, payload_len, ret_first);
    }
    return error;
}

/* The door is wanted. Its key stands in for the node's: s goes out in message 2 only. */
static int become_door(struct tacit_handshake *hs)
{
    if (hs->config.door_identity == NULL)
        return TACIT_EREFUSED;
    hs->directory = true;
    hs->noise.s = *hs->config.door_identity;
    return TACIT_OK;
}

int tacit_first_open(const struct tacit_secret *mesh_keys, size_t mesh_key_count,
                     const uint8_t msg[TACIT_MESSAGE_1], struct tacit_first *ret_first,
                     uint8_t ret_ephemeral[NOISE_DHLEN])
{
    static const struct noise_keypair none; /* its turn would come with message 2 */
    struct tacit_handshake hs = {.config = {.role = NOISE_RESPONDER,
                                            .identity = &none,
                                            .mesh_keys = mesh_keys,
                                            .mesh_key_count = mesh_key_count}};
    if (tacit__protocol(TACIT__HANDSHAKE) == NULL)
        return TACIT_EINVAL;
    int error = open_first(&hs, msg, TACIT_MESSAGE_1, ret_first);
    if (!error)
        memcpy(ret_ephemeral, hs.noise.re, NOISE_DHLEN);
    noise_handshake_wipe(&hs.noise);
    return error;
}

/* Message 1 opened. Nothing is answered before somebody says so. */
static int take_first(struct tacit_handshake *hs, const uint8_t *msg, size_t len)
{
    int error = open_first(hs, msg, len, &hs->first);
    if (!error && hs->first.wanted[0] == '\0')
        error = become_door(hs);
    hs->state = TACIT_HANDSHAKE_ASK_FIRST;
    return error;
}

/* <- e, ee, s, es */
static int answer_first(struct tacit_handshake *hs)
{
    const struct tacit_first *first = &hs->first;
    bool version_ok =
        first->version_min <= TACIT_VERSION && first->version_max >= TACIT_VERSION;
    hs->peer.version = version_ok ? TACIT_VERSION : 0;
    hs->peer.suite = (uint8_t)tacit_suite_best(first->suites & hs->config.suites);
    hs->state = TACIT_HANDSHAKE_WAIT_3;
    return write_claim(hs, hs->peer.version, hs->peer.suite);
}

static int read_claim(struct tacit_handshake *hs, const uint8_t *msg, size_t len,
                      struct tacit_claim *ret_claim)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    size_t payload_len;
    int error =
        noise_handshake_read(&hs->noise, msg, len, payload, sizeof payload, &payload_len);
    if (!error)
        error = tacit_claim_read(payload, payload_len, ret_claim);
    if (!error && ret_claim->certificate_len > 0) {
        memcpy(hs->peer_certificate, ret_claim->certificate, ret_claim->certificate_len);
        ret_claim->certificate = hs->peer_certificate;
    }
    tacit_wipe(payload, sizeof payload);
    return error;
}

/* Message 2 opened: is the one that answers the one that was wanted? */
static int take_second(struct tacit_handshake *hs, const uint8_t *msg, size_t len)
{
    struct tacit_claim claim;
    int error = read_claim(hs, msg, len, &claim);
    if (error)
        return error;
    memcpy(hs->peer_key, hs->noise.rs, sizeof hs->peer_key);
    hs->peer = claim;
    const char *wanted = hs->directory ? TACIT_DOOR_NAME : hs->config.wanted;
    if (claim.dynamic || strcmp(claim.name, wanted) != 0)
        return TACIT_ENAME;
    hs->state = TACIT_HANDSHAKE_ASK_PEER;
    return TACIT_OK;
}

/* -> s, se, psk3 */
static int answer_second(struct tacit_handshake *hs)
{
    const struct tacit_claim *claim = &hs->peer;
    /* Who is not the one that was wanted does not have the say about these. */
    if (claim->version != TACIT_VERSION)
        return TACIT_EVERSION;
    if (claim->suite > TACIT_SUITE_LAST || !(hs->config.suites & 1u << claim->suite))
        return TACIT_ESUITE;
    hs->state = TACIT_HANDSHAKE_DONE;
    return write_claim(hs, claim->version, claim->suite);
}

/* Message 3 opened: the peer is who its key says. */
static int take_third(struct tacit_handshake *hs, const uint8_t *msg, size_t len)
{
    struct tacit_claim claim;
    int error = read_claim(hs, msg, len, &claim);
    if (error)
        return error;
    /* Version or suite 0: it was told that there is none in common, and goes on. */
    if (claim.version != hs->peer.version || claim.version == 0 ||
        claim.suite != hs->peer.suite || claim.suite == 0)
        return TACIT_EFORMAT;
    /* On a directory link nobody is a node, and on no other one is anybody a requester.
     */
    if (hs->directory != (strcmp(claim.name, TACIT_REQUESTER_NAME) == 0) ||
        (hs->directory && claim.dynamic))
        return TACIT_EFORMAT;
    memcpy(hs->peer_key, hs->noise.rs, sizeof hs->peer_key);
    hs->peer = claim;
    hs->state = TACIT_HANDSHAKE_ASK_PEER;
    return TACIT_OK;
}

static size_t expected(const struct tacit_handshake *hs)
{
    switch (hs->state) {
    case TACIT_HANDSHAKE_WAIT_1:
        return TACIT_MESSAGE_1;
    case TACIT_HANDSHAKE_WAIT_2:
        return TACIT_MESSAGE_2;
    case TACIT_HANDSHAKE_WAIT_3:
        return TACIT_MESSAGE_3;
    default:
        return 0;
    }
}

static int fail(struct tacit_handshake *hs, int error)
{
    tacit_handshake_wipe(hs);
    hs->state = TACIT_HANDSHAKE_FAILED;
    return error;
}

int tacit_handshake_init(struct tacit_handshake *hs,
                         const struct tacit_channel_config *config)
{
    memset(hs, 0, sizeof *hs);
    hs->config = *config;
    if (tacit__protocol(TACIT__HANDSHAKE) == NULL)
        return fail(hs, TACIT_EINVAL);
    hs->config.suites &= tacit_suites_available();
    if (hs->config.suites == 0)
        return fail(hs, TACIT_ESUITE);
    if (config->role == NOISE_RESPONDER) {
        hs->state = TACIT_HANDSHAKE_WAIT_1;
        return TACIT_OK;
    }
    hs->directory = config->wanted[0] == '\0';
    int error = start_noise(hs);
    if (!error)
        error = write_first(hs);
    return error ? fail(hs, error) : TACIT_OK;
}

size_t tacit_handshake_wants(const struct tacit_handshake *hs)
{
    size_t size = expected(hs);
    return size == 0 ? 0 : TACIT_MESSAGE_HEADER + size - hs->in_len;
}

int tacit_handshake_feed(struct tacit_handshake *hs, const uint8_t *in, size_t len,
                         size_t *ret_used)
{
    size_t used = 0;
    while (used < len) {
        size_t take = tacit_handshake_wants(hs);
        if (take == 0)
            break;
        if (take > len - used)
            take = len - used;
        memcpy(hs->in + hs->in_len, in + used, take);
        hs->in_len += take;
        used += take;
        /* Each message has one size: another is refused as soon as its length is there.
         */
        if (hs->in_len >= TACIT_MESSAGE_HEADER &&
            ((size_t)hs->in[0] << 8 | hs->in[1]) != expected(hs))
            return fail(hs, TACIT_EFORMAT);
        if (tacit_handshake_wants(hs) > 0)
            break;
        const uint8_t *msg = hs->in + TACIT_MESSAGE_HEADER;
        size_t msg_len = hs->in_len - TACIT_MESSAGE_HEADER;
        int error = hs->state == TACIT_HANDSHAKE_WAIT_1   ? take_first(hs, msg, msg_len)
                    : hs->state == TACIT_HANDSHAKE_WAIT_2 ? take_second(hs, msg, msg_len)
                                                          : take_third(hs, msg, msg_len);
        if (error)
            return fail(hs, error);
        hs->in_len = 0;
    }
    *ret_used = used;
    return TACIT_OK;
}

/* A responder has its channel whatever the verdict is: the peer may hear why not. */
static int answer_peer(struct tacit_handshake *hs, int verdict)
{
    if (hs->config.role == NOISE_RESPONDER) {
        hs->state = TACIT_HANDSHAKE_DONE;
        return TACIT_OK;
    }
    return verdict ? verdict : answer_second(hs);
}

int tacit_handshake_answer(struct tacit_handshake *hs, int verdict)
{
    int error = TACIT_ESTATE;
    if (hs->state == TACIT_HANDSHAKE_ASK_FIRST)
        error = verdict ? verdict : answer_first(hs);
    else if (hs->state == TACIT_HANDSHAKE_ASK_PEER)
        error = answer_peer(hs, verdict);
    else
        return error;
    return error ? fail(hs, error) : TACIT_OK;
}

size_t tacit_handshake_output(const struct tacit_handshake *hs, const uint8_t **ret_bytes)
{
    *ret_bytes = hs->out + hs->out_sent;
    return hs->out_len - hs->out_sent;
}

void tacit_handshake_sent(struct tacit_handshake *hs, size_t len)
{
    hs->out_sent += len;
}

int tacit_handshake_finish(struct tacit_handshake *hs, struct tacit_channel *ret_channel)
{
    struct noise_cipher send, receive;
    if (hs->state != TACIT_HANDSHAKE_DONE)
        return TACIT_ESTATE;
    int error = noise_handshake_split(&hs->noise, &send, &receive);
    if (error)
        return fail(hs, error);
    bool initiator = hs->config.role == NOISE_INITIATOR;
    struct tacit_secret split[2] = {initiator ? send.key : receive.key,
                                    initiator ? receive.key : send.key};
    tacit_channel_init(ret_channel, hs->config.role, (enum tacit_suite)hs->peer.suite,
                       split, hs->noise.h);
    tacit_wipe(split, sizeof split);
    tacit_wipe(&send, sizeof send);
    tacit_wipe(&receive, sizeof receive);
    noise_handshake_wipe(&hs->noise);
    return TACIT_OK;
}

void tacit_handshake_wipe(struct tacit_handshake *hs)
{
    noise_handshake_wipe(&hs->noise);
    tacit_wipe(hs->in, sizeof hs->in);
    hs->out_len = hs->out_sent = 0;
}
