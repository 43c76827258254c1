/* The promises of the directory: a door's names, for any that may ask, over its own link.
 */
#include "test_channel.h"

#include "channel/directory.h"
#include "policy/policy.h"

#include <stdio.h>

/* i asks r's door. */
static void ask_make(struct pair *p, struct noise_keypair *door)
{
    pair_make(p);
    noise_keypair_generate(door);
    p->i.wanted = "";
    p->r.door_identity = door;
}

static void ask_open(struct pair *p, struct noise_keypair *door)
{
    ask_make(p, door);
    pair_start(p);
    pair_open(p);
}

/* ---- The handshake ----------------------------------------------------------------- */

static void an_empty_name_is_answered_by_the_door_under_its_own_key(void **state)
{
    struct pair p;
    struct noise_keypair door;
    ask_open(&p, &door);
    assert_true(p.i.hs.directory);
    assert_true(p.r.hs.directory);
    assert_memory_equal(p.i.hs.peer_key, door.public_key, NOISE_DHLEN);
    assert_memory_equal(p.i.decided, door.public_key, NOISE_DHLEN);
    assert_string_equal(p.i.hs.peer.name, TACIT_DOOR_NAME);
    assert_memory_equal(p.r.decided, p.i.identity.public_key, NOISE_DHLEN);
    assert_string_equal(p.r.hs.peer.name, TACIT_REQUESTER_NAME);
}

/* They are a node's, as its pair keys and its dynamic name are. */
static void no_side_shows_a_node_s_certificate_or_name(void **state)
{
    struct pair p;
    struct noise_keypair door;
    ask_make(&p, &door);
    p.i.certificate = p.r.certificate = "a certificate";
    p.i.dynamic = p.r.dynamic = true;
    pair_start(&p);
    pair_open(&p);
    assert_int_equal(p.i.claim.certificate_len, 0);
    assert_int_equal(p.r.claim.certificate_len, 0);
    assert_false(p.i.claim.dynamic);
    assert_false(p.r.claim.dynamic);
}

static void without_a_door_identity_an_empty_name_meets_silence(void **state)
{
    struct pair p;
    struct noise_keypair door;
    ask_make(&p, &door);
    p.r.door_identity = NULL;
    pair_start(&p);
    assert_int_equal(carry_all(&p, ANY_SIZE), TACIT_EREFUSED);
    assert_dead(&p.r);
    assert_int_equal(p.r.firsts, 0);
}

static void a_node_s_name_is_answered_under_the_node_s_key(void **state)
{
    struct pair p;
    struct noise_keypair door;
    ask_make(&p, &door);
    p.i.wanted = p.r.name;
    pair_start(&p);
    pair_open(&p);
    assert_false(p.i.hs.directory);
    assert_false(p.r.hs.directory);
    assert_memory_equal(p.i.hs.peer_key, p.r.identity.public_key, NOISE_DHLEN);
}

/* Pair keys belong to the keys of nodes: the door knows none. */
static void pair_keys_play_no_part(void **state)
{
    struct pair p;
    struct noise_keypair door;
    ask_make(&p, &door);
    memset(p.i.pair_key.bytes, 1, TACIT_KEY_BYTES);
    pair_start(&p);
    pair_open(&p);
    assert_int_equal(p.i.pair_keys + p.r.pair_keys, 0);
}

static void no_reserved_name_is_a_node_s_or_a_host_s(void **state)
{
    const char *names[] = {TACIT_DOOR_NAME, TACIT_REQUESTER_NAME};
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_false(tacit_name_ok(names[i]));
        assert_false(tacit_host_ok(names[i]));
        assert_false(tacit_glob_ok(names[i]));
    }
}

/* A peer that seals message 3 as it likes. */
static int third(bool directory, const char *name, bool dynamic)
{
    struct pair p;
    struct raw raw;
    struct noise_keypair door;
    uint8_t message[WIRE_2], payload[TACIT_CLAIM_PAYLOAD];
    struct tacit_first first = {
        .version_min = 1, .version_max = 1, .suites = 1 << 1, .time = NOW};
    struct tacit_claim claim = {.version = 1, .suite = 1, .dynamic = dynamic};
    ask_make(&p, &door);
    snprintf(first.wanted, sizeof first.wanted, "%s", directory ? "" : p.r.name);
    snprintf(claim.name, sizeof claim.name, "%s", name);
    assert_int_equal(side_start(&p.r, NOISE_RESPONDER), 0);
    raw_start(&raw, &p.i, NOISE_INITIATOR);
    assert_int_equal(tacit_first_write(&first, payload), 0);
    raw_write(&raw, payload, TACIT_FIRST_PAYLOAD, message, sizeof message);
    assert_int_equal(feed(&p.r, message, WIRE_1), 0);
    raw_read(&raw, message, take_output(&p.r, message), payload, sizeof payload);
    assert_int_equal(tacit_claim_write(&claim, payload), 0);
    raw_write(&raw, payload, sizeof payload, message, sizeof message);
    return feed(&p.r, message, WIRE_3);
}

