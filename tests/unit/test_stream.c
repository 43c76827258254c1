/* The promise of src/door/stream.h about time, under a clock of the test's own. */
#include "test_unit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/daemon.h"

enum {
    TIME_MS = 60000,
};

struct door door;
static int64_t clock_ms;

int64_t now_ms(void)
{
    return clock_ms;
}

bool door_rests(void)
{
    return false;
}

void door_starved(void)
{
}

struct client {
    struct stream stream;
    bool gone;
};

static void readable(struct stream *s)
{
    uint8_t byte;
    (void)stream_read(s, &byte, 1);
}

static void gone(struct stream *s)
{
    ((struct client *)s)->gone = true;
}

static const struct stream_kind kind = {.readable = readable, .gone = gone};

/* A connection of the group, and its other end. */
static int connected(struct client *c, struct stream_group *group)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    *c = (struct client){.gone = false};
    assert_int_equal(stream_open(&c->stream, pair[0], &kind, group), TACIT_OK);
    return pair[1];
}

static void time_goes_by(struct stream_group *group, int64_t ms)
{
    clock_ms += ms;
    uv_run(&door.loop, UV_RUN_NOWAIT);
    stream_group_tick(group);
    uv_run(&door.loop, UV_RUN_NOWAIT); /* what was closed is gone */
}

static void a_connection_has_its_time_from_the_start(void **state)
{
    struct stream_group group = {.max = 8, .time_ms = TIME_MS};
    struct client c;
    int peer = connected(&c, &group);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(write(peer, "x", 1), 1);
        time_goes_by(&group, TIME_MS / 6);
    }
    assert_false(c.gone);
    assert_int_equal(write(peer, "x", 1), 1);
    time_goes_by(&group, TIME_MS / 6);
    assert_true(c.gone);
    close(peer);
}

/* As OTP's epmd has it: who is slow, but not silent, is not cut off. */
static void or_from_the_last_byte_no_matter_who_came_first(void **state)
{
    struct stream_group group = {.max = 8, .time_ms = TIME_MS, .from_last = true};
    struct client speaks, silent;
    int peer = connected(&speaks, &group), other = connected(&silent, &group);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), 1);
        time_goes_by(&group, TIME_MS / 2);
    }
    assert_false(speaks.gone);
    assert_true(silent.gone);
    time_goes_by(&group, TIME_MS);
    assert_true(speaks.gone);
    close(peer);
    close(other);
}

static int start(void **state)
{
    return uv_loop_init(&door.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_has_its_time_from_the_start),
        cmocka_unit_test(or_from_the_last_byte_no_matter_who_came_first),
    };
    return cmocka_run_group_tests_name("stream", tests, start, NULL);
}
