/* The promises of src/gate/bucket and admission: how often, and for whom, X25519 is
 * computed.
 */
#include "test_unit.h"

#include <stdio.h>
#include <string.h>

#include "gate/admission.h"
#include "gate/pending.h"

enum {
    WALL = 1700000000,
};

static struct tacit_admission g;
static uint64_t next_ephemeral;

static int start(void **state)
{
    memset(&g, 0, sizeof g);
    g.keyed =
        true; /* with a key under which no two sources of these tests share a bucket */
    g.all = (struct tacit_rate){.burst = 40, .a_second = 10};
    g.source = (struct tacit_rate){.burst = 5, .a_second = 2};
    return 0;
}

static int finish(void **state)
{
    tacit_admission_free(&g);
    return 0;
}

static struct tacit_address at(const char *text)
{
    struct tacit_address a;
    assert_int_equal(tacit_address_from_text(text, &a), 0);
    return a;
}

static uint64_t source_of(const char *text)
{
    struct tacit_address a = at(text);
    return tacit_pending_source(&a);
}

static int come(const struct tacit_address *source, const uint8_t ephemeral[NOISE_DHLEN],
                uint64_t time, int64_t ms, int *ret_skew)
{
    uint64_t wall = WALL + (ms > 0 ? (uint64_t)ms / 1000 : 0);
    struct tacit_now now = {.ms = ms, .wall = wall, .steady = wall};
    return tacit_admission_first(&g, source, ephemeral, time, &now, ret_skew);
}

/* A new first message from there, at that time. */
static int first(const char *source, int64_t now)
{
    struct tacit_address a = at(source);
    uint8_t ephemeral[NOISE_DHLEN] = {0};
    int skew;
    next_ephemeral++;
    memcpy(ephemeral, &next_ephemeral, sizeof next_ephemeral);
    return come(&a, ephemeral, WALL, now, &skew);
}

static int many(const char *source, int64_t now, int count)
{
    int passed = 0;
    for (int i = 0; i < count; i++)
        passed += first(source, now) == TACIT_OK;
    return passed;
}

/* Sources of as many /32 as that, each once. */
static int crowd(int64_t now, int count)
{
    char source[32];
    int passed = 0;
    for (int i = 0; i < count; i++) {
        snprintf(source, sizeof source, "198.51.%d.%d", i / 200, i % 200 + 1);
        passed += first(source, now) == TACIT_OK;
    }
    return passed;
}

static void a_bucket_holds_its_burst_and_fills_at_its_rate(void **state)
{
    static const int64_t starts[] = {-576460752303, 0, 1, 1700000000000};
    struct tacit_rate rate = {.burst = 3, .a_second = 2};
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct tacit_bucket b = {0};
        int64_t now = starts[i];
        assert_int_equal(tacit_bucket_left(&b, rate, now), 3);
        for (int n = 0; n < 3; n++)
            assert_true(tacit_bucket_take(&b, rate, now));
        assert_false(tacit_bucket_take(&b, rate, now + 499));
        assert_true(tacit_bucket_take(&b, rate, now + 500));
        assert_false(tacit_bucket_take(&b, rate, now + 500));
        assert_int_equal(tacit_bucket_left(&b, rate, now + 1000000), 3);
        assert_int_equal(tacit_bucket_left(&b, rate, now - 5000), 0); /* back in time */
    }
}

static void lines_that_are_left_out_are_counted(void **state)
{
    struct tacit_lines l = {0};
    uint64_t left_out = 7;
    int allowed = 0;
    for (int i = 0; i < 1000; i++)
        allowed += tacit_lines_allow(&l, -5000, &left_out);
    assert_int_equal(allowed, 50);
    assert_int_equal(left_out, 0);
    assert_true(tacit_lines_allow(&l, -4500, &left_out));
    assert_int_equal(left_out, 950);
    assert_false(tacit_lines_allow(&l, -4001, &left_out));
    assert_true(tacit_lines_allow(&l, -4000, &left_out));
    assert_int_equal(left_out, 1);
}