static void on_a_directory_link_nobody_is_a_node_and_the_other_way_round(void **state)
{
    assert_int_equal(third(true, TACIT_REQUESTER_NAME, false), 0);
    assert_int_equal(third(true, "asks@one.example", false), TACIT_EFORMAT);
    assert_int_equal(third(true, TACIT_REQUESTER_NAME, true), TACIT_EFORMAT);
    assert_int_equal(third(true, "", false), TACIT_EFORMAT);
    assert_int_equal(third(false, "asks@one.example", false), 0);
    assert_int_equal(third(false, TACIT_REQUESTER_NAME, false), TACIT_EFORMAT);
}

/* ---- Question and answer ----------------------------------------------------------- */

/* Asks and answers; counts the records, and checks each name as it arrives. */
static unsigned exchange(struct pair *p, const char *const *names, size_t count)
{
    struct tacit_directory_requester requester = {0};
    uint8_t out[TACIT_DIRECTORY_ANSWER_MAX];
    char name[TACIT_CLAIM_NAME_MAX + 1], text[TACIT_CLOSE_TEXT_MAX + 1];
    enum tacit_close reason = 0;
    size_t len, from = 0, seen = 0;
    unsigned records = 0;
    assert_int_equal(tacit_directory_ask(&p->i.channel, out, &len), 0);
    assert_int_equal(tacit_directory_question(&p->r.channel, out, len), 0);
    for (bool done = false; !done;) {
        assert_int_equal(
            tacit_directory_answer(&p->r.channel, names, count, &from, out, &len, &done),
            0);
        for (size_t at = 0, size; at < len; at += size) {
            records++;
            size = tacit_record_size(out + at, len - at);
            assert_in_range(size, 1, len - at);
            int error = tacit_directory_take(&requester, &p->i.channel, out + at, size,
                                             &reason, text);
            assert_int_equal(error, done && at + size == len ? TACIT_ECLOSED : 0);
            for (; tacit_directory_next(&requester, name); seen++)
                assert_string_equal(name, names[seen]);
        }
    }
    assert_true(requester.complete);
    assert_int_equal(requester.count, count);
    assert_int_equal(seen, count);
    assert_int_equal(reason, TACIT_CLOSE_DONE);
    return records;
}

static void every_name_arrives_in_order_however_many_there_are(void **state)
{
    enum {
        MANY = 10000
    };
    static char space[MANY][64];
    static const char *names[MANY];
    const size_t counts[] = {0, 1, 2, 500, MANY};
    for (size_t i = 0; i < MANY; i++) {
        snprintf(space[i], sizeof space[i], "node%zu@db1.example.net", i);
        names[i] = space[i];
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        struct pair p;
        struct noise_keypair door;
        ask_open(&p, &door);
        unsigned records = exchange(&p, names, counts[i]);
        assert_in_range(records, 2, 3 + counts[i] / 400);
    }
}

static void names_of_every_length_fit(void **state)
{
    char longest[TACIT_CLAIM_NAME_MAX + 1];
    const char *names[300];
    struct pair p;
    struct noise_keypair door;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < COUNT(names); i++)
        names[i] = longest + i % TACIT_CLAIM_NAME_MAX;
    ask_open(&p, &door);
    exchange(&p, names, COUNT(names));
}

/* A message behind its length. */
static struct iovec message(const void *bytes, size_t len)
{
    static uint8_t space[64];
    assert_in_range(len, 0, sizeof space - 4);
    memset(space, 0, 4);
    space[3] = (uint8_t)len;
    memcpy(space + 4, bytes, len);
    return (struct iovec){.iov_base = space, .iov_len = 4 + len};
}

/* Seals data as a record of the requester's, and gives what the door says to it. */
static int ask_raw(enum tacit_record_type type, struct iovec iov)
{
    size_t len;
    struct pair p;
    struct noise_keypair door;
    uint8_t record[512];
    ask_open(&p, &door);
    assert_int_equal(
        tacit_channel_seal(&p.i.channel, type, &iov, 1, record, sizeof record, &len), 0);
    return tacit_directory_question(&p.r.channel, record, len);
}

static int question(enum tacit_record_type type, const void *data, size_t len)
{
    return ask_raw(type, message(data, len));
}

