/*
 * The promises of src/session: one host dials another, or asks its door, each under a
 * configuration of its own, in memory. What a caller alone knows, the tests say.
 */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "channel/directory.h"
#include "session/session.h"
#include "tacit/suite.h"

static const uint64_t NOW = 1800000000;
static const char one[] = "a@one.example", two[] = "b@two.example";

/* Their private keys, and those of the peers' lines. */
static struct noise_keypair one_key, two_key, door_key, other_key;

/* What a host's files say. */
struct host {
    char conf[2048];
    char identity[TACIT_KEY_TEXT], door[TACIT_KEY_TEXT];
    struct tacit_policy *policy;
};

static struct host dials, answers;

/* One end of a session, and what its caller answers. */
struct end {
    struct tacit_session session;
    enum tacit_session_event event;
    struct tacit_channel channel;
    int admission;
    bool revoked;
    unsigned firsts, peers; /* how often it was asked */
};

static struct end initiator, responder;

/* --- configurations ----------------------------------------------------------------- */

static int read_memory(void *context, const char *path, enum tacit_file_kind kind,
                       char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    static const char mesh[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const struct host *host = context;
    const char *text = kind != TACIT_FILE_SECRET       ? host->conf
                       : strcmp(path, "mesh.key") == 0 ? mesh
                       : strcmp(path, "door.key") == 0 ? host->door
                                                       : host->identity;
    *ret_len = strlen(text);
    memcpy(buf, text, *ret_len);
    return 0;
}

/* A host whose one line is for that peer: its key, its door's (NULL: none). */
static void host_loads(struct host *host, const struct noise_keypair *identity,
                       const char *peer, const struct noise_keypair *key,
                       const struct noise_keypair *door, bool directory)
{
    struct tacit_files files = {host, read_memory};
    struct tacit_fault fault;
    char public_key[TACIT_KEY_TEXT], of_door[TACIT_KEY_TEXT] = "";
    tacit_key_to_text(key->public_key, public_key);
    if (door != NULL)
        tacit_key_to_text(door->public_key, of_door);
    tacit_key_to_text(identity->private_key.bytes, host->identity);
    tacit_key_to_text(door_key.private_key.bytes, host->door);
    snprintf(host->conf, sizeof host->conf,
             "[mesh]\nkey-file = mesh.key\n[host]\nidentity = id.key\n"
             "door-identity = door.key\n[peer %s]\npublic-key = %s\n%s%s\n%s",
             peer, public_key, door != NULL ? "door-key = " : "", of_door,
             directory ? "directory = yes\n" : "");
    tacit_policy_free(host->policy);
    host->policy = NULL;
    if (tacit_policy_load("conf", &files, tacit_suites_available(), &host->policy,
                          &fault))
        fail_msg("%s", fault.text);
}

/* The two hosts know each other; no end was started. */
static int setup(void **state)
{
    host_loads(&dials, &one_key, two, &two_key, &door_key, false);
    host_loads(&answers, &two_key, one, &one_key, NULL, true);
    memset(&initiator, 0, sizeof initiator);
    memset(&responder, 0, sizeof responder);
    return 0;
}

/* --- driving ------------------------------------------------------------------------ */

static void dial_as(const char *own, const char *wanted, bool dynamic)
{
    struct tacit_session_config config = {
        .role = NOISE_INITIATOR,
        .policy = dials.policy,
        .own_name = own,
        .own_dynamic = dynamic,
        .wanted = wanted,
        .now = NOW,
    };
    initiator.event = tacit_session_start(&initiator.session, &config);
}

static void answer_as(const char *own, bool gives_names)
{
    struct tacit_session_config config = {
        .role = NOISE_RESPONDER,
        .policy = answers.policy,
        .own_name = own,
        .gives_names = gives_names,
        .now = NOW,
    };
    responder.event = tacit_session_start(&responder.session, &config);
    assert_int_equal(responder.event, TACIT_SESSION_MORE);
}

/* What the end is asked, it is told: as its fields say. */
static void decide(struct end *e)
{
    struct tacit_now now = {.wall = NOW, .ends = NOW, .begins = NOW};
    struct tacit_address address;
    assert_int_equal(tacit_address_from_text("192.0.2.9", &address), 0);
    if (e->event == TACIT_SESSION_FIRST) {
        e->firsts++;
        e->event = tacit_session_first(&e->session, e->admission);
    } else if (e->event == TACIT_SESSION_PEER) {
        e->peers++;
        e->event = tacit_session_peer(&e->session, &address, &now, e->revoked);
    }
}

/* Moves what one end has to say to the other, in pieces; whether there was anything. */
static bool carry(struct end *from, struct end *to, size_t piece)
{
    const uint8_t *bytes;
    size_t len, used;
    bool moved = false;
    while (to->event == TACIT_SESSION_MORE &&
           (len = tacit_session_output(&from->session, &bytes)) > 0) {
        len = len < piece ? len : piece;
        to->event = tacit_session_feed(&to->session, bytes, len, &used);
        if (to->event == TACIT_SESSION_MORE)
            assert_int_equal(used, len);
        tacit_session_sent(&from->session, len);
        decide(to);
        moved = true;
    }
    return moved;
}

static void run(size_t piece)
{
    while (carry(&initiator, &responder, piece) | carry(&responder, &initiator, piece))
        ;
}

static void assert_events(enum tacit_session_event of_initiator,
                          enum tacit_session_event of_responder)
{
    assert_int_equal(initiator.event, of_initiator);
    assert_int_equal(responder.event, of_responder);
}

/* It says nothing more, and has no secret left. */
static void assert_over(const struct end *e, int error)
{
    const uint8_t *bytes;
    assert_int_equal(e->session.error, error);
    assert_int_equal(tacit_session_output(&e->session, &bytes), 0);
    assert_true(sodium_is_zero(e->session.handshake.noise.ck, NOISE_HASHLEN));
    assert_true(
        sodium_is_zero(e->session.handshake.noise.s.private_key.bytes, TACIT_KEY_BYTES));
}

/* The close that the refused initiator finds behind the handshake. */
static void assert_hears(enum tacit_close reason, const char *text)
{
    const uint8_t *bytes;
    uint8_t record[TACIT_RECORD_HEADER + 512];
    char heard[TACIT_CLOSE_TEXT_MAX + 1];
    enum tacit_record_type type;
    enum tacit_close why;
    size_t len = tacit_session_output(&responder.session, &bytes);
    assert_in_range(len, 1, sizeof record);
    memcpy(record, bytes, len);
    assert_int_equal(tacit_session_take(&initiator.session, &initiator.channel), 0);
    assert_int_equal(tacit_channel_open(&initiator.channel, record, len,
                                        record + TACIT_RECORD_HEADER, &len, &type),
                     0);
    assert_int_equal(type, TACIT_RECORD_CLOSE);
    assert_int_equal(tacit_close_parse(record + TACIT_RECORD_HEADER, len, &why, heard),
                     0);
    assert_int_equal(why, reason);
    assert_string_equal(heard, text);
}

static void assert_heard(struct end *from, struct end *to)
{
    static const char words[] = "said and heard";
    uint8_t record[256];
    struct iovec iov = {.iov_base = (void *)(uintptr_t)words, .iov_len = sizeof words};
    enum tacit_record_type type;
    size_t len;
    assert_int_equal(tacit_channel_seal(&from->channel, TACIT_RECORD_DATA, &iov, 1,
                                        record, sizeof record, &len),
                     0);
    assert_int_equal(
        tacit_channel_open(&to->channel, record, len, record + 2, &len, &type), 0);
    assert_memory_equal(record + 2, words, sizeof words);
}

static void assert_channels(void)
{
    assert_int_equal(tacit_session_take(&initiator.session, &initiator.channel), 0);
    assert_int_equal(tacit_session_take(&responder.session, &responder.channel), 0);
    assert_heard(&initiator, &responder);
    assert_heard(&responder, &initiator);
}

/* --- links -------------------------------------------------------------------------- */

static void two_nodes_that_know_each_other_have_a_channel(void **state)
{
    static const size_t pieces[] = {1, 2, 386, 1000, 1 << 20};
    for (size_t i = 0; i < COUNT(pieces); i++) {
        setup(state);
        dial_as(one, two, false);
        answer_as(two, false);
        run(pieces[i]);
        assert_events(TACIT_SESSION_UP, TACIT_SESSION_UP);
        assert_string_equal(initiator.session.handshake.peer.name, two);
        assert_string_equal(responder.session.handshake.peer.name, one);
        assert_string_equal(responder.session.wanted, two);
        assert_string_equal(responder.session.ruling.line, "conf:6");
        assert_int_equal(initiator.firsts, 0);
        assert_int_equal(responder.firsts + responder.peers + initiator.peers, 3);
        assert_channels();
    }
}

static void its_caller_knows_the_first_message_by_what_the_sender_has_of_it(void **state)
{
    uint8_t ephemeral[NOISE_DHLEN];
    dial_as(one, two, false);
    answer_as(two, false);
    memcpy(ephemeral, tacit_session_ephemeral(&initiator.session), NOISE_DHLEN);
    carry(&initiator, &responder, 1 << 20);
    assert_memory_equal(tacit_session_ephemeral(&responder.session), ephemeral,
                        NOISE_DHLEN);
    assert_int_equal(responder.session.handshake.first.time, NOW);
}

/* --- first messages ----------------------------------------------------------------- */

static void assert_silence(int error)
{
    run(1 << 20);
    assert_int_equal(responder.event, TACIT_SESSION_SILENT);
    assert_false(responder.session.first_seen);
    assert_int_equal(initiator.peers, 0);
    assert_over(&responder, error);
}

static void one_for_another_node_is_a_strangers_and_nobody_is_asked(void **state)
{
    static const char *const names[] = {"b@three.example", "b@two.example.net",
                                        "b@TWO.example", "c@two.example"};
    for (size_t i = 0; i < COUNT(names); i++) {
        setup(state);
        dial_as(one, two, false);
        answer_as(names[i], false);
        assert_silence(TACIT_ENAME);
        assert_int_equal(responder.firsts, 0);
    }
}

static void one_that_admission_knows_is_a_strangers(void **state)
{
    static const int errors[] = {TACIT_EREPLAY, TACIT_ETIME, TACIT_ENOMEM};
    for (size_t i = 0; i < COUNT(errors); i++) {
        setup(state);
        responder.admission = errors[i];
        dial_as(one, two, false);
        answer_as(two, false);
        assert_silence(errors[i]);
        assert_int_equal(responder.firsts, 1);
    }
}

static void garbage_is_a_strangers(void **state)
{
    uint8_t garbage[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_1];
    size_t used;
    randombytes_buf(garbage, sizeof garbage);
    garbage[0] = TACIT_MESSAGE_1 >> 8;
    garbage[1] = TACIT_MESSAGE_1 & 255;
    memcpy(garbage + TACIT_MESSAGE_HEADER, other_key.public_key, NOISE_DHLEN);
    answer_as(two, false);
    responder.event =
        tacit_session_feed(&responder.session, garbage, sizeof garbage, &used);
    assert_silence(TACIT_EAUTH);
    assert_int_equal(responder.firsts, 0);
}

static void assert_ended(int error)
{
    run(1 << 20);
    assert_int_equal(responder.event, TACIT_SESSION_FAILED);
    assert_true(responder.session.first_seen);
    assert_int_equal(responder.firsts, 1);
    assert_int_equal(initiator.peers, 0);
    assert_over(&responder, error);
}

static void one_over_the_limit_is_no_strangers_and_ends(void **state)
{
    responder.admission = TACIT_ELIMIT;
    dial_as(one, two, false);
    answer_as(two, false);
    assert_ended(TACIT_ELIMIT);
}

/* --- peers -------------------------------------------------------------------------- */

/* The responder says no: the initiator hears it inside the seal, as the first thing. */
static void assert_refused(enum tacit_close reason, const char *text)
{
    run(1 << 20);
    assert_events(TACIT_SESSION_UP, TACIT_SESSION_REFUSED);
    assert_int_equal(responder.session.ruling.reason, reason);
    assert_hears(reason, text);
    assert_int_not_equal(tacit_session_take(&responder.session, &responder.channel), 0);
}

static void one_that_no_line_knows_hears_so_inside_the_seal(void **state)
{
    host_loads(&answers, &two_key, one, &other_key, NULL, true);
    dial_as(one, two, false);
    answer_as(two, false);
    assert_refused(TACIT_CLOSE_REFUSED, "no [peer] line allows it");
}

static void one_that_the_host_has_revoked_hears_so(void **state)
{
    responder.revoked = true;
    dial_as(one, two, false);
    answer_as(two, false);
    assert_refused(TACIT_CLOSE_REVOKED, "the key is revoked");
}

static void nobody_has_our_own_name(void **state)
{
    static const char text[] = "the name b@two.example is this node's own";
    host_loads(&answers, &two_key, "*@*.example", &one_key, NULL, false);
    dial_as(two, two, false);
    answer_as(two, false);
    run(1 << 20);
    assert_events(TACIT_SESSION_FAILED, TACIT_SESSION_MORE);
    assert_string_equal(initiator.session.ruling.text, text);
    memset(&initiator, 0, sizeof initiator);
    dial_as(two, two, false);
    answer_as(two, false);
    initiator.session.own_name = one; /* as if it did not look */
    assert_refused(TACIT_CLOSE_NAME, text);
}

static void a_name_is_given_by_who_gives_names_alone(void **state)
{
    host_loads(&answers, &two_key, "*@one.example", &one_key, NULL, false);
    dial_as("one.example", two, true);
    answer_as(two, true);
    run(1 << 20);
    assert_events(TACIT_SESSION_UP, TACIT_SESSION_UP);
    assert_true(responder.session.handshake.peer.dynamic);
    memset(&initiator, 0, sizeof initiator);
    memset(&responder, 0, sizeof responder);
    dial_as("one.example", two, true);
    answer_as(two, false);
    assert_refused(TACIT_CLOSE_NAME,
                   "a C node gives no names: expected one of the peer's own");
}

/* Nothing of who asks goes to a peer that is not the one that was wanted. */
static void assert_never_introduced(int error)
{
    run(1 << 20);
    assert_events(TACIT_SESSION_FAILED, TACIT_SESSION_MORE);
    assert_int_equal(responder.peers, 0);
    assert_over(&initiator, error);
}

static void a_peer_that_our_rules_refuse_never_learns_who_asked(void **state)
{
    host_loads(&dials, &one_key, two, &other_key, &door_key, false);
    dial_as(one, two, false);
    answer_as(two, false);
    assert_never_introduced(TACIT_EREFUSED);
    assert_string_equal(ruling_of_ours(&initiator.session.ruling),
                        "no [peer] line of ours allows the key that it showed");
    setup(state);
    initiator.revoked = true;
    dial_as(one, two, false);
    answer_as(two, false);
    assert_never_introduced(TACIT_EREFUSED);
    assert_int_equal(initiator.session.ruling.reason, TACIT_CLOSE_REVOKED);
}

static void a_peer_that_may_come_can_still_be_put_off(void **state)
{
    dial_as(one, two, false);
    answer_as(two, false);
    run(1 << 20);
    assert_events(TACIT_SESSION_UP, TACIT_SESSION_UP);
    responder.event =
        tacit_session_refuse(&responder.session, TACIT_CLOSE_BUSY, "not just now");
    assert_int_equal(responder.event, TACIT_SESSION_REFUSED);
    assert_hears(TACIT_CLOSE_BUSY, "not just now");
}

/* --- doors -------------------------------------------------------------------------- */

static void a_door_is_asked_by_whom_a_line_with_directory_knows(void **state)
{
    dial_as("", "@two.example", false);
    answer_as("", false);
    run(1 << 20);
    assert_events(TACIT_SESSION_DIRECTORY, TACIT_SESSION_DIRECTORY);
    assert_memory_equal(initiator.session.handshake.peer_key, door_key.public_key,
                        NOISE_DHLEN);
    assert_string_equal(responder.session.handshake.peer.name, TACIT_REQUESTER_NAME);
    assert_channels();
}

static void a_node_that_is_its_own_door_is_asked_alike(void **state)
{
    dial_as("", "@two.example", false);
    answer_as(two, true);
    run(1 << 20);
    assert_events(TACIT_SESSION_DIRECTORY, TACIT_SESSION_DIRECTORY);
}

static void who_may_not_ask_hears_so(void **state)
{
    responder.revoked = true;
    dial_as("", "@two.example", false);
    answer_as("", false);
    run(1 << 20);
    assert_events(TACIT_SESSION_DIRECTORY, TACIT_SESSION_REFUSED);
    assert_hears(TACIT_CLOSE_REFUSED, "the key is revoked");
    setup(state);
    host_loads(&answers, &two_key, one, &one_key, NULL, false);
    dial_as("", "@two.example", false);
    answer_as("", false);
    run(1 << 20);
    assert_events(TACIT_SESSION_DIRECTORY, TACIT_SESSION_REFUSED);
    assert_int_equal(responder.session.ruling.reason, TACIT_CLOSE_REFUSED);
}

static void a_door_is_no_node(void **state)
{
    dial_as(one, two, false);
    answer_as("", false);
    assert_silence(TACIT_ENAME);
}

static void a_door_with_another_key_or_a_revoked_one_is_not_asked(void **state)
{
    host_loads(&dials, &one_key, two, &two_key, &other_key, false);
    dial_as("", "@two.example", false);
    answer_as("", false);
    assert_never_introduced(TACIT_EREFUSED);
    assert_string_equal(initiator.session.ruling.text,
                        "the door shows another key than its door-key");
    setup(state);
    initiator.revoked = true;
    dial_as("", "@two.example", false);
    answer_as("", false);
    assert_never_introduced(TACIT_EREFUSED);
    assert_string_equal(initiator.session.ruling.text, "the door's key is revoked");
}

static void a_door_that_no_line_knows_is_not_dialled(void **state)
{
    dial_as("", "@three.example", false);
    assert_int_equal(initiator.event, TACIT_SESSION_FAILED);
    assert_over(&initiator, TACIT_EREFUSED);
}

/* --- the end ------------------------------------------------------------------------ */

static void where_the_connection_ends_nothing_is_said_and_no_secret_is_left(void **state)
{
    dial_as(one, two, false);
    assert_int_equal(tacit_session_fail(&initiator.session, TACIT_ETIMEOUT),
                     TACIT_SESSION_FAILED);
    assert_over(&initiator, TACIT_ETIMEOUT);
    dial_as(one, two, false);
    answer_as(two, false);
    carry(&initiator, &responder, 1 << 20);
    assert_int_equal(tacit_session_fail(&responder.session, TACIT_ETRUNCATED),
                     TACIT_SESSION_FAILED);
    assert_over(&responder, TACIT_ETRUNCATED);
}

static int make_keys(void **state)
{
    noise_keypair_generate(&one_key);
    noise_keypair_generate(&two_key);
    noise_keypair_generate(&door_key);
    noise_keypair_generate(&other_key);
    return 0;
}

#define PROMISE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        PROMISE(two_nodes_that_know_each_other_have_a_channel),
        PROMISE(its_caller_knows_the_first_message_by_what_the_sender_has_of_it),
        PROMISE(one_for_another_node_is_a_strangers_and_nobody_is_asked),
        PROMISE(one_that_admission_knows_is_a_strangers),
        PROMISE(garbage_is_a_strangers),
        PROMISE(one_over_the_limit_is_no_strangers_and_ends),
        PROMISE(one_that_no_line_knows_hears_so_inside_the_seal),
        PROMISE(one_that_the_host_has_revoked_hears_so),
        PROMISE(nobody_has_our_own_name),
        PROMISE(a_name_is_given_by_who_gives_names_alone),
        PROMISE(a_peer_that_our_rules_refuse_never_learns_who_asked),
        PROMISE(a_peer_that_may_come_can_still_be_put_off),
        PROMISE(a_door_is_asked_by_whom_a_line_with_directory_knows),
        PROMISE(a_node_that_is_its_own_door_is_asked_alike),
        PROMISE(who_may_not_ask_hears_so),
        PROMISE(a_door_is_no_node),
        PROMISE(a_door_with_another_key_or_a_revoked_one_is_not_asked),
        PROMISE(a_door_that_no_line_knows_is_not_dialled),
        PROMISE(where_the_connection_ends_nothing_is_said_and_no_secret_is_left),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
