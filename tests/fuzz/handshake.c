/*
 * A handshake with a peer who holds every key and keeps to Noise, but says in the
 * payloads what the input makes of them, and whose messages change on the way.
 */
#include "channel.h"

/* What the input chooses before anything is said. */
struct plan {
    enum noise_role role; /* ours */
    bool directory, other_pair_key, refuses, refuses_first, dynamic;
    size_t piece; /* our side gets its bytes in pieces of this size */
};

static struct noise_keypair own, theirs, door;
static struct tacit_secret mesh_keys[3], pair_key;
static struct plan plan;
static unsigned firsts, decisions;
static struct tacit_claim claimed; /* what the rules were asked about */

static void find_pair_key(const void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    MUST(memcmp(public_key, theirs.public_key, NOISE_DHLEN) == 0);
    *ret_key = pair_key;
}

static int answer_peer(struct tacit_handshake *hs)
{
    bool asks_door = plan.directory && plan.role == NOISE_INITIATOR;
    MUST(memcmp(hs->peer_key, asks_door ? door.public_key : theirs.public_key,
                NOISE_DHLEN) == 0);
    decisions++;
    claimed = hs->peer;
    return tacit_handshake_answer(hs, plan.refuses ? TACIT_EREFUSED : TACIT_OK);
}

/* Answers what our side asks, if it asks; its error, or 0. */
static int answer(struct tacit_handshake *hs)
{
    if (hs->state == TACIT_HANDSHAKE_ASK_PEER)
        return answer_peer(hs);
    if (hs->state != TACIT_HANDSHAKE_ASK_FIRST)
        return TACIT_OK;
    firsts++;
    return tacit_handshake_answer(hs, plan.refuses_first ? TACIT_EREPLAY : TACIT_OK);
}

/* --- the peer ----------------------------------------------------------------------- */

static int give_psk(void *context, const struct noise_handshake *noise, unsigned index,
                    struct tacit_secret *ret_psk)
{
    *ret_psk = index == 0 ? mesh_keys[1] : pair_key;
    if (index == 1 && plan.directory)
        memset(ret_psk, 0, sizeof *ret_psk);
    ret_psk->bytes[0] ^= index == 1 && plan.other_pair_key;
    return TACIT_OK;
}

static void start_peer(struct noise_handshake *peer, struct noise_protocol *protocol)
{
    static const char name[] = "Noise_XXpsk0+psk3_25519_ChaChaPoly_BLAKE2b";
    bool is_door = plan.directory && plan.role == NOISE_INITIATOR;
    MUST(noise_protocol_parse(name, protocol) == TACIT_OK);
    MUST(noise_handshake_init(peer, protocol,
                              plan.role == NOISE_INITIATOR ? NOISE_RESPONDER
                                                           : NOISE_INITIATOR,
                              (const uint8_t *)"Tacit 1", 7, is_door ? &door : &theirs,
                              NULL, give_psk, NULL) == TACIT_OK);
}

static void peer_reads(struct noise_handshake *peer, const uint8_t *message, size_t len)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    size_t size;
    MUST(noise_handshake_read(peer, message + TACIT_MESSAGE_HEADER,
                              len - TACIT_MESSAGE_HEADER, payload, sizeof payload,
                              &size) == TACIT_OK);
}

/* Seals a payload; then the message may change on its way. *ret_altered: it did. */
static size_t peer_writes(struct noise_handshake *peer, struct tacit_reader *in,
                          const uint8_t *payload, size_t len, uint8_t *out, size_t cap,
                          bool *ret_altered)
{
    size_t size;
    MUST(noise_handshake_write(peer, payload, len, out + TACIT_MESSAGE_HEADER,
                               cap - TACIT_MESSAGE_HEADER, &size) == TACIT_OK);
    out[0] = (uint8_t)(size >> 8);
    out[1] = (uint8_t)size;
    size += TACIT_MESSAGE_HEADER;
    *ret_altered = fuzz_patch(in, out, size);
    return size;
}

/* --- our side ----------------------------------------------------------------------- */

static void assert_dead(const struct tacit_handshake *hs)
{
    const uint8_t *bytes;
    MUST(hs->state == TACIT_HANDSHAKE_FAILED && tacit_handshake_wants(hs) == 0);
    MUST(tacit_handshake_output(hs, &bytes) == 0);
    MUST(sodium_is_zero(hs->noise.ck, sizeof hs->noise.ck));
    MUST(sodium_is_zero(hs->noise.s.private_key.bytes, TACIT_KEY_BYTES));
    MUST(sodium_is_zero(hs->noise.e.private_key.bytes, TACIT_KEY_BYTES));
    MUST(sodium_is_zero(hs->in, sizeof hs->in));
}

