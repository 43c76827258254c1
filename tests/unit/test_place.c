/* The promises of src/door/place: a node's registration, of carrier and C node alike. */
#include "test_unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "door/place.h"

enum {
    SOCKET = 7, /* no descriptor of this process: nothing here touches it */
};

static struct tacit_place p;
static struct tacit_door_frame frame;

static int start(void **state)
{
    p = (struct tacit_place){0};
    tacit_place_start(&p, "/run/door", "a@b", 1000);
    return 0;
}

static void ask(int64_t now)
{
    struct tacit_door_register who = {.creation = 4};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    assert_int_equal(tacit_place_timeout(&p, now), TACIT_PLACE_CONNECT);
    assert_int_equal(tacit_place_ask(&p, &who, now, bytes, &len), TACIT_OK);
    assert_int_equal(tacit_door_read(bytes, len, &frame), TACIT_OK);
    assert_int_equal(frame.type, TACIT_DOOR_REGISTER);
    assert_string_equal(frame.reg.name, "a@b");
    assert_int_equal(frame.reg.creation, 4);
}

/* The whole frame in as many reads as it takes; fd comes with the first. */
static enum tacit_place_event say(const struct tacit_door_frame *said, int fd,
                                  int64_t now)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    enum tacit_place_event event = TACIT_PLACE_NOTHING;
    assert_int_equal(tacit_door_write(said, bytes, &len), TACIT_OK);
    for (size_t at = 0, n; at < len; at += n) {
        uint8_t *room = tacit_place_room(&p, &n);
        assert_int_equal(event, TACIT_PLACE_NOTHING);
        assert_in_range(n, 1, len - at);
        memcpy(room, bytes + at, n);
        event = tacit_place_read(&p, n, at == 0 ? fd : -1, false, now, &frame);
    }
    return event;
}

static const struct tacit_door_frame registered = {
    .type = TACIT_DOOR_REGISTERED, .registered = {.version = 2, .creation = 4}};

static void registers(int64_t now)
{
    ask(now);
    assert_int_equal(say(&registered, -1, now), TACIT_PLACE_REGISTERED);
    assert_int_equal(p.state, TACIT_PLACE_DONE);
}

static enum tacit_place_event refuse(enum tacit_door_reason reason, int64_t now)
{
    struct tacit_door_frame said = {.type = TACIT_DOOR_REFUSED,
                                    .refused = {.reason = (uint8_t)reason, .text = "no"}};
    return say(&said, -1, now);
}

static void a_node_without_a_door_has_nothing_to_do(void **state)
{
    tacit_place_start(&p, NULL, "a@b", 0);
    assert_int_equal(p.state, TACIT_PLACE_NONE);
    assert_int_equal(tacit_place_wait(&p, 1 << 30), -1);
    assert_int_equal(tacit_place_timeout(&p, 1 << 30), TACIT_PLACE_NOTHING);
}

static void a_node_that_starts_asks_for_five_seconds(void **state)
{
    int64_t now = 1000;
    int tries = 0;
    for (; p.state == TACIT_PLACE_WAITING; tries++) {
        assert_int_equal(tacit_place_timeout(&p, now), TACIT_PLACE_CONNECT);
        assert_int_equal(tacit_place_fail(&p, TACIT_ETRUNCATED, "no such file", now),
                         TACIT_PLACE_LOST);
        now += p.state == TACIT_PLACE_WAITING ? tacit_place_wait(&p, now) : 0;
    }
    assert_int_equal(p.state, TACIT_PLACE_FAILED);
    assert_in_range(now - 1000, TACIT_PLACE_START_MS, TACIT_PLACE_START_MS + 2000);
    assert_in_range(tries, 6, 9);
    assert_string_equal(p.fault, "/run/door: no such file");
    assert_int_equal(tacit_place_wait(&p, now), -1);
}

