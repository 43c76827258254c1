/*
 * Records from a peer who holds the keys and keeps to no rule: of every type, of any
 * data, steps to fresh keys at any moment and with any byte of them another. What it
 * seals by the rules is understood; the rest ends the channel.
 */
#include "channel.h"

static _Alignas(16) struct tacit_channel peer, us;
static struct noise_keypair identity[2]; /* the peer's, ours */
static struct tacit_rekey_keys keys[2];
static uint8_t record[TACIT_RECORD_MAX], answer[TACIT_REKEY_RECORD_MAX];
static bool forged; /* a step to fresh keys of the input's own making was sent */

static void begin(struct tacit_reader *in)
{
    static const struct tacit_secret split[2];
    static const uint8_t h[NOISE_HASHLEN];
    uint8_t choice = tacit_get_u8(in);
    enum noise_role role = choice & 1 ? NOISE_INITIATOR : NOISE_RESPONDER;
    fuzz_begin();
    forged = false;
    tacit_channel_init(&peer, role, fuzz_suite(choice >> 1), split, h);
    tacit_channel_init(&us, role == NOISE_INITIATOR ? NOISE_RESPONDER : NOISE_INITIATOR,
                       fuzz_suite(choice >> 1), split, h);
    for (int i = 0; i < 2; i++) {
        noise_keypair_generate(&identity[i]);
        keys[i] = (struct tacit_rekey_keys){.identity = &identity[i],
                                            .peer_key = identity[1 - i].public_key};
    }
}

static void assert_over(void)
{
    size_t len;
    MUST(us.failed && sodium_is_zero(us.root, sizeof us.root));
    MUST(sodium_is_zero((const uint8_t *)&us.receive, sizeof us.receive));
    MUST(tacit_channel_seal_close(&us, TACIT_CLOSE_DONE, "", answer, sizeof answer,
                                  &len) == TACIT_ESTATE);
}

static bool step(struct tacit_reader *in, struct tacit_channel *before, size_t len);

/*
 * What we said in `answer` reaches the peer, which keeps to the rules here; what it says
 * to that reaches us. false: that was the end.
 */
static bool peer_takes(struct tacit_reader *in, size_t size)
{
    static _Alignas(16) struct tacit_channel before;
    enum tacit_record_type type;
    size_t len;
    int error = tacit_channel_open(&peer, answer, size, answer + 2, &len, &type);
    before = peer;
    if (!error)
        error = tacit_rekey_take(&peer, &keys[0], answer + 2, len, record, sizeof record,
                                 &len);
    MUST(!error || forged);
    return !error && (len == 0 || step(in, &before, len));
}

/* Our side takes what opened; false: that was the end. */
static bool take(struct tacit_reader *in, enum tacit_record_type type, uint8_t *data,
                 size_t len)
{
    enum tacit_close reason;
    char text[TACIT_CLOSE_TEXT_MAX + 1];
    size_t size = 0;
    if (type == TACIT_RECORD_CLOSE) {
        if (tacit_close_parse(data, len, &reason, text) == TACIT_OK) {
            MUST(strlen(text) <= TACIT_CLOSE_TEXT_MAX && reason > 0);
            MUST(tacit_close_name(reason) != NULL);
        }
        return false;
    }
    if (type != TACIT_RECORD_REKEY)
        return true;
    uint32_t generation = us.generation;
    int error = tacit_rekey_take(&us, &keys[1], data, len, answer, sizeof answer, &size);
    MUST(us.generation <= generation + UINT64_C(1));
    if (!error)
        return size == 0 || peer_takes(in, size);
    MUST(us.generation == generation); /* and a close can still be told */
    MUST(tacit_channel_seal_close(&us, TACIT_CLOSE_PROTOCOL, "", answer, sizeof answer,
                                  &size) == TACIT_OK);
    return false;
}

/* Bytes as they are: they never open. */
static bool garbage(struct tacit_reader *in)
{
    size_t size = tacit_get_u8(in), len;
    enum tacit_record_type type;
    memset(record, 0, size);
    for (size_t i = 0; i < size; i++)
        record[i] = tacit_get_u8(in);
    MUST(tacit_channel_open(&us, record, size, record + 2, &len, &type) != TACIT_OK);
    assert_over();
    return false;
}

