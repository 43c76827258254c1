/*
 * Who gets how far in src/channel's handshake: keys, rules, names, versions and suites.
 * Peers that do not keep to the protocol seal payloads of their own (struct raw).
 */
#include "test_channel.h"

enum {
    CHACHA = 1u << TACIT_SUITE_CHACHA20_POLY1305,
    AES = 1u << TACIT_SUITE_AES_256_GCM,
    AEGIS = 1u << TACIT_SUITE_AEGIS_256,
};

/* The first message went through; the second must end the initiator, without a third. */
static void assert_no_third(struct pair *p, int error)
{
    assert_int_equal(carry(&p->i, &p->r, ANY_SIZE), 0);
    assert_int_equal(carry(&p->r, &p->i, ANY_SIZE), error);
    assert_dead(&p->i);
}

/* ---- Keys ----------------------------------------------------------------------------
 */

static void another_mesh_key_is_met_with_silence(void **state)
{
    struct pair p;
    pair_make(&p);
    p.i.mesh_keys[0].bytes[31] ^= 1;
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), TACIT_EAUTH);
    assert_dead(&p.r);
    assert_int_equal(p.r.firsts + p.r.pair_keys + p.r.decisions, 0);
    assert_false(p.r.hs.noise.has_e); /* nor did it cost a key pair */
}

static void every_key_of_the_keyring_opens_the_first_one_seals(void **state)
{
    for (unsigned at = 0; at < 4; at++) {
        struct pair p;
        pair_make(&p);
        p.r.mesh_key_count = 4;
        for (unsigned k = 0; k < 4; k++)
            memset(p.r.mesh_keys[k].bytes, k == at ? 'm' : (int)k, TACIT_KEY_BYTES);
        memset(p.i.mesh_keys[1].bytes, 0xee, TACIT_KEY_BYTES);
        p.i.mesh_key_count = 2;
        pair_start(&p);
        pair_open(&p);
        assert_int_equal(p.r.hs.mesh_key, at);
        assert_int_equal(p.i.hs.mesh_key, 0);
    }
}

static void a_keyring_without_a_key_opens_nothing(void **state)
{
    struct pair p;
    pair_make(&p);
    p.r.mesh_key_count = 0;
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), TACIT_EAUTH);
    assert_dead(&p.r);
}

static void the_same_pair_key_on_both_sides_opens_and_another_does_not(void **state)
{
    struct pair p;
    pair_make(&p);
    memset(p.i.pair_key.bytes, 'p', TACIT_KEY_BYTES);
    p.r.pair_key = p.i.pair_key;
    pair_start(&p);
    pair_open(&p);

    p.r.pair_key.bytes[0] ^= 0x80;
    for (int again = 0; again < 2; again++) {
        unsigned decided = p.r.decisions;
        pair_start(&p);
        assert_int_equal(carry_all(&p, ANY_SIZE), TACIT_EAUTH);
        assert_dead(&p.r);
        assert_int_equal(p.r.decisions, decided);       /* not even asked */
        memset(p.r.pair_key.bytes, 0, TACIT_KEY_BYTES); /* and none at all is another */
    }
}

/* ---- Rules ---------------------------------------------------------------------------
 */

static void a_first_message_that_the_rules_refuse_is_met_with_silence(void **state)
{
    static const int refusals[] = {TACIT_EREPLAY, TACIT_ETIME, TACIT_ENOMEM};
    for (size_t k = 0; k < COUNT(refusals); k++) {
        struct pair p;
        pair_make(&p);
        p.r.first_answer = refusals[k];
        pair_start(&p);
        assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), refusals[k]);
        assert_dead(&p.r);
        assert_int_equal(p.r.firsts, 1);
        assert_false(p.r.hs.noise.has_e);
    }
}

