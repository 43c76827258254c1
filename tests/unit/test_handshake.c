/* The promises of src/channel's handshake: two sides driven against each other. */
#include "test_channel.h"

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* A record of from's that opens at to, with the same content. */
static void assert_heard(struct side *from, struct side *to)
{
    static const char words[] = "said and heard";
    uint8_t record[256], plain[256];
    struct iovec iov = {.iov_base = (void *)(uintptr_t)words, .iov_len = sizeof words};
    size_t len;
    enum tacit_record_type type;
    assert_int_equal(tacit_channel_seal(&from->channel, TACIT_RECORD_DATA, &iov, 1,
                                        record, sizeof record, &len),
                     0);
    assert_int_equal(tacit_channel_open(&to->channel, record, len, plain, &len, &type),
                     0);
    assert_int_equal(len, sizeof words);
    assert_memory_equal(plain, words, len);
}

/* ---- The door ---------------------------------------------------------------------- */

static void a_door_opens_a_first_message_with_the_mesh_key_alone(void **state)
{
    struct pair p;
    uint8_t wire[WIRE_2], ephemeral[NOISE_DHLEN];
    struct tacit_first first;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(take_output(&p.i, wire), WIRE_1);
    struct tacit_secret keys[2] = {{{1}}, p.i.mesh_keys[0]};
    const uint8_t *msg = wire + TACIT_MESSAGE_HEADER;
    assert_int_equal(tacit_first_open(keys, 2, msg, &first, ephemeral), 0);
    assert_string_equal(first.wanted, p.i.wanted);
    assert_memory_equal(ephemeral, msg, NOISE_DHLEN);
    assert_int_equal(tacit_first_open(keys, 1, msg, &first, ephemeral), TACIT_EAUTH);
    flip(wire, 8 * 100);
    assert_int_equal(tacit_first_open(keys, 2, msg, &first, ephemeral), TACIT_EAUTH);
}

/* ---- What both sides know afterwards -------------------------------------------------
 */

static void both_sides_learn_name_and_key_of_the_other(void **state)
{
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    pair_open(&p);
    assert_string_equal(p.i.hs.peer.name, p.r.name);
    assert_string_equal(p.r.hs.peer.name, p.i.name);
    assert_memory_equal(p.i.hs.peer_key, p.r.identity.public_key, NOISE_DHLEN);
    assert_memory_equal(p.r.hs.peer_key, p.i.identity.public_key, NOISE_DHLEN);
    assert_int_equal(p.i.hs.peer.version, TACIT_VERSION);
    assert_int_equal(p.r.hs.peer.version, TACIT_VERSION);
    assert_heard(&p.i, &p.r);
    assert_heard(&p.r, &p.i);
}

static void the_rules_are_asked_once_with_what_the_peer_proved(void **state)
{
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    uint8_t e[NOISE_DHLEN];
    memcpy(e, p.i.hs.noise.e.public_key, sizeof e);
    pair_open(&p);
    assert_int_equal(p.i.firsts, 0);
    assert_int_equal(p.r.firsts, 1);
    assert_memory_equal(p.r.ephemeral, e, sizeof e);
    assert_string_equal(p.r.first.wanted, p.i.wanted);
    assert_int_equal(p.r.first.time, NOW);
    assert_int_equal(p.r.first.suites, p.i.suites);
    for (struct side *s = &p.i; s != NULL; s = s == &p.i ? &p.r : NULL) {
        const struct side *other = s == &p.i ? &p.r : &p.i;
        assert_int_equal(s->pair_keys, 1);
        assert_int_equal(s->decisions, 1);
        assert_memory_equal(s->pair_key_of, other->identity.public_key, NOISE_DHLEN);
        assert_memory_equal(s->decided, other->identity.public_key, NOISE_DHLEN);
        assert_string_equal(s->claim.name, other->name);
    }
}

static void a_node_without_a_name_of_its_own_claims_its_host(void **state)
{
    struct pair p;
    pair_make(&p);
    p.i.name = "one.example";
    p.i.dynamic = true;
    pair_start(&p);
    pair_open(&p);
    assert_true(p.r.claim.dynamic);
    assert_string_equal(p.r.claim.name, "one.example");
}

static void a_name_of_255_bytes_fits_and_one_more_does_not(void **state)
{
    char name[257] = "";
    memset(name, 'x', 255);
    struct pair p;
    pair_make(&p);
    p.i.name = p.i.wanted = p.r.name = name;
    pair_start(&p);
    pair_open(&p);
    assert_string_equal(p.r.hs.peer.name, name);
    name[255] = 'x';
    assert_int_equal(side_start(&p.i, NOISE_INITIATOR), TACIT_EINVAL);
    assert_dead(&p.i);
}

static void finishing_early_is_refused_and_twice_too(void **state)
{
    struct pair p;
    struct tacit_channel channel;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(tacit_handshake_finish(&p.i.hs, &channel), TACIT_ESTATE);
    assert_int_equal(tacit_handshake_finish(&p.r.hs, &channel), TACIT_ESTATE);
    pair_open(&p);
    assert_int_equal(tacit_handshake_finish(&p.i.hs, &channel), TACIT_ESTATE);
    assert_true(sodium_is_zero(p.i.hs.noise.ck, NOISE_HASHLEN));
    assert_true(sodium_is_zero(p.r.hs.noise.s.private_key.bytes, TACIT_KEY_BYTES));
}

