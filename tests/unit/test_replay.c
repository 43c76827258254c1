/* The promises of src/gate's replay memory. */
#include "test_channel.h"

#include "gate/replay.h"

enum {
    WINDOW = TACIT_REPLAY_WINDOW,
    BAND = TACIT_REPLAY_BAND,
    ONE = 0, /* a source */
};

static struct tacit_replay r;

static int start(void **state)
{
    memset(&r, 0, sizeof r);
    return 0;
}

static int finish(void **state)
{
    tacit_replay_free(&r);
    tacit_replay_free(&r);
    return 0;
}

/* An ephemeral key of its own for every number. */
static const uint8_t *key(uint64_t number)
{
    static uint8_t bytes[NOISE_DHLEN];
    memset(bytes, 0x5a, sizeof bytes);
    memcpy(bytes, &number, sizeof number);
    return bytes;
}

/* A moment of a clock that nobody sets, long after the memory began. */
static struct tacit_now at(uint64_t wall)
{
    return (struct tacit_now){.wall = wall, .steady = wall};
}

static int come_from(uint16_t source, uint64_t number, uint64_t time, uint64_t now)
{
    struct tacit_now moment = at(now);
    return tacit_replay_check(&r, key(number), time, &moment, source);
}

static int come(uint64_t number, uint64_t time, uint64_t now)
{
    return come_from(ONE, number, time, now);
}

static void a_first_message_passes_once(void **state)
{
    for (uint64_t k = 1; k <= 1000; k++)
        assert_int_equal(come(k, NOW, NOW), 0);
    for (uint64_t k = 1; k <= 1000; k++) {
        assert_int_equal(come(k, NOW, NOW), TACIT_EREPLAY);
        /* With another time, too: it is the key that was seen. */
        assert_int_equal(come(k, NOW + 1, NOW), TACIT_EREPLAY);
    }
    assert_int_equal(come(1001, NOW, NOW), 0);
}

static void the_window_is_600_seconds_to_either_side_to_the_second(void **state)
{
    assert_int_equal(come(1, NOW - 601, NOW), TACIT_ETIME);
    assert_int_equal(come(1, NOW - 600, NOW), 0);
    assert_int_equal(come(2, NOW + 601, NOW), TACIT_ETIME);
    assert_int_equal(come(2, NOW + 600, NOW), 0);
    assert_int_equal(come(3, 0, NOW), TACIT_ETIME);
    assert_int_equal(come(3, 0, 1), TACIT_ETIME);
    assert_int_equal(come(3, UINT64_MAX, NOW), TACIT_ETIME);
    assert_int_equal(come(3, UINT64_MAX - 599, NOW), TACIT_ETIME);
}

/* As long as its time is within the window, a message is remembered. */
static void what_was_seen_is_remembered_for_the_whole_window(void **state)
{
    assert_int_equal(come(0, NOW + 600, NOW), 0);
    uint64_t number = 1;
    for (uint64_t now = NOW; now <= NOW + 1200; now++) {
        for (int k = 0; k < 5; k++) /* traffic, so that the table is rebuilt */
            assert_int_equal(come(number++, now, now), 0);
        assert_int_equal(come(0, NOW + 600, now), TACIT_EREPLAY);
    }
    for (int k = 0; k < 4000; k++) /* rebuilt in the last second of it, too */
        assert_int_equal(come(number++, NOW + 1200, NOW + 1200), 0);
    assert_int_equal(come(0, NOW + 600, NOW + 1200), TACIT_EREPLAY);
    assert_int_equal(come(0, NOW + 600, NOW + 1201), TACIT_ETIME);
}

/* What is out of the window makes room: time alone never raises the floor. */
static void steady_traffic_neither_fills_the_table_nor_locks_anyone_out(void **state)
{
    uint64_t number = 1;
    for (uint64_t now = NOW; now < NOW + 6000; now++)
        for (int k = 0; k < 10; k++)
            assert_int_equal(come(number++, now, now), 0);
    assert_int_equal(r.floor, 0);
    assert_in_range(r.slot_count, 64, 2 * TACIT_REPLAY_MAX);
}