static void a_question_is_exactly_one_byte(void **state)
{
    assert_int_equal(question(TACIT_RECORD_DATA, "\1", 1), 0);
    assert_int_not_equal(question(TACIT_RECORD_DATA, "", 0), 0);
    assert_int_not_equal(question(TACIT_RECORD_DATA, "\2", 1), 0);
    assert_int_not_equal(question(TACIT_RECORD_DATA, "\1\1", 2), 0);
    assert_int_not_equal(question(TACIT_RECORD_CLOSE, "\1", 1), 0);
    /* Without its length, with another, and cut. */
    uint8_t whole[] = {0, 0, 0, 1, 1};
    assert_int_equal(ask_raw(TACIT_RECORD_DATA, (struct iovec){whole, 5}), 0);
    assert_int_not_equal(ask_raw(TACIT_RECORD_DATA, (struct iovec){whole + 4, 1}), 0);
    assert_int_not_equal(ask_raw(TACIT_RECORD_DATA, (struct iovec){whole, 4}), 0);
    whole[3] = 2;
    assert_int_not_equal(ask_raw(TACIT_RECORD_DATA, (struct iovec){whole, 5}), 0);
}

/* The requester takes records of the door's; the result of the last. */
static int answers(const char *const *data, const size_t *lens, size_t count)
{
    struct pair p;
    struct noise_keypair door;
    struct tacit_directory_requester requester = {0};
    uint8_t record[512];
    char text[TACIT_CLOSE_TEXT_MAX + 1], name[TACIT_CLAIM_NAME_MAX + 1];
    enum tacit_close reason;
    int error = 0;
    ask_open(&p, &door);
    for (size_t i = 0; i < count; i++) {
        struct iovec iov = message(data[i], lens[i]);
        size_t len;
        assert_int_equal(error, 0);
        assert_int_equal(tacit_channel_seal(&p.r.channel, TACIT_RECORD_DATA, &iov, 1,
                                            record, sizeof record, &len),
                         0);
        error =
            tacit_directory_take(&requester, &p.i.channel, record, len, &reason, text);
        while (tacit_directory_next(&requester, name))
            assert_int_equal(error, 0);
    }
    return error;
}

static int answer(const char *data, size_t len)
{
    return answers(&data, &len, 1);
}

static void a_malformed_answer_ends_the_link(void **state)
{
    assert_int_equal(answer("\2\3a@b", 5), 0);
    assert_int_equal(answer("\3\0\0\0\0", 5), 0);
    assert_int_equal(answer("", 0), TACIT_EFORMAT);
    assert_int_equal(answer("\1", 1), TACIT_EFORMAT);
    assert_int_equal(answer("\4\3a@b", 5), TACIT_EFORMAT);
    assert_int_equal(answer("\2", 1), TACIT_EFORMAT);         /* no name at all */
    assert_int_equal(answer("\2\4a@b", 5), TACIT_EFORMAT);    /* cut */
    assert_int_equal(answer("\2\0", 2), TACIT_EFORMAT);       /* an empty name */
    assert_int_equal(answer("\2\3a b", 5), TACIT_EFORMAT);    /* a space */
    assert_int_equal(answer("\2\3a\nb", 5), TACIT_EFORMAT);   /* a line's end */
    assert_int_equal(answer("\3\0\0\0", 4), TACIT_EFORMAT);   /* cut */
    assert_int_equal(answer("\3\0\0\0\1", 5), TACIT_EFORMAT); /* one that never came */
    assert_int_equal(answer("\3\0\0\0\0\0", 6), TACIT_EFORMAT);
}

static void nothing_follows_the_end_of_the_answer(void **state)
{
    const char *data[] = {"\2\3a@b", "\3\0\0\0\1", "\2\3a@b"};
    const size_t lens[] = {5, 5, 5};
    assert_int_equal(answers(data, lens, 2), 0);
    assert_int_equal(answers(data, lens, 3), TACIT_EFORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_name_is_answered_by_the_door_under_its_own_key),
        cmocka_unit_test(no_side_shows_a_node_s_certificate_or_name),
        cmocka_unit_test(without_a_door_identity_an_empty_name_meets_silence),
        cmocka_unit_test(a_node_s_name_is_answered_under_the_node_s_key),
        cmocka_unit_test(pair_keys_play_no_part),
        cmocka_unit_test(no_reserved_name_is_a_node_s_or_a_host_s),
        cmocka_unit_test(on_a_directory_link_nobody_is_a_node_and_the_other_way_round),
        cmocka_unit_test(every_name_arrives_in_order_however_many_there_are),
        cmocka_unit_test(names_of_every_length_fit),
        cmocka_unit_test(a_question_is_exactly_one_byte),
        cmocka_unit_test(a_malformed_answer_ends_the_link),
        cmocka_unit_test(nothing_follows_the_end_of_the_answer),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
