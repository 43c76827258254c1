/* The promises of src/noise: handshakes, whole and broken. */
#include "test_noise.h"

static void assert_holds_not(const void *memory, size_t size, const void *secret,
                             size_t secret_size)
{
    assert_null(memmem(memory, size, secret, secret_size));
}

/* ---- Two sides --------------------------------------------------------------------- */

struct side {
    struct noise_keypair s;
    struct tacit_secret psks[4];
    struct noise_handshake hs;
    struct noise_cipher send, receive;
    /* What the psk callback saw, and what it shall return. */
    unsigned calls;
    uint8_t seen_rs[NOISE_DHLEN];
    bool saw_rs[4];
    int psk_error;
};

struct pair {
    struct noise_protocol protocol;
    struct side initiator, responder;
};

static int give_psk(void *context, const struct noise_handshake *hs, unsigned index,
                    struct tacit_secret *ret_psk)
{
    struct side *side = context;
    assert_true(index < 4);
    assert_int_equal(index, side->calls);
    side->calls++;
    side->saw_rs[index] = hs->has_rs;
    memcpy(side->seen_rs, hs->rs, sizeof side->seen_rs);
    *ret_psk = side->psks[index];
    return side->psk_error;
}

static bool sends_static(const struct noise_protocol *p, unsigned first)
{
    for (unsigned m = first; m < p->message_count; m += 2) {
        if (memchr(p->tokens[m], NOISE_S, NOISE_TOKENS_MAX) != NULL)
            return true;
    }
    return false;
}

static int init_side(struct pair *p, struct side *side, struct side *peer,
                     const char *prologue)
{
    bool first = side == &p->initiator;
    bool own_known =
        first ? p->protocol.initiator_static_known : p->protocol.responder_static_known;
    bool peer_known =
        first ? p->protocol.responder_static_known : p->protocol.initiator_static_known;
    bool has_s = own_known || sends_static(&p->protocol, first ? 0 : 1);
    return noise_handshake_init(
        &side->hs, &p->protocol, first ? NOISE_INITIATOR : NOISE_RESPONDER,
        (const uint8_t *)prologue, strlen(prologue), has_s ? &side->s : NULL,
        peer_known ? peer->s.public_key : NULL, give_psk, side);
}

/* Fresh keys, psks in common, both handshakes before their first message. */
static void start(struct pair *p, const char *name)
{
    memset(p, 0, sizeof *p);
    assert_int_equal(noise_protocol_parse(name, &p->protocol), 0);
    noise_keypair_generate(&p->initiator.s);
    noise_keypair_generate(&p->responder.s);
    randombytes_buf(p->initiator.psks, sizeof p->initiator.psks);
    memcpy(p->responder.psks, p->initiator.psks, sizeof p->initiator.psks);
    assert_int_equal(init_side(p, &p->initiator, &p->responder, "prologue"), 0);
    assert_int_equal(init_side(p, &p->responder, &p->initiator, "prologue"), 0);
}

static struct side *writer(struct pair *p)
{
    return noise_handshake_must_write(&p->initiator.hs) ? &p->initiator : &p->responder;
}

static struct side *reader(struct pair *p)
{
    return writer(p) == &p->initiator ? &p->responder : &p->initiator;
}

struct wire {
    uint8_t bytes[512];
    size_t size;
};

static const char payload[] = "what is said inside the handshake";

static void write_next(struct pair *p, struct wire *wire)
{
    assert_int_equal(noise_handshake_write(&writer(p)->hs, (const uint8_t *)payload,
                                           sizeof payload, wire->bytes,
                                           sizeof wire->bytes, &wire->size),
                     0);
}

static int read_wire(struct side *side, const struct wire *wire)
{
    uint8_t plain[512] = {0}, nothing[512] = {0};
    size_t size = 0;
    int error = noise_handshake_read(&side->hs, wire->bytes, wire->size, plain,
                                     sizeof plain, &size);
    if (error == 0) {
        assert_int_equal(size, sizeof payload);
        assert_memory_equal(plain, payload, sizeof payload);
    } else {
        assert_int_equal(size, 0);
        assert_memory_equal(plain, nothing, sizeof plain);
        assert_true(side->hs.failed);
    }
    return error;
}