static void an_initiator_whose_rules_refuse_never_shows_who_it_is(void **state)
{
    struct pair p;
    pair_make(&p);
    p.i.decide_answer = TACIT_EREFUSED;
    pair_start(&p);
    assert_no_third(&p, TACIT_EREFUSED);
    assert_int_equal(p.i.pair_keys, 0); /* psk3 was not even looked up */
    assert_memory_equal(p.i.hs.peer_key, p.r.identity.public_key, NOISE_DHLEN);
}

static void a_responder_that_is_another_node_never_learns_who_asked(void **state)
{
    static const char *const names[] = {"answers@two.exampl", "answers@two.example.net",
                                        "Answers@two.example", ""};
    for (size_t k = 0; k < COUNT(names); k++) {
        struct pair p;
        pair_make(&p);
        p.r.name = names[k];
        pair_start(&p);
        assert_no_third(&p, TACIT_ENAME);
        assert_int_equal(p.i.decisions, 0);
        assert_string_equal(p.i.hs.peer.name, names[k]); /* for the log */
    }
}

static void a_responder_cannot_answer_as_a_node_without_a_name(void **state)
{
    struct pair p;
    pair_make(&p);
    p.r.dynamic = true;
    pair_start(&p);
    assert_no_third(&p, TACIT_ENAME);
}

/* The channel is up, so that the reason can be told inside the seal. */
static void a_responder_that_refuses_still_has_a_channel(void **state)
{
    struct pair p;
    uint8_t record[256];
    size_t len;
    enum tacit_record_type type;
    pair_make(&p);
    p.r.decide_answer = TACIT_EREFUSED;
    pair_start(&p);
    pair_open(&p);
    assert_string_equal(p.r.hs.peer.name, p.i.name);
    assert_memory_equal(p.r.hs.peer_key, p.i.identity.public_key, NOISE_DHLEN);
    assert_int_equal(tacit_channel_seal_close(&p.r.channel, TACIT_CLOSE_REFUSED, "no",
                                              record, sizeof record, &len),
                     0);
    assert_int_equal(
        tacit_channel_open(&p.i.channel, record, len, record + 2, &len, &type), 0);
    assert_int_equal(type, TACIT_RECORD_CLOSE);
}

/* ---- Suites --------------------------------------------------------------------------
 */

static void the_best_suite_that_both_allow_is_picked(void **state)
{
    const unsigned have = tacit_suites_available();
    for (unsigned mine = 0; mine < 16; mine += 2)
        for (unsigned theirs = 0; theirs < 16; theirs += 2) {
            struct pair p;
            unsigned both = mine & theirs & have;
            pair_make(&p);
            p.i.suites = mine;
            p.r.suites = theirs;
            if (!(mine & have) || !(theirs & have))
                continue;
            pair_start(&p);
            if (both == 0) {
                assert_no_third(&p, TACIT_ESUITE);
                continue;
            }
            pair_open(&p);
            unsigned best = both & AEGIS ? 3 : both & AES ? 2 : 1;
            assert_int_equal(p.i.hs.peer.suite, best);
            assert_int_equal(p.r.hs.peer.suite, best);
            assert_int_equal(p.i.channel.suite, best);
            assert_int_equal(p.r.channel.suite, best);
        }
}

static void a_side_without_a_suite_does_not_start(void **state)
{
    struct pair p;
    pair_make(&p);
    p.i.suites = p.r.suites = 1u << 0 | 1u << 9; /* none that this code has */
    assert_int_equal(side_start(&p.i, NOISE_INITIATOR), TACIT_ESUITE);
    assert_int_equal(side_start(&p.r, NOISE_RESPONDER), TACIT_ESUITE);
    assert_dead(&p.i);
    assert_dead(&p.r);
}

/* ---- Peers that do not keep to the protocol
 * -------------------------------------------- */

