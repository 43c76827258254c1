/* The promises of src/door/protocol: the frames between a node and its host's door. */
#include "test_unit.h"

#include <stdio.h>
#include <string.h>

#include "door/protocol.h"

static uint8_t bytes[TACIT_DOOR_FRAME_MAX];
static size_t len;
static struct tacit_door_frame got;

static int back(const struct tacit_door_frame *frame)
{
    memset(&got, 0, sizeof got);
    int error = tacit_door_write(frame, bytes, &len);
    return error ? error : tacit_door_read(bytes, len, &got);
}

static struct tacit_door_frame a_register(void)
{
    return (struct tacit_door_frame){
        .type = TACIT_DOOR_REGISTER,
        .reg = {1, 3, 0x01020304, "app@db1.example.net", "0.1.0", ""}};
}

static struct tacit_door_frame a_pass(void)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_PASS,
                                     .pass = {.accepted = UINT64_C(0x1122334455667788),
                                              .peer = {.family = 6,
                                                       .bytes = {0xfe, 0x80, [15] = 9},
                                                       .port = 4370,
                                                       .scope = 2}}};
    for (size_t i = 0; i < sizeof frame.pass.first; i++)
        frame.pass.first[i] = (uint8_t)i;
    return frame;
}

static struct tacit_door_frame a_register_of(const char *conf)
{
    struct tacit_door_frame frame = a_register();
    snprintf(frame.reg.conf, sizeof frame.reg.conf, "%s", conf);
    return frame;
}

static struct tacit_door_frame all[11];

static void make_all(void)
{
    all[0] = a_register();
    all[1] = (struct tacit_door_frame){.type = TACIT_DOOR_REGISTERED,
                                       .registered = {1, 77, "0.1.0"}};
    all[2] = (struct tacit_door_frame){
        .type = TACIT_DOOR_REFUSED,
        .refused = {TACIT_DOOR_NAME_TAKEN, "app@h is taken by process 12"}};
    all[3] = a_pass();
    all[4] = (struct tacit_door_frame){.type = TACIT_DOOR_SHOW};
    all[5] = (struct tacit_door_frame){.type = TACIT_DOOR_RELOAD};
    all[6] = (struct tacit_door_frame){.type = TACIT_DOOR_REPORT,
                                       .report = {.len = 5, .bytes = "a\tb\n\n"}};
    all[7] = (struct tacit_door_frame){.type = TACIT_DOOR_END};
    all[9] = (struct tacit_door_frame){.type = TACIT_DOOR_KEYS,
                                       .keys = {2, {{1, 2, 3}, {4, 5, 6}}}};
    all[10] = (struct tacit_door_frame){
        .type = TACIT_DOOR_SOURCES,
        .sources = {2, {UINT64_C(0x4c0000209), UINT64_MAX}, {true, false}}};
    all[8] = a_register_of("/etc/tacit/tacit.conf");
}

static void a_registration_is_written_as_protocol_md_says(void **state)
{
    static const char expected[] = "\0\43\1\1\3\1\2\3\4\23app@db1.example.net\5"
                                   "0.1.0\0\0";
    struct tacit_door_frame frame = a_register();
    assert_int_equal(back(&frame), 0);
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(bytes, expected, len);
}

static void every_frame_comes_back_as_it_was_written(void **state)
{
    make_all();
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(back(&all[i]), 0);
        assert_memory_equal(&got, &all[i], sizeof got);
    }
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
    make_all();
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(tacit_door_write(&all[i], bytes, &len), 0);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(tacit_door_read(bytes, cut, &got), TACIT_EFORMAT);
        /* Cut inside, with a length that says so. */
        for (size_t cut = TACIT_DOOR_HEADER; cut < len; cut++) {
            bytes[0] = (uint8_t)((cut - TACIT_DOOR_HEADER) >> 8);
            bytes[1] = (uint8_t)(cut - TACIT_DOOR_HEADER);
            bool report = all[i].type == TACIT_DOOR_REPORT && cut > TACIT_DOOR_HEADER;
            if (all[i].type == TACIT_DOOR_KEYS && cut == len - TACIT_KEY_ID)
                continue; /* one key */
            if (all[i].type == TACIT_DOOR_SOURCES && cut == len - 9)
                continue; /* one word */
            assert_int_equal(tacit_door_read(bytes, cut, &got),
                             report ? TACIT_OK : TACIT_EFORMAT);
        }
    }
}

