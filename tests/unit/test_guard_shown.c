/* The promises of src/guard/shown.h and calls.h; and of guard.h, what goes out. */
#include "test_unit.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "guard/calls.h"
#include "guard/guard.h"
#include "guard_bytes.h"

static struct tacit_guard_shown shown;

static void a_pid_that_was_shown_is_known(void **state)
{
    for (uint64_t pid = 0; pid < 40000; pid += 2)
        tacit_guard_show(&shown, pid << 10);
    for (uint64_t pid = 0; pid < 40000; pid++)
        assert_int_equal(tacit_guard_was_shown(&shown, pid << 10), pid % 2 == 0);
    assert_false(tacit_guard_was_shown(&shown, UINT64_MAX));
    tacit_guard_show(&shown, UINT64_MAX); /* no pid is so large */
    assert_false(tacit_guard_was_shown(&shown, UINT64_MAX));
    tacit_guard_shown_free(&shown);
}

static void the_older_are_forgotten_and_those_asked_for_are_not(void **state)
{
    for (uint64_t pid = 1; pid <= 5 * TACIT_GUARD_SHOWN_MOST; pid++) {
        tacit_guard_show(&shown, pid);
        if (pid % 1000 == 0)
            assert_true(tacit_guard_was_shown(&shown, 1));
    }
    for (uint64_t back = 0; back < TACIT_GUARD_SHOWN_MOST; back++)
        assert_true(tacit_guard_was_shown(&shown, 5 * TACIT_GUARD_SHOWN_MOST - back));
    assert_true(tacit_guard_was_shown(&shown, 1));
    assert_false(tacit_guard_was_shown(&shown, 2));
    assert_true(shown.young.number <= TACIT_GUARD_SHOWN_MOST);
    tacit_guard_shown_free(&shown);
}

static void calls_come_and_go_in_any_order(void **state)
{
    static const uint8_t key[16] = {1};
    struct tacit_guard_calls calls = {.most = 5000, .key = key};
    uint32_t i;
    for (i = 0; i < 5000; i++)
        assert_true(tacit_guard_call_begins(&calls, (uint8_t *)&i, sizeof i));
    assert_false(tacit_guard_call_begins(&calls, (uint8_t *)&i, sizeof i));
    for (i = 0; i < 5000; i += 3)
        tacit_guard_call_ends(&calls, (uint8_t *)&i, sizeof i);
    assert_int_equal(calls.number, 3333);
    for (i = 0; i < 5000; i++) /* those that go on are still known */
        assert_int_equal(tacit_guard_call_begins(&calls, (uint8_t *)&i, sizeof i),
                         i % 3 == 0);
    for (i = 5000; i > 0; i--) {
        uint32_t call = i - 1;
        tacit_guard_call_ends(&calls, (uint8_t *)&call, sizeof call);
        tacit_guard_call_ends(&calls, (uint8_t *)&call, sizeof call);
    }
    assert_int_equal(calls.number, 0);
    tacit_guard_calls_free(&calls);
}

/* --- what goes out
 * ---------------------------------------------------------------------- */

static const char own[] = "own@host", peer[] = "peer@host";
static struct emulator emulator;
static struct tacit_role role;
static struct tacit_guard_link *the_link;
static struct bytes b;

static struct tacit_guard_hello hello(const char *name, uint32_t creation)
{
    return (struct tacit_guard_hello){.flags = TACIT_GUARD_FLAG_CACHE |
                                               TACIT_GUARD_FLAG_FRAGMENTS,
                                      .creation = creation,
                                      .name_len = strlen(name),
                                      .name = (const uint8_t *)name};
}

static int start(void **state)
{
    emulator_init(&emulator, "", 0); /* what we send costs the peer nothing */
    tacit_role_init(&role);
    struct tacit_guard_start s = {.role = &role,
                                  .asks = &emulator.asks,
                                  .limits = wide,
                                  .own = hello(own, 2),
                                  .peer = hello(peer, 3)};
    the_link = tacit_guard_link_new(&s);
    b.len = 0;
    return the_link == NULL;
}

static int end(void **state)
{
    tacit_guard_link_free(the_link);
    tacit_role_free(&role);
    return 0;
}

/* Goes out in pieces of memory of so many bytes, each of which is its own. */
static void go_out(size_t piece)
{
    struct iovec iov[2000] = {{.iov_len = 0}};
    size_t number = 0;
    for (size_t at = 0; at < b.len; at += piece, number++) {
        size_t len = piece < b.len - at ? piece : b.len - at;
        assert_true(number < 2000);
        iov[number] = (struct iovec){malloc(len), len};
        memcpy(iov[number].iov_base, b.at + at, len);
    }
    tacit_guard_out(the_link, iov, number);
    for (size_t i = 0; i < number; i++)
        free(iov[i].iov_base);
}

