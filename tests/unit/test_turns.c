/*
 * How much the carrier does in one callback, and how much it queues for a socket that
 * takes little: link_output, link_send_queue and link_read are callbacks of the
 * emulator's.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_unit.h"
#include "turns.h"

enum {
    HUGE_MESSAGE = 40 * 1024 * 1024,
    CALLBACK_MAX = 1200 * 1024, /* bytes that one seals */
    OPENED_MAX = 4200,          /* records that one opens */
    DELIVERED_MAX = 1100,       /* messages that one delivers */
    RECORDS = 3 * OPENED_MAX,
    QUEUED_MAX = BUSY_HIGH * 3 / 2,
};

static _Alignas(16) struct tacit_channel channels[2];
static struct link sender, receiver;
static ErlDrvBinary *huge;

static void open_link(struct link *l, int fd, struct tacit_channel *channel)
{
    *l = (struct link){.fd = fd, .state = LINK_ACTIVE, .channel = channel};
    l->max_message = SIZE_MAX;
    l->keys.limits = (struct tacit_rekey_limits){UINT64_MAX, UINT64_MAX, UINT64_MAX};
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static int set_up(void **state)
{
    struct tacit_secret split[2];
    uint8_t h[NOISE_HASHLEN] = {3};
    int fds[2];
    memset(split, 1, sizeof split);
    for (int i = 0; i < 2; i++)
        tacit_channel_init(&channels[i], i == 0 ? NOISE_INITIATOR : NOISE_RESPONDER,
                           TACIT_SUITE_CHACHA20_POLY1305, split, h);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    open_link(&sender, fds[0], &channels[0]);
    open_link(&receiver, fds[1], &channels[1]);
    turns_reset();
    return 0;
}

static int tear_down(void **state)
{
    turns_reset();
    for (int i = 0; i < 2; i++) {
        struct link *l = i == 0 ? &sender : &receiver;
        link_free_output(l);
        link_free_input(l);
        close(l->fd);
    }
    return 0;
}

static void send_message(ErlDrvBinary *binary, size_t len)
{
    SysIOVec iov[2] = {{NULL, 0}, {binary->orig_bytes, len}};
    ErlDrvBinary *binv[2] = {NULL, binary};
    ErlIOVec message = {.vsize = 2, .size = len, .iov = iov, .binv = binv};
    link_output(&sender, &message);
}

/* Bytes of records so far. */
static size_t sealed(void)
{
    return sender.sent_bytes + link_queued(&sender);
}

/* Until all has come, with a bound on each callback of the sender's. */
static void exchange(size_t messages)
{
    while (turns_messages < messages) {
        size_t before = sealed();
        if (sender.selected_write)
            link_send_queue(&sender);
        link_turn(&sender);
        assert_true(sealed() - before <= CALLBACK_MAX);
        assert_true(link_read(&receiver) == LINK_LIVES);
        assert_int_equal(sender.failed, 0);
        assert_int_equal(receiver.failed, 0);
    }
}

static void a_huge_message_is_sealed_a_turn_at_a_time(void **state)
{
    send_message(huge, HUGE_MESSAGE);
    assert_true(sealed() <= CALLBACK_MAX);
    assert_true(turns_busy);
    exchange(1);
    assert_int_equal(turns_bytes, HUGE_MESSAGE);
    assert_memory_equal(turns_arrived, huge->orig_bytes, HUGE_MESSAGE);
    assert_false(turns_busy);
}

/* A file takes all that is written. */
static void a_socket_that_takes_all_is_not_given_all_at_once(void **state)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_true(dup2(fileno(file), sender.fd) >= 0);
    send_message(huge, HUGE_MESSAGE);
    assert_in_range(sealed(), 1, CALLBACK_MAX);
    while (sender.unsealed > 0) {
        size_t before = sealed();
        assert_true(sender.selected_write);
        link_send_queue(&sender);
        assert_in_range(sealed() - before, 1, CALLBACK_MAX);
    }
    assert_true(sender.sent_bytes > HUGE_MESSAGE);
    fclose(file);
}

static void what_waits_of_a_huge_message_is_no_copy(void **state)
{
    send_message(huge, HUGE_MESSAGE);
    assert_true(turns_queued > HUGE_MESSAGE / 2);
    assert_true(turns_held <= QUEUED_MAX);
}

