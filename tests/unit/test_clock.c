/* The promises of src/gate's clock rule. */
#include "test_unit.h"

#include <string.h>

#include "gate/clock.h"

enum {
    START = 1700000000,
    DAY = 86400,
    GRACE = TACIT_CLOCK_GRACE,
};

static struct tacit_clock c;
static int64_t step;

static int start(void **state)
{
    memset(&c, 0, sizeof c);
    return 0;
}

/* So many seconds after the start, by a wall clock that was set by that meanwhile. */
static struct tacit_now after(int64_t seconds, int64_t set_by)
{
    return tacit_clock_look(&c, (uint64_t)(START + seconds + set_by),
                            -5000000 + seconds * 1000, &step);
}

static void a_clock_that_nobody_sets_is_believed(void **state)
{
    for (int64_t s = 0; s < 100 * DAY; s += 977) {
        struct tacit_now now = after(s, 0);
        assert_int_equal(step, 0);
        assert_int_equal(now.wall, START + s);
        assert_int_equal(now.steady, START + s);
        assert_int_equal(now.ends, START + s);
        assert_int_equal(now.begins, START + s);
        assert_int_equal(now.since, START);
    }
}

static void small_steps_are_none_until_they_add_up(void **state)
{
    after(0, 0);
    assert_int_equal(after(100, 9).steady, START + 109);
    assert_int_equal(step, 0);
    assert_int_equal(after(200, -9).steady, START + 191);
    assert_int_equal(step, 0);
    after(300, -18);
    assert_int_equal(step, -18);
}

static void a_step_is_told_once_and_nothing_runs_out_or_comes_back_by_it(void **state)
{
    static const int64_t steps[] = {-400 * DAY, -DAY, -60, 60, DAY, 400 * DAY};
    for (size_t i = 0; i < COUNT(steps); i++) {
        start(NULL);
        after(0, 0);
        struct tacit_now now = after(10, steps[i]);
        assert_int_equal(step, steps[i]);
        for (int64_t s = 10; s < 10 + GRACE; s += 13) {
            now = after(s, steps[i]);
            assert_true(s == 10 || step == 0);
            assert_int_equal(now.wall, START + s + steps[i]);
            assert_int_equal(now.steady, START + s);
            assert_int_equal(now.ends, START + s);
            /* What is valid by the new time may come at once, where that is later. */
            assert_int_equal(now.begins, START + s + (steps[i] > 0 ? steps[i] : 0));
            assert_int_equal(now.since, START);
        }
    }
}

/* At that many ms after a whole second, as whole seconds of the wall clock. */
static struct tacit_now at_ms(int64_t ms, int64_t set_by)
{
    return tacit_clock_look(&c, (uint64_t)(START + ms / 1000 + set_by), ms, &step);
}

static void what_has_run_out_comes_back_for_no_part_of_a_second(void **state)
{
    for (int64_t started = 0; started < 1000; started += 50)
        for (int64_t ms = 20000; ms < 21000; ms += 50) {
            start(NULL);
            at_ms(started, 0);
            uint64_t before = at_ms(ms, 0).steady;
            assert_true(at_ms(ms + 1, -DAY).steady >= before);
            assert_true(at_ms(ms + 2, DAY).steady >= before);
            assert_true(at_ms(ms + 3, 0).steady >= before);
        }
}

static void after_a_grace_the_clock_is_believed(void **state)
{
    static const int64_t steps[] = {-DAY, 60, DAY};
    for (size_t i = 0; i < COUNT(steps); i++) {
        start(NULL);
        after(0, 0);
        after(10, steps[i]);
        struct tacit_now now = after(10 + GRACE, steps[i]);
        assert_int_equal(step, 0);
        assert_int_equal(now.steady, now.wall);
        assert_int_equal(now.ends, now.wall);
        assert_int_equal(now.since, START + steps[i]); /* as long ago as it was */
    }
}