static void a_source_has_its_limit_and_others_are_let_in(void **state)
{
    assert_int_equal(many("192.0.2.1", -1000, 100), 5);
    assert_int_equal(first("192.0.2.1", -1000), TACIT_ELIMIT);
    assert_int_equal(first("192.0.2.2", -1000), TACIT_OK);
    assert_int_equal(many("192.0.2.1", 0, 100), 2); /* a second later */
}

static void a_64_of_ipv6_is_one_source(void **state)
{
    assert_int_equal(many("[2001:db8::1]", 0, 3), 3);
    assert_int_equal(many("[2001:db8::ffff:1]", 0, 100), 2);
    assert_int_equal(many("[2001:db8:0:1::1]", 0, 100), 5);
    assert_int_equal(many("[::1]", 0, 100), 5);
}

static void all_sources_together_have_one_too(void **state)
{
    int passed = crowd(0, 1000);
    assert_int_equal(passed, 30); /* the reserve is left */
    assert_int_equal(first("192.0.2.1", 0), TACIT_ELIMIT);
}

static void the_reserve_is_for_those_who_came_before(void **state)
{
    tacit_admission_known(&g, source_of("192.0.2.9"));
    crowd(0, 1000);
    assert_int_equal(first("192.0.2.8", 0), TACIT_ELIMIT);
    assert_int_equal(many("192.0.2.9", 0, 100), 5); /* and a limit of its own */
    assert_int_equal(first("192.0.2.9", 0), TACIT_ELIMIT);
}

/* Revoked, say, or a neighbour behind one address: it is known, and keeps nobody out. */
static void one_who_came_before_cannot_use_up_the_reserve(void **state)
{
    tacit_admission_known(&g, source_of("192.0.2.9"));
    tacit_admission_known(&g, source_of("192.0.2.7"));
    crowd(0, 1000);
    many("192.0.2.9", 0, 1000);
    assert_int_equal(first("192.0.2.7", 0), TACIT_OK);
    finish(state);
    start(state);
    tacit_admission_known(&g, source_of("192.0.2.9"));
    many("192.0.2.9", 0, 1000);
    assert_int_equal(first("192.0.2.8", 0), TACIT_OK); /* a newcomer */
}

static void who_is_refused_is_known_no_more(void **state)
{
    tacit_admission_forget(&g, source_of("192.0.2.9")); /* never known */
    tacit_admission_known(&g, source_of("192.0.2.9"));
    tacit_admission_known(&g, source_of("192.0.2.7"));
    tacit_admission_known(&g, source_of("192.0.2.9"));
    assert_int_equal(tacit_admission_count(&g), 2);
    tacit_admission_forget(&g, source_of("192.0.2.9"));
    assert_int_equal(tacit_admission_count(&g), 1);
    crowd(0, 1000);
    assert_int_equal(first("192.0.2.9", 0), TACIT_ELIMIT);
    assert_int_equal(first("192.0.2.7", 0), TACIT_OK);
}

static int come_again(const uint8_t number, uint64_t time, int64_t ms)
{
    struct tacit_address a = at("192.0.2.1"), b = at("192.0.2.2");
    uint8_t ephemeral[NOISE_DHLEN] = {number, 0xaa};
    int skew;
    return come(number % 2 == 0 ? &a : &b, ephemeral, time, ms, &skew);
}

/* Seen: who recorded those played them back later, and 20 of 20 were answered. */
static void one_that_was_refused_is_a_strangers_when_it_comes_again(void **state)
{
    assert_int_equal(many("192.0.2.1", 0, 100), 5);
    assert_int_equal(come_again(2, WALL, 0), TACIT_ELIMIT);
    assert_int_equal(come_again(2, WALL, 60000), TACIT_EREPLAY);
    assert_int_equal(come_again(4, WALL + 700, 60000), TACIT_ETIME);
    assert_int_equal(come_again(4, WALL + 700, 120000), TACIT_EREPLAY);
    assert_int_equal(come_again(6, WALL + 700, 120000), TACIT_OK);
    assert_int_equal(come_again(8, WALL - 700, 120000), TACIT_ETIME);
}