static void a_byte_too_many_is_refused(void **state)
{
    make_all();
    for (size_t i = 0; i < COUNT(all); i++) {
        if (all[i].type == TACIT_DOOR_REPORT)
            continue; /* any bytes are a report's */
        assert_int_equal(tacit_door_write(&all[i], bytes, &len), 0);
        bytes[len++] = 0;
        assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
        bytes[0] = (uint8_t)((len - TACIT_DOOR_HEADER) >> 8);
        bytes[1] = (uint8_t)(len - TACIT_DOOR_HEADER);
        assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
    }
}

static void extensions_of_a_later_version_are_passed_over(void **state)
{
    struct tacit_door_frame frame = a_register();
    assert_int_equal(back(&frame), 0);
    bytes[len - 1] = 5;
    memcpy(bytes + len, "\x2a\0\2hi", 5);
    len += 5;
    bytes[1] += 5;
    assert_int_equal(tacit_door_read(bytes, len, &got), 0);
    assert_string_equal(got.reg.release, "0.1.0");
    bytes[len - 3] = 3; /* the block is longer than what holds it */
    assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
}

/* Where none is known yet, none of any type is looked into. */
static void extensions_of_the_doors_own_frames_are_passed_over(void **state)
{
    make_all();
    for (unsigned type = 0; type < 3; type++) {
        assert_int_equal(tacit_door_write(&all[1], bytes, &len), 0);
        bytes[len - 1] = 5;
        memcpy(bytes + len, "\0\0\2hi", 5);
        bytes[len] = (uint8_t)type;
        len += 5;
        bytes[1] += 5;
        assert_int_equal(tacit_door_read(bytes, len, &got), 0);
        assert_string_equal(got.registered.release, "0.1.0");
    }
}

static void the_path_of_a_configuration_is_a_text_that_comes_once(void **state)
{
    static const char two[] = "\1\0\1a\1\0\1b", none[] = "\1\0\0", bad[] = "\1\0\1\n";
    static const struct {
        const char *block;
        size_t size;
    } refused[] = {{two, sizeof two - 1}, {none, sizeof none - 1}, {bad, sizeof bad - 1}};
    struct tacit_door_frame frame = a_register_of("/etc/tacit/tacit.conf");
    assert_int_equal(back(&frame), 0);
    assert_string_equal(got.reg.conf, "/etc/tacit/tacit.conf");
    for (size_t i = 0; i < COUNT(refused); i++) {
        frame = a_register();
        assert_int_equal(tacit_door_write(&frame, bytes, &len), 0);
        bytes[len - 1] = (uint8_t)refused[i].size;
        memcpy(bytes + len, refused[i].block, refused[i].size);
        len += refused[i].size;
        bytes[1] = (uint8_t)(len - TACIT_DOOR_HEADER);
        assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
    }
}

static void a_door_has_one_mesh_key_to_four(void **state)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_KEYS};
    for (size_t count = 0; count <= TACIT_KEY_IDS_MAX + 1; count++) {
        bool ok = count > 0 && count <= TACIT_KEY_IDS_MAX;
        frame.keys.count = count;
        assert_int_equal(tacit_door_write(&frame, bytes, &len), ok ? 0 : TACIT_EINVAL);
        memset(bytes, 0, sizeof bytes);
        bytes[1] = (uint8_t)(1 + count * TACIT_KEY_ID);
        bytes[2] = TACIT_DOOR_KEYS;
        len = TACIT_DOOR_HEADER + bytes[1];
        assert_int_equal(tacit_door_read(bytes, len, &got), ok ? 0 : TACIT_EFORMAT);
        assert_true(!ok || got.keys.count == count);
    }
}

static void sources_are_written_as_protocol_md_says(void **state)
{
    static const char expected[] = "\0\23\12\1\0\0\0\4\300\0\2\11\0"
                                   "\240\1\15\270\0\0\0\7";
    struct tacit_door_frame frame = {
        .type = TACIT_DOOR_SOURCES,
        .sources = {2, {UINT64_C(0x4c0000209), UINT64_C(0xa0010db800000007)}, {true}}};
    assert_int_equal(back(&frame), 0);
    assert_int_equal(len, sizeof expected - 1);
    assert_memory_equal(bytes, expected, len);
}