/* Exchanges messages until `count` of them were; the first error of a reader ends it. */
static int exchange(struct pair *p, unsigned count)
{
    while (p->initiator.hs.message < count) {
        struct wire wire;
        struct side *to = reader(p);
        write_next(p, &wire);
        int error = read_wire(to, &wire);
        if (error != 0)
            return error;
    }
    return 0;
}

static void split_both(struct pair *p)
{
    struct side *sides[] = {&p->initiator, &p->responder};
    for (unsigned i = 0; i < 2; i++) {
        assert_true(noise_handshake_done(&sides[i]->hs));
        assert_int_equal(
            noise_handshake_split(&sides[i]->hs, &sides[i]->send, &sides[i]->receive), 0);
    }
}

/* ---- Handshakes -------------------------------------------------------------------- */

static void both_sides_agree_on_keys_and_hash(void **state)
{
    struct pair p;
    uint8_t sealed[21], plain[5];
    start(&p, SUITE_NAME);
    assert_int_equal(exchange(&p, 3), 0);
    split_both(&p);
    assert_memory_equal(p.initiator.hs.h, p.responder.hs.h, NOISE_HASHLEN);
    assert_memory_equal(p.initiator.hs.rs, p.responder.s.public_key, 32);
    assert_memory_equal(p.responder.hs.rs, p.initiator.s.public_key, 32);
    assert_false(tacit_secret_equal(&p.initiator.send.key, &p.initiator.receive.key));
    for (unsigned i = 0; i < 4; i++) {
        struct side *from = i % 2 == 0 ? &p.initiator : &p.responder;
        struct side *to = i % 2 == 0 ? &p.responder : &p.initiator;
        assert_int_equal(noise_cipher_encrypt(&from->send, NULL, 0,
                                              (const uint8_t *)"hello", 5, sealed),
                         0);
        assert_int_equal(noise_cipher_decrypt(&to->receive, NULL, 0, sealed, 21, plain),
                         0);
        assert_memory_equal(plain, "hello", 5);
    }
}

static void every_protocol_of_the_table_comes_to_its_end(void **state)
{
    static const char *const patterns[] = {"NN", "NK", "KK", "IK", "XX"};
    unsigned ran = 0;
    for (unsigned i = 0; i < 5; i++) {
        unsigned psk_places = i == 4 ? 4 : 3; /* XX has three messages, the rest two */
        for (unsigned set = 0; set < 1u << psk_places; set++) {
            struct pair p;
            char name[NOISE_NAME_MAX], psks[64] = "";
            for (unsigned n = 0; n < psk_places; n++) {
                if (set & 1u << n)
                    snprintf(psks + strlen(psks), 8, "%spsk%u", *psks ? "+" : "", n);
            }
            snprintf(name, sizeof name, "Noise_%s%s_25519_ChaChaPoly_BLAKE2b",
                     patterns[i], psks);
            start(&p, name);
            assert_int_equal(exchange(&p, p.protocol.message_count), 0);
            split_both(&p);
            assert_memory_equal(p.initiator.hs.h, p.responder.hs.h, NOISE_HASHLEN);
            assert_int_equal(p.responder.calls, p.protocol.psk_count);
            ran++;
        }
    }
    assert_int_equal(ran, 4 * 8 + 16);
}

static void every_handshake_has_ephemeral_keys_of_its_own(void **state)
{
    struct pair p;
    struct wire first, second;
    start(&p, SUITE_NAME);
    write_next(&p, &first);
    p.initiator.calls = 0;
    assert_int_equal(init_side(&p, &p.initiator, &p.responder, "prologue"), 0);
    write_next(&p, &second);
    assert_memory_not_equal(first.bytes, second.bytes, 32);
}