/* Feeds all of it, in pieces; false: it failed, for good and without a word. */
static bool feed(struct tacit_handshake *hs, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0, used; at < len; at += used) {
        size_t wants = tacit_handshake_wants(hs);
        size_t piece = len - at < plan.piece ? len - at : plan.piece;
        MUST(wants > 0);
        if (tacit_handshake_feed(hs, bytes + at, piece, &used) || answer(hs)) {
            assert_dead(hs);
            return false;
        }
        MUST(used > 0 && used <= piece && used <= wants);
    }
    return true;
}

static size_t take_output(struct tacit_handshake *hs, const uint8_t **ret_bytes)
{
    size_t len = tacit_handshake_output(hs, ret_bytes);
    MUST(len > 0);
    tacit_handshake_sent(hs, len);
    return len;
}

/* Both came to the end: the channel of each opens what the other's seals. */
static void assert_channel(struct tacit_handshake *hs, struct noise_handshake *peer)
{
    static _Alignas(16) struct tacit_channel ours, its;
    struct noise_cipher send, receive;
    struct tacit_secret split[2];
    uint8_t record[64], h[NOISE_HASHLEN];
    struct iovec iov = {.iov_base = h, .iov_len = 5};
    enum tacit_record_type type;
    size_t len;
    memcpy(h, peer->h, sizeof h);
    MUST(noise_handshake_split(peer, &send, &receive) == TACIT_OK);
    bool initiator = peer->role == NOISE_INITIATOR;
    split[0] = initiator ? send.key : receive.key;
    split[1] = initiator ? receive.key : send.key;
    MUST(tacit_handshake_finish(hs, &ours) == TACIT_OK);
    tacit_channel_init(&its, peer->role, ours.suite, split, h);
    MUST(tacit_channel_seal(&ours, TACIT_RECORD_DATA, &iov, 1, record, sizeof record,
                            &len) == TACIT_OK);
    MUST(tacit_channel_open(&its, record, len, record + 2, &len, &type) == TACIT_OK);
    MUST(tacit_channel_seal(&its, TACIT_RECORD_DATA, &iov, 1, record, sizeof record,
                            &len) == TACIT_OK);
    MUST(tacit_channel_open(&ours, record, len, record + 2, &len, &type) == TACIT_OK);
}

static void start_us(struct tacit_handshake *hs)
{
    struct tacit_channel_config config = {
        .role = plan.role,
        .identity = &own,
        .door_identity = &door,
        .mesh_keys = mesh_keys,
        .mesh_key_count = 3,
        .suites = tacit_suites_available(),
        .own_name = plan.dynamic ? "one.example" : "we@one.example",
        .own_dynamic = plan.dynamic,
        .wanted = plan.directory ? "" : "they@two.example",
        .now = 1800000000,
        .pair_key = find_pair_key,
    };
    MUST(tacit_handshake_init(hs, &config) == TACIT_OK);
}

static void claim_of(struct tacit_reader *in, uint8_t payload[TACIT_CLAIM_PAYLOAD],
                     const char *name)
{
    struct tacit_claim claim = {.version = 1, .mesh_key_count = 1};
    memcpy(claim.name, name, strlen(name));
    claim.suite = tacit_get_u8(in) < 240
                      ? (uint8_t)tacit_suite_best(tacit_suites_available())
                      : tacit_get_u8(in);
    MUST(tacit_claim_write(&claim, payload) == TACIT_OK);
    fuzz_patch(in, payload, TACIT_CLAIM_PAYLOAD);
}

/* --- the two roles ------------------------------------------------------------------ */

