/* The promises of src/channel's replay guard. */
#include "test_channel.h"

#include "gate/replay.h"

/* An ephemeral key of its own for every number. */
static const uint8_t *key(uint64_t number)
{
    static uint8_t bytes[NOISE_DHLEN];
    memset(bytes, 0x5a, sizeof bytes);
    memcpy(bytes, &number, sizeof number);
    return bytes;
}

static void a_first_message_passes_once(void **state)
{
    struct tacit_replay r = {0};
    for (uint64_t k = 1; k <= 1000; k++)
        assert_int_equal(tacit_replay_check(&r, key(k), NOW, NOW), 0);
    for (uint64_t k = 1; k <= 1000; k++) {
        assert_int_equal(tacit_replay_check(&r, key(k), NOW, NOW), TACIT_EREPLAY);
        /* With another time, too: it is the key that was seen. */
        assert_int_equal(tacit_replay_check(&r, key(k), NOW + 1, NOW), TACIT_EREPLAY);
    }
    assert_int_equal(tacit_replay_check(&r, key(1001), NOW, NOW), 0);
    tacit_replay_free(&r);
    tacit_replay_free(&r);
}

static void the_window_is_600_seconds_to_either_side_to_the_second(void **state)
{
    struct tacit_replay r = {0};
    assert_int_equal(tacit_replay_check(&r, key(1), NOW - 601, NOW), TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(1), NOW - 600, NOW), 0);
    assert_int_equal(tacit_replay_check(&r, key(2), NOW + 601, NOW), TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(2), NOW + 600, NOW), 0);
    assert_int_equal(tacit_replay_check(&r, key(3), 0, NOW), TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(3), 0, 1), TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(3), UINT64_MAX, NOW), TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(3), UINT64_MAX - 599, NOW), TACIT_ETIME);
    tacit_replay_free(&r);
}

/* As long as its time is within the window, a message is remembered. */
static void what_was_seen_is_remembered_for_the_whole_window(void **state)
{
    struct tacit_replay r = {0};
    assert_int_equal(tacit_replay_check(&r, key(0), NOW + 600, NOW), 0);
    uint64_t number = 1;
    for (uint64_t now = NOW; now <= NOW + 1200; now++) {
        for (int k = 0; k < 5; k++) /* traffic, so that the table is rebuilt */
            assert_int_equal(tacit_replay_check(&r, key(number++), now, now), 0);
        assert_int_equal(tacit_replay_check(&r, key(0), NOW + 600, now), TACIT_EREPLAY);
    }
    for (int k = 0; k < 4000; k++) /* rebuilt in the last second of it, too */
        assert_int_equal(tacit_replay_check(&r, key(number++), NOW + 1200, NOW + 1200),
                         0);
    assert_int_equal(tacit_replay_check(&r, key(0), NOW + 600, NOW + 1200),
                     TACIT_EREPLAY);
    assert_int_equal(tacit_replay_check(&r, key(0), NOW + 600, NOW + 1201), TACIT_ETIME);
    tacit_replay_free(&r);
}

/* What is out of the window makes room: time alone never raises the floor. */
static void steady_traffic_neither_fills_the_table_nor_locks_anyone_out(void **state)
{
    struct tacit_replay r = {0};
    uint64_t number = 1;
    for (uint64_t now = NOW; now < NOW + 6000; now++)
        for (int k = 0; k < 10; k++)
            assert_int_equal(tacit_replay_check(&r, key(number++), now, now), 0);
    assert_int_equal(r.floor, 0);
    assert_in_range(r.slot_count, 64, 2 * TACIT_REPLAY_MAX);
    tacit_replay_free(&r);
}

static void a_full_table_forgets_the_oldest_and_refuses_their_times(void **state)
{
    struct tacit_replay r = {0};
    /* Full: 8192 messages, a second's worth each 16. */
    for (uint64_t k = 0; k < TACIT_REPLAY_MAX; k++)
        assert_int_equal(tacit_replay_check(&r, key(k), NOW + k / 16, NOW + 512), 0);
    assert_int_equal(r.floor, 0);
    assert_int_equal(tacit_replay_check(&r, key(99999), NOW + 512, NOW + 512), 0);
    assert_int_equal(r.floor, NOW + 128); /* a quarter of them */
    assert_in_range(r.slot_count, 64, 2 * TACIT_REPLAY_MAX);
    for (uint64_t k = 0; k < TACIT_REPLAY_MAX; k++) {
        uint64_t time = NOW + k / 16;
        /* Forgotten, so its whole second is refused; or remembered. Never let in. */
        assert_int_equal(tacit_replay_check(&r, key(k), time, NOW + 512),
                         time <= r.floor ? TACIT_ETIME : TACIT_EREPLAY);
    }
    assert_int_equal(tacit_replay_check(&r, key(100000), r.floor, NOW + 512),
                     TACIT_ETIME);
    assert_int_equal(tacit_replay_check(&r, key(100000), r.floor + 1, NOW + 512), 0);
    tacit_replay_free(&r);
}

static void a_flood_at_one_second_never_lets_a_message_in_twice(void **state)
{
    struct tacit_replay r = {0};
    unsigned taken = 0;
    for (uint64_t k = 0; k < 3 * TACIT_REPLAY_MAX; k++)
        taken += tacit_replay_check(&r, key(k), NOW, NOW) == 0;
    assert_int_equal(taken, TACIT_REPLAY_MAX);
    for (uint64_t k = 0; k < 3 * TACIT_REPLAY_MAX; k++)
        assert_int_not_equal(tacit_replay_check(&r, key(k), NOW, NOW), 0);
    assert_int_equal(tacit_replay_check(&r, key(1), NOW + 1, NOW + 1),
                     0); /* it goes on */
    tacit_replay_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_message_passes_once),
        cmocka_unit_test(the_window_is_600_seconds_to_either_side_to_the_second),
        cmocka_unit_test(what_was_seen_is_remembered_for_the_whole_window),
        cmocka_unit_test(steady_traffic_neither_fills_the_table_nor_locks_anyone_out),
        cmocka_unit_test(a_full_table_forgets_the_oldest_and_refuses_their_times),
        cmocka_unit_test(a_flood_at_one_second_never_lets_a_message_in_twice),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