/* Full, of many sources: 128 messages dated each second up to now. */
static void fill_the_past(uint64_t now)
{
    for (uint64_t k = 0; k < TACIT_REPLAY_MAX; k++)
        assert_int_equal(come_from((uint16_t)(k % 16), k, now - 384 + k / 128, now), 0);
}

static void a_full_table_forgets_the_oldest_and_refuses_their_times(void **state)
{
    fill_the_past(NOW);
    assert_int_equal(r.floor, 0);
    assert_int_equal(come(99999, NOW, NOW), 0);
    assert_in_range(r.floor, NOW - 384, NOW - 384 + 97); /* a quarter of them */
    assert_in_range(r.slot_count, 64, 2 * TACIT_REPLAY_MAX);
    for (uint64_t k = 0; k < TACIT_REPLAY_MAX; k++) {
        uint64_t time = NOW - 384 + k / 128;
        /* Forgotten, so its whole second is refused; or remembered. Never let in. */
        assert_int_equal(come(k, time, NOW),
                         time <= r.floor ? TACIT_ETIME : TACIT_EREPLAY);
    }
    assert_int_equal(come(100000, r.floor, NOW), TACIT_ETIME);
    assert_int_equal(come(100000, r.floor + 1, NOW), 0);
}

/* However many come, at whatever time they say that they were made. */
static void no_flood_closes_the_band_around_now(void **state)
{
    static const int64_t ages[] = {-600, -599, -300, -20, -16, 16, 17, 20, 60, 300, 600};
    uint64_t number = 1;
    for (uint64_t now = NOW; now < NOW + 1300; now += 13) {
        for (size_t i = 0; i < COUNT(ages); i++)
            for (uint16_t source = 0; source < 1000; source++)
                (void)come_from(source, number++, now + (uint64_t)ages[i], now);
        struct tacit_now moment = at(now);
        for (int64_t age = -BAND; age <= BAND; age++)
            assert_int_equal(
                tacit_replay_decide(&r, key(0), now + (uint64_t)age, &moment), 0);
        assert_int_equal(come_from(1001, number++, now, now), 0);
        assert_true(r.floor < now - BAND);
    }
}

/* What lies ahead will be of this time one day: forgotten, it could come again then. */
static void what_lies_ahead_is_never_forgotten_and_takes_few_places(void **state)
{
    uint64_t taken = 0;
    for (uint64_t k = 0; k < 3 * TACIT_REPLAY_MAX; k++)
        taken += come_from((uint16_t)(k % 64), k, NOW + WINDOW, NOW) == 0;
    assert_int_equal(taken, TACIT_REPLAY_AHEAD);
    assert_int_equal(come_from(65, 1000000, NOW + BAND + 1, NOW), TACIT_ETIME);
    assert_int_equal(come_from(65, 1000001, NOW + BAND, NOW), 0);
    assert_int_equal(come_from(65, 1000002, NOW - WINDOW, NOW), 0);
    for (uint64_t now = NOW; now <= NOW + 2 * WINDOW; now += 100)
        for (uint64_t k = 0; k < TACIT_REPLAY_AHEAD; k += 7)
            assert_int_equal(come(k, NOW + WINDOW, now), TACIT_EREPLAY);
    /* They are of this time now: there is room ahead again. */
    assert_int_equal(come_from(66, 1000003, NOW + 2 * WINDOW, NOW + WINDOW), 0);
}

static void one_source_takes_a_part_and_no_more(void **state)
{
    uint64_t ahead = 0, taken = 0;
    for (uint64_t k = 0; k < TACIT_REPLAY_MAX; k++)
        ahead += come_from(1, k, NOW + 100, NOW) == 0;
    assert_int_equal(ahead, TACIT_REPLAY_AHEAD / 4);
    assert_int_equal(come_from(2, 1000000, NOW + 100, NOW), 0);
    for (uint64_t k = 0; k < 2 * TACIT_REPLAY_MAX; k++)
        taken += come_from(3, 2000000 + k, NOW, NOW) == 0;
    assert_int_equal(taken, TACIT_REPLAY_MAX / 2);
    assert_int_equal(come_from(3, 5000000, NOW + 1, NOW + 1), TACIT_ELIMIT);
    assert_int_equal(come_from(2, 5000000, NOW + 1, NOW + 1), 0);
    assert_int_equal(r.floor, 0);
    /* Once the window has passed it may come again. */
    assert_int_equal(come_from(3, 5000001, NOW + 700, NOW + 700), 0);
}