static void a_responder_makes_its_ephemeral_key_only_after_the_first_message(void **state)
{
    static const struct noise_keypair none;
    struct pair p;
    start(&p, SUITE_NAME);
    assert_int_equal(exchange(&p, 1), 0);
    assert_false(p.responder.hs.has_e);
    assert_memory_equal(&p.responder.hs.e, &none, sizeof none);
    assert_int_equal(exchange(&p, 2), 0);
    assert_true(p.responder.hs.has_e);
}

static void a_flipped_bit_anywhere_in_any_message_ends_the_handshake(void **state)
{
    struct pair p;
    start(&p, SUITE_NAME);
    for (unsigned n = 0; n < 3; n++) {
        struct wire wire;
        struct side *to = reader(&p), before = *to;
        write_next(&p, &wire);
        for (size_t bit = 0; bit < 8 * wire.size; bit++) {
            wire.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(read_wire(to, &wire), 0);
            wire.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            /* What fails stays failed, for the right message too. */
            assert_int_equal(read_wire(to, &wire), TACIT_ESTATE);
            *to = before;
        }
        assert_int_equal(read_wire(to, &wire), 0);
    }
}

static void a_message_cut_or_extended_anywhere_ends_the_handshake(void **state)
{
    struct pair p;
    start(&p, SUITE_NAME);
    for (unsigned n = 0; n < 3; n++) {
        struct wire wire;
        struct side *to = reader(&p), before = *to;
        write_next(&p, &wire);
        const size_t size = wire.size;
        wire.bytes[size] = 0;
        for (wire.size = 0; wire.size <= size + 1; wire.size++) {
            if (wire.size != size) {
                int error = read_wire(to, &wire);
                assert_true(error == TACIT_EAUTH || error == TACIT_EFORMAT);
            }
            *to = before;
        }
        wire.size = size;
        assert_int_equal(read_wire(to, &wire), 0);
    }
}

static void each_wrong_psk_ends_the_handshake_at_its_message(void **state)
{
    for (unsigned index = 0; index < 2; index++) {
        struct pair p;
        start(&p, SUITE_NAME);
        p.responder.psks[index].bytes[31] ^= 1;
        assert_int_equal(exchange(&p, 3), TACIT_EAUTH);
        assert_true(p.responder.hs.failed);
        assert_int_equal(p.responder.hs.message, index == 0 ? 0 : 2);
    }
}

static void another_prologue_ends_the_handshake(void **state)
{
    struct pair p;
    start(&p, SUITE_NAME);
    assert_int_equal(init_side(&p, &p.responder, &p.initiator, "prologuE"), 0);
    assert_int_equal(exchange(&p, 1), TACIT_EAUTH);
}

static void the_psk_callback_sees_the_peers_static_key_first(void **state)
{
    struct pair p;
    start(&p, SUITE_NAME);
    assert_int_equal(exchange(&p, 1), 0);
    assert_int_equal(p.responder.calls, 1);
    assert_false(p.responder.saw_rs[0]);
    assert_int_equal(exchange(&p, 3), 0);
    assert_int_equal(p.responder.calls, 2);
    assert_true(p.responder.saw_rs[1]);
    assert_memory_equal(p.responder.seen_rs, p.initiator.s.public_key, 32);
    assert_int_equal(p.initiator.calls, 2);
    assert_memory_equal(p.initiator.seen_rs, p.responder.s.public_key, 32);
}

static void the_psk_callbacks_error_ends_the_handshake(void **state)
{
    struct pair p;
    struct wire wire;
    start(&p, SUITE_NAME);
    write_next(&p, &wire);
    p.responder.psk_error = TACIT_EREFUSED;
    assert_int_equal(read_wire(&p.responder, &wire), TACIT_EREFUSED);
    start(&p, SUITE_NAME);
    p.initiator.psk_error = TACIT_EREFUSED;
    assert_int_equal(noise_handshake_write(&p.initiator.hs, NULL, 0, wire.bytes,
                                           sizeof wire.bytes, &wire.size),
                     TACIT_EREFUSED);
    assert_true(p.initiator.hs.failed);
}

