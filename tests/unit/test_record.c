/* The promises of src/channel's records, under every suite that this machine has. */
#include "test_record.h"

static const size_t sizes[] = {0,    1,     2,     15,    16,
                               17,   31,    32,    33,    255,
                               4096, 65000, 65500, 65502, TACIT_RECORD_DATA_MAX};

/* ---- There and back ------------------------------------------------------------------
 */

static void sizes_of(enum tacit_suite suite)
{
    for (size_t k = 0; k < COUNT(sizes); k++) {
        size_t len = 0;
        assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, sizes[k]), 0);
        assert_int_equal(ends.len, 2 + sizes[k] + tacit_suite_tag(suite));
        assert_int_equal(tacit_record_size(ends.record, 2), ends.len);
        assert_int_equal(open_record(&ends.b, &len), 0);
        assert_int_equal(len, sizes[k]);
        assert_memory_equal(ends.plain, data, len);
    }
}

static void records_of_every_size_come_out_as_they_went_in(void **state)
{
    randombytes_buf(data, sizeof data);
    each_suite(sizes_of);
}

static void a_record_has_a_size_once_its_length_is_there(void **state)
{
    assert_int_equal(tacit_record_size((const uint8_t *)"\1", 1), 0);
    assert_int_equal(tacit_record_size((const uint8_t *)"", 0), 0);
    assert_int_equal(tacit_record_size((const uint8_t *)"\1\2", 2), 2 + 258);
    assert_int_equal(tacit_record_size((const uint8_t *)"\377\377", 2), TACIT_RECORD_MAX);
}

static void in_place(enum tacit_suite suite)
{
    static uint8_t small[64];
    struct iovec iov = {.iov_base = ends.record + TACIT_RECORD_HEADER, .iov_len = 5000};
    enum tacit_record_type type;
    size_t len;
    memcpy(iov.iov_base, data, 5000);
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, &iov, 1, ends.record,
                                        sizeof ends.record, &ends.len),
                     0);
    assert_int_equal(tacit_channel_open(&ends.b, ends.record, ends.len,
                                        ends.record + TACIT_RECORD_HEADER, &len, &type),
                     0);
    assert_int_equal(len, 5000);
    assert_memory_equal(ends.record + TACIT_RECORD_HEADER, data, len);
    /* Into a buffer of the caller's, as small as it may be. */
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, sizeof small), 0);
    assert_int_equal(
        tacit_channel_open(&ends.b, ends.record, ends.len, small, &len, &type), 0);
    assert_int_equal(len, sizeof small);
    assert_memory_equal(small, data, len);
}

static void records_are_sealed_and_opened_in_place(void **state)
{
    each_suite(in_place);
}

static void pieces_of(enum tacit_suite suite)
{
    static const size_t cuts[] = {3, 0, 1, 1000, 7, 0, 0, 30000, 1, 2};
    struct iovec iov[COUNT(cuts)];
    size_t at = 0, len;
    for (size_t k = 0; k < COUNT(cuts); k++) {
        iov[k] = (struct iovec){.iov_base = data + at, .iov_len = cuts[k]};
        at += cuts[k];
    }
    iov[1].iov_base = NULL; /* an empty piece may be anywhere */
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, iov, COUNT(cuts),
                                        ends.record, sizeof ends.record, &ends.len),
                     0);
    assert_int_equal(open_record(&ends.b, &len), 0);
    assert_int_equal(len, at);
    assert_memory_equal(ends.plain, data, at);
    /* The first in place already, the others not. */
    memcpy(ends.record + TACIT_RECORD_HEADER, data, cuts[0]);
    iov[0].iov_base = ends.record + TACIT_RECORD_HEADER;
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, iov, COUNT(cuts),
                                        ends.record, sizeof ends.record, &ends.len),
                     0);
    assert_int_equal(open_record(&ends.b, &len), 0);
    assert_memory_equal(ends.plain, data, at);
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, NULL, 0, ends.record,
                                        sizeof ends.record, &ends.len),
                     0);
    assert_int_equal(open_record(&ends.b, &len), 0);
    assert_int_equal(len, 0);
}

static void many_pieces_make_one_record(void **state)
{
    each_suite(pieces_of);
}

