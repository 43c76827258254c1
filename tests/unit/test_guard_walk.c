/* The promises of src/guard/walk.h and seen.h. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "guard_bytes.h"

static struct emulator emulator;
static struct tacit_guard_named named;
static struct tacit_guard_refs refs;
static struct tacit_guard_walk walk;
static struct bytes b;

static void restart(const struct tacit_guard_limits *limits)
{
    tacit_guard_named_free(&named);
    tacit_guard_named_init(&named, limits, &emulator.asks);
    b.len = 0;
}

static int start(void **state)
{
    emulator_init(&emulator, "", 10000);
    memset(&named, 0, sizeof named);
    refs.number = 0;
    restart(&wide);
    return 0;
}

static int end(void **state)
{
    tacit_guard_named_free(&named);
    return 0;
}

/* The term that was put, whole. */
static enum tacit_guard_reason walked_as(uint64_t flags)
{
    struct tacit_reader r = tacit_reader(b.at, b.len);
    walk = tacit_guard_walk(&named, &refs, flags, 1, b.len);
    enum tacit_guard_reason reason = tacit_guard_walk_terms(&walk, &r);
    return reason || tacit_left(&r) == 0 ? reason : TACIT_GUARD_TRAILING;
}

static enum tacit_guard_reason walked(void)
{
    return walked_as(0);
}

/* The same in two pieces, cut there. */
static enum tacit_guard_reason walked_cut(size_t cut)
{
    static struct tacit_guard_carry carry;
    carry.len = 0;
    walk = tacit_guard_walk(&named, &refs, 0, 1, b.len);
    enum tacit_guard_reason reason = tacit_guard_walk_piece(&walk, &carry, b.at, cut);
    if (!reason)
        reason = tacit_guard_walk_piece(&walk, &carry, b.at + cut, b.len - cut);
    if (!reason && (carry.len > 0 || !tacit_guard_walk_over(&walk)))
        reason = TACIT_GUARD_TRUNCATED;
    return reason;
}

static void put_bytes(const char *bytes, size_t len)
{
    b.len = 0;
    put(&b, bytes, len);
}

/* One of each kind, as nodes send them. */
static void put_all_kinds(void)
{
    put_tuple(&b, 24);
    put_atom(&b, "small");
    put_atom(&b, long_text("\xc3\xa9", 200));
    put(&b, "\x73\3abc", 5);
    put(&b, "\x64\0\3abc", 6);
    put_int(&b, 200);
    put(&b, "\x62\xff\xff\xff\xff", 5);
    put(&b, "\x46\x40\x09\x21\xfb\x54\x44\x2d\x18", 9);
    put(&b, "\x6e\x02\1\xff\xff", 5);
    put(&b, "\x6f\0\0\0\3\0\1\2\3", 9);
    put_list(&b, 2);
    put_int(&b, 1);
    put_int(&b, 2);
    put_nil(&b);
    put(&b, "\x6b\0\4text", 7);
    put(&b, "\x74\0\0\0\1\x61\1\x61\2", 9);
    put_binary(&b, 300);
    put(&b, "\x4d\0\0\0\2\5\xff\xf8", 8);
    put_pid(&b, "a@b", 1, 2);
    put(&b, "\x67\x77\3a@b\0\0\0\1\0\0\0\0\3", 15);
    put(&b, "\x78\x77\3a@b\0\0\0\0\0\0\0\1\0\0\0\2", 18);
    put(&b, "\x59\x77\3a@b\0\0\0\1\0\0\0\2", 14);
    put(&b, "\x66\x77\3a@b\0\0\0\1\1", 11);
    put_reference(&b, "a@b", 3);
    put(&b, "\x72\0\1\x77\3a@b\0\0\0\0\1", 13);
    put_external(&b, "lists", "map", 2);
    put(&b, "\x70\0\0\0\0\1", 6); /* a fun of one variable */
    put(&b, "0123456789abcdef\0\0\0\1\0\0\0\1", 24);
    put_atom(&b, "m");
    put(&b, "\x61\1\x62\1\2\3\4", 7);
    put_pid(&b, "a@b", 1, 2);
    put_int(&b, 5);
    put(&b, "\x69\0\0\0\1", 5); /* a tuple that says its arity at length */
    put_nil(&b);
}