/* ---- However the bytes are cut -------------------------------------------------------
 */

static const size_t pieces[] = {1, 2, 3, 7, 385, 386, 387, 1000, ANY_SIZE};

static void cut_in_any_way_the_messages_lead_to_a_channel(void **state)
{
    for (size_t k = 0; k < COUNT(pieces); k++) {
        struct pair p;
        pair_make(&p);
        pair_start(&p);
        assert_int_equal(carry_all(&p, pieces[k]), 0);
        pair_open(&p);
        assert_heard(&p.i, &p.r);
        assert_heard(&p.r, &p.i);
    }
}

/* Message 3 holds nothing random: the initiator must say the very same bytes. */
static void cut_in_any_way_the_same_bytes_have_the_same_effect(void **state)
{
    uint8_t two[WIRE_2], three[WIRE_2], again[WIRE_2], h[NOISE_HASHLEN];
    struct pair p, before;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), 0);
    take_output(&p.r, two);
    memcpy(&before, &p, sizeof p);
    assert_int_equal(feed(&p.i, two, WIRE_2), 0);
    take_output(&p.i, three);
    assert_int_equal(feed(&p.r, three, WIRE_3), 0);
    memcpy(h, p.r.hs.noise.h, sizeof h);
    for (size_t k = 0; k < COUNT(pieces); k++) {
        memcpy(&p, &before, sizeof p);
        for (size_t at = 0; at < WIRE_2; at += pieces[k])
            assert_int_equal(
                feed(&p.i, two + at, WIRE_2 - at < pieces[k] ? WIRE_2 - at : pieces[k]),
                0);
        assert_int_equal(take_output(&p.i, again), WIRE_3);
        assert_memory_equal(again, three, WIRE_3);
        for (size_t at = 0; at < WIRE_3; at += pieces[k])
            assert_int_equal(
                feed(&p.r, three + at, WIRE_3 - at < pieces[k] ? WIRE_3 - at : pieces[k]),
                0);
        assert_int_equal(p.r.hs.state, TACIT_HANDSHAKE_DONE);
        assert_memory_equal(p.r.hs.noise.h, h, sizeof h);
    }
}

static void no_byte_behind_the_handshake_is_taken(void **state)
{
    static uint8_t bytes[ANY_SIZE];
    struct pair p;
    size_t used;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), 0);
    take_output(&p.r, bytes);
    assert_int_equal(tacit_handshake_feed(&p.i.hs, bytes, sizeof bytes, &used), 0);
    assert_int_equal(used, WIRE_2);
    assert_int_equal(side_answer(&p.i), 0);
    take_output(&p.i, bytes);
    /* A first piece that ends inside the message, a second that goes beyond it. */
    assert_int_equal(tacit_handshake_feed(&p.r.hs, bytes, 1, &used), 0);
    assert_int_equal(tacit_handshake_wants(&p.r.hs), WIRE_3 - 1);
    assert_int_equal(tacit_handshake_feed(&p.r.hs, bytes + 1, sizeof bytes - 1, &used),
                     0);
    assert_int_equal(used, WIRE_3 - 1);
    assert_int_equal(side_answer(&p.r), 0);
    for (struct side *s = &p.i; s != NULL; s = s == &p.i ? &p.r : NULL) {
        assert_int_equal(tacit_handshake_wants(&s->hs), 0);
        assert_int_equal(tacit_handshake_feed(&s->hs, bytes, sizeof bytes, &used), 0);
        assert_int_equal(used, 0);
    }
    pair_open(&p);
    assert_heard(&p.i, &p.r);
}

/* ---- Altered messages ----------------------------------------------------------------
 */

/* Every bit of the message, flipped one at a time, kills s, which was not asked anything.
 */
static void assert_no_bit_may_flip(struct side *s, uint8_t *message, size_t len)
{
    static struct side before;
    memcpy(&before, s, sizeof before);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        flip(message, bit);
        assert_int_not_equal(feed(s, message, len), 0);
        assert_dead(s);
        assert_int_equal(s->decisions, before.decisions);
        assert_int_equal(s->firsts, before.firsts);
        flip(message, bit);
        memcpy(s, &before, sizeof before);
    }
    assert_int_equal(feed(s, message, len), 0); /* unaltered it is taken */
}

static void a_flipped_bit_of_message_1_is_met_with_silence(void **state)
{
    uint8_t message[WIRE_2];
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    take_output(&p.i, message);
    assert_no_bit_may_flip(&p.r, message, WIRE_1);
}

static void a_flipped_bit_of_message_2_is_refused(void **state)
{
    uint8_t message[WIRE_2];
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), 0);
    take_output(&p.r, message);
    assert_no_bit_may_flip(&p.i, message, WIRE_2);
}

