/* The promises of src/guard/fragments.h. */
#include "test_unit.h"

#include <sodium.h>
#include <string.h>

#include "guard/fragments.h"
#include "guard_bytes.h"

static struct emulator emulator;
static struct tacit_guard_named named;
static struct tacit_guard_fragments fragments;
static struct tacit_guard_refs refs;

static void restart(const struct tacit_guard_limits *limits)
{
    tacit_guard_fragments_free(&fragments);
    tacit_guard_named_free(&named);
    tacit_guard_named_init(&named, limits, &emulator.asks);
}

static int start(void **state)
{
    emulator_init(&emulator, "", 10000);
    memset(&named, 0, sizeof named);
    memset(&fragments, 0, sizeof fragments);
    refs.number = 0;
    restart(&wide);
    return 0;
}

static int end(void **state)
{
    tacit_guard_fragments_free(&fragments);
    tacit_guard_named_free(&named);
    return 0;
}

static enum tacit_guard_reason walked(struct tacit_guard_sequence *s, const char *bytes,
                                      size_t len)
{
    enum tacit_guard_reason reason =
        tacit_guard_fragments_walk(s, (const uint8_t *)bytes, len);
    return reason ? reason : tacit_guard_fragments_end(&fragments, &named, s);
}

/* The first of so many pieces, of one term, with these bytes of it. */
static enum tacit_guard_reason opened(uint64_t id, uint64_t number, bool refused,
                                      const char *bytes)
{
    struct tacit_guard_sequence *s;
    struct tacit_guard_frame frame = {.sequence = id, .number = number};
    size_t len = strlen(bytes);
    enum tacit_guard_reason reason =
        tacit_guard_fragments_open(&fragments, &named, &frame, len, &refs, refused, &s);
    if (reason)
        return reason;
    s->walk = tacit_guard_walk(&named, &s->refs, 0, 1, named.limits.bytes);
    return walked(s, bytes, len);
}

static enum tacit_guard_reason next(uint64_t id, uint64_t number, const char *bytes)
{
    struct tacit_guard_sequence *s;
    struct tacit_guard_frame frame = {.sequence = id, .number = number};
    size_t len = strlen(bytes);
    enum tacit_guard_reason reason =
        tacit_guard_fragments_next(&fragments, &named, &frame, len, &s);
    return reason ? reason : walked(s, bytes, len);
}

static void pieces_of_several_messages_interleave(void **state)
{
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(opened(id, 3, false, "h\2w"), TACIT_GUARD_FINE);
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(next(id, 2, "\4ab"), TACIT_GUARD_FINE);
    assert_int_equal(fragments.open, 40);
    for (uint64_t id = 40; id >= 1; id--)
        assert_int_equal(next(id, 1, "cda\5"), TACIT_GUARD_FINE);
    assert_int_equal(fragments.open, 0);
    assert_int_equal(fragments.bytes, 0);
    assert_int_equal(named.texts.count, 1);
}