static void as_responder(struct tacit_reader *in)
{
    static struct tacit_handshake hs;
    struct noise_protocol protocol;
    struct noise_handshake peer;
    uint8_t payload[TACIT_CLAIM_PAYLOAD], message[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    struct tacit_first first = {1, 1, 14, 1800000000, "we@one.example"};
    const uint8_t *bytes;
    bool altered;
    if (plan.directory)
        first.wanted[0] = '\0';
    start_us(&hs);
    start_peer(&peer, &protocol);
    MUST(tacit_first_write(&first, payload) == TACIT_OK);
    fuzz_patch(in, payload, TACIT_FIRST_PAYLOAD);
    bool valid = tacit_first_read(payload, TACIT_FIRST_PAYLOAD, &first) == TACIT_OK;
    size_t len = peer_writes(&peer, in, payload, TACIT_FIRST_PAYLOAD, message,
                             sizeof message, &altered);
    bool fed = feed(&hs, message, len);
    MUST(firsts == (valid && !altered)); /* the rules see nothing else */
    MUST(fed == (firsts == 1 && !plan.refuses_first));
    if (!fed)
        return;
    plan.directory = first.wanted[0] == '\0'; /* the payload may say another */
    len = take_output(&hs, &bytes);
    peer_reads(&peer, bytes, len);
    claim_of(in, payload, plan.directory ? TACIT_REQUESTER_NAME : "they@two.example");
    len = peer_writes(&peer, in, payload, TACIT_CLAIM_PAYLOAD, message, sizeof message,
                      &altered);
    fed = feed(&hs, message, len);
    MUST(decisions == fed);
    if (!fed)
        return;
    MUST(!altered && (!plan.other_pair_key) && hs.state == TACIT_HANDSHAKE_DONE);
    MUST(claimed.version == 1 && claimed.suite > 0 &&
         tacit_suites_available() & first.suites & 1u << claimed.suite);
    MUST(plan.directory == (strcmp(claimed.name, TACIT_REQUESTER_NAME) == 0));
    MUST(strcmp(hs.peer.name, claimed.name) == 0);
    assert_channel(&hs, &peer);
}

static void as_initiator(struct tacit_reader *in)
{
    static struct tacit_handshake hs;
    struct noise_protocol protocol;
    struct noise_handshake peer;
    uint8_t payload[TACIT_CLAIM_PAYLOAD], message[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    const uint8_t *bytes;
    bool altered;
    struct tacit_secret first_key = mesh_keys[0]; /* ours seals with the first */
    mesh_keys[0] = mesh_keys[1];
    start_us(&hs);
    mesh_keys[0] = first_key;
    start_peer(&peer, &protocol);
    size_t len = take_output(&hs, &bytes);
    peer_reads(&peer, bytes, len);
    claim_of(in, payload, plan.directory ? TACIT_DOOR_NAME : "they@two.example");
    len = peer_writes(&peer, in, payload, TACIT_CLAIM_PAYLOAD, message, sizeof message,
                      &altered);
    bool fed = feed(&hs, message, len);
    /* Name and key are looked at first: what is said of version and suite, behind that.
     */
    bool agreed = decisions == 1 && claimed.version == 1 && claimed.suite > 0 &&
                  claimed.suite <= TACIT_SUITE_LAST &&
                  tacit_suites_available() & 1u << claimed.suite;
    MUST(fed == (agreed && !plan.refuses));
    if (!fed)
        return;
    MUST(!altered && hs.state == TACIT_HANDSHAKE_DONE && !claimed.dynamic);
    MUST(strcmp(claimed.name, plan.directory ? TACIT_DOOR_NAME : "they@two.example") ==
         0);
    len = take_output(&hs, &bytes);
    MUST(len == TACIT_MESSAGE_HEADER + TACIT_MESSAGE_3);
    size_t size;
    int error = noise_handshake_read(&peer, bytes + TACIT_MESSAGE_HEADER, TACIT_MESSAGE_3,
                                     payload, sizeof payload, &size);
    MUST((error != TACIT_OK) == plan.other_pair_key);
    if (!error)
        assert_channel(&hs, &peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct tacit_reader in = tacit_reader(bytes, len);
    fuzz_begin();
    noise_keypair_generate(&own);
    noise_keypair_generate(&theirs);
    noise_keypair_generate(&door);
    for (unsigned i = 0; i < 3; i++)
        memset(mesh_keys[i].bytes, (int)i, TACIT_KEY_BYTES);
    memset(pair_key.bytes, 9, TACIT_KEY_BYTES);
    uint8_t choice = tacit_get_u8(&in);
    plan = (struct plan){
        .role = choice & 1 ? NOISE_INITIATOR : NOISE_RESPONDER,
        .directory = (choice & 2) != 0,
        .other_pair_key = (choice & 12) == 12,
        .refuses = (choice & 48) == 48,
        .refuses_first = (choice & 192) == 192,
        .dynamic = (choice & 80) == 80,
        .piece = (size_t)tacit_get_u8(&in) * 7 + 1,
    };
    firsts = decisions = 0;
    if (plan.role == NOISE_INITIATOR)
        as_initiator(&in);
    else
        as_responder(&in);
    return 0;
}