/* Seen: one too many of those ahead, and nothing came of it but a later answer. */
static void one_too_many_ahead_is_a_strangers_when_it_comes_again(void **state)
{
    g.all = g.source = (struct tacit_rate){.burst = 5000, .a_second = 5000};
    uint8_t ephemeral[NOISE_DHLEN] = {0};
    struct tacit_address a = at("192.0.2.1");
    int skew, error = TACIT_OK;
    uint32_t n = 0;
    while (error == TACIT_OK) {
        n++;
        memcpy(ephemeral, &n, sizeof n);
        error = come(&a, ephemeral, WALL + 100, 0, &skew);
    }
    assert_int_equal(error, TACIT_ETIME);
    assert_int_equal(n, TACIT_REPLAY_AHEAD / 4 + 1);
    assert_int_equal(come(&a, ephemeral, WALL + 100, 100000, &skew), TACIT_EREPLAY);
}

static void a_crowd_of_refused_ones_pushes_out_nothing_that_was_taken(void **state)
{
    uint8_t taken[NOISE_DHLEN] = {[NOISE_DHLEN - 1] = 1}, ephemeral[NOISE_DHLEN] = {0};
    struct tacit_address a = at("192.0.2.1");
    int skew;
    assert_int_equal(come(&a, taken, WALL, 0, &skew), TACIT_OK);
    for (uint32_t n = 1; n <= 3 * TACIT_REPLAY_REFUSED; n++) {
        memcpy(ephemeral, &n, sizeof n);
        int error = come(&a, ephemeral, WALL, 0, &skew);
        assert_true(n < 5 ? error == TACIT_OK : error == TACIT_ELIMIT);
    }
    assert_int_equal(come(&a, taken, WALL, 60000, &skew), TACIT_EREPLAY);
    assert_int_equal(come(&a, ephemeral, WALL, 60000, &skew), TACIT_EREPLAY);
}

/* Seen: 8,192 messages dated ten minutes ahead, in 31 s from one address. */
static void a_source_within_its_limits_keeps_nobody_out_by_its_dates(void **state)
{
    static const int64_t ahead[] = {600, 300, 20, -600, -20};
    uint64_t number = UINT32_MAX;
    g.all = tacit_admission_all;
    g.source = tacit_admission_source;
    for (size_t i = 0; i < COUNT(ahead); i++)
        for (int64_t ms = (int64_t)i * 60000; ms < (int64_t)(i + 1) * 60000; ms += 5) {
            struct tacit_address a = at("192.0.2.1");
            uint8_t ephemeral[NOISE_DHLEN] = {0};
            int skew;
            number++;
            memcpy(ephemeral, &number, sizeof number);
            uint64_t wall = WALL + (uint64_t)ms / 1000;
            (void)come(&a, ephemeral, wall + (uint64_t)ahead[i], ms, &skew);
            a = at("192.0.2.2");
            ephemeral[NOISE_DHLEN - 1] = 1;
            if (ms % 1000 == 0)
                assert_int_equal(come(&a, ephemeral, wall, ms, &skew), TACIT_OK);
        }
}

static void our_own_message_is_a_stranger_s_when_it_comes_back(void **state)
{
    struct tacit_address a = at("192.0.2.1");
    struct tacit_now now = {.wall = WALL, .steady = WALL};
    uint8_t ephemeral[NOISE_DHLEN] = {9};
    int skew;
    tacit_admission_own(&g, ephemeral, WALL, &now);
    assert_int_equal(come(&a, ephemeral, WALL, 0, &skew), TACIT_EREPLAY);
}

static void a_replay_takes_nothing_from_anybody(void **state)
{
    struct tacit_address a = at("192.0.2.1");
    uint8_t ephemeral[NOISE_DHLEN] = {1};
    int skew;
    assert_int_equal(come(&a, ephemeral, WALL, 0, &skew), TACIT_OK);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(come(&a, ephemeral, WALL, 0, &skew), TACIT_EREPLAY);
    assert_int_equal(many("192.0.2.1", 0, 100), 4);
}