static void assert_no_secret(const struct side *side, const struct side *before)
{
    const struct noise_handshake *hs = &side->hs;
    static const uint8_t nothing[NOISE_HASHLEN];
    assert_true(hs->failed);
    assert_holds_not(hs, sizeof *hs, before->s.private_key.bytes, 32);
    assert_holds_not(hs, sizeof *hs, before->hs.ck, NOISE_HASHLEN);
    assert_holds_not(hs, sizeof *hs, before->psks[0].bytes, 32);
    assert_holds_not(hs, sizeof *hs, before->psks[1].bytes, 32);
    assert_memory_equal(hs->s.private_key.bytes, nothing, 32);
    assert_memory_equal(hs->e.private_key.bytes, nothing, 32);
    assert_memory_equal(hs->ck, nothing, NOISE_HASHLEN);
    assert_memory_equal(hs->cipher.key.bytes, nothing, 32);
}

static void a_failed_handshake_holds_no_secret(void **state)
{
    for (unsigned n = 0; n < 3; n++) {
        struct pair p;
        struct wire wire;
        start(&p, SUITE_NAME);
        assert_int_equal(exchange(&p, n), 0);
        struct side *from = writer(&p), *to = reader(&p);
        struct side from_before = *from, to_before = *to;
        write_next(&p, &wire);
        wire.bytes[wire.size - 1] ^= 1;
        assert_int_not_equal(read_wire(to, &wire), 0);
        assert_no_secret(to, &to_before);
        *from = from_before;
        assert_int_equal(
            noise_handshake_write(&from->hs, NULL, 0, wire.bytes, 10, &wire.size),
            TACIT_ESPACE);
        assert_no_secret(from, &from_before);
    }
}

static void split_wipes_every_secret_but_the_keys_it_gives(void **state)
{
    struct pair p;
    uint8_t h[NOISE_HASHLEN];
    start(&p, SUITE_NAME);
    assert_int_equal(exchange(&p, 3), 0);
    struct side before = p.initiator;
    memcpy(h, p.initiator.hs.h, sizeof h);
    split_both(&p);
    assert_memory_equal(p.initiator.hs.h, h, sizeof h);
    assert_false(p.initiator.hs.failed);
    noise_handshake_wipe(&p.initiator.hs);
    assert_no_secret(&p.initiator, &before);
    /* The responder's was not wiped by hand: Split() did it. */
    p.responder.hs.failed = true;
    assert_no_secret(&p.responder, &before);
    assert_memory_equal(p.responder.hs.h, h, sizeof h);
}

static void wiping_twice_or_zeroed_memory_is_safe(void **state)
{
    struct pair p;
    struct noise_cipher send, receive;
    static struct noise_handshake zeroed;
    assert_false(noise_handshake_must_write(&zeroed));
    assert_false(noise_handshake_done(&zeroed));
    noise_handshake_wipe(&zeroed);
    start(&p, SUITE_NAME);
    noise_handshake_wipe(&p.initiator.hs);
    noise_handshake_wipe(&p.initiator.hs);
    assert_false(noise_handshake_must_write(&p.initiator.hs));
    assert_int_equal(noise_handshake_split(&p.initiator.hs, &send, &receive),
                     TACIT_ESTATE);
}

static void assert_out_of_turn(const struct side *side, bool write)
{
    struct noise_handshake hs = side->hs;
    uint8_t bytes[512] = {0};
    size_t size = 7;
    int error = write ? noise_handshake_write(&hs, NULL, 0, bytes, sizeof bytes, &size)
                      : noise_handshake_read(&hs, bytes, 200, bytes, sizeof bytes, &size);
    assert_int_equal(error, TACIT_ESTATE);
    assert_int_equal(size, 7);
    assert_true(hs.failed);
}