static void each_kind_of_term_passes_and_is_counted(void **state)
{
    put_all_kinds();
    assert_int_equal(walked(), TACIT_GUARD_FINE);
    assert_int_equal(walk.counts.pids, 3);
    assert_int_equal(walk.counts.ports, 3);
    assert_int_equal(walk.counts.references, 2);
    assert_int_equal(walk.counts.funs, 1);
    assert_int_equal(walk.counts.externals, 1);
    assert_int_equal(walk.counts.atoms, 4 + 3 + 3 + 2 + 2 + 1);
    assert_int_equal(walk.counts.terms, 1 + 24 + 3 + 2 + 2 + 1);
    assert_int_equal(named.texts.count, 7);
    assert_int_equal(named.nodes.number, 5); /* creations 0, 1, 2, 3, 5 */
}

static void a_cut_anywhere_changes_nothing(void **state)
{
    put_all_kinds();
    assert_int_equal(walked(), TACIT_GUARD_FINE);
    struct tacit_guard_counts whole = walk.counts;
    for (size_t cut = 0; cut <= b.len; cut++) {
        assert_int_equal(walked_cut(cut), TACIT_GUARD_FINE);
        assert_memory_equal(&walk.counts, &whole, sizeof whole);
    }
}

static void bytes_that_come_one_by_one_change_nothing(void **state)
{
    static struct tacit_guard_carry carry;
    put_all_kinds();
    walk = tacit_guard_walk(&named, &refs, 0, 1, b.len);
    carry.len = 0;
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(tacit_guard_walk_piece(&walk, &carry, b.at + i, 1),
                         TACIT_GUARD_FINE);
    assert_true(tacit_guard_walk_over(&walk));
    assert_int_equal(tacit_guard_walk_piece(&walk, &carry, b.at, 1),
                     TACIT_GUARD_TRAILING);
}

static void what_is_cut_off_or_goes_on_ends_the_link(void **state)
{
    put_all_kinds();
    size_t len = b.len;
    for (b.len = 1; b.len < len; b.len++)
        assert_int_not_equal(walked(), TACIT_GUARD_FINE);
    b.len = len;
    put_u8(&b, 106);
    assert_int_equal(walked(), TACIT_GUARD_TRAILING);
}