static void a_flipped_bit_of_message_3_is_refused(void **state)
{
    uint8_t message[WIRE_2];
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), 0);
    assert_int_equal(carry(&p.r, &p.i, ANY_SIZE), 0);
    take_output(&p.i, message);
    assert_no_bit_may_flip(&p.r, message, WIRE_3);
}

static void a_message_of_another_length_is_refused_at_its_second_byte(void **state)
{
    static const size_t lengths[] = {
        0, 1, TACIT_MESSAGE_1 - 1, TACIT_MESSAGE_1 + 1, TACIT_MESSAGE_2, 65535};
    for (size_t k = 0; k < COUNT(lengths); k++) {
        uint8_t header[2] = {(uint8_t)(lengths[k] >> 8), (uint8_t)lengths[k]};
        struct pair p;
        pair_make(&p);
        pair_start(&p);
        assert_int_equal(feed(&p.r, header, 1), 0);
        assert_int_equal(feed(&p.r, header + 1, 1), TACIT_EFORMAT);
        assert_dead(&p.r);
    }
}

static void a_failed_handshake_takes_nothing_more(void **state)
{
    uint8_t message[WIRE_2];
    size_t used = 1;
    struct pair p;
    pair_make(&p);
    pair_start(&p);
    take_output(&p.i, message);
    flip(message, 8 * WIRE_1 - 1);
    assert_int_equal(feed(&p.r, message, WIRE_1), TACIT_EAUTH);
    flip(message, 8 * WIRE_1 - 1);
    assert_int_equal(tacit_handshake_feed(&p.r.hs, message, WIRE_1, &used), 0);
    assert_int_equal(used, 0);
    assert_dead(&p.r);
    tacit_handshake_wipe(&p.r.hs);
    tacit_handshake_wipe(&p.r.hs);
}

/* ---- Order ---------------------------------------------------------------------------
 */

static void messages_out_of_order_are_refused(void **state)
{
    uint8_t one[WIRE_2], two[WIRE_2], three[WIRE_2];
    struct pair p, fresh;
    pair_make(&p);
    pair_start(&p);
    take_output(&p.i, one);
    fresh = p;
    assert_int_equal(feed(&p.r, one, WIRE_1), 0);
    take_output(&p.r, two);
    assert_int_equal(feed(&p.i, two, WIRE_2), 0);
    take_output(&p.i, three);

    pair_start(&fresh);
    assert_int_equal(feed(&fresh.r, three, WIRE_3), TACIT_EFORMAT); /* 3 before 1 */
    assert_dead(&fresh.r);
    pair_start(&fresh);
    take_output(&fresh.i, one);
    assert_int_equal(feed(&fresh.i, one, WIRE_1), TACIT_EFORMAT); /* its own, back */
    assert_dead(&fresh.i);
    pair_start(&fresh);
    take_output(&fresh.i, one);
    assert_int_equal(feed(&fresh.r, one, WIRE_1), 0);
    take_output(&fresh.r, one);
    assert_int_equal(feed(&fresh.r, two, WIRE_2), TACIT_EFORMAT); /* 2 in 3's place */
}

static void messages_of_another_handshake_are_refused(void **state)
{
    uint8_t two[WIRE_2], three[WIRE_2], waste[WIRE_2];
    struct pair p, other;
    pair_make(&p);
    other = p;
    pair_start(&p);
    assert_int_equal(carry(&p.i, &p.r, ANY_SIZE), 0);
    take_output(&p.r, two);
    assert_int_equal(feed(&p.i, two, WIRE_2), 0);
    take_output(&p.i, three);

    pair_start(&other);
    assert_int_equal(carry(&other.i, &other.r, ANY_SIZE), 0);
    take_output(&other.r, waste);
    assert_int_equal(feed(&other.i, two, WIRE_2), TACIT_EAUTH);
    assert_dead(&other.i);
    assert_int_equal(feed(&other.r, three, WIRE_3), TACIT_EAUTH);
    assert_dead(&other.r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_door_opens_a_first_message_with_the_mesh_key_alone),
        cmocka_unit_test(both_sides_learn_name_and_key_of_the_other),
        cmocka_unit_test(the_rules_are_asked_once_with_what_the_peer_proved),
        cmocka_unit_test(a_node_without_a_name_of_its_own_claims_its_host),
        cmocka_unit_test(a_name_of_255_bytes_fits_and_one_more_does_not),
        cmocka_unit_test(finishing_early_is_refused_and_twice_too),
        cmocka_unit_test(cut_in_any_way_the_messages_lead_to_a_channel),
        cmocka_unit_test(cut_in_any_way_the_same_bytes_have_the_same_effect),
        cmocka_unit_test(no_byte_behind_the_handshake_is_taken),
        cmocka_unit_test(a_flipped_bit_of_message_1_is_met_with_silence),
        cmocka_unit_test(a_flipped_bit_of_message_2_is_refused),
        cmocka_unit_test(a_flipped_bit_of_message_3_is_refused),
        cmocka_unit_test(a_message_of_another_length_is_refused_at_its_second_byte),
        cmocka_unit_test(a_failed_handshake_takes_nothing_more),
        cmocka_unit_test(messages_out_of_order_are_refused),
        cmocka_unit_test(messages_of_another_handshake_are_refused),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