/* A frame of that many words, each of 1 and source 1, and so many bytes more. */
static void write_words(size_t count, size_t more)
{
    memset(bytes, 0, sizeof bytes);
    len = TACIT_DOOR_HEADER + 1 + count * 9 + more;
    bytes[0] = (uint8_t)((len - TACIT_DOOR_HEADER) >> 8);
    bytes[1] = (uint8_t)(len - TACIT_DOOR_HEADER);
    bytes[2] = TACIT_DOOR_SOURCES;
    for (size_t i = 0; i < count; i++)
        bytes[3 + 9 * i] = bytes[3 + 9 * i + 8] = 1;
}

static void one_word_of_sources_to_64_make_a_frame(void **state)
{
    static struct tacit_door_frame frame;
    frame.type = TACIT_DOOR_SOURCES;
    for (size_t count = 0; count <= 65; count++) {
        int ok = count > 0 && count <= 64 ? 0 : TACIT_EFORMAT;
        write_words(count, 0);
        assert_int_equal(tacit_door_read(bytes, len, &got), ok);
        for (size_t more = 1; more < 9; more++) {
            write_words(count, more);
            assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
        }
        frame.sources.count = count;
        for (size_t i = 0; i < count && i < 64; i++)
            frame.sources.sources[i] = i + 1;
        assert_int_equal(tacit_door_write(&frame, bytes, &len), ok ? TACIT_EINVAL : 0);
    }
    assert_int_equal(TACIT_ADMISSION_NEWS_MAX, 64);
}

static void a_word_is_known_or_forgotten_and_of_some_source(void **state)
{
    for (unsigned word = 0; word < 256; word++) {
        write_words(2, 0);
        bytes[12] = (uint8_t)word;
        assert_int_equal(tacit_door_read(bytes, len, &got), word < 2 ? 0 : TACIT_EFORMAT);
        assert_true(word > 1 || got.sources.known[1] == (word == 1));
    }
    write_words(2, 0);
    bytes[20] = 0;
    assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
    struct tacit_door_frame frame = {.type = TACIT_DOOR_SOURCES,
                                     .sources = {1, {0}, {1}}};
    assert_int_equal(tacit_door_write(&frame, bytes, &len), TACIT_EINVAL);
}

