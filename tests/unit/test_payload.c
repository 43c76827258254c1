/* The promises of src/base/cursor and of the parsers on it: src/channel/payload. */
#include "test_channel.h"

#include "base/cursor.h"

/* ---- Cursors
 * --------------------------------------------------------------------------- */

static void integers_are_big_endian_both_ways(void **state)
{
    static const uint8_t expected[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t bytes[sizeof expected];
    struct tacit_writer w = tacit_writer(bytes, sizeof bytes);
    tacit_put_u8(&w, 0x01);
    tacit_put_u16(&w, 0x0203);
    tacit_put_u32(&w, 0x04050607);
    tacit_put_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
    assert_false(w.bad);
    assert_int_equal(tacit_written(&w), sizeof bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
    struct tacit_reader r = tacit_reader(bytes, sizeof bytes);
    assert_int_equal(tacit_get_u8(&r), 0x01);
    assert_int_equal(tacit_get_u16(&r), 0x0203);
    assert_int_equal(tacit_get_u32(&r), 0x04050607);
    assert_int_equal(tacit_left(&r), 8);
    assert_int_equal(tacit_get_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(tacit_left(&r), 0);
    assert_false(r.bad);
}

static void a_reader_asked_for_too_much_is_bad_and_gives_zeros(void **state)
{
    static const uint8_t bytes[3] = {0xff, 0xff, 0xff};
    struct tacit_reader r = tacit_reader(bytes, sizeof bytes);
    assert_int_equal(tacit_get_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(tacit_get_u8(&r), 0); /* though one would be there */
    assert_null(tacit_get_bytes(&r, 0));
    assert_true(r.bad);
    r = tacit_reader(bytes, sizeof bytes);
    assert_null(tacit_get_bytes(&r, SIZE_MAX));
    assert_true(r.bad);
    r = tacit_reader(bytes, sizeof bytes);
    assert_ptr_equal(tacit_get_bytes(&r, 3), bytes);
    assert_non_null(tacit_get_bytes(&r, 0));
    assert_false(r.bad);
}

static void a_writer_writes_nothing_beyond_its_end(void **state)
{
    uint8_t bytes[8] = {0, 0, 0, 0, 0xaa, 0xaa, 0xaa, 0xaa};
    struct tacit_writer w = tacit_writer(bytes, 4);
    tacit_put_u8(&w, 1);
    tacit_put_u32(&w, 0xffffffff);
    assert_true(w.bad);
    tacit_put_u8(&w, 2); /* though it would fit */
    tacit_put_padding(&w);
    assert_int_equal(tacit_written(&w), 1);
    assert_memory_equal(bytes, "\1\0\0\0\xaa\xaa\xaa\xaa", 8);
    w = tacit_writer(bytes, 4);
    tacit_put_bytes(&w, bytes, SIZE_MAX);
    assert_true(w.bad);
    w = tacit_writer(bytes, 4);
    tacit_put_u8(&w, 7);
    tacit_put_padding(&w);
    assert_false(w.bad);
    assert_int_equal(tacit_written(&w), 4);
    assert_memory_equal(bytes, "\7\0\0\0\xaa\xaa\xaa\xaa", 8);
}

/* ---- Payloads
 * --------------------------------------------------------------------------- */

static void a_first_payload_comes_back_as_it_was_written(void **state)
{
    uint8_t payload[TACIT_FIRST_PAYLOAD];
    struct tacit_first first = {1, 7, 0xabcd, UINT64_C(0x1122334455667788), "a@b"}, got;
    assert_int_equal(tacit_first_write(&first, payload), 0);
    assert_memory_equal(payload, "\1\7\xab\xcd\x11\x22\x33\x44\x55\x66\x77\x88\3a@b\0\0",
                        18);
    assert_true(sodium_is_zero(payload + 18, sizeof payload - 18));
    memset(&got, 0, sizeof got);
    assert_int_equal(tacit_first_read(payload, sizeof payload, &got), 0);
    assert_memory_equal(&got, &first, sizeof got);
}

static void a_claim_payload_comes_back_as_it_was_written(void **state)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_claim claim = {.version = 1,
                                .suite = 2,
                                .dynamic = true,
                                .name = "b.example"},
                       got;
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
    assert_memory_equal(payload,
                        "\1\2\1\x09"
                        "b.example\0\0",
                        15);
    assert_true(sodium_is_zero(payload + 15, sizeof payload - 15));
    memset(&got, 0, sizeof got);
    assert_int_equal(tacit_claim_read(payload, sizeof payload, &got), 0);
    assert_memory_equal(&got, &claim, sizeof got);
}

static void a_certificate_travels_as_the_first_extension(void **state)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_claim claim = {.version = 1, .suite = 2, .name = "a@b"}, got;
    memset(claim.name, 'x', TACIT_CLAIM_NAME_MAX);
    char certificate[TACIT_CLAIM_CERTIFICATE_MAX];
    memset(certificate, 'c', sizeof certificate);
    claim.certificate = certificate;
    claim.certificate_len = sizeof certificate; /* the longest, with the longest */
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
    assert_memory_equal(payload + 4 + TACIT_CLAIM_NAME_MAX, "\2\x83\1\2\x80", 5);
    memset(&got, 0, sizeof got);
    assert_int_equal(tacit_claim_read(payload, sizeof payload, &got), 0);
    assert_int_equal(got.certificate_len, sizeof certificate);
    assert_memory_equal(got.certificate, certificate, sizeof certificate);
    assert_string_equal(got.name, claim.name);
    claim.certificate_len++;
    assert_int_equal(tacit_claim_write(&claim, payload), TACIT_EINVAL);
}

static void a_name_too_long_is_not_written(void **state)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_first first = {.version_min = 1, .version_max = 1};
    struct tacit_claim claim = {.version = 1};
    memset(first.wanted, 'x', sizeof first.wanted);
    memset(claim.name, 'x', sizeof claim.name);
    assert_int_equal(tacit_first_write(&first, payload), TACIT_EINVAL);
    assert_int_equal(tacit_claim_write(&claim, payload), TACIT_EINVAL);
    first.wanted[TACIT_CLAIM_NAME_MAX] = claim.name[TACIT_CLAIM_NAME_MAX] = '\0';
    assert_int_equal(tacit_first_write(&first, payload), 0);
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
}

/* The front of a payload (the rest is zeros, or 0xff where it says so), and its error. */
struct payload_case {
    const char *what;
    const char *front;
    size_t front_len;
    uint8_t last; /* the payload's last byte */
    int error;
};

#define CASE(what, front, last, error)              \
    {                                               \
        what, front, sizeof(front) - 1, last, error \
    }
#define GOOD_TIME \
    "\0\2"        \
    "\0\0\0\0\0\0\0\1"

static const struct payload_case first_cases[] = {
    CASE("as it should be", "\1\1" GOOD_TIME "\3a@b\0\0", 0, 0),
    CASE("no name", "\1\1" GOOD_TIME "\0\0\0", 0, 0),
    CASE("versions 1 to 255", "\1\xff" GOOD_TIME "\3a@b\0\0", 0, 0),
    CASE("version 0", "\0\0" GOOD_TIME "\3a@b\0\0", 0, TACIT_EFORMAT),
    CASE("versions 0 to 1", "\0\1" GOOD_TIME "\3a@b\0\0", 0, TACIT_EFORMAT),
    CASE("versions 2 to 1", "\2\1" GOOD_TIME "\3a@b\0\0", 0, TACIT_EFORMAT),
    CASE("a space in the name", "\1\1" GOOD_TIME "\3a b\0\0", 0, TACIT_EFORMAT),
    CASE("a zero in the name", "\1\1" GOOD_TIME "\3a\0b\0\0", 0, TACIT_EFORMAT),
    CASE("an escape in the name", "\1\1" GOOD_TIME "\3a\33b\0\0", 0, TACIT_EFORMAT),
    CASE("DEL in the name", "\1\1" GOOD_TIME "\3a\177b\0\0", 0, TACIT_EFORMAT),
    CASE("no ASCII in the name", "\1\1" GOOD_TIME "\3a\xe9@\0\0", 0, TACIT_EFORMAT),
    CASE("an unknown extension", "\1\1" GOOD_TIME "\3a@b\0\5\7\0\2hi", 0, 0),
    CASE("two, one empty", "\1\1" GOOD_TIME "\3a@b\0\x09\7\0\0\x08\0\3ext", 0, 0),
    CASE("an extension cut in its head", "\1\1" GOOD_TIME "\3a@b\0\2\7\0", 0,
         TACIT_EFORMAT),
    CASE("an extension cut in its body", "\1\1" GOOD_TIME "\3a@b\0\4\7\0\2h", 0,
         TACIT_EFORMAT),
    CASE("an extension beyond its block", "\1\1" GOOD_TIME "\3a@b\0\5\7\0\3hi", 0,
         TACIT_EFORMAT),
    CASE("extensions beyond the payload", "\1\1" GOOD_TIME "\3a@b\1\x3f", 0,
         TACIT_EFORMAT),
    CASE("extensions of 65535 bytes", "\1\1" GOOD_TIME "\3a@b\xff\xff", 0, TACIT_EFORMAT),
    CASE("padding that is not zero", "\1\1" GOOD_TIME "\3a@b\0\0\1", 0, TACIT_EFORMAT),
    CASE("a last byte that is not zero", "\1\1" GOOD_TIME "\3a@b\0\0", 1, TACIT_EFORMAT),
};

static const struct payload_case claim_cases[] = {
    CASE("as it should be", "\1\2\0\3a@b\0\0", 0, 0),
    CASE("dynamic", "\1\2\1\1h\0\0", 0, 0),
    CASE("no version, no suite in common", "\0\0\0\3a@b\0\0", 0, 0),
    CASE("flag 2", "\1\2\2\3a@b\0\0", 0, TACIT_EFORMAT),
    CASE("flags 1 and 128", "\1\2\x81\3a@b\0\0", 0, TACIT_EFORMAT),
    CASE("a line feed in the name", "\1\2\0\3a\nb\0\0", 0, TACIT_EFORMAT),
    CASE("an unknown extension", "\1\2\0\3a@b\0\5\7\0\2hi", 0, 0),
    CASE("a certificate", "\1\2\0\3a@b\0\5\1\0\2hi", 0, 0),
    CASE("a certificate of 640 bytes", "\1\2\0\3a@b\2\x83\1\2\x80", 0, 0),
    CASE("a certificate of 641", "\1\2\0\3a@b\2\x84\1\2\x81", 0, TACIT_EFORMAT),
    CASE("an empty certificate", "\1\2\0\3a@b\0\3\1\0\0", 0, TACIT_EFORMAT),
    CASE("two certificates", "\1\2\0\3a@b\0\x08\1\0\1x\1\0\1x", 0, TACIT_EFORMAT),
    CASE("an extension cut short", "\1\2\0\3a@b\0\1\7", 0, TACIT_EFORMAT),
    CASE("extensions beyond the payload", "\1\2\0\3a@b\3\xf8", 0, TACIT_EFORMAT),
    CASE("extensions up to the very end but cut", "\1\2\0\3a@b\3\xf7\0\3\xf5", 0,
         TACIT_EFORMAT),
    CASE("one extension up to the very end", "\1\2\0\3a@b\3\xf7\7\3\xf4", 0, 0),
    CASE("padding that is not zero", "\1\2\0\3a@b\0\0\1", 0, TACIT_EFORMAT),
    CASE("a last byte that is not zero", "\1\2\0\3a@b\0\0", 0x80, TACIT_EFORMAT),
};

static void malformed_first_payloads_are_refused_one_by_one(void **state)
{
    for (size_t k = 0; k < COUNT(first_cases); k++) {
        const struct payload_case *c = &first_cases[k];
        uint8_t payload[TACIT_FIRST_PAYLOAD] = {0};
        struct tacit_first first = {.time = 42};
        memcpy(payload, c->front, c->front_len);
        payload[sizeof payload - 1] = c->last;
        int error = tacit_first_read(payload, sizeof payload, &first);
        if (error != c->error)
            fail_msg("%s: %d", c->what, error);
        assert_int_equal(first.time, error ? 42 : 1); /* untouched after an error */
    }
}

static void malformed_claim_payloads_are_refused_one_by_one(void **state)
{
    for (size_t k = 0; k < COUNT(claim_cases); k++) {
        const struct payload_case *c = &claim_cases[k];
        uint8_t payload[TACIT_CLAIM_PAYLOAD] = {0};
        struct tacit_claim claim = {.suite = 42};
        memcpy(payload, c->front, c->front_len);
        payload[sizeof payload - 1] = c->last;
        int error = tacit_claim_read(payload, sizeof payload, &claim);
        if (error != c->error)
            fail_msg("%s: %d", c->what, error);
        assert_true(claim.suite == 42 || !error);
    }
}

static void a_payload_of_another_length_is_refused(void **state)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD + 1] = {1, 1};
    struct tacit_first first;
    struct tacit_claim claim;
    for (size_t len = 0; len <= sizeof payload; len++) {
        assert_int_equal(tacit_first_read(payload, len, &first),
                         len == TACIT_FIRST_PAYLOAD ? 0 : TACIT_EFORMAT);
        assert_int_equal(tacit_claim_read(payload, len, &claim),
                         len == TACIT_CLAIM_PAYLOAD ? 0 : TACIT_EFORMAT);
    }
}

