/* The promises of src/session/stream.h: records' data to messages. */
#include "test_record.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "session/stream.h"

enum {
    BYTES = 400000,
    MAX = 300000,
};

static struct tacit_stream stream;
static struct tacit_stream_record record;
static uint8_t sent[BYTES], *memory;
static size_t sent_len, taken;

static int start(void **state)
{
    open_ends(TACIT_SUITE_CHACHA20_POLY1305);
    memset(&stream, 0, sizeof stream);
    sent_len = taken = 0;
    memory = NULL;
    return 0;
}

static int finish(void **state)
{
    free(memory);
    return 0;
}

/* A message of that many bytes, all its own. */
static void say(size_t len)
{
    struct tacit_writer w = tacit_writer(sent + sent_len, TACIT_STREAM_LENGTH);
    tacit_put_u32(&w, (uint32_t)len);
    randombytes_buf(sent + sent_len + TACIT_STREAM_LENGTH, len);
    sent_len += TACIT_STREAM_LENGTH + len;
}

static void make_room(size_t size)
{
    if (size <= stream.cap)
        return;
    memory = realloc(memory, size);
    assert_non_null(memory);
    stream.memory = memory;
    stream.cap = size;
}

/* Seals them, and opens them as a record. */
static int pass_record(enum tacit_record_type type, const uint8_t *bytes, size_t len)
{
    memcpy(data, bytes, len);
    assert_int_equal(seal(&ends.a, type, len), TACIT_OK);
    assert_int_equal(stream.data_len, 0);
    make_room(tacit_stream_room_for(&stream, &ends.b, ends.len));
    return tacit_stream_open(&stream, &ends.b, ends.record, ends.len, &record);
}

/* Whether it is the next one that was said. */
static void assert_said(const uint8_t *bytes, size_t len)
{
    struct tacit_reader r = tacit_reader(sent + taken, TACIT_STREAM_LENGTH);
    assert_int_equal(tacit_get_u32(&r), len);
    if (len > 0)
        assert_memory_equal(bytes, sent + taken + TACIT_STREAM_LENGTH, len);
    taken += TACIT_STREAM_LENGTH + len;
}

/* Takes what there is; the event that was the last. */
static enum tacit_stream_event take_all(size_t came)
{
    for (;;) {
        const uint8_t *bytes = NULL;
        size_t len;
        enum tacit_stream_event event = tacit_stream_next(&stream, MAX, &bytes, &len);
        if (event == TACIT_STREAM_MEMORY_WANTED) {
            size_t room = tacit_stream_room(&stream);
            assert_true(room > stream.cap);
            assert_true(room <= stream.len);
            assert_true(room <= 2 * came + 128 * 1024);
            make_room(room);
        } else if (event == TACIT_STREAM_MESSAGE || event == TACIT_STREAM_LONG) {
            assert_said(bytes, len);
        } else if (event == TACIT_STREAM_TICK) {
            assert_said(NULL, 0);
        } else {
            return event;
        }
    }
}

static const size_t sizes[] = {0, 1,    3,     4,     5, 100,    0,
                               0, 4096, 65000, 70000, 1, 200000, 7};

static void say_all(void)
{
    for (size_t i = 0; i < COUNT(sizes); i++)
        say(sizes[i]);
}

static void messages_come_out_whole_however_they_are_cut(void **state)
{
    static const size_t pieces[] = {65000, 16384, 1000, 1};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        finish(state);
        start(state);
        say_all();
        for (size_t at = 0; at < sent_len;) {
            size_t len = pieces[i] == 1 && at < 6000 ? 1 : 1 + randombytes_uniform(65000);
            if (pieces[i] > 1)
                len = pieces[i];
            len = len < sent_len - at ? len : sent_len - at;
            assert_int_equal(pass_record(TACIT_RECORD_DATA, sent + at, len), TACIT_OK);
            at += len;
            assert_int_equal(take_all(at), TACIT_STREAM_RECORD);
            assert_int_equal(pass_record(TACIT_RECORD_DATA, sent, 0), TACIT_OK);
            assert_int_equal(take_all(at), TACIT_STREAM_RECORD);
        }
        assert_int_equal(taken, sent_len);
        assert_int_equal(stream.len, 0);
        assert_int_equal(stream.header_len, 0);
    }
}

static void what_is_inside_a_long_message_is_opened_into_its_memory(void **state)
{
    say(200000);
    assert_int_equal(pass_record(TACIT_RECORD_DATA, sent, 1000), TACIT_OK);
    assert_int_equal(take_all(1000), TACIT_STREAM_RECORD);
    assert_int_equal(pass_record(TACIT_RECORD_DATA, sent + 1000, 60000), TACIT_OK);
    assert_ptr_equal(record.data, memory + 1000 - TACIT_STREAM_LENGTH);
    assert_int_equal(stream.data_len, 0);
    assert_int_equal(stream.got, 61000 - TACIT_STREAM_LENGTH);
}