static void begin_out(const struct slot *slots, unsigned number)
{
    b.len = 0;
    put(&b, "\x83\x44", 2);
    put_header(&b, slots, number);
    put_tuple(&b, 3);
    put_int(&b, 2);
    put_atom(&b, "");
    put_pid(&b, peer, 7, 3);
}

static bool reaches(uint32_t number)
{
    struct tacit_guard_verdict v;
    static struct bytes in;
    in.len = 0;
    put(&in, "\x83\x44\0", 3);
    put_tuple(&in, 3);
    put_int(&in, 2);
    put_atom(&in, "");
    put_pid(&in, own, number, 2);
    put_nil(&in);
    tacit_guard_in(the_link, in.at, in.len, 0, &v);
    assert_int_equal(v.cut, TACIT_GUARD_FINE);
    return !v.ruling.refused;
}

static void pids_of_this_node_are_shown_wherever_they_stand(void **state)
{
    static const size_t pieces[] = {1, 7, 100, 5000};
    for (uint32_t i = 0; i < COUNT(pieces); i++) {
        begin_out(NULL, 0);
        put_tuple(&b, 4);
        put_pid(&b, own, 100 + i, 2);
        put_binary(&b, 500);
        put_list(&b, 1);
        put_pid(&b, "other@host", 200 + i, 2);
        put_pid(&b, own, 300 + i, 2);
        put_external(&b, "a", "b", 1);
        go_out(pieces[i]);
        assert_true(reaches(100 + i));
        assert_false(reaches(200 + i));
        assert_true(reaches(300 + i));
        assert_false(reaches(400 + i));
    }
    assert_int_equal(emulator.spent, 0);
}

static void this_nodes_name_is_known_in_its_slot(void **state)
{
    const struct slot fills[] = {{9, own}}, uses[] = {{9, NULL}}, other[] = {{9, "x@y"}};
    for (uint32_t i = 0; i < 3; i++) {
        begin_out(i == 0 ? fills : i == 1 ? uses : other, 1);
        put(&b, "\x58\x52\0\0\0\0", 6);
        put_u8(&b, 60 + i);
        put_u32(&b, 0);
        put_u32(&b, 2);
        go_out(b.len);
        assert_int_equal(reaches(60 + i), i < 2);
    }
}

static void a_header_that_is_longer_than_its_first_piece_is_read(void **state)
{
    struct slot slots[20];
    for (unsigned i = 0; i < 20; i++)
        slots[i] = (struct slot){i, long_text("y", 250)};
    begin_out(slots, 20);
    put_pid(&b, own, 5, 2);
    go_out(1000);
    assert_true(reaches(5));
}

static void pieces_of_ours_interleave(void **state)
{
    for (uint32_t id = 1; id <= 3; id++) {
        b.len = 0;
        put(&b, "\x83\x45", 2);
        put_u64(&b, id);
        put_u64(&b, 2);
        put_header(&b, NULL, 0);
        put_tuple(&b, 3);
        put_int(&b, 2);
        put_atom(&b, "");
        put_pid(&b, peer, 7, 3);
        put_list(&b, 1);
        put(&b, "\x58\x77", 2); /* cut in the pid's node */
        go_out(10);
    }
    for (uint32_t id = 3; id >= 1; id--) {
        b.len = 0;
        put(&b, "\x83\x46", 2);
        put_u64(&b, id);
        put_u64(&b, 1);
        put_u8(&b, (unsigned)strlen(own));
        put(&b, own, strlen(own));
        put_u32(&b, 70 + id);
        put_u32(&b, 0);
        put_u32(&b, 2);
        put_nil(&b);
        go_out(9);
        assert_true(reaches(70 + id));
    }
}

static void what_cannot_be_read_shows_nothing(void **state)
{
    tacit_guard_out(the_link, NULL, 0);
    b.len = 0;
    put(&b, "\x83\x46\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\x6a", 19);
    go_out(19); /* of no message */
    b.len = 0;
    put(&b, "\x83\x45\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2\0", 19);
    put_tuple(&b, 3);
    put_int(&b, 2);
    put_atom(&b, "");
    put_pid(&b, peer, 7, 3);
    go_out(19);
    b.len = 0;
    put(&b, "\x70", 1);
    go_out(1);
    begin_out(NULL, 0);
    b.len--;
    go_out(4);
    assert_false(reaches(1));
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pid_that_was_shown_is_known),
        cmocka_unit_test(the_older_are_forgotten_and_those_asked_for_are_not),
        cmocka_unit_test(calls_come_and_go_in_any_order),
        promise(pids_of_this_node_are_shown_wherever_they_stand),
        promise(this_nodes_name_is_known_in_its_slot),
        promise(a_header_that_is_longer_than_its_first_piece_is_read),
        promise(pieces_of_ours_interleave),
        promise(what_cannot_be_read_shows_nothing),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("guard-shown", tests, NULL, NULL);
}