/* Whatever a holder of the mesh key seals: an answer, and no byte outside. */
static void random_payloads_get_an_answer(void **state)
{
    uint8_t payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_first first;
    struct tacit_claim claim;
    unsigned taken = 0;
    for (unsigned k = 0; k < 20000; k++) {
        memset(payload, 0, sizeof payload);
        randombytes_buf(payload, 1 + k % 48);
        taken += tacit_first_read(payload, TACIT_FIRST_PAYLOAD, &first) == 0;
        taken += tacit_claim_read(payload, TACIT_CLAIM_PAYLOAD, &claim) == 0;
    }
    assert_in_range(taken, 1, 39999);
}

static void
a_key_that_the_door_lacks_is_hidden_and_all_are_where_it_lacks_the_first(void **state)
{
    struct tacit_secret keys[3] = {{{1}}, {{2}}, {{3}}};
    struct tacit_key_ids door, none = {0};
    tacit_key_ids(keys, 3, &door);
    assert_int_equal(tacit_mesh_hidden(keys, 3, NULL), 0);
    assert_int_equal(tacit_mesh_hidden(keys, 3, &door), 0);
    tacit_key_ids(keys, 2, &door);
    assert_int_equal(tacit_mesh_hidden(keys, 3, &door), 4);
    assert_int_equal(tacit_mesh_hidden(keys + 1, 2, &door), 2);
    /* It would pass for the one that the node seals with. */
    assert_int_equal(tacit_mesh_hidden(keys + 2, 1, &door), ~0U);
    tacit_key_ids(keys + 1, 2, &door);
    assert_int_equal(tacit_mesh_hidden(keys, 3, &door), ~0U);
    assert_int_equal(tacit_mesh_hidden(keys, 3, &none), ~0U);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian_both_ways),
        cmocka_unit_test(a_reader_asked_for_too_much_is_bad_and_gives_zeros),
        cmocka_unit_test(a_writer_writes_nothing_beyond_its_end),
        cmocka_unit_test(a_first_payload_comes_back_as_it_was_written),
        cmocka_unit_test(a_claim_payload_comes_back_as_it_was_written),
        cmocka_unit_test(a_certificate_travels_as_the_first_extension),
        cmocka_unit_test(a_name_too_long_is_not_written),
        cmocka_unit_test(malformed_first_payloads_are_refused_one_by_one),
        cmocka_unit_test(malformed_claim_payloads_are_refused_one_by_one),
        cmocka_unit_test(a_payload_of_another_length_is_refused),
        cmocka_unit_test(random_payloads_get_an_answer),
        cmocka_unit_test(
            a_key_that_the_door_lacks_is_hidden_and_all_are_where_it_lacks_the_first),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