static void a_flood_at_one_second_never_lets_a_message_in_twice(void **state)
{
    uint64_t taken = 0;
    for (uint64_t k = 0; k < 3 * TACIT_REPLAY_MAX; k++)
        taken += come_from((uint16_t)(k % 8), k, NOW, NOW) == 0;
    assert_int_equal(taken, TACIT_REPLAY_MAX);
    for (uint64_t k = 0; k < 3 * TACIT_REPLAY_MAX; k++)
        assert_int_not_equal(come_from(9, k, NOW, NOW), 0);
}

static void our_own_come_back_as_replays_and_are_never_in_the_way(void **state)
{
    struct tacit_now moment = at(NOW);
    tacit_replay_own(&r, key(1), NOW, &moment);
    assert_int_equal(come(1, NOW, NOW), TACIT_EREPLAY);
    for (uint64_t k = 10; k < 2 * TACIT_REPLAY_MAX; k++) /* full, of this very second */
        (void)come_from((uint16_t)(k % 8), k, NOW, NOW);
    for (uint64_t k = 0; k < 100; k++)
        tacit_replay_own(&r, key(1000000 + k), NOW, &moment);
    assert_in_range(r.used, 1, TACIT_REPLAY_MAX);
}

/* A place of its own for each would lose some hundred of these by chance. */
static void thousands_that_were_refused_are_remembered_each(void **state)
{
    struct tacit_now moment = at(NOW);
    for (uint64_t k = 0; k < 5000; k++)
        tacit_replay_refuse(&r, key(k));
    for (uint64_t k = 0; k < 5000; k++)
        assert_int_equal(tacit_replay_decide(&r, key(k), NOW, &moment), TACIT_EREPLAY);
    assert_int_equal(tacit_replay_decide(&r, key(5000), NOW, &moment), 0);
}

/* The latest are, however many there are. */
static void a_flood_of_refused_ones_pushes_out_the_earlier(void **state)
{
    struct tacit_now moment = at(NOW);
    for (uint64_t k = 0; k < 500000; k++)
        tacit_replay_refuse(&r, key(k));
    for (uint64_t k = 499000; k < 500000; k++)
        assert_int_equal(tacit_replay_decide(&r, key(k), NOW, &moment), TACIT_EREPLAY);
    assert_int_equal(tacit_replay_decide(&r, key(0), NOW, &moment), 0);
}

/* --- where the memory begins ---------------------------------------------------------
 */

static void what_was_made_before_the_memory_began_is_a_stranger_s(void **state)
{
    struct tacit_now moment = {
        .wall = NOW + 5, .steady = NOW + 5, .since = NOW, .since_wall = NOW};
    assert_int_equal(tacit_replay_decide(&r, key(1), NOW - 1, &moment), TACIT_ETIME);
    assert_int_equal(tacit_replay_decide(&r, key(1), NOW, &moment), 0);
    assert_int_equal(tacit_replay_decide(&r, key(1), NOW + 600, &moment), 0);
}

/* --- a clock that is set -------------------------------------------------------------
 */

enum {
    DAY = 86400,
};

/* A clock that was set by that, and is not believed yet. */
static struct tacit_now set_by(uint64_t steady, int64_t by)
{
    return (struct tacit_now){.wall = steady + (uint64_t)by, .steady = steady};
}

static void a_clock_that_was_just_set_keeps_nobody_out_by_either_time(void **state)
{
    static const int64_t steps[] = {-DAY, -3600, -60, 60, 3600, DAY};
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct tacit_now now = set_by(NOW, steps[i]);
        for (int64_t age = -600; age <= 600; age += 600) {
            assert_int_equal(
                tacit_replay_decide(&r, key(1), now.wall + (uint64_t)age, &now), 0);
            assert_int_equal(
                tacit_replay_decide(&r, key(1), now.steady + (uint64_t)age, &now), 0);
        }
    }
}