static void a_name_just_left_is_waited_for_and_no_other_refusal(void **state)
{
    ask(1000);
    assert_int_equal(refuse(TACIT_DOOR_NAME_TAKEN, 1001), TACIT_PLACE_LOST);
    assert_int_equal(p.state, TACIT_PLACE_WAITING);
    ask(1001 + TACIT_PLACE_RETRY_MS);
    assert_int_equal(refuse(TACIT_DOOR_NAME_TAKEN, 1000 + TACIT_PLACE_TAKEN_MS),
                     TACIT_PLACE_LOST);
    assert_int_equal(p.state, TACIT_PLACE_FAILED);
    assert_int_equal(p.error, TACIT_EREFUSED);
    assert_string_equal(p.fault, "/run/door: the door refuses a@b: name_taken: no");
    start(state);
    ask(1000);
    assert_int_equal(refuse(TACIT_DOOR_NOT_ALLOWED, 1001), TACIT_PLACE_LOST);
    assert_int_equal(p.state, TACIT_PLACE_FAILED);
}

static void once_registered_it_asks_for_ever_and_more_rarely(void **state)
{
    int64_t now = 1000, wait = 0;
    registers(now);
    assert_int_equal(tacit_place_read(&p, 0, -1, false, now, &frame), TACIT_PLACE_LOST);
    assert_string_equal(p.fault, "/run/door: the door has closed");
    assert_true(p.is_news);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(p.state, TACIT_PLACE_WAITING);
        assert_in_range(tacit_place_wait(&p, now), wait, TACIT_PLACE_RETRY_MAX_MS);
        wait = tacit_place_wait(&p, now);
        assert_int_equal(tacit_place_timeout(&p, now), TACIT_PLACE_NOTHING);
        now += wait;
        ask(now);
        refuse(TACIT_DOOR_LIMIT, now);
        assert_int_equal(p.is_news, i == 0); /* told once */
    }
    assert_int_equal(wait, TACIT_PLACE_RETRY_MAX_MS);
    now += wait;
    registers(now);
    assert_string_equal(p.fault, "");
    tacit_place_fail(&p, TACIT_ETRUNCATED, "gone", now);
    assert_int_equal(tacit_place_wait(&p, now), TACIT_PLACE_RETRY_MS);
}

static void a_door_has_five_seconds_to_answer(void **state)
{
    ask(1000);
    assert_int_equal(tacit_place_wait(&p, 1000), TACIT_PLACE_ANSWER_MS);
    assert_int_equal(tacit_place_timeout(&p, 5999), TACIT_PLACE_NOTHING);
    assert_int_equal(tacit_place_timeout(&p, 6000), TACIT_PLACE_LOST);
    assert_int_equal(p.error, TACIT_ETIMEOUT);
}

static void a_link_comes_with_its_socket(void **state)
{
    struct tacit_door_frame pass = {.type = TACIT_DOOR_PASS,
                                    .pass = {.peer = {.family = 4, .port = 1}}};
    registers(1000);
    assert_int_equal(say(&pass, SOCKET, 1000), TACIT_PLACE_PASSED);
    assert_int_equal(p.passed, SOCKET);
    p.passed = -1;
    assert_int_equal(say(&pass, -1, 1000), TACIT_PLACE_LOST);
    assert_non_null(strstr(p.fault, "without its socket"));
}

static void a_socket_that_found_no_descriptor_is_no_fault_of_the_doors(void **state)
{
    struct tacit_door_frame pass = {.type = TACIT_DOOR_PASS,
                                    .pass = {.peer = {.family = 4, .port = 1}}};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len, n;
    registers(1000);
    assert_int_equal(tacit_door_write(&pass, bytes, &len), TACIT_OK);
    for (size_t at = 0; at < len; at += n) {
        uint8_t *room = tacit_place_room(&p, &n);
        memcpy(room, bytes + at, n);
        assert_int_equal(tacit_place_read(&p, n, -1, at == 0, 1000, &frame),
                         at + n == len ? TACIT_PLACE_STARVED : TACIT_PLACE_NOTHING);
    }
    assert_int_equal(say(&pass, SOCKET, 1000), TACIT_PLACE_PASSED);
}

