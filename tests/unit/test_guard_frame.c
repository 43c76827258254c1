/* The promises of src/guard/texts.h, mirror.h and frame.h. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "guard_bytes.h"

static const uint64_t cache = TACIT_GUARD_FLAG_CACHE,
                      fragments = TACIT_GUARD_FLAG_FRAGMENTS,
                      both = TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS;

static struct emulator emulator;
static struct tacit_guard_texts texts;
static struct tacit_guard_mirror mirror;
static struct tacit_guard_refs refs;
static struct bytes message;

static int start(void **state)
{
    emulator_init(&emulator, "", 10000);
    memset(&mirror, 0, sizeof mirror);
    tacit_guard_texts_init(&texts, &emulator.asks);
    return 0;
}

static int end(void **state)
{
    tacit_guard_texts_free(&texts);
    return 0;
}

static enum tacit_guard_reason intern(const char *text)
{
    struct tacit_guard_text *ret;
    return tacit_guard_intern(&texts, (const uint8_t *)text, strlen(text), &ret);
}

/* A header of these atoms; whether anything stands behind it is not its matter. */
static enum tacit_guard_reason header(uint64_t flags, const struct slot *slots,
                                      unsigned n)
{
    message.len = 0;
    put_header(&message, slots, n);
    struct tacit_reader r = tacit_reader(message.at, message.len);
    enum tacit_guard_reason reason =
        tacit_guard_header(&refs, flags, &mirror, &texts, &r);
    assert_true(reason || tacit_left(&r) == 0);
    return reason;
}

static void assert_ref(unsigned index, const char *text)
{
    assert_true(index < refs.number);
    assert_int_equal(refs.texts[index]->len, strlen(text));
    assert_memory_equal(refs.texts[index]->bytes, text, strlen(text));
}

static enum tacit_guard_reason frame(uint64_t flags, const char *bytes, size_t len,
                                     struct tacit_guard_frame *ret)
{
    return tacit_guard_frame(ret, flags, (const uint8_t *)bytes, len);
}

static void a_message_has_a_form_that_was_agreed(void **state)
{
    static const char next[] = "\x83\x46\0\0\0\0\0\0\1\2\0\0\0\0\0\0\0\3x";
    struct tacit_guard_frame f;
    const struct {
        uint64_t flags;
        const char *bytes;
        size_t len;
        int form; /* -1: none */
    } rows[] = {
        {both, "", 0, TACIT_GUARD_TICK},
        {0, "", 0, TACIT_GUARD_TICK},
        {0, "\x70\x83\x68\x02", 4, TACIT_GUARD_PASS_THROUGH},
        {0, "\x83\x44\0", 3, -1},
        {both, "\x70\x83\x68\x02", 4, -1},
        {cache, "\x83\x44\0", 3, TACIT_GUARD_WHOLE},
        {fragments, "\x83\x44\0", 3, TACIT_GUARD_WHOLE},
        {both, "\x84\x44\0", 3, -1},
        {both, "\x83", 1, -1},
        {0, "\x70", 1, -1},
        {both, "\x83\x68\x02", 3, -1},
        {both, next, 19, TACIT_GUARD_NEXT_PIECE},
        {cache, next, 19, -1},
        {both, next, 17, -1},
        {both, "\x83\x45\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2", 18, TACIT_GUARD_FIRST_PIECE},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum tacit_guard_reason reason =
            frame(rows[i].flags, rows[i].bytes, rows[i].len, &f);
        assert_int_equal(reason, rows[i].form < 0 ? TACIT_GUARD_FORM : TACIT_GUARD_FINE);
        if (!reason)
            assert_int_equal(f.form, rows[i].form);
    }
    assert_int_equal(frame(both, next, 19, &f), TACIT_GUARD_FINE);
    assert_int_equal(f.sequence, 0x102);
    assert_int_equal(f.number, 3);
    assert_int_equal(*f.rest.at, 'x');
}