static void a_call_out_of_turn_is_refused(void **state)
{
    struct pair p;
    start(&p, SUITE_NAME);
    for (unsigned n = 0; n < 3; n++) {
        assert_int_equal(exchange(&p, n), 0);
        assert_out_of_turn(writer(&p), false);
        assert_out_of_turn(reader(&p), true);
        assert_int_equal(noise_handshake_split(&p.initiator.hs, &p.initiator.send,
                                               &p.initiator.receive),
                         TACIT_ESTATE);
        assert_false(p.initiator.hs.failed);
    }
    assert_int_equal(exchange(&p, 3), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_out_of_turn(&p.initiator, i);
        assert_out_of_turn(&p.responder, i);
        if (i == 0)
            split_both(&p);
    }
    assert_false(noise_handshake_done(&p.initiator.hs));
    assert_int_equal(
        noise_handshake_split(&p.initiator.hs, &p.initiator.send, &p.initiator.receive),
        TACIT_ESTATE);
}

/* X25519 ignores the highest bit: without a check of ours, these would pass. */
static void a_peers_key_that_is_not_canonical_ends_the_handshake(void **state)
{
    struct pair p;
    struct noise_keypair e;
    start(&p, SUITE_NAME);
    noise_keypair_generate(&e);
    e.public_key[31] |= 0x80;
    noise_handshake_set_ephemeral(&p.initiator.hs, &e);
    assert_int_equal(exchange(&p, 1), TACIT_EKEY);

    start(&p, SUITE_NAME);
    p.initiator.hs.s.public_key[31] |= 0x80;
    assert_int_equal(exchange(&p, 3), TACIT_EKEY);
    assert_int_equal(p.responder.hs.message, 2);
    assert_false(p.responder.hs.has_rs);
}

static void a_peers_low_order_key_ends_the_handshake(void **state)
{
    for (size_t i = 0; i < sizeof low_order / sizeof *low_order; i++) {
        struct pair p;
        struct noise_keypair e;
        start(&p, SUITE_NAME);
        noise_keypair_generate(&e);
        from_hex(low_order[i], e.public_key);
        noise_handshake_set_ephemeral(&p.initiator.hs, &e);
        assert_int_equal(exchange(&p, 1), TACIT_EKEY);

        start(&p, SUITE_NAME);
        from_hex(low_order[i], p.initiator.hs.s.public_key);
        assert_int_equal(exchange(&p, 3), TACIT_EKEY);
    }
}