static void what_a_door_may_not_say_ends_the_connection(void **state)
{
    static const struct tacit_door_frame keys = {.type = TACIT_DOOR_KEYS,
                                                 .keys = {.count = 1}},
                                         pass = {.type = TACIT_DOOR_PASS,
                                                 .pass = {.peer = {.family = 4}}};
    ask(1000);
    assert_int_equal(say(&keys, -1, 1000), TACIT_PLACE_LOST); /* before the answer */
    start(state);
    ask(1000);
    assert_int_equal(say(&pass, SOCKET, 1000), TACIT_PLACE_LOST);
    assert_int_equal(p.passed, SOCKET); /* to be closed */
    start(state);
    registers(1000);
    assert_int_equal(say(&keys, SOCKET, 1000), TACIT_PLACE_LOST);
    start(state);
    registers(1000);
    assert_int_equal(say(&registered, -1, 1000), TACIT_PLACE_LOST);
    start(state);
    registers(1000);
    assert_true(p.keys_due);
    assert_int_equal(say(&keys, -1, 1000), TACIT_PLACE_KEYS);
    assert_false(p.keys_due);
}

/* --- what the door is told of sources ----------------------------------------------- */

static struct tacit_admission admission;

static bool news(void *owner, struct tacit_admission_told *told,
                 struct tacit_admission_news *ret_news)
{
    assert_ptr_equal(owner, &admission);
    return tacit_admission_news(&admission, told, ret_news);
}

/* A node that knows so many sources, registered with a door of that version. */
static void knows(uint64_t sources, uint8_t version)
{
    struct tacit_door_frame answer = registered;
    answer.registered.version = version;
    admission = (struct tacit_admission){.keyed = true};
    for (uint64_t source = 1; source <= sources; source++)
        tacit_admission_known(&admission, source);
    ask(1000);
    assert_int_equal(say(&answer, -1, 1000), TACIT_PLACE_REGISTERED);
}

/* Words that are there to be read. */
static size_t words(int fd)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t count = 0;
    while (recv(fd, bytes, 2, MSG_DONTWAIT) == 2) {
        size_t len = (size_t)bytes[0] << 8 | bytes[1];
        assert_int_equal(recv(fd, bytes + 2, len, MSG_DONTWAIT), len);
        assert_int_equal(tacit_door_read(bytes, 2 + len, &frame), TACIT_OK);
        assert_int_equal(frame.type, TACIT_DOOR_SOURCES);
        count += frame.sources.count;
    }
    return count;
}

static void a_door_of_version_3_is_told_of_sources_at_once_and_then_in_time(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    knows(100, 3);
    assert_int_equal(tacit_place_timeout(&p, 1000), TACIT_PLACE_TELL);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(words(fds[1]), tacit_admission_count(&admission));
    assert_int_equal(tacit_place_wait(&p, 1000), TACIT_PLACE_TELL_MS);
    assert_int_equal(tacit_place_timeout(&p, 999 + TACIT_PLACE_TELL_MS),
                     TACIT_PLACE_NOTHING);
    assert_int_equal(tacit_place_timeout(&p, 1000 + TACIT_PLACE_TELL_MS),
                     TACIT_PLACE_TELL);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(words(fds[1]), 0);
    tacit_admission_forget(&admission, 1);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(words(fds[1]), 1);
    close(fds[0]);
    close(fds[1]);
}

static void an_older_one_is_told_nothing(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (uint8_t version = 1; version <= 2; version++) {
        start(state);
        knows(100, version);
        assert_int_equal(tacit_place_wait(&p, 1 << 30), -1);
        assert_int_equal(tacit_place_timeout(&p, 1 << 30), TACIT_PLACE_NOTHING);
        tacit_place_tell(&p, fds[0], news, &admission);
        assert_int_equal(words(fds[1]), 0);
    }
    close(fds[0]);
    close(fds[1]);
}

static void one_that_comes_again_is_told_of_all(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    knows(100, 3);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_true(words(fds[1]) > 0);
    tacit_place_fail(&p, TACIT_ETRUNCATED, "gone", 2000);
    tacit_place_tell(&p, fds[0], news, &admission); /* there is nobody to hear it */
    assert_int_equal(words(fds[1]), 0);
    ask(2000 + TACIT_PLACE_RETRY_MS);
    tacit_place_tell(&p, fds[0], news, &admission); /* nor yet */
    assert_int_equal(words(fds[1]), 0);
    struct tacit_door_frame answer = registered;
    answer.registered.version = 3;
    say(&answer, -1, 2200);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(words(fds[1]), tacit_admission_count(&admission));
    close(fds[0]);
    close(fds[1]);
}