/* 73 and 75: atoms of the receiver's own table. 121: for its sender alone. */
static void terms_that_no_node_sends_end_the_link(void **state)
{
    static const uint8_t sent[] = {70,  77,  82,  88,  89,  90,  97,  98,  100,
                                   102, 103, 104, 105, 106, 107, 108, 109, 110,
                                   111, 112, 113, 114, 115, 116, 118, 119, 120};
    for (unsigned tag = 0; tag < 256; tag++) {
        b.len = 0;
        put_u8(&b, tag);
        put(&b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
        if (memchr(sent, (int)tag, sizeof sent) == NULL)
            assert_int_equal(walked(), TACIT_GUARD_TAG);
    }
    static const char nodes[][5] = {"\x49\0\1", "\x4b\0\0\1", "\x61\1", "\x6a"};
    for (size_t i = 0; i < COUNT(nodes); i++) {
        put_bytes("\x58", 1);
        put(&b, nodes[i], 4);
        put(&b, "\0\0\0\1\0\0\0\0\0\0\0\1", 12);
        assert_int_equal(walked(), TACIT_GUARD_TAG);
    }
}

static void malformed_terms_end_the_link(void **state)
{
    const struct {
        const char *what, *bytes;
        size_t len;
    } rows[] = {
        {"a float that is infinite", "\x46\x7f\xf0\0\0\0\0\0\0", 9},
        {"a float that is no number", "\x46\xff\xf8\0\0\0\0\0\1", 9},
        {"bits beyond a byte", "\x4d\0\0\0\1\x09\xff", 7},
        {"bits of no byte", "\x4d\0\0\0\0\1", 6},
        {"no bits of a byte", "\x4d\0\0\0\1\0\xff", 7},
        {"a reference of no words", "\x5a\0\0\x77\1n\0\0\0\1\0\0\0\1", 14},
        {"a reference of six", "\x5a\0\6\x77\1n\0\0\0\1\0\0\0\1", 14},
        {"a large creation of a small pid", "\x67\x77\1n\0\0\0\1\0\0\0\0\4", 13},
        {"an atom that the header has not", "\x52\0", 2},
        {"fun M:F/A of an arity too large", "\x71\x77\1m\x77\1f\x62\0\1\0\0", 12},
        {"a fun of too many variables",
         "\x70\0\0\0\0\1"
         "0123456789abcdef\0\0\0\1\0\0\1\0",
         30},
        {"a fun whose number is an atom",
         "\x70\0\0\0\0\1"
         "0123456789abcdef\0\0\0\1\0\0\0\0\x77\1m\x77\1n",
         36},
        {"an integer of a megabyte", "\x6f\0\x10\0\0\0", 6},
        {"more elements than bytes", "\x6c\0\0\0\x09\x6a\x6a", 7},
        {"a map of 2^32 - 1", "\x74\xff\xff\xff\xff", 5},
        {"a tuple of 2^32 - 1", "\x69\xff\xff\xff\xff", 5},
        {"a list of 2^32 - 1", "\x6c\xff\xff\xff\xff", 5},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        put_bytes(rows[i].bytes, rows[i].len);
        if (walked() != TACIT_GUARD_TERM)
            fail_msg("%s: %s", rows[i].what, tacit_guard_reason_text(walked()));
    }
    put_bytes("\x6d\xff\xff\xff\xff", 5);
    assert_int_equal(walked(), TACIT_GUARD_TRUNCATED);
    put_bytes("\x77\2\xff\xff", 4);
    assert_int_equal(walked(), TACIT_GUARD_ATOM);
    put_bytes("\x76\4\0", 3);
    assert_int_equal(walked(), TACIT_GUARD_ATOM);
}

static void terms_need_no_depth(void **state)
{
    for (int i = 0; i < 30000; i++)
        put_list(&b, 1);
    for (int i = 0; i < 30001; i++)
        put_nil(&b);
    assert_int_equal(walked(), TACIT_GUARD_FINE);
    assert_int_equal(walk.counts.words, 60000);
}

static void a_record_comes_only_where_both_know_records(void **state)
{
    put_u8(&b, 67);
    put_u32(&b, 1);
    put_u8(&b, 0);
    put_atom(&b, "module");
    put_atom(&b, "name");
    size_t key = b.len;
    put_atom(&b, "key");
    put_int(&b, 5);
    assert_int_equal(walked(), TACIT_GUARD_TAG);
    assert_int_equal(walked_as(TACIT_GUARD_FLAG_RECORDS), TACIT_GUARD_FINE);
    assert_int_equal(walk.counts.atoms, 3);
    b.at[5] = 2;
    assert_int_equal(walked_as(TACIT_GUARD_FLAG_RECORDS), TACIT_GUARD_TERM);
    b.at[5] = 1;
    memcpy(b.at + key, "\x6d\0\0\0\0", 5);
    assert_int_equal(walked_as(TACIT_GUARD_FLAG_RECORDS), TACIT_GUARD_TERM);
}

static void atoms_of_the_header_are_known_by_their_place(void **state)
{
    struct tacit_guard_text *text;
    assert_int_equal(tacit_guard_intern(&named.texts, (const uint8_t *)"n@h", 3, &text),
                     TACIT_GUARD_FINE);
    refs.texts[0] = text;
    refs.number = 1;
    put(&b, "\x58\x52\0\0\0\0\1\0\0\0\0\0\0\0\1", 15);
    assert_int_equal(walked(), TACIT_GUARD_FINE);
    assert_int_equal(walk.counts.atoms, 1);
    b.at[2] = 1;
    assert_int_equal(walked(), TACIT_GUARD_TERM);
}

static void a_message_takes_so_many_words(void **state)
{
    struct tacit_guard_limits limits = wide;
    limits.words = 100;
    restart(&limits);
    put_list(&b, 50);
    for (int i = 0; i < 51; i++)
        put_nil(&b);
    assert_int_equal(walked(), TACIT_GUARD_FINE);
    b.len = 0;
    put_list(&b, 51);
    for (int i = 0; i < 52; i++)
        put_nil(&b);
    assert_int_equal(walked(), TACIT_GUARD_WORDS);
    /* The same of pids, as they come again and again. */
    struct tacit_guard_text *text;
    assert_int_equal(tacit_guard_intern(&named.texts, (const uint8_t *)"n@h", 3, &text),
                     TACIT_GUARD_FINE);
    refs.texts[0] = text;
    refs.number = 1;
    for (unsigned pids = 16; pids <= 17; pids++) {
        b.len = 0;
        put_list(&b, pids);
        for (unsigned i = 0; i < pids; i++)
            put(&b, "\x58\x52\0\0\0\0\1\0\0\0\0\0\0\0\1", 15);
        put_nil(&b);
        assert_int_equal(walked(), pids == 16 ? TACIT_GUARD_FINE : TACIT_GUARD_WORDS);
    }
}

/* Row 4 of what kills an emulator, and the table of nodes that a million fill. */
static void a_link_names_so_many_nodes_and_funs(void **state)
{
    struct tacit_guard_limits limits = wide;
    limits.nodes = 20;
    limits.funs = 20;
    restart(&limits);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20; i++) {
            b.len = 0;
            put_tuple(&b, 2);
            put_pid(&b, "n@h", 1, i);
            put_external(&b, "m", "f", i);
            assert_int_equal(walked(), TACIT_GUARD_FINE);
        }
    }
    assert_int_equal(emulator.spent, 3 + 20); /* each fun M:F/A is paid for, once */
    b.len = 0;
    put_pid(&b, "n@h", 1, 20);
    assert_int_equal(walked(), TACIT_GUARD_NODES);
    b.len = 0;
    put_external(&b, "m", "f", 20);
    assert_int_equal(walked(), TACIT_GUARD_FUNS);
    emulator.budget = emulator.spent;
    restart(&wide);
    put_external(&b, "m", "f", 20);
    assert_int_equal(walked(), TACIT_GUARD_ATOM_BUDGET);
}

/* Row 5: each atom in a payload is one that the key pays for. */
static void atoms_over_the_budget_end_the_link(void **state)
{
    char text[20];
    emulator.budget = 100;
    put_list(&b, 101);
    for (unsigned i = 0; i < 101; i++) {
        snprintf(text, sizeof text, "a%u", i);
        put_atom(&b, text);
    }
    put_nil(&b);
    assert_int_equal(walked(), TACIT_GUARD_ATOM_BUDGET);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(each_kind_of_term_passes_and_is_counted),
        promise(a_cut_anywhere_changes_nothing),
        promise(bytes_that_come_one_by_one_change_nothing),
        promise(what_is_cut_off_or_goes_on_ends_the_link),
        promise(terms_that_no_node_sends_end_the_link),
        promise(malformed_terms_end_the_link),
        promise(terms_need_no_depth),
        promise(a_record_comes_only_where_both_know_records),
        promise(atoms_of_the_header_are_known_by_their_place),
        promise(a_message_takes_so_many_words),
        promise(a_link_names_so_many_nodes_and_funs),
        promise(atoms_over_the_budget_end_the_link),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("guard-walk", tests, NULL, NULL);
}