static void init_wants_the_keys_of_the_pattern_and_no_others(void **state)
{
    struct noise_handshake hs;
    struct noise_protocol xx, nk, kk;
    struct noise_keypair s;
    uint8_t bad[32];
    const uint8_t *rs = s.public_key;
    noise_keypair_generate(&s);
    noise_protocol_parse(SUITE_NAME, &xx);
    noise_protocol_parse("Noise_NK_25519_ChaChaPoly_BLAKE2b", &nk);
    noise_protocol_parse("Noise_KK_25519_ChaChaPoly_BLAKE2b", &kk);
    from_hex(low_order[1], bad);
    const struct {
        int error;
        const struct noise_protocol *protocol;
        enum noise_role role;
        const struct noise_keypair *s;
        const uint8_t *rs;
        noise_psk_fn *psk_fn;
    } calls[] = {
        {0, &xx, NOISE_INITIATOR, &s, NULL, give_psk},
        {TACIT_EINVAL, &xx, NOISE_INITIATOR, NULL, NULL, give_psk},
        {TACIT_EINVAL, &xx, NOISE_RESPONDER, NULL, NULL, give_psk},
        {TACIT_EINVAL, &xx, NOISE_INITIATOR, &s, rs, give_psk},
        {TACIT_EINVAL, &xx, NOISE_INITIATOR, &s, NULL, NULL},
        {0, &nk, NOISE_INITIATOR, NULL, rs, NULL},
        {TACIT_EINVAL, &nk, NOISE_INITIATOR, &s, rs, NULL},
        {TACIT_EINVAL, &nk, NOISE_INITIATOR, NULL, NULL, NULL},
        {TACIT_EKEY, &nk, NOISE_INITIATOR, NULL, bad, NULL},
        {0, &nk, NOISE_RESPONDER, &s, NULL, NULL},
        {TACIT_EINVAL, &nk, NOISE_RESPONDER, NULL, NULL, NULL},
        {0, &kk, NOISE_RESPONDER, &s, rs, NULL},
        {TACIT_EINVAL, &kk, NOISE_RESPONDER, &s, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        int error = noise_handshake_init(&hs, calls[i].protocol, calls[i].role, NULL, 0,
                                         calls[i].s, calls[i].rs, calls[i].psk_fn, NULL);
        assert_int_equal(error, calls[i].error);
        assert_int_equal(hs.failed, error != 0);
    }
}

static void a_message_fills_65535_bytes_and_not_one_more(void **state)
{
    static uint8_t wire[NOISE_MESSAGE_MAX + 100], in[NOISE_MESSAGE_MAX], out[sizeof in];
    const size_t most = NOISE_MESSAGE_MAX - NOISE_DHLEN - NOISE_TAGLEN;
    struct pair p;
    size_t size = 0;
    start(&p, SUITE_NAME);
    struct pair again = p;
    again.initiator.hs.psk_context = &again.initiator;
    assert_int_equal(noise_handshake_write(&again.initiator.hs, in, most + 1, wire,
                                           sizeof wire, &size),
                     TACIT_ESPACE);
    assert_int_equal(
        noise_handshake_write(&p.initiator.hs, in, most, wire, sizeof wire, &size), 0);
    assert_int_equal(size, NOISE_MESSAGE_MAX);
    struct side before = p.responder;
    assert_int_equal(
        noise_handshake_read(&p.responder.hs, wire, size + 1, out, sizeof out, &size),
        TACIT_EFORMAT);
    p.responder = before;
    assert_int_equal(
        noise_handshake_read(&p.responder.hs, wire, size, out, most - 1, &size),
        TACIT_ESPACE);
    p.responder = before;
    assert_int_equal(noise_handshake_read(&p.responder.hs, wire, size, out, most, &size),
                     0);
    assert_int_equal(size, most);
}

static void an_empty_payload_needs_no_buffer(void **state)
{
    struct pair p;
    uint8_t wire[128];
    size_t size;
    start(&p, SUITE_NAME);
    for (unsigned n = 0; n < 3; n++) {
        struct side *from = writer(&p), *to = reader(&p);
        assert_int_equal(
            noise_handshake_write(&from->hs, NULL, 0, wire, sizeof wire, &size), 0);
        assert_int_equal(noise_handshake_read(&to->hs, wire, size, NULL, 0, &size), 0);
        assert_int_equal(size, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_agree_on_keys_and_hash),
        cmocka_unit_test(every_protocol_of_the_table_comes_to_its_end),
        cmocka_unit_test(every_handshake_has_ephemeral_keys_of_its_own),
        cmocka_unit_test(
            a_responder_makes_its_ephemeral_key_only_after_the_first_message),
        cmocka_unit_test(a_flipped_bit_anywhere_in_any_message_ends_the_handshake),
        cmocka_unit_test(a_message_cut_or_extended_anywhere_ends_the_handshake),
        cmocka_unit_test(each_wrong_psk_ends_the_handshake_at_its_message),
        cmocka_unit_test(another_prologue_ends_the_handshake),
        cmocka_unit_test(the_psk_callback_sees_the_peers_static_key_first),
        cmocka_unit_test(the_psk_callbacks_error_ends_the_handshake),
        cmocka_unit_test(a_failed_handshake_holds_no_secret),
        cmocka_unit_test(split_wipes_every_secret_but_the_keys_it_gives),
        cmocka_unit_test(wiping_twice_or_zeroed_memory_is_safe),
        cmocka_unit_test(a_call_out_of_turn_is_refused),
        cmocka_unit_test(a_peers_key_that_is_not_canonical_ends_the_handshake),
        cmocka_unit_test(a_peers_low_order_key_ends_the_handshake),
        cmocka_unit_test(init_wants_the_keys_of_the_pattern_and_no_others),
        cmocka_unit_test(a_message_fills_65535_bytes_and_not_one_more),
        cmocka_unit_test(an_empty_payload_needs_no_buffer),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