static void what_is_not_printable_is_told_as_question_marks(void **state)
{
    char text[TACIT_DOOR_TEXT_MAX + 1], long_one[2 * TACIT_DOOR_TEXT_MAX];
    tacit_door_printable("/etc/schl\303\274ssel\n", text);
    assert_string_equal(text, "/etc/schl??ssel?");
    memset(long_one, 'a', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    tacit_door_printable(long_one, text);
    assert_int_equal(strlen(text), TACIT_DOOR_TEXT_MAX);
}

static void what_cannot_stand_in_a_log_is_refused(void **state)
{
    struct tacit_door_frame frame = a_register();
    static const char bad[] = {'\n', '\0', ' ', 127, (char)0x80};
    for (size_t i = 0; i < sizeof bad; i++) {
        assert_int_equal(tacit_door_write(&frame, bytes, &len), 0);
        bytes[12] = (uint8_t)bad[i]; /* in the name */
        assert_int_equal(tacit_door_read(bytes, len, &got), TACIT_EFORMAT);
    }
    frame.reg.release[1] = '\n';
    assert_int_equal(tacit_door_write(&frame, bytes, &len), TACIT_EINVAL);
}

static void versions_types_and_families_out_of_range_are_refused(void **state)
{
    struct tacit_door_frame frame = a_register();
    frame.reg.version_min = 4;
    assert_int_equal(back(&frame), TACIT_EFORMAT);
    frame.reg.version_min = 0;
    assert_int_equal(back(&frame), TACIT_EFORMAT);
    frame = a_pass();
    frame.pass.peer.family = 5;
    assert_int_equal(tacit_door_write(&frame, bytes, &len), TACIT_EINVAL);
    for (unsigned type = 0; type < 256; type++) {
        memcpy(bytes, "\0\1", 2);
        bytes[2] = (uint8_t)type;
        bool empty = type == TACIT_DOOR_SHOW || type == TACIT_DOOR_RELOAD ||
                     type == TACIT_DOOR_END || type == TACIT_DOOR_REPORT;
        assert_int_equal(tacit_door_read(bytes, 3, &got), empty ? 0 : TACIT_EFORMAT);
    }
}

static void the_longest_texts_fit_a_frame(void **state)
{
    struct tacit_door_frame frame = a_register();
    memset(frame.reg.name, 'n', TACIT_NAME_MAX);
    memset(frame.reg.release, 'r', TACIT_DOOR_TEXT_MAX);
    frame.reg.release[TACIT_DOOR_TEXT_MAX] = '\0';
    memset(frame.reg.conf, 'c', TACIT_DOOR_TEXT_MAX);
    assert_int_equal(back(&frame), 0);
    assert_string_equal(got.reg.name, frame.reg.name);
    frame = (struct tacit_door_frame){.type = TACIT_DOOR_REPORT};
    frame.report.len = TACIT_DOOR_REPORT_MAX;
    assert_int_equal(back(&frame), 0);
    assert_int_equal(len, TACIT_DOOR_FRAME_MAX);
    assert_int_equal(got.report.len, TACIT_DOOR_REPORT_MAX);
}

static void a_reader_is_told_to_stop_where_a_frame_ends(void **state)
{
    struct tacit_door_input in = {0};
    struct tacit_door_frame frame = a_pass();
    bool bad;
    assert_int_equal(tacit_door_write(&frame, bytes, &len), 0);
    assert_int_equal(tacit_door_wants(&in, &bad), 2);
    for (size_t i = 0; i < len; i++) {
        in.bytes[in.len++] = bytes[i];
        size_t wants = tacit_door_wants(&in, &bad);
        assert_false(bad);
        assert_int_equal(wants, in.len < 2 ? 1 : len - in.len);
    }
    assert_int_equal(tacit_door_read(in.bytes, in.len, &got), 0);
}

static void a_length_that_no_frame_has_is_seen_at_once(void **state)
{
    struct tacit_door_input in = {.len = 2};
    bool bad;
    assert_int_equal(tacit_door_wants(&in, &bad), 0); /* 0: not even a type */
    assert_true(bad);
    in.bytes[0] = 3, in.bytes[1] = 0xff;
    assert_int_equal(tacit_door_wants(&in, &bad), 0);
    assert_true(bad);
    in.bytes[1] = 0xfe;
    assert_int_equal(tacit_door_wants(&in, &bad), 1022);
    assert_false(bad);
}

static void every_reason_has_a_name(void **state)
{
    for (unsigned reason = 1; reason <= TACIT_DOOR_REASON_LAST; reason++)
        assert_string_not_equal(tacit_door_reason_name((uint8_t)reason), "unknown");
    assert_string_equal(tacit_door_reason_name(0), "unknown");
    assert_string_equal(tacit_door_reason_name(255), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_written_as_protocol_md_says),
        cmocka_unit_test(every_frame_comes_back_as_it_was_written),
        cmocka_unit_test(a_frame_cut_anywhere_is_refused),
        cmocka_unit_test(a_byte_too_many_is_refused),
        cmocka_unit_test(extensions_of_a_later_version_are_passed_over),
        cmocka_unit_test(extensions_of_the_doors_own_frames_are_passed_over),
        cmocka_unit_test(the_path_of_a_configuration_is_a_text_that_comes_once),
        cmocka_unit_test(a_door_has_one_mesh_key_to_four),
        cmocka_unit_test(sources_are_written_as_protocol_md_says),
        cmocka_unit_test(one_word_of_sources_to_64_make_a_frame),
        cmocka_unit_test(a_word_is_known_or_forgotten_and_of_some_source),
        cmocka_unit_test(what_is_not_printable_is_told_as_question_marks),
        cmocka_unit_test(what_cannot_stand_in_a_log_is_refused),
        cmocka_unit_test(versions_types_and_families_out_of_range_are_refused),
        cmocka_unit_test(the_longest_texts_fit_a_frame),
        cmocka_unit_test(a_reader_is_told_to_stop_where_a_frame_ends),
        cmocka_unit_test(a_length_that_no_frame_has_is_seen_at_once),
        cmocka_unit_test(every_reason_has_a_name),
    };
    return cmocka_run_group_tests_name("door-protocol", tests, NULL, NULL);
}