/* A record of any type and data. */
static bool sealed(struct tacit_reader *in)
{
    unsigned choice = tacit_get_u8(in), number = choice % 8;
    size_t size = choice & 64 ? tacit_get_u16(in) : tacit_get_u8(in), len;
    enum tacit_record_type type = (enum tacit_record_type)number, got;
    static uint8_t data[TACIT_RECORD_MAX];
    struct iovec iov = {.iov_base = data, .iov_len = size};
    size_t own = tacit_left(in) < size ? tacit_left(in) : size;
    if (size > TACIT_RECORD_DATA_MAX)
        return true;
    memset(data, 0, size);
    for (size_t i = 0; i < own && i < 300; i++)
        data[i] = tacit_get_u8(in);
    int error = tacit_channel_seal(&peer, type, &iov, 1, record, sizeof record, &len);
    MUST((error == TACIT_OK) == (number == 1 || size <= TACIT_CONTROL_MAX));
    if (error)
        return true;
    error = tacit_channel_open(&us, record, len, record + 2, &len, &got);
    MUST((error == TACIT_OK) == (number >= 1 && number <= 3));
    if (error) {
        assert_over();
        return false;
    }
    MUST(got == type && len == size && memcmp(record + 2, data, len) == 0);
    forged = forged || type == TACIT_RECORD_REKEY;
    return take(in, got, record + 2, len);
}

/* A step to fresh keys that the peer made by the rules, sealed again where it is patched.
 */
static bool step(struct tacit_reader *in, struct tacit_channel *before, size_t len)
{
    static _Alignas(16) struct tacit_channel opener;
    enum tacit_record_type type;
    opener = us;
    MUST(tacit_channel_open(&opener, record, len, record + 2, &len, &type) == TACIT_OK);
    MUST(type == TACIT_RECORD_REKEY);
    uint8_t data[TACIT_REKEY_DATA_MAX];
    memcpy(data, record + 2, len);
    bool altered = fuzz_patch(in, data, len);
    struct iovec iov = {.iov_base = data, .iov_len = len};
    MUST(tacit_channel_seal(before, type, &iov, 1, record, sizeof record, &len) ==
         TACIT_OK);
    uint32_t generation = us.generation;
    MUST(tacit_channel_open(&us, record, len, record + 2, &len, &type) == TACIT_OK);
    forged = forged || altered;
    bool lives = take(in, type, record + 2, len);
    MUST(lives || forged);
    MUST(!altered || us.generation == generation);
    return lives;
}

static bool peer_offers(struct tacit_reader *in)
{
    static _Alignas(16) struct tacit_channel before;
    size_t len;
    before = peer;
    if (tacit_rekey_offer(&peer, &keys[0], record, sizeof record, &len))
        return true;
    return step(in, &before, len);
}

static bool we_offer(struct tacit_reader *in)
{
    size_t len;
    if (tacit_rekey_offer(&us, &keys[1], answer, sizeof answer, &len)) {
        MUST(us.rekey.state != TACIT_REKEY_NONE);
        return true;
    }
    return peer_takes(in, len);
}

static bool we_speak(struct tacit_reader *in)
{
    uint8_t said[] = {tacit_get_u8(in), 2, 3};
    struct iovec iov = {.iov_base = said, .iov_len = sizeof said};
    enum tacit_record_type type;
    size_t len;
    MUST(tacit_channel_seal(&us, TACIT_RECORD_DATA, &iov, 1, record, sizeof record,
                            &len) == TACIT_OK);
    MUST(tacit_channel_open(&peer, record, len, record + 2, &len, &type) == TACIT_OK);
    MUST(len == sizeof said && memcmp(record + 2, said, len) == 0);
    return true;
}

/* Both sides hold the same keys, unless the input has made a step of its own. */
static bool in_step(void)
{
    bool same = memcmp(&us.receive, &peer.send, sizeof us.receive) == 0 &&
                memcmp(&us.send, &peer.receive, sizeof us.send) == 0;
    MUST(same || forged);
    return same;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static bool (*const steps[])(struct tacit_reader *) = {
        sealed, peer_offers, we_offer, we_speak, sealed, peer_offers, we_offer, garbage};
    struct tacit_reader in = tacit_reader(bytes, len);
    begin(&in);
    for (unsigned n = 0; n < 64 && tacit_left(&in) > 0; n++)
        if (!steps[tacit_get_u8(&in) % 8](&in) || !in_step())
            break;
    return 0;
}