/* A peer that says a gigabyte and sends none of it costs no gigabyte. */
static void memory_grows_with_what_came_and_not_with_what_is_claimed(void **state)
{
    const uint8_t *bytes;
    size_t len;
    static const uint8_t claim[] = {0x40, 0, 0, 0, 'x'};
    assert_int_equal(pass_record(TACIT_RECORD_DATA, claim, sizeof claim), TACIT_OK);
    assert_int_equal(tacit_stream_next(&stream, SIZE_MAX, &bytes, &len),
                     TACIT_STREAM_MEMORY_WANTED);
    assert_int_equal(tacit_stream_room(&stream), 128 * 1024);
    make_room(128 * 1024);
    assert_int_equal(tacit_stream_next(&stream, SIZE_MAX, &bytes, &len),
                     TACIT_STREAM_RECORD);
    assert_int_equal(tacit_stream_room_for(&stream, &ends.b, 65000), 128 * 1024);
    make_room(1);
    assert_int_equal(stream.cap, 128 * 1024);
}

static void one_over_the_limit_is_the_end(void **state)
{
    const uint8_t *bytes;
    size_t len;
    say(1000);
    assert_int_equal(pass_record(TACIT_RECORD_DATA, sent, sent_len), TACIT_OK);
    assert_int_equal(tacit_stream_next(&stream, 999, &bytes, &len),
                     TACIT_STREAM_TOO_LONG);
    assert_int_equal(len, 1000);
    finish(state);
    start(state);
    say(1000);
    assert_int_equal(pass_record(TACIT_RECORD_DATA, sent, sent_len), TACIT_OK);
    assert_int_equal(tacit_stream_next(&stream, 1000, &bytes, &len),
                     TACIT_STREAM_MESSAGE);
}

static void fresh_keys_and_a_close_come_between_and_are_no_data(void **state)
{
    static const uint8_t offer[32] = {7}, close[] = "\1over and out";
    say(200000);
    assert_int_equal(pass_record(TACIT_RECORD_DATA, sent, 30000), TACIT_OK);
    assert_int_equal(take_all(30000), TACIT_STREAM_RECORD);
    assert_int_equal(pass_record(TACIT_RECORD_REKEY, offer, sizeof offer), TACIT_OK);
    assert_int_equal(record.type, TACIT_RECORD_REKEY);
    assert_int_equal(record.len, sizeof offer);
    assert_memory_equal(record.data, offer, sizeof offer);
    for (size_t at = 30000; at < sent_len; at += 40000) {
        size_t len = sent_len - at < 40000 ? sent_len - at : 40000;
        assert_int_equal(pass_record(TACIT_RECORD_DATA, sent + at, len), TACIT_OK);
        assert_int_equal(take_all(at + len), TACIT_STREAM_RECORD);
    }
    assert_int_equal(taken, sent_len);
    assert_int_equal(pass_record(TACIT_RECORD_CLOSE, close, sizeof close - 1), TACIT_OK);
    assert_int_equal(record.type, TACIT_RECORD_CLOSE);
    assert_int_equal(record.reason, 1);
    assert_string_equal(record.text, "over and out");
}

static void a_malformed_close_is_told_from_what_does_not_open(void **state)
{
    assert_int_equal(pass_record(TACIT_RECORD_CLOSE, sent, 0), TACIT_EFORMAT);
    assert_int_equal(record.type, TACIT_RECORD_CLOSE);
    assert_string_equal(record.text, "a malformed close");
    finish(state);
    start(state);
    assert_int_equal(seal(&ends.a, TACIT_RECORD_DATA, 5), TACIT_OK);
    ends.record[4] ^= 1;
    assert_int_equal(tacit_stream_open(&stream, &ends.b, ends.record, ends.len, &record),
                     TACIT_EAUTH);
    assert_int_equal(record.type, TACIT_RECORD_DATA);
    assert_string_equal(record.text, "a record that does not open");
    finish(state);
    start(state);
    uint8_t tiny[TACIT_RECORD_HEADER] = {0, 0};
    assert_int_equal(tacit_stream_open(&stream, &ends.b, tiny, sizeof tiny, &record),
                     TACIT_EFORMAT);
    assert_string_equal(record.text, "a record that does not open");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(messages_come_out_whole_however_they_are_cut),
        EACH(what_is_inside_a_long_message_is_opened_into_its_memory),
        EACH(memory_grows_with_what_came_and_not_with_what_is_claimed),
        EACH(one_over_the_limit_is_the_end),
        EACH(fresh_keys_and_a_close_come_between_and_are_no_data),
        EACH(a_malformed_close_is_told_from_what_does_not_open),
    };
    return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