static void what_follows_a_huge_message_comes_behind_it(void **state)
{
    ErlDrvBinary *small = turns_binary(100);
    memset(small->orig_bytes, 's', 100);
    send_message(huge, HUGE_MESSAGE);
    send_message(small, 100);
    link_tick(&sender);
    send_message(small, 1);
    exchange(3);
    assert_int_equal(turns_bytes, HUGE_MESSAGE + 101);
    assert_memory_equal(turns_arrived, huge->orig_bytes, HUGE_MESSAGE);
    assert_memory_equal(turns_arrived + HUGE_MESSAGE, small->orig_bytes, 100);
    driver_free_binary(small);
}

/* As fresh keys are: a record of the channel's own. */
static void records_pass_a_huge_message_that_waits(void **state)
{
    uint8_t record[TACIT_RECORD_MAX];
    struct iovec none = {.iov_base = (char[1]){0}, .iov_len = 0};
    size_t len;
    send_message(huge, HUGE_MESSAGE);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tacit_channel_seal(&channels[0], TACIT_RECORD_DATA, &none, 1,
                                            record, sizeof record, &len),
                         0);
        link_queue_record(&sender, record, len);
        link_send_now(&sender);
    }
    exchange(1);
    assert_memory_equal(turns_arrived, huge->orig_bytes, HUGE_MESSAGE);
}

static void a_slow_link_queues_little_more_than_makes_it_busy(void **state)
{
    for (size_t size = 20; size <= 65000; size += 1000) {
        while (!turns_busy) {
            send_message(huge, size);
            link_turn(&sender);
        }
        assert_true(turns_held <= QUEUED_MAX);
        tear_down(state);
        set_up(state);
    }
}

/* Seals RECORDS records of len bytes each, as a peer would send them. */
static void write_records(const void *bytes, size_t len)
{
    uint8_t record[256];
    size_t size;
    int big = 8 << 20;
    (void)setsockopt(sender.fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    static uint8_t all[RECORDS * 64];
    size_t at = 0;
    for (int i = 0; i < RECORDS; i++) {
        assert_int_equal(tacit_channel_seal(&channels[0], TACIT_RECORD_DATA, &iov, 1,
                                            record, sizeof record, &size),
                         0);
        memcpy(all + at, record, size);
        at += size;
    }
    assert_int_equal(write(sender.fd, all, at), at);
}

static void few_are_opened_in_one_callback(void **state)
{
    write_records("", 0);
    while (receiver.received_records < RECORDS) {
        uint64_t before = receiver.received_records;
        assert_true(link_read(&receiver) == LINK_LIVES);
        assert_in_range(receiver.received_records - before, 1, OPENED_MAX);
    }
}

static void few_messages_are_delivered_in_one_callback(void **state)
{
    static const char message[] = "\0\0\0\1m";
    write_records(message, 5);
    while (turns_messages < RECORDS) {
        size_t before = turns_messages;
        assert_true(link_read(&receiver) == LINK_LIVES);
        assert_in_range(turns_messages - before, 1, DELIVERED_MAX);
        assert_true(turns_messages == RECORDS || receiver.read_pending ||
                    receiver.selected_read);
    }
}

static void what_was_gathered_does_not_put_fresh_keys_off(void **state)
{
    sender.keys.limits.records = 1;
    for (int turn = 0; turn < 3; turn++) {
        turns_lent = 0;
        send_message(huge, 100);
        send_message(huge, 100);
        assert_int_equal(turns_lent, 0);
        link_turn(&sender);
        assert_int_equal(turns_lent, turn == 0 ? 0 : 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_huge_message_is_sealed_a_turn_at_a_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_socket_that_takes_all_is_not_given_all_at_once,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_of_a_huge_message_is_no_copy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_follows_a_huge_message_comes_behind_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_pass_a_huge_message_that_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slow_link_queues_little_more_than_makes_it_busy,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(few_are_opened_in_one_callback, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(few_messages_are_delivered_in_one_callback,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_gathered_does_not_put_fresh_keys_off,
                                        set_up, tear_down),
    };
    if (sodium_init() < 0)
        return 1;
    huge = turns_binary(HUGE_MESSAGE);
    randombytes_buf(huge->orig_bytes, HUGE_MESSAGE);
    turns_room = HUGE_MESSAGE + 1000;
    turns_arrived = malloc(turns_room);
    int failed = turns_arrived == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    free(turns_arrived);
    driver_free_binary(huge);
    return failed;
}