static void a_step_that_is_taken_back_is_over(void **state)
{
    after(0, 0);
    after(10, DAY);
    struct tacit_now now = after(60, 1);
    assert_int_equal(step, 1 - DAY);
    assert_int_equal(now.steady, now.wall);
    assert_int_equal(after(60 + 2 * GRACE, 1).since, START);
}

/* A clock that is set again and again is believed when it has come to rest. */
static void another_step_begins_another_grace(void **state)
{
    after(0, 0);
    for (int64_t s = 0; s < 10 * GRACE; s += GRACE / 2)
        assert_int_equal(after(s, s % GRACE == 0 ? DAY : -DAY).steady, START + s);
}

static void it_is_never_earlier_than_what_was_signed(void **state)
{
    struct tacit_now now = after(0, 0);
    tacit_clock_signed(&c, &now, START - 100);
    assert_int_equal(after(10, 0).ends, START + 10);
    after(20, -DAY);
    now = after(20 + GRACE, -DAY);
    assert_int_equal(now.ends, START - 100);
    assert_int_equal(now.begins, START - 100);
    assert_int_equal(now.wall, START + 20 + GRACE - DAY);
    assert_int_equal(after(20 + GRACE + DAY, -DAY).ends, START + 20 + GRACE);
}

/* A machine that starts in 1970, or a certificate of ours that is not of use yet. */
static void our_own_certificate_is_believed_before_the_clock(void **state)
{
    tacit_clock_own(&c, START + DAY);
    struct tacit_now now = after(0, 0);
    assert_int_equal(now.ends, START + DAY);
    assert_int_equal(now.begins, START + DAY);
    assert_int_equal(now.steady, START);
    assert_int_equal(after(2 * DAY, 0).ends, START + 2 * DAY);
}

static void a_certificate_of_ours_that_was_put_right_counts_no_more(void **state)
{
    tacit_clock_own(&c, START + 400 * DAY);
    assert_int_equal(after(0, 0).ends, START + 400 * DAY);
    tacit_clock_own(&c, START - DAY);
    assert_int_equal(after(0, 0).ends, START);
    tacit_clock_own(&c, 0);
    assert_int_equal(after(10, 0).ends, START + 10);
}

static void a_peer_s_certificate_cannot_move_time_on(void **state)
{
    struct tacit_now now = after(0, 0);
    tacit_clock_signed(&c, &now, START + 1);
    now = after(10, 400 * DAY); /* a clock that is wrong makes it valid */
    tacit_clock_signed(&c, &now, START + 300 * DAY);
    assert_int_equal(after(20, 0).ends, START + 20);
}

static void there_is_no_time_before_1970(void **state)
{
    after(0, 0);
    assert_int_equal(tacit_clock_look(&c, 5, -5000000, &step).steady, START);
    struct tacit_now now =
        tacit_clock_look(&c, 5 + GRACE, -5000000 + (int64_t)GRACE * 1000, &step);
    assert_int_equal(now.steady, 5 + GRACE);
    assert_true(now.since <= 5);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, start)
    const struct CMUnitTest tests[] = {
        EACH(a_clock_that_nobody_sets_is_believed),
        EACH(small_steps_are_none_until_they_add_up),
        EACH(a_step_is_told_once_and_nothing_runs_out_or_comes_back_by_it),
        EACH(what_has_run_out_comes_back_for_no_part_of_a_second),
        EACH(after_a_grace_the_clock_is_believed),
        EACH(a_step_that_is_taken_back_is_over),
        EACH(another_step_begins_another_grace),
        EACH(it_is_never_earlier_than_what_was_signed),
        EACH(our_own_certificate_is_believed_before_the_clock),
        EACH(a_certificate_of_ours_that_was_put_right_counts_no_more),
        EACH(a_peer_s_certificate_cannot_move_time_on),
        EACH(there_is_no_time_before_1970),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
