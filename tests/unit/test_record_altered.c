/* Records that were altered on the way: each ends the channel, under every suite. */
#include "test_record.h"

/* ---- Altered records -----------------------------------------------------------------
 */

static void flipped(enum tacit_suite suite)
{
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 40), 0);
    for (size_t bit = 0; bit < 8 * ends.len; bit++) {
        struct tacit_channel b = ends.b;
        size_t len = 42;
        ends.record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* A length that is another is no complete record. */
        int expected = bit < 16 ? TACIT_EFORMAT : TACIT_EAUTH;
        assert_int_equal(open_record(&b, &len), expected);
        assert_int_equal(len, 42);
        ends.record[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_true(b.failed);
        assert_int_equal(open_record(&b, &len), TACIT_ESTATE);
    }
}

static void a_flipped_bit_anywhere_ends_the_channel(void **state)
{
    each_suite(flipped);
}

/* The length is sealed, too: a record cut or made longer, with a length that fits. */
static void relabelled(enum tacit_suite suite)
{
    struct tacit_channel b = ends.b;
    size_t len;
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 40), 0);
    ends.record[1]--;
    ends.len--;
    assert_int_equal(open_record(&b, &len), TACIT_EAUTH);
    assert_dead_channel(&b);
    b = ends.b;
    open_ends(suite);
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 40), 0);
    ends.record[ends.len] = 0;
    ends.record[1]++;
    ends.len++;
    assert_int_equal(open_record(&b, &len), TACIT_EAUTH);
    assert_dead_channel(&b);
}

static void a_record_made_shorter_or_longer_ends_the_channel(void **state)
{
    each_suite(relabelled);
}

static void cut(enum tacit_suite suite)
{
    size_t tag = tacit_suite_tag(suite), len;
    for (size_t body = 0; body < tag; body++) {
        struct tacit_channel b = ends.b;
        memset(ends.record, 0, 2 + body);
        ends.record[1] = (uint8_t)body;
        ends.len = 2 + body;
        assert_int_equal(open_record(&b, &len), TACIT_EFORMAT);
        assert_dead_channel(&b);
    }
    for (ends.len = 0; ends.len < 2; ends.len++) {
        struct tacit_channel b = ends.b;
        assert_int_equal(open_record(&b, &len), TACIT_EFORMAT);
    }
}

static void a_record_without_room_for_a_tag_ends_the_channel(void **state)
{
    each_suite(cut);
}

/* Records 0, 1 and 2 are sealed; these are delivered in this order. */
static void assert_order(enum tacit_suite suite, const unsigned order[3], unsigned good)
{
    static uint8_t records[3][256];
    size_t len, lens[3];
    open_ends(suite);
    for (unsigned k = 0; k < 3; k++) {
        assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 10 + k), 0);
        memcpy(records[k], ends.record, ends.len);
        lens[k] = ends.len;
    }
    for (unsigned k = 0; k <= good && k < 3; k++) {
        memcpy(ends.record, records[order[k]], lens[order[k]]);
        ends.len = lens[order[k]];
        assert_int_equal(open_record(&ends.b, &len), k < good ? 0 : TACIT_EAUTH);
    }
    if (good < 3)
        assert_dead_channel(&ends.b);
}

static void reordered(enum tacit_suite suite)
{
    assert_order(suite, (unsigned[]){0, 1, 2}, 3);
    assert_order(suite, (unsigned[]){0, 0, 1}, 1); /* repeated */
    assert_order(suite, (unsigned[]){0, 1, 0}, 2);
    assert_order(suite, (unsigned[]){1, 0, 2}, 0); /* swapped */
    assert_order(suite, (unsigned[]){0, 2, 1}, 1); /* dropped */
}

static void a_record_repeated_swapped_or_dropped_ends_the_channel(void **state)
{
    each_suite(reordered);
}

static void types(enum tacit_suite suite)
{
    for (unsigned type = 0; type < 256; type++) {
        enum tacit_record_type got;
        size_t len;
        open_ends(suite);
        assert_int_equal(seal(&ends.a, (enum tacit_record_type)type, 5), 0);
        int error =
            tacit_channel_open(&ends.b, ends.record, ends.len, ends.plain, &len, &got);
        if (type >= TACIT_RECORD_DATA && type <= TACIT_RECORD_CLOSE) {
            assert_int_equal(error, 0);
            assert_int_equal(got, type);
        } else {
            assert_int_equal(error, TACIT_EAUTH);
            assert_dead_channel(&ends.b);
        }
    }
}

static void a_record_of_a_type_that_is_none_ends_the_channel(void **state)
{
    each_suite(types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_anywhere_ends_the_channel),
        cmocka_unit_test(a_record_made_shorter_or_longer_ends_the_channel),
        cmocka_unit_test(a_record_without_room_for_a_tag_ends_the_channel),
        cmocka_unit_test(a_record_repeated_swapped_or_dropped_ends_the_channel),
        cmocka_unit_test(a_record_of_a_type_that_is_none_ends_the_channel),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("record-altered", tests, NULL, NULL);
}