static void too_much(enum tacit_suite suite)
{
    const size_t most = TACIT_RECORD_DATA_MAX;
    struct iovec two[2] = {{.iov_base = data, .iov_len = most},
                           {.iov_base = data, .iov_len = 1}};
    size_t len;
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, most + 1), TACIT_ELIMIT);
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, two, 2, ends.record,
                                        sizeof ends.record, &ends.len),
                     TACIT_ELIMIT);
    two[1].iov_len = SIZE_MAX; /* a sum that would wrap round */
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, two, 2, ends.record,
                                        sizeof ends.record, &ends.len),
                     TACIT_ELIMIT);
    size_t need = 2 + 100 + tacit_suite_tag(suite);
    two[0].iov_len = 100;
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, two, 1, ends.record,
                                        need - 1, &ends.len),
                     TACIT_ESPACE);
    /* None of these did anything: the next record is the first. */
    assert_int_equal(tacit_channel_seal(&ends.a, TACIT_RECORD_DATA, two, 1, ends.record,
                                        need, &ends.len),
                     0);
    assert_int_equal(open_record(&ends.b, &len), 0);
    /* A close is short: only so is it tried where data does not open. */
    assert_int_equal(seal(&ends.a, TACIT_RECORD_CLOSE, TACIT_CONTROL_MAX + 1),
                     TACIT_ELIMIT);
}

static void too_much_data_or_too_little_space_is_refused_and_harmless(void **state)
{
    each_suite(too_much);
}

/* ---- What is on the wire -------------------------------------------------------------
 */

static void key_of(uint8_t suite, uint8_t direction, uint8_t key[NOISE_HASHLEN])
{
    uint8_t both[64], root[NOISE_HASHLEN], info[15 + 1 + 1 + 4 + NOISE_HASHLEN + 1];
    memcpy(both, split[0].bytes, 32);
    memcpy(both + 32, split[1].bytes, 32);
    noise_hmac(hash, NOISE_HASHLEN, both, sizeof both, root);
    memcpy(info, "tacit record v1", 15);
    info[15] = suite;
    info[16] = direction;
    memset(info + 17, 0, 4); /* generation */
    memcpy(info + 21, hash, NOISE_HASHLEN);
    info[sizeof info - 1] = 1;
    noise_hmac(root, NOISE_HASHLEN, info, sizeof info, key);
}

/* PROTOCOL.md's formulas, computed here with libsodium alone, for record number 258. */
static void wire(enum tacit_suite suite)
{
    uint8_t key[NOISE_HASHLEN], nonce[12] = {0}, out[64];
    const uint8_t ad[3] = {0, 4 + 16, 1}; /* the length, and data */
    const uint8_t message[4] = {'d', 'a', 't', 'a'};
    if (suite == TACIT_SUITE_AEGIS_256)
        return; /* its tag and nonce are others */
    for (uint8_t direction = 0; direction < 2; direction++) {
        struct tacit_channel *ch = direction == 0 ? &ends.a : &ends.b;
        ch->send.counter = 258;
        memcpy(data, "data", 4);
        assert_int_equal(seal(ch, TACIT_RECORD_DATA, 4), 0);
        key_of((uint8_t)suite, direction, key);
        memset(nonce, 0, sizeof nonce);
        if (suite == TACIT_SUITE_AES_256_GCM) {
            nonce[10] = 1, nonce[11] = 2;
            crypto_aead_aes256gcm_encrypt(out, NULL, message, 4, ad, 3, NULL, nonce, key);
        } else {
            nonce[4] = 2, nonce[5] = 1;
            crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, message, 4, ad, 3, NULL,
                                                      nonce, key);
        }
        assert_int_equal(ends.len, 2 + 4 + 16);
        assert_memory_equal(ends.record, ad, 2);
        assert_memory_equal(ends.record + 2, out, 4 + 16);
    }
}

static void the_bytes_on_the_wire_are_those_of_the_protocol(void **state)
{
    each_suite(wire);
}

static void no_reflection(enum tacit_suite suite)
{
    size_t len;
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 10), 0);
    assert_int_equal(open_record(&ends.a, &len), TACIT_EAUTH);
    assert_dead_channel(&ends.a);
}

static void a_record_does_not_open_where_it_came_from(void **state)
{
    each_suite(no_reflection);
}

/* ---- Limits --------------------------------------------------------------------------
 */

static void worn(enum tacit_suite suite)
{
    const uint64_t records = UINT64_C(1) << 32, bytes = UINT64_C(1) << 38;
    size_t body = 100 + tacit_suite_tag(suite), len;
    /* The very last record, and one more. */
    ends.a.send.counter = ends.b.receive.counter = records - 1;
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 100), 0);
    assert_int_equal(open_record(&ends.b, &len), 0);
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 100), TACIT_ELIMIT);
    assert_int_equal(open_record(&ends.b, &len), TACIT_ELIMIT);
    assert_dead_channel(&ends.b);
    /* The very last byte, and one more. */
    open_ends(suite);
    ends.a.send.bytes = ends.b.receive.bytes = bytes - body;
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 101), TACIT_ELIMIT);
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 100), 0);
    assert_int_equal(ends.a.send.bytes, bytes);
    assert_int_equal(open_record(&ends.b, &len), 0);
    assert_int_equal(open_record(&ends.b, &len), TACIT_ELIMIT);
    assert_dead_channel(&ends.b);
    /* The other direction has keys, and a wear, of its own. */
    open_ends(suite);
    ends.a.send.counter = ends.b.receive.counter = records;
    assert_int_equal(seal(&ends.b, TACIT_RECORD_DATA, 100), 0);
    assert_int_equal(open_record(&ends.a, &len), 0);
}