static void a_door_that_takes_nothing_now_hears_it_later_and_in_order(void **state)
{
    static uint8_t filler[1 << 16];
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    while (send(fds[0], filler, sizeof filler, MSG_DONTWAIT) > 0)
        ;
    while (send(fds[0], filler, 1, MSG_DONTWAIT) > 0)
        ;
    knows(100, 3);
    tacit_place_tell(&p, fds[0], news, &admission);
    for (uint64_t source = 1; source <= 100; source++)
        tacit_admission_forget(&admission, source);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(p.state, TACIT_PLACE_DONE);
    while (recv(fds[1], filler, sizeof filler, MSG_DONTWAIT) > 0)
        ;
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_true(words(fds[1]) >= TACIT_ADMISSION_NEWS_MAX);
    assert_false(frame.sources.known[frame.sources.count - 1]);
    close(fds[0]);
    close(fds[1]);
}

static void a_frame_that_went_in_pieces_goes_on_where_it_was(void **state)
{
    struct tacit_admission_news some = {.count = 3, .sources = {1, 2, 3}};
    knows(0, 3);
    assert_true(tacit_place_hears(&p));
    tacit_place_say(&p, &some);
    for (size_t at = 0, len = p.out_len; at < len; at++) {
        assert_false(tacit_place_hears(&p));
        assert_int_equal(p.out_at, at);
        tacit_place_sent(&p, 1);
    }
    assert_true(tacit_place_hears(&p));
}

/* Who reads from the connection finds that, and says so. */
static void that_a_door_has_gone_is_no_fault_of_who_tells_it(void **state)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    close(fds[1]);
    knows(100, 3);
    tacit_place_tell(&p, fds[0], news, &admission);
    assert_int_equal(p.state, TACIT_PLACE_DONE);
    bool more;
    assert_int_equal(tacit_place_receive(&p, fds[0], 1000, &frame, &more),
                     TACIT_PLACE_LOST);
    assert_string_equal(p.fault, "/run/door: the door has closed");
    close(fds[0]);
}

static void another_door_is_a_start_that_does_not_end_the_node(void **state)
{
    registers(1000);
    tacit_place_start(&p, "/run/other", "a@b", 2000);
    ask(2000);
    assert_int_equal(refuse(TACIT_DOOR_NOT_ALLOWED, 2000), TACIT_PLACE_LOST);
    assert_int_equal(p.state, TACIT_PLACE_WAITING);
    assert_string_equal(p.fault, "/run/other: the door refuses a@b: not_allowed: no");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_node_without_a_door_has_nothing_to_do, start),
        cmocka_unit_test_setup(a_node_that_starts_asks_for_five_seconds, start),
        cmocka_unit_test_setup(a_name_just_left_is_waited_for_and_no_other_refusal,
                               start),
        cmocka_unit_test_setup(once_registered_it_asks_for_ever_and_more_rarely, start),
        cmocka_unit_test_setup(a_door_has_five_seconds_to_answer, start),
        cmocka_unit_test_setup(a_link_comes_with_its_socket, start),
        cmocka_unit_test_setup(a_socket_that_found_no_descriptor_is_no_fault_of_the_doors,
                               start),
        cmocka_unit_test_setup(what_a_door_may_not_say_ends_the_connection, start),
        cmocka_unit_test_setup(
            a_door_of_version_3_is_told_of_sources_at_once_and_then_in_time, start),
        cmocka_unit_test_setup(an_older_one_is_told_nothing, start),
        cmocka_unit_test_setup(one_that_comes_again_is_told_of_all, start),
        cmocka_unit_test_setup(a_door_that_takes_nothing_now_hears_it_later_and_in_order,
                               start),
        cmocka_unit_test_setup(a_frame_that_went_in_pieces_goes_on_where_it_was, start),
        cmocka_unit_test_setup(that_a_door_has_gone_is_no_fault_of_who_tells_it, start),
        cmocka_unit_test_setup(another_door_is_a_start_that_does_not_end_the_node, start),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
