/*
 * Every row of src/channel/NEGATIVE.md, which is this program's argument: what is wrong
 * with a message or record ends with the error that stands there.
 */
#include "test_negative.h"

#include <stdio.h>

#include "channel/directory.h"
#include "channel/rekey.h"

static struct pair p;
static uint8_t record[TACIT_RECORD_MAX];
static size_t record_len;

static void open_pair(void)
{
    make_sides(&p);
    pair_start(&p);
    pair_open(&p);
}

static void seal(struct tacit_channel *ch, int type, const uint8_t *data, size_t len)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    assert_int_equal(tacit_channel_seal(ch, (enum tacit_record_type)type, &iov, 1, record,
                                        sizeof record, &record_len),
                     0);
}

/* Opens the record: its data stay in place. */
static int open_record(struct tacit_channel *ch, size_t *ret_len,
                       enum tacit_record_type *ret_type)
{
    return tacit_channel_open(ch, record, record_len, record + TACIT_RECORD_HEADER,
                              ret_len, ret_type);
}

static int take_record(const struct row *row)
{
    static const uint8_t data[10] = "ten bytes";
    enum tacit_record_type type;
    size_t len;
    open_pair();
    struct tacit_channel *from = says(row, "back") ? &p.r.channel : &p.i.channel;
    if (says(row, "skip"))
        seal(from, TACIT_RECORD_DATA, data, sizeof data);
    if (says(row, "worn-records"))
        p.r.channel.receive.counter = UINT64_C(1) << 32;
    if (says(row, "worn-bytes"))
        p.r.channel.receive.bytes = UINT64_C(1) << 38;
    seal(from, row->type, data, sizeof data);
    edit_bytes(row, 'w', record, record_len);
    if (row->grow != 0) {
        record_len = resize(row, record, record_len);
        record[0] = (uint8_t)((record_len - TACIT_RECORD_HEADER) >> 8);
        record[1] = (uint8_t)(record_len - TACIT_RECORD_HEADER);
    }
    uint8_t copy[64];
    memcpy(copy, record, record_len);
    int error = open_record(&p.r.channel, &len, &type);
    if (!error && says(row, "again")) {
        memcpy(record, copy, record_len);
        error = open_record(&p.r.channel, &len, &type);
    }
    if (error) {
        assert_true(p.r.channel.failed);
        assert_true(sodium_is_zero(p.r.channel.root, NOISE_HASHLEN));
    }
    return error;
}

static int take_close(const struct row *row)
{
    uint8_t data[TACIT_CONTROL_MAX] = {1};
    char text[TACIT_CLOSE_TEXT_MAX + 1];
    enum tacit_close reason;
    edit_bytes(row, 'p', data, 1);
    return tacit_close_parse(data, resize(row, data, 1), &reason, text);
}

/* --- what is sealed in records ------------------------------------------------------ */

/* The record is from's and as it should be: opens it, changes its data, seals again. */
static void change(const struct row *row, const struct tacit_channel *before,
                   const struct tacit_channel *receiver)
{
    static struct tacit_channel from, to;
    uint8_t data[2 * TACIT_CONTROL_MAX];
    enum tacit_record_type type;
    size_t len;
    from = *before;
    to = *receiver;
    assert_int_equal(open_record(&to, &len, &type), 0);
    memcpy(data, record + TACIT_RECORD_HEADER, len);
    edit_bytes(row, 'p', data, len);
    seal(&from, type, data, resize(row, data, len));
}

static struct tacit_rekey_keys keys_of(const struct side *s)
{
    return (struct tacit_rekey_keys){
        .identity = &s->identity, .peer_key = s->hs.peer_key, .pair_key = s->pair_key};
}

/* The record arrives at a side; what it answers is the next record. */
static int step(struct side *s)
{
    struct tacit_rekey_keys keys = keys_of(s);
    uint8_t answer[TACIT_REKEY_RECORD_MAX];
    enum tacit_record_type type;
    size_t len, answer_len;
    assert_int_equal(open_record(&s->channel, &len, &type), 0);
    assert_int_equal(type, TACIT_RECORD_REKEY);
    int error = tacit_rekey_take(&s->channel, &keys, record + TACIT_RECORD_HEADER, len,
                                 answer, sizeof answer, &answer_len);
    if (!error)
        memcpy(record, answer, record_len = answer_len);
    else /* its close can still be told */
        assert_int_equal(tacit_channel_seal_close(&s->channel, TACIT_CLOSE_PROTOCOL, "",
                                                  answer, sizeof answer, &len),
                         0);
    return error;
}

static void make_offer(void)
{
    struct tacit_rekey_keys keys = keys_of(&p.i);
    assert_int_equal(
        tacit_rekey_offer(&p.i.channel, &keys, record, sizeof record, &record_len), 0);
}

/* Offer, accept and switch in turn, of which the row's section names the last. */
static int take_step(const struct row *row)
{
    static struct tacit_channel before;
    bool offer = strcmp(row->section, "Offer") == 0;
    bool accept = strcmp(row->section, "Accept") == 0;
    open_pair();
    before = p.i.channel;
    if (says(row, "identity"))
        noise_keypair_generate(&p.i.identity);
    if (says(row, "pair-key"))
        p.i.pair_key.bytes[0] ^= 1;
    make_offer();
    if (offer)
        change(row, &before, &p.r.channel);
    before = p.r.channel;
    int error = step(&p.r);
    if (!error && offer && says(row, "again")) {
        tacit_wipe(&p.i.channel.rekey, sizeof p.i.channel.rekey); /* it forgets */
        make_offer();
        return step(&p.r);
    }
    if (error || offer)
        return error;
    if (accept)
        change(row, &before, &p.i.channel);
    before = p.i.channel;
    error = step(&p.i);
    if (error || accept)
        return error;
    change(row, &before, &p.r.channel);
    error = step(&p.r);
    if (!error && says(row, "again")) {
        static const uint8_t once_more[] = {3, 0, 0, 0, 1};
        seal(&p.i.channel, TACIT_RECORD_REKEY, once_more, sizeof once_more);
        error = step(&p.r);
    }
    return error;
}