/* A responder that answers with this claim: what the initiator makes of it. */
static int answer_with(struct pair *p, struct tacit_claim claim)
{
    uint8_t message[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct raw raw;
    assert_int_equal(side_start(&p->i, NOISE_INITIATOR), 0);
    raw_start(&raw, &p->r, NOISE_RESPONDER);
    raw_read(&raw, message, take_output(&p->i, message), payload, sizeof payload);
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
    raw_write(&raw, payload, sizeof payload, message, sizeof message);
    return feed(&p->i, message, WIRE_2);
}

static void a_version_or_suite_that_was_not_offered_never_gets_message_3(void **state)
{
    struct tacit_claim claim = {.version = TACIT_VERSION, .name = "answers@two.example"};
    static const uint8_t versions[] = {0, 2, 255},
                         suites[] = {0, 2, 3, 4, 32, 33, 65, 255};
    struct pair p;
    pair_make(&p);
    p.i.suites = CHACHA;
    for (size_t k = 0; k < COUNT(suites); k++) {
        claim.suite = suites[k];
        assert_int_equal(answer_with(&p, claim), TACIT_ESUITE);
        assert_dead(&p.i);
    }
    claim.suite = TACIT_SUITE_CHACHA20_POLY1305;
    for (size_t k = 0; k < COUNT(versions); k++) {
        claim.version = versions[k];
        assert_int_equal(answer_with(&p, claim), TACIT_EVERSION);
        assert_dead(&p.i);
    }
    /* It is the right side that says so. */
    assert_int_equal(p.i.decisions, COUNT(suites) + COUNT(versions));
    claim.version = TACIT_VERSION;
    assert_int_equal(answer_with(&p, claim), 0); /* as it should be */
}

/* An initiator with payloads of its own: the responder's error, 1 and 3 in turn. */
static int ask_with(struct pair *p, const struct tacit_first *first,
                    const struct tacit_claim *claim)
{
    uint8_t message[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct raw raw;
    assert_int_equal(side_start(&p->r, NOISE_RESPONDER), 0);
    raw_start(&raw, &p->i, NOISE_INITIATOR);
    assert_int_equal(tacit_first_write(first, payload), 0);
    size_t len = raw_write(&raw, payload, TACIT_FIRST_PAYLOAD, message, sizeof message);
    int error = feed(&p->r, message, len);
    if (error)
        return error;
    raw_read(&raw, message, take_output(&p->r, message), payload, sizeof payload);
    assert_int_equal(tacit_claim_write(claim, payload), 0);
    len = raw_write(&raw, payload, TACIT_CLAIM_PAYLOAD, message, sizeof message);
    return feed(&p->r, message, len);
}

static void message_3_must_repeat_the_version_and_the_suite(void **state)
{
    const struct tacit_first first = {1, 1, CHACHA, NOW, "answers@two.example"};
    struct tacit_claim claim = {
        .version = 1, .suite = TACIT_SUITE_CHACHA20_POLY1305, .name = "asks@one"};
    struct pair p;
    pair_make(&p);
    assert_int_equal(ask_with(&p, &first, &claim), 0);
    assert_int_equal(p.r.decisions, 1);
    for (unsigned other = 0; other < 256; other++) {
        claim.suite = (uint8_t)other;
        if (other != TACIT_SUITE_CHACHA20_POLY1305)
            assert_int_equal(ask_with(&p, &first, &claim), TACIT_EFORMAT);
        claim.suite = TACIT_SUITE_CHACHA20_POLY1305;
        claim.version = (uint8_t)other;
        if (other != TACIT_VERSION)
            assert_int_equal(ask_with(&p, &first, &claim), TACIT_EFORMAT);
        claim.version = TACIT_VERSION;
    }
    assert_int_equal(p.r.decisions, 1);
}

static void with_no_version_in_common_there_is_no_channel(void **state)
{
    static const uint8_t ranges[][2] = {{2, 2}, {2, 255}};
    struct tacit_first first = {0, 0, CHACHA, NOW, "answers@two.example"};
    struct tacit_claim claim = {
        .version = 0, .suite = TACIT_SUITE_CHACHA20_POLY1305, .name = "asks@one"};
    struct pair p;
    pair_make(&p);
    for (size_t k = 0; k < COUNT(ranges); k++) {
        first.version_min = ranges[k][0];
        first.version_max = ranges[k][1];
        /* It was told version 0, and goes on all the same. */
        for (claim.version = 0; claim.version < 4; claim.version++)
            assert_int_equal(ask_with(&p, &first, &claim), TACIT_EFORMAT);
    }
    assert_int_equal(p.r.decisions, 0);
    first.version_min = 1;
    claim.version = 1;
    assert_int_equal(ask_with(&p, &first, &claim), 0); /* 1 to 255 has 1 in it */
}

static void with_no_suite_in_common_there_is_no_channel(void **state)
{
    const struct tacit_first first = {1, 1, 1u << 15, NOW, "answers@two.example"};
    struct tacit_claim claim = {.version = 1, .suite = 0, .name = "asks@one"};
    struct pair p;
    pair_make(&p);
    for (claim.suite = 0; claim.suite < 16; claim.suite++)
        assert_int_equal(ask_with(&p, &first, &claim), TACIT_EFORMAT);
    assert_int_equal(p.r.decisions, 0);
}

static void a_sealed_but_malformed_payload_is_refused(void **state)
{
    uint8_t message[WIRE_2], payload[TACIT_CLAIM_PAYLOAD] = {0};
    struct raw raw;
    struct pair p;
    pair_make(&p);
    assert_int_equal(side_start(&p.r, NOISE_RESPONDER), 0);
    raw_start(&raw, &p.i, NOISE_INITIATOR);
    raw_write(&raw, payload, TACIT_FIRST_PAYLOAD, message, sizeof message);
    assert_int_equal(feed(&p.r, message, WIRE_1), TACIT_EFORMAT);
    assert_dead(&p.r);
    assert_int_equal(p.r.firsts, 0);

    assert_int_equal(side_start(&p.i, NOISE_INITIATOR), 0);
    raw_start(&raw, &p.r, NOISE_RESPONDER);
    raw_read(&raw, message, take_output(&p.i, message), payload, sizeof payload);
    memset(payload, 0xff, sizeof payload);
    raw_write(&raw, payload, sizeof payload, message, sizeof message);
    assert_int_equal(feed(&p.i, message, WIRE_2), TACIT_EFORMAT);
    assert_dead(&p.i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_mesh_key_is_met_with_silence),
        cmocka_unit_test(every_key_of_the_keyring_opens_the_first_one_seals),
        cmocka_unit_test(a_keyring_without_a_key_opens_nothing),
        cmocka_unit_test(the_same_pair_key_on_both_sides_opens_and_another_does_not),
        cmocka_unit_test(a_first_message_that_the_rules_refuse_is_met_with_silence),
        cmocka_unit_test(an_initiator_whose_rules_refuse_never_shows_who_it_is),
        cmocka_unit_test(a_responder_that_is_another_node_never_learns_who_asked),
        cmocka_unit_test(a_responder_cannot_answer_as_a_node_without_a_name),
        cmocka_unit_test(a_responder_that_refuses_still_has_a_channel),
        cmocka_unit_test(the_best_suite_that_both_allow_is_picked),
        cmocka_unit_test(a_side_without_a_suite_does_not_start),
        cmocka_unit_test(a_version_or_suite_that_was_not_offered_never_gets_message_3),
        cmocka_unit_test(message_3_must_repeat_the_version_and_the_suite),
        cmocka_unit_test(with_no_version_in_common_there_is_no_channel),
        cmocka_unit_test(with_no_suite_in_common_there_is_no_channel),
        cmocka_unit_test(a_sealed_but_malformed_payload_is_refused),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("handshake-rules", tests, NULL, NULL);
}