static void keys_wear_out_at_the_same_record_and_byte_on_both_sides(void **state)
{
    each_suite(worn);
}

/* ---- Close ---------------------------------------------------------------------------
 */

static void closes(enum tacit_suite suite)
{
    char long_text[TACIT_CLOSE_TEXT_MAX + 50], text[TACIT_CLOSE_TEXT_MAX + 1];
    enum tacit_record_type type;
    enum tacit_close reason;
    size_t len;
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    for (int code = 1; code <= TACIT_CLOSE_LAST; code++) {
        const char *said = code % 2 ? "for a reason" : long_text;
        assert_int_equal(tacit_channel_seal_close(&ends.a, (enum tacit_close)code, said,
                                                  ends.record, sizeof ends.record,
                                                  &ends.len),
                         0);
        assert_int_equal(
            tacit_channel_open(&ends.b, ends.record, ends.len, ends.plain, &len, &type),
            0);
        assert_int_equal(type, TACIT_RECORD_CLOSE);
        assert_int_equal(tacit_close_parse(ends.plain, len, &reason, text), 0);
        assert_int_equal(reason, code);
        assert_int_equal(strlen(text), code % 2 ? strlen(said) : TACIT_CLOSE_TEXT_MAX);
        assert_memory_equal(text, said, strlen(text));
    }
}

static void a_close_tells_its_reason_and_a_text(void **state)
{
    each_suite(closes);
}

static void a_close_can_be_read_safely_whatever_it_says(void **state)
{
    uint8_t bytes[1 + TACIT_CLOSE_TEXT_MAX + 1];
    char text[TACIT_CLOSE_TEXT_MAX + 1] = "before";
    enum tacit_close reason = TACIT_CLOSE_DONE;
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(tacit_close_parse(bytes, 0, &reason, text), TACIT_EFORMAT);
    assert_int_equal(tacit_close_parse(bytes, sizeof bytes, &reason, text),
                     TACIT_EFORMAT);
    assert_int_equal(tacit_close_parse((const uint8_t *)"\0why", 4, &reason, text),
                     TACIT_EFORMAT);
    assert_string_equal(text, "before");
    assert_int_equal(tacit_close_parse(bytes, sizeof bytes - 1, &reason, text), 0);
    assert_int_equal(strlen(text), TACIT_CLOSE_TEXT_MAX);
    assert_string_equal(tacit_close_name(reason),
                        "unknown"); /* 'x' is no reason of ours */
    /* An escape sequence, a line feed, a zero: nothing that a log would act on. */
    assert_int_equal(tacit_close_parse((const uint8_t *)"\2a\033[2Jb\nc\0d\177\xff", 13,
                                       &reason, text),
                     0);
    assert_string_equal(text, "a?[2Jb?c?d??");
    assert_int_equal(tacit_close_parse((const uint8_t *)"\1", 1, &reason, text), 0);
    assert_string_equal(text, "");
    assert_string_equal(tacit_close_name((enum tacit_close)0), "unknown");
    assert_string_equal(tacit_close_name(TACIT_CLOSE_KEY_LIMIT), "key_limit");
}

static void wiped(enum tacit_suite suite)
{
    tacit_channel_wipe(&ends.a);
    assert_dead_channel(&ends.a);
    tacit_channel_wipe(&ends.a);
    assert_dead_channel(&ends.a);
}

static void a_wiped_channel_holds_no_key_and_does_nothing(void **state)
{
    each_suite(wiped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_every_size_come_out_as_they_went_in),
        cmocka_unit_test(a_record_has_a_size_once_its_length_is_there),
        cmocka_unit_test(records_are_sealed_and_opened_in_place),
        cmocka_unit_test(many_pieces_make_one_record),
        cmocka_unit_test(too_much_data_or_too_little_space_is_refused_and_harmless),
        cmocka_unit_test(the_bytes_on_the_wire_are_those_of_the_protocol),
        cmocka_unit_test(a_record_does_not_open_where_it_came_from),
        cmocka_unit_test(keys_wear_out_at_the_same_record_and_byte_on_both_sides),
        cmocka_unit_test(a_close_tells_its_reason_and_a_text),
        cmocka_unit_test(a_close_can_be_read_safely_whatever_it_says),
        cmocka_unit_test(a_wiped_channel_holds_no_key_and_does_nothing),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