static int take_question(const struct row *row)
{
    static struct tacit_channel before;
    open_pair();
    before = p.i.channel;
    assert_int_equal(tacit_directory_ask(&p.i.channel, record, &record_len), 0);
    change(row, &before, &p.r.channel);
    return tacit_directory_question(&p.r.channel, record, record_len);
}

static int requester_takes(struct tacit_directory_requester *requester)
{
    enum tacit_close reason;
    char text[TACIT_CLOSE_TEXT_MAX + 1], name[TACIT_CLAIM_NAME_MAX + 1];
    int error =
        tacit_directory_take(requester, &p.i.channel, record, record_len, &reason, text);
    while (!error && tacit_directory_next(requester, name))
        assert_string_equal(name, "a@b");
    return error;
}

/* The names, then the end of them, of which the row's section names the last. */
static int take_answer(const struct row *row)
{
    static const uint8_t names[] = {0, 0, 0, 5, 2, 3, 'a', '@', 'b'};
    static const uint8_t end[] = {0, 0, 0, 5, 3, 0, 0, 0, 1};
    static struct tacit_channel before;
    struct tacit_directory_requester requester = {0};
    open_pair();
    before = p.r.channel;
    seal(&p.r.channel, TACIT_RECORD_DATA, names, sizeof names);
    if (strcmp(row->section, "Names") == 0) {
        change(row, &before, &p.i.channel);
        return requester_takes(&requester);
    }
    assert_int_equal(requester_takes(&requester), 0);
    before = p.r.channel;
    if (says(row, "close"))
        assert_int_equal(tacit_channel_seal_close(&p.r.channel, TACIT_CLOSE_DONE, "",
                                                  record, sizeof record, &record_len),
                         0);
    else
        seal(&p.r.channel, TACIT_RECORD_DATA, end, sizeof end);
    change(row, &before, &p.i.channel);
    int error = requester_takes(&requester);
    if (!error && says(row, "again")) {
        seal(&p.r.channel, TACIT_RECORD_DATA, end, sizeof end);
        error = requester_takes(&requester);
    }
    assert_true(error || requester.complete);
    return error;
}

/* --- all rows ----------------------------------------------------------------------- */

static const struct {
    const char *section;
    int (*take)(const struct row *row);
} takers[] = {
    {"Message 1", take_message_1}, {"Message 2", take_message_2},
    {"Message 3", take_message_3}, {"Records", take_record},
    {"Close", take_close},         {"Offer", take_step},
    {"Accept", take_step},         {"Switch", take_step},
    {"Question", take_question},   {"Names", take_answer},
    {"End", take_answer},
};

static int take(const struct row *row)
{
    for (size_t i = 0; i < COUNT(takers); i++)
        if (strcmp(row->section, takers[i].section) == 0)
            return takers[i].take(row);
    fail_msg("no section is called %s", row->section);
    return 0;
}

static void the_row_holds(void **state)
{
    struct row *row = *state;
    read_change(row);
    assert_string_equal(tacit_error_name(take(row)), row->error);
}

/* What is in no row must be an error that no bytes of a peer's bring about. */
static void every_error_that_a_peer_can_cause_has_a_row(void **state)
{
    static const enum tacit_error ours[] = {TACIT_ENOMEM,  TACIT_ESYSTEM, TACIT_ECRYPTO,
                                            TACIT_EINVAL,  TACIT_ESTATE,  TACIT_ESPACE,
                                            TACIT_ECONFIG, TACIT_EABSENT};
    for (int error = TACIT_OK + 1; error < TACIT_ERROR_COUNT; error++) {
        bool there = false;
        for (size_t i = 0; i < COUNT(ours); i++)
            there = there || (int)ours[i] == error;
        for (size_t i = 0; i < row_count; i++)
            there = there || strcmp(rows[i].error, tacit_error_name(error)) == 0;
        if (!there)
            fail_msg("%s has no row", tacit_error_name(error));
    }
}

/* A message that nothing is wrong with is taken: so it was the change that was refused.
 */
static void unchanged_each_is_taken(void **state)
{
    for (size_t i = 0; i < COUNT(takers); i++) {
        struct row row = {.type = TACIT_RECORD_DATA};
        snprintf(row.section, sizeof row.section, "%s", takers[i].section);
        assert_int_equal(takers[i].take(&row), 0);
    }
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[ROWS_MAX + 2];
    size_t count = 0;
    if (argc != 2 || sodium_init() < 0 || !read_tables(argv[1]))
        return 1;
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].change[0] != '\0')
            tests[count++] = (struct CMUnitTest){.name = rows[i].name,
                                                 .test_func = the_row_holds,
                                                 .initial_state = &rows[i]};
    tests[count++] = (struct CMUnitTest)cmocka_unit_test(unchanged_each_is_taken);
    tests[count++] =
        (struct CMUnitTest)cmocka_unit_test(every_error_that_a_peer_can_cause_has_a_row);
    return _cmocka_run_group_tests("negative", tests, count, NULL, NULL);
}