static void a_slot_has_what_it_was_filled_with_last(void **state)
{
    const struct slot first[] = {{7, "one"}, {2047, "two"}, {0, "three"}};
    const struct slot again[] = {{2047, NULL}, {7, "four"}, {7, NULL}, {0, NULL}};
    assert_int_equal(header(both, first, 3), TACIT_GUARD_FINE);
    assert_true(refs.filled);
    assert_ref(1, "two");
    assert_int_equal(header(both, again, 4), TACIT_GUARD_FINE);
    assert_ref(0, "two");
    assert_ref(1, "four");
    assert_ref(2, "four");
    assert_ref(3, "three");
    assert_int_equal(header(both, again, 1), TACIT_GUARD_FINE);
    assert_false(refs.filled);
    assert_int_equal(header(both, NULL, 0), TACIT_GUARD_FINE);
    assert_int_equal(refs.number, 0);
}

/* The emulator would read the atom cache that it does not have: row 3 of what kills it.
 */
static void a_slot_never_filled_ends_the_link(void **state)
{
    const struct slot slots[] = {{7, "one"}, {8, NULL}};
    assert_int_equal(header(both, slots, 2), TACIT_GUARD_HEADER);
    assert_int_equal(header(both, slots, 1), TACIT_GUARD_FINE);
    assert_int_equal(header(fragments, slots, 1), TACIT_GUARD_HEADER);
    assert_int_equal(header(fragments, NULL, 0), TACIT_GUARD_FINE);
}

/* Nodes use 2039 slots, in which far more atoms than that come and go. */
static void all_slots_are_filled_and_filled_anew(void **state)
{
    char text[20];
    for (unsigned i = 0; i < 9000; i++) {
        snprintf(text, sizeof text, "atom %u", i);
        const struct slot slot = {i * 7 % 2039, text};
        tacit_guard_texts_sweep(&texts);
        assert_int_equal(header(both, &slot, 1), TACIT_GUARD_FINE);
    }
    for (unsigned i = 9000 - 2039; i < 9000; i++) {
        const struct slot slot = {i * 7 % 2039, NULL};
        assert_int_equal(header(both, &slot, 1), TACIT_GUARD_FINE);
        snprintf(text, sizeof text, "atom %u", i);
        assert_ref(0, text);
    }
    assert_true(texts.count < 9000);
}

static void long_texts_have_long_lengths(void **state)
{
    const struct slot slots[] = {{1, "short"}, {300, long_text("\xe2\x82\xac", 255)}};
    assert_int_equal(header(both, slots, 2), TACIT_GUARD_FINE);
    assert_ref(0, "short");
    assert_int_equal(refs.texts[1]->len, 765);
}

static void a_header_that_is_cut_off_ends_the_link(void **state)
{
    const struct slot slots[] = {{1, "one"}, {300, "two"}, {1, NULL}};
    message.len = 0;
    put_header(&message, slots, 3);
    for (size_t len = 0; len < message.len; len++) {
        struct tacit_reader r = tacit_reader(message.at, len);
        assert_int_equal(tacit_guard_header(&refs, both, &mirror, &texts, &r),
                         TACIT_GUARD_HEADER);
    }
}

static void an_atom_is_of_255_characters_of_utf_8(void **state)
{
    static const char *const good[] = {
        "", "a", "\xc3\xa9", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf",
    };
    static const char *const malformed[] = {
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3",
        "\xe2\x82",
        "\xc3(",
    };
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(intern(good[i]), TACIT_GUARD_FINE);
    for (size_t i = 0; i < COUNT(malformed); i++)
        assert_int_equal(intern(malformed[i]), TACIT_GUARD_ATOM);
    assert_int_equal(intern(long_text("x", 255)), TACIT_GUARD_FINE);
    assert_int_equal(intern(long_text("x", 256)), TACIT_GUARD_ATOM);
    assert_int_equal(intern(long_text("\xf0\x9f\x98\x80", 255)), TACIT_GUARD_FINE);
    assert_int_equal(intern(long_text("\xf0\x9f\x98\x80", 256)), TACIT_GUARD_ATOM);
}