/* Row 2 of what kills an emulator: it stores by the number before it looks at it. */
static void a_piece_that_is_not_the_next_ends_the_link(void **state)
{
    assert_int_equal(opened(7, 4, false, "h\2"), TACIT_GUARD_FINE);
    assert_int_equal(next(7, 4, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(next(7, 2, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(next(7, UINT64_MAX, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(next(7, 0, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(next(8, 3, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(opened(7, 4, false, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(opened(0, 4, false, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(opened(8, 0, false, "j"), TACIT_GUARD_FRAGMENT);
    assert_int_equal(next(7, 3, "j"), TACIT_GUARD_FINE);
    assert_int_equal(next(7, 2, "j"), TACIT_GUARD_FINE);
    assert_int_equal(next(7, 1, ""), TACIT_GUARD_FINE);
    assert_int_equal(next(7, 0, ""), TACIT_GUARD_FRAGMENT);
}

/* Row 1: it allocates 40 bytes for each piece that the first one claims. */
static void a_message_claims_no_more_pieces_than_fit_into_its_bytes(void **state)
{
    struct tacit_guard_limits limits = wide;
    limits.bytes = 600000;
    restart(&limits);
    assert_int_equal(opened(7, UINT64_C(1) << 36, false, "h\2"), TACIT_GUARD_PIECES);
    assert_int_equal(opened(7, 13, false, "h\2"), TACIT_GUARD_PIECES);
    assert_int_equal(opened(7, 12, false, "h\2"), TACIT_GUARD_FINE);
}

static void open_messages_are_so_many_and_of_so_many_bytes(void **state)
{
    struct tacit_guard_limits limits = wide;
    limits.pieces = 2;
    limits.bytes = 10;
    restart(&limits);
    assert_int_equal(opened(1, 2, false, "m\0\0\0\x9"), TACIT_GUARD_FINE);
    assert_int_equal(opened(2, 2, true, "12345678"), TACIT_GUARD_FINE);
    assert_int_equal(opened(3, 2, false, "h"), TACIT_GUARD_PIECES);
    assert_int_equal(next(2, 1, "12"), TACIT_GUARD_PIECES);
    assert_int_equal(next(2, 1, "1"), TACIT_GUARD_FINE);
    assert_int_equal(opened(3, 2, false, "hhhhhhhhhh"), TACIT_GUARD_PIECES);
    assert_int_equal(opened(3, 2, true, "hhhhhhhhh"), TACIT_GUARD_FINE);
}

static void a_message_that_ends_in_the_middle_of_a_term_ends_the_link(void **state)
{
    assert_int_equal(opened(1, 2, false, "h\2j"), TACIT_GUARD_FINE);
    assert_int_equal(next(1, 1, "a"), TACIT_GUARD_TRUNCATED);
    assert_int_equal(fragments.open, 0);
    assert_int_equal(opened(1, 1, false, "h\2j"), TACIT_GUARD_TRUNCATED);
    assert_int_equal(opened(1, 2, false, "j"), TACIT_GUARD_FINE);
    assert_int_equal(next(1, 1, "j"), TACIT_GUARD_TRAILING);
}

/* Its atoms are those that the header had then, whatever the slots have since. */
static void a_message_keeps_the_atoms_of_its_first_piece(void **state)
{
    struct tacit_guard_text *text;
    assert_int_equal(tacit_guard_intern(&named.texts, (const uint8_t *)"kept", 4, &text),
                     TACIT_GUARD_FINE);
    refs.texts[0] = text;
    refs.number = 1;
    assert_int_equal(opened(1, 2, false, "h\2R"), TACIT_GUARD_FINE);
    assert_int_equal(text->held, 1);
    refs.number = 0;
    struct tacit_guard_sequence *s;
    struct tacit_guard_frame frame = {.sequence = 1, .number = 1};
    assert_int_equal(tacit_guard_fragments_next(&fragments, &named, &frame, 3, &s),
                     TACIT_GUARD_FINE);
    assert_int_equal(walked(s, "\0R\0", 3), TACIT_GUARD_FINE);
    assert_int_equal(text->held, 0);
}

static void a_refused_message_is_counted_and_not_read(void **state)
{
    assert_int_equal(opened(1, 3, true, "no term"), TACIT_GUARD_FINE);
    assert_int_equal(next(1, 2, "none"), TACIT_GUARD_FINE);
    assert_int_equal(fragments.bytes, 11);
    assert_int_equal(next(1, 1, "at all"), TACIT_GUARD_FINE);
    assert_int_equal(fragments.bytes, 0);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(pieces_of_several_messages_interleave),
        promise(a_piece_that_is_not_the_next_ends_the_link),
        promise(a_message_claims_no_more_pieces_than_fit_into_its_bytes),
        promise(open_messages_are_so_many_and_of_so_many_bytes),
        promise(a_message_that_ends_in_the_middle_of_a_term_ends_the_link),
        promise(a_message_keeps_the_atoms_of_its_first_piece),
        promise(a_refused_message_is_counted_and_not_read),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("guard-fragments", tests, NULL, NULL);
}