static void a_clock_that_jumps_forth_and_back_opens_no_replay(void **state)
{
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(come(k, NOW + k % 600, NOW), 0);
    struct tacit_now jumped = set_by(NOW + 5, DAY);
    for (uint64_t k = 10000; k < 20000; k++) /* so that the table is rebuilt */
        assert_int_equal(tacit_replay_check(&r, key(k), jumped.wall, &jumped, ONE), 0);
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(come(k, NOW + k % 600, NOW + 10), TACIT_EREPLAY);
}

/* What is out of the window is forgotten, and is within it again by such a clock. */
static void a_clock_that_is_set_back_opens_nothing_that_was_forgotten(void **state)
{
    static const int64_t steps[] = {-60, -200, -599};
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct tacit_clock clock = {0};
        int64_t step;
        struct tacit_now now = tacit_clock_look(&clock, NOW, 0, &step);
        finish(NULL);
        assert_int_equal(tacit_replay_check(&r, key(1), NOW, &now, ONE), 0);
        now = tacit_clock_look(&clock, NOW + 630, 630000, &step);
        for (uint64_t k = 2; k < 1000; k++) /* so that the table is rebuilt */
            assert_int_equal(tacit_replay_check(&r, key(k), now.wall, &now, ONE), 0);
        uint64_t wall = NOW + 640 + (uint64_t)steps[i];
        now = tacit_clock_look(&clock, wall, 640000, &step);
        assert_int_equal(step, steps[i]);
        assert_int_not_equal(tacit_replay_decide(&r, key(1), NOW, &now), 0);
        /* Nor anything of before the memory began. */
        assert_int_equal(tacit_replay_decide(&r, key(0), NOW - 1, &now), TACIT_ETIME);
        /* Whoever comes now is let in, by either clock. */
        assert_int_equal(tacit_replay_decide(&r, key(2000), now.wall, &now), 0);
        assert_int_equal(tacit_replay_decide(&r, key(2000), now.steady, &now), 0);
    }
}

/* Full, and then the clock is a day behind: seen to keep everybody out for a day. */
static void a_floor_never_passes_now_where_the_clock_was_set_back(void **state)
{
    static const int64_t steps[] = {-10, -60, -600, -3600, -DAY};
    fill_the_past(NOW);
    assert_int_equal(come(99999, NOW, NOW), 0);
    assert_int_not_equal(r.floor, 0);
    for (size_t i = 0; i < COUNT(steps); i++) {
        uint64_t now = NOW + (uint64_t)steps[i];
        for (uint64_t k = 0; k < 9; k++)
            assert_int_equal(come_from(17, 200000 + 10 * i + k, now, now), 0);
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, start, finish)
    const struct CMUnitTest tests[] = {
        EACH(a_first_message_passes_once),
        EACH(the_window_is_600_seconds_to_either_side_to_the_second),
        EACH(what_was_seen_is_remembered_for_the_whole_window),
        EACH(steady_traffic_neither_fills_the_table_nor_locks_anyone_out),
        EACH(a_full_table_forgets_the_oldest_and_refuses_their_times),
        EACH(no_flood_closes_the_band_around_now),
        EACH(what_lies_ahead_is_never_forgotten_and_takes_few_places),
        EACH(one_source_takes_a_part_and_no_more),
        EACH(a_flood_at_one_second_never_lets_a_message_in_twice),
        EACH(our_own_come_back_as_replays_and_are_never_in_the_way),
        EACH(thousands_that_were_refused_are_remembered_each),
        EACH(a_flood_of_refused_ones_pushes_out_the_earlier),
        EACH(what_was_made_before_the_memory_began_is_a_stranger_s),
        EACH(a_clock_that_was_just_set_keeps_nobody_out_by_either_time),
        EACH(a_clock_that_jumps_forth_and_back_opens_no_replay),
        EACH(a_clock_that_is_set_back_opens_nothing_that_was_forgotten),
        EACH(a_floor_never_passes_now_where_the_clock_was_set_back),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