static void only_an_atom_that_the_emulator_lacks_is_paid_for_and_once(void **state)
{
    emulator_init(&emulator, " ok error ", 2);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(intern("ok"), TACIT_GUARD_FINE);
        assert_int_equal(intern("new"), TACIT_GUARD_FINE);
    }
    assert_int_equal(emulator.asked, 2);
    assert_int_equal(emulator.spent, 1);
    assert_int_equal(intern("newer"), TACIT_GUARD_FINE);
    assert_int_equal(intern("newest"), TACIT_GUARD_ATOM_BUDGET);
    assert_int_equal(intern("newest"), TACIT_GUARD_ATOM_BUDGET);
    assert_int_equal(intern("error"), TACIT_GUARD_FINE);
}

static void latin_1_and_utf_8_of_one_atom_are_one(void **state)
{
    struct tacit_guard_text *a, *b;
    assert_int_equal(tacit_guard_intern_latin1(&texts, (const uint8_t *)"caf\xe9", 4, &a),
                     TACIT_GUARD_FINE);
    assert_int_equal(tacit_guard_intern(&texts, (const uint8_t *)"caf\xc3\xa9", 5, &b),
                     TACIT_GUARD_FINE);
    assert_ptr_equal(a, b);
    assert_int_equal(tacit_guard_intern_latin1(&texts, message.at, 256, &a),
                     TACIT_GUARD_ATOM);
}

static uint32_t first_letter(const void *rules, const uint8_t *text, size_t len)
{
    return text[0] == *(const char *)rules;
}

static void other_rules_are_for_texts_that_were_seen_too(void **state)
{
    const struct slot slots[] = {{1, "apple"}, {2, "bread"}};
    tacit_guard_texts_rule(&texts, first_letter, "a");
    assert_int_equal(header(both, slots, 2), TACIT_GUARD_FINE);
    assert_int_equal(refs.texts[0]->bits, 1);
    assert_int_equal(refs.texts[1]->bits, 0);
    tacit_guard_texts_rule(&texts, first_letter, "b");
    assert_int_equal(refs.texts[0]->bits, 0);
    assert_int_equal(refs.texts[1]->bits, 1);
}

static void texts_that_nothing_holds_are_forgotten_when_there_are_many(void **state)
{
    char text[20];
    const struct slot slot = {5, "held"};
    assert_int_equal(header(both, &slot, 1), TACIT_GUARD_FINE);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(intern(text), TACIT_GUARD_FINE);
    }
    tacit_guard_texts_sweep(&texts);
    assert_int_equal(texts.count, 1);
    const struct slot same = {5, NULL};
    assert_int_equal(header(both, &same, 1), TACIT_GUARD_FINE);
    assert_ref(0, "held");
    tacit_guard_texts_sweep(&texts);
    assert_int_equal(intern("4999"), TACIT_GUARD_FINE);
    assert_int_equal(emulator.spent, 5002);
}

static void each_reason_has_its_words(void **state)
{
    for (unsigned i = 1; i < TACIT_GUARD_REASONS; i++)
        assert_true(strlen(tacit_guard_reason_text((enum tacit_guard_reason)i)) > 5);
    assert_string_equal(tacit_guard_reason_text(TACIT_GUARD_REASONS), "unknown");
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_message_has_a_form_that_was_agreed),
        promise(a_slot_has_what_it_was_filled_with_last),
        promise(a_slot_never_filled_ends_the_link),
        promise(all_slots_are_filled_and_filled_anew),
        promise(long_texts_have_long_lengths),
        promise(a_header_that_is_cut_off_ends_the_link),
        promise(an_atom_is_of_255_characters_of_utf_8),
        promise(only_an_atom_that_the_emulator_lacks_is_paid_for_and_once),
        promise(latin_1_and_utf_8_of_one_atom_are_one),
        promise(other_rules_are_for_texts_that_were_seen_too),
        promise(texts_that_nothing_holds_are_forgotten_when_there_are_many),
        promise(each_reason_has_its_words),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("guard-frame", tests, NULL, NULL);
}