static void nor_does_one_as_old_as_those_that_were_forgotten(void **state)
{
    struct tacit_address a = at("192.0.2.1");
    uint8_t ephemeral[NOISE_DHLEN] = {4};
    int skew = 0;
    g.replay.floor = WALL - 30;
    assert_int_equal(come(&a, ephemeral, WALL - 30, 0, &skew), TACIT_ETIME);
    assert_int_equal(skew, -30);
    assert_int_equal(many("192.0.2.1", 0, 100), 5);
}

/* PROTOCOL.md, "Replay". */
static void a_node_s_limits_are_those_of_the_protocol(void **state)
{
    g.all = tacit_admission_all;
    g.source = tacit_admission_source;
    assert_int_equal(many("192.0.2.1", 0, 2500), 2000);
    assert_int_equal(many("192.0.2.2", 0, 2500), 1000); /* a quarter is kept */
    assert_int_equal(many("192.0.2.1", 1000, 500), 200);
    assert_int_equal(crowd(1000, 2000), 800);
}

static void what_is_freed_holds_nothing(void **state)
{
    struct tacit_admission none;
    memset(&none, 0, sizeof none);
    many("192.0.2.1", 0, 3);
    tacit_admission_free(&g);
    assert_memory_equal(&g, &none, sizeof none);
}

static void a_wrong_clock_is_told_by_how_much(void **state)
{
    static const struct {
        uint64_t time;
        int skew;
    } off[] = {
        {WALL - 601, -601}, {WALL + 86400, 86400}, {UINT64_MAX, INT32_MAX}, {0, -WALL}};
    struct tacit_address a = at("192.0.2.1");
    uint8_t ephemeral[NOISE_DHLEN] = {3};
    for (size_t i = 0; i < COUNT(off); i++) {
        int skew = 0;
        assert_int_equal(come(&a, ephemeral, off[i].time, 0, &skew), TACIT_ETIME);
        assert_int_equal(skew, off[i].skew);
    }
    assert_int_equal(many("192.0.2.1", 0, 100), 5); /* and it takes no token */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_its_burst_and_fills_at_its_rate),
        cmocka_unit_test(lines_that_are_left_out_are_counted),
        cmocka_unit_test_setup_teardown(a_source_has_its_limit_and_others_are_let_in,
                                        start, finish),
        cmocka_unit_test_setup_teardown(a_64_of_ipv6_is_one_source, start, finish),
        cmocka_unit_test_setup_teardown(all_sources_together_have_one_too, start, finish),
        cmocka_unit_test_setup_teardown(the_reserve_is_for_those_who_came_before, start,
                                        finish),
        cmocka_unit_test_setup_teardown(one_who_came_before_cannot_use_up_the_reserve,
                                        start, finish),
        cmocka_unit_test_setup_teardown(who_is_refused_is_known_no_more, start, finish),
        cmocka_unit_test_setup_teardown(
            a_source_within_its_limits_keeps_nobody_out_by_its_dates, start, finish),
        cmocka_unit_test_setup_teardown(
            our_own_message_is_a_stranger_s_when_it_comes_back, start, finish),
        cmocka_unit_test_setup_teardown(a_replay_takes_nothing_from_anybody, start,
                                        finish),
        cmocka_unit_test_setup_teardown(nor_does_one_as_old_as_those_that_were_forgotten,
                                        start, finish),
        cmocka_unit_test_setup_teardown(a_node_s_limits_are_those_of_the_protocol, start,
                                        finish),
        cmocka_unit_test_setup_teardown(what_is_freed_holds_nothing, start, finish),
        cmocka_unit_test_setup_teardown(
            one_that_was_refused_is_a_strangers_when_it_comes_again, start, finish),
        cmocka_unit_test_setup_teardown(
            one_too_many_ahead_is_a_strangers_when_it_comes_again, start, finish),
        cmocka_unit_test_setup_teardown(
            a_crowd_of_refused_ones_pushes_out_nothing_that_was_taken, start, finish),
        cmocka_unit_test_setup_teardown(a_wrong_clock_is_told_by_how_much, start, finish),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
