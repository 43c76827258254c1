/* The promises of src/guard/guard.h, judge.h, control.h, requests.h and answer.h. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "guard/guard.h"
#include "guard_bytes.h"

/* How a message comes: each is tried in each form. */
enum form {
    HEADED, /* with a header that names no atoms */
    CACHED, /* with one that fills a slot */
    PLAIN,  /* neither cache nor fragments were agreed on */
    PIECE,  /* in one fragment */
    FORMS,
};

static const char own[] = "own@host", peer[] = "peer@host";
static const uint64_t cache_flags =
    TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS | TACIT_GUARD_FLAG_RECORDS;

static struct emulator emulator;
static struct tacit_role role;
static struct tacit_guard_link *the_link;
static struct tacit_guard_verdict verdict;
static struct bytes b;
static enum form form;
static int64_t now;
static unsigned filled; /* slots */

static void set(const char *key, const char *value)
{
    const char *expected = NULL;
    if (tacit_role_set(&role, key, value, 1, &expected) != 0)
        fail_msg("%s = %s: expected %s", key, value, expected);
}

static struct tacit_guard_hello hello(const char *name, uint32_t creation)
{
    static struct bytes messages[2];
    struct bytes *m = &messages[creation % 2];
    struct tacit_guard_hello ret;
    m->len = 0;
    put_u8(m, 'N');
    put_u64(m, form == PLAIN ? 0 : cache_flags);
    put_u32(m, creation);
    put_u16(m, (unsigned)strlen(name));
    put(m, name, strlen(name));
    assert_true(tacit_guard_hello(m->at, m->len, false, &ret));
    return ret;
}

/* A link anew, of that form, with the role as it is. */
static void link_of(enum form of)
{
    form = of;
    struct tacit_guard_start start = {.role = &role,
                                      .asks = &emulator.asks,
                                      .limits = wide,
                                      .own = hello(own, 2),
                                      .peer = hello(peer, 3)};
    tacit_guard_link_free(the_link);
    the_link = tacit_guard_link_new(&start);
    assert_non_null(the_link);
}

static int start(void **state)
{
    emulator_init(&emulator, "", 10000);
    tacit_role_init(&role);
    the_link = NULL;
    now = 1000000;
    link_of(HEADED);
    return 0;
}

static int end(void **state)
{
    tacit_guard_link_free(the_link);
    tacit_role_free(&role);
    return 0;
}

/* --- messages --------------------------------------------------------------------------
 */

static void control(unsigned arity, unsigned number)
{
    static char text[20];
    const struct slot slot = {filled++ % 2000, text};
    b.len = 0;
    if (form == PLAIN) {
        put(&b, "\x70\x83", 2);
    } else if (form == PIECE) {
        put(&b, "\x83\x45", 2);
        put_u64(&b, 99);
        put_u64(&b, 1);
        put_header(&b, NULL, 0);
    } else {
        put(&b, "\x83\x44", 2);
        snprintf(text, sizeof text, "slot %u", filled);
        put_header(&b, &slot, form == CACHED);
    }
    put_tuple(&b, arity);
    put_int(&b, number);
}

static void payload(void)
{
    if (form == PLAIN)
        put_u8(&b, 131);
}

static void put_own_pid(uint32_t number)
{
    put_pid(&b, own, number, 2);
}

static void put_peer_pid(void)
{
    put_pid(&b, peer, 7, 3);
}

static void put_peer_reference(void)
{
    put_reference(&b, peer, 3);
}

static void come(void)
{
    tacit_guard_in(the_link, b.at, b.len, now, &verdict);
}

/* It is delivered as it came. */
static void assert_passes(void)
{
    come();
    char text[TACIT_GUARD_OPERATION_MAX];
    tacit_guard_operation_text(&verdict.ruling, text);
    if (verdict.cut || verdict.ruling.refused)
        fail_msg("form %d: cut '%s', refused '%s'", form,
                 tacit_guard_reason_text(verdict.cut), text);
    assert_int_equal(verdict.rest, 0);
    assert_int_equal(verdict.before_len, 0);
    assert_int_equal(verdict.answer_len, 0);
}

/* None of it is delivered, but for what fills its slots; and it is told as that. */
static void assert_refused(const char *operation)
{
    come();
    assert_int_equal(verdict.cut, TACIT_GUARD_FINE);
    char text[TACIT_GUARD_OPERATION_MAX];
    tacit_guard_operation_text(&verdict.ruling, text);
    assert_string_equal(text, operation);
    assert_true(verdict.ruling.refused);
    assert_int_equal(verdict.rest, b.len);
    assert_int_equal(verdict.before_len > 0, form == CACHED);
}

static void assert_cut(enum tacit_guard_reason reason)
{
    come();
    if (verdict.cut != reason)
        fail_msg("form %d: %s", form, tacit_guard_reason_text(verdict.cut));
}

/* The answer is that control, from its tuple on. */
static void assert_answer(const struct bytes *expected)
{
    static struct bytes whole;
    whole.len = 0;
    if (form == PLAIN)
        put(&whole, "\x70\x83", 2);
    else
        put(&whole, "\x83\x44\0", 3);
    put(&whole, expected->at, expected->len);
    assert_int_equal(verdict.answer_len, whole.len);
    assert_memory_equal(verdict.answer, whole.at, whole.len);
}

static void reg_send(const char *name)
{
    control(4, 6);
    put_peer_pid();
    put_atom(&b, "");
    put_atom(&b, name);
    payload();
}

static void send_pid(uint32_t number)
{
    control(3, 22);
    put_peer_pid();
    put_own_pid(number);
    payload();
}

static void monitor(const char *name)
{
    control(4, 19);
    put_peer_pid();
    put_atom(&b, name);
    put_peer_reference();
}

/* As erpc, spawn and their kin ask: its arguments follow. */
static void spawn_request(const char *m, const char *f, unsigned arity)
{
    control(6, 29);
    put_peer_reference();
    put_peer_pid();
    put_peer_pid();
    put_tuple(&b, 3);
    put_atom(&b, m);
    put_atom(&b, f);
    put_int(&b, arity);
    put_list(&b, 1);
    put_atom(&b, "monitor");
    put_nil(&b);
    payload();
}

static void put_arguments(unsigned number)
{
    if (number > 0)
        put_list(&b, number);
    for (unsigned i = 0; i < number; i++)
        put_int(&b, i);
    put_nil(&b);
}

static void erpc_call(const char *m, const char *f, unsigned arity)
{
    spawn_request("erpc", "execute_call", 4);
    put_list(&b, 4);
    put_peer_reference();
    put_atom(&b, m);
    put_atom(&b, f);
    put_arguments(arity);
    put_nil(&b);
}

static void erpc_cast(const char *m, const char *f, unsigned arity)
{
    spawn_request("erpc", "execute_cast", 3);
    put_list(&b, 3);
    put_atom(&b, m);
    put_atom(&b, f);
    put_arguments(arity);
    put_nil(&b);
}

/* {call, M, F, Args, user} and its kin */
static void put_rex_request(const char *word, const char *m, const char *f,
                            unsigned arity)
{
    put_tuple(&b, 5);
    put_atom(&b, word);
    put_atom(&b, m);
    put_atom(&b, f);
    put_arguments(arity);
    put_atom(&b, "user");
}

static void put_gen_call(void)
{
    put_tuple(&b, 3);
    put_atom(&b, "$gen_call");
    put_tuple(&b, 2);
    put_peer_pid();
    put_peer_reference();
}

/* What this node sends: the pid in it is shown. */
static void we_send_pid(uint32_t number)
{
    static struct bytes ours;
    ours.len = 0;
    if (form == PLAIN)
        put(&ours, "\x70\x83", 2);
    else
        put(&ours, "\x83\x44\0", 3);
    put_tuple(&ours, 3);
    put_int(&ours, 2);
    put_atom(&ours, "");
    put_pid(&ours, peer, 7, 3);
    if (form == PLAIN)
        put_u8(&ours, 131);
    put_pid(&ours, own, number, 2);
    struct iovec iov = {ours.at, ours.len};
    tacit_guard_out(the_link, &iov, 1);
}

/* --- promises
 * --------------------------------------------------------------------------- */

static void each_form(void (*promise)(void))
{
    for (int f = 0; f < FORMS; f++) {
        link_of((enum form)f);
        promise();
    }
}

static void names(void)
{
    reg_send("ingest");
    put_binary(&b, 100);
    assert_passes();
    reg_send("other");
    put_binary(&b, 100);
    assert_refused("send other");
    assert_int_equal(verdict.answer_len, 0);
    monitor("ingest");
    assert_passes();
    monitor("other");
    assert_refused("send other");
    static struct bytes down;
    down.len = 0;
    put_tuple(&down, 4);
    put_int(&down, 28);
    put_atom(&down, "other");
    put_pid(&down, peer, 7, 3);
    put_reference(&down, peer, 3);
    if (form == PLAIN)
        put_u8(&down, 131);
    put_atom(&down, "noproc");
    assert_answer(&down);
}

static void a_name_that_the_role_does_not_say_is_one_that_nobody_has(void **state)
{
    set("send", "ingest");
    each_form(names);
}

static void pids(void)
{
    send_pid(5);
    put_nil(&b);
    assert_refused("pids");
    we_send_pid(5);
    send_pid(5);
    put_nil(&b);
    assert_passes();
    send_pid(6);
    put_nil(&b);
    assert_refused("pids");
    control(3, 2); /* SEND, which has no sender */
    put_atom(&b, "");
    put_own_pid(5);
    payload();
    put_nil(&b);
    assert_passes();
    control(3, 2);
    put_atom(&b, "");
    put_own_pid(0);
    payload();
    put_tuple(&b, 2);
    put_atom(&b, "stop");
    put_atom(&b, "stop");
    assert_refused("pids"); /* init, <0.0.0> */
    control(3, 22);
    put_peer_pid();
    put_pid(&b, own, 5, 1); /* of an earlier life of this node */
    payload();
    put_nil(&b);
    assert_refused("pids");
    control(4, 19);
    put_peer_pid();
    put_own_pid(5);
    put_peer_reference();
    assert_passes();
}

static void a_pid_is_reached_once_it_was_shown(void **state)
{
    each_form(pids);
}

static void a_role_may_reach_any_pid_or_none(void **state)
{
    set("pids", "any");
    send_pid(77);
    put_nil(&b);
    assert_passes();
    set("pids", "none");
    we_send_pid(5);
    send_pid(5);
    put_nil(&b);
    assert_refused("pids");
}

static void signals(void)
{
    we_send_pid(5);
    const struct {
        unsigned number, parts;
        bool with_payload;
        const char *word;
    } rows[] = {
        {1, 2, false, "link"}, {8, 3, false, "exit"}, {18, 4, false, "exit"},
        {26, 2, true, "exit"}, {27, 3, true, "exit"}, {7, 2, false, "group-leader"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        role.may = 0;
        for (int round = 0; round < 3; round++) {
            control(1 + rows[i].parts, rows[i].number);
            put_peer_pid();
            put_own_pid(round == 2 ? 6 : 5);
            for (unsigned part = 2; part < rows[i].parts; part++)
                put_atom(&b, "kill");
            if (rows[i].with_payload) {
                payload();
                put_atom(&b, "kill");
            }
            if (round == 0)
                assert_refused(rows[i].word);
            else if (round == 1)
                assert_passes();
            else
                assert_refused("pids");
            set("may", rows[i].word);
        }
    }
}

static void links_exits_and_leaders_take_a_word_and_a_pid_that_was_shown(void **state)
{
    each_form(signals);
}

static void a_refused_link_is_answered_as_of_a_process_that_is_gone(void **state)
{
    static struct bytes gone;
    control(3, 1);
    put_peer_pid();
    put_own_pid(5);
    assert_refused("link");
    put_tuple(&gone, 3);
    put_int(&gone, 24);
    put_pid(&gone, own, 5, 2);
    put_pid(&gone, peer, 7, 3);
    put_atom(&gone, "noproc");
    assert_answer(&gone);
}

static void answers(void)
{
    const struct {
        const char *what;
        unsigned number;
        const char *parts; /* p ours, P the peer's, r, i, a; then whether P follows */
        bool with_payload;
    } rows[] = {
        {"EXIT", 3, "Ppa", false},
        {"EXIT_TT", 13, "Ppaa", false},
        {"PAYLOAD_EXIT", 24, "Pp", true},
        {"PAYLOAD_EXIT_TT", 25, "Ppa", true},
        {"UNLINK", 4, "Pp", false},
        {"UNLINK_ID", 35, "iPp", false},
        {"UNLINK_ID_ACK", 36, "iPp", false},
        {"DEMONITOR_P", 20, "Ppr", false},
        {"DEMONITOR_P of a name", 20, "Par", false},
        {"MONITOR_P_EXIT", 21, "Ppra", false},
        {"PAYLOAD_MONITOR_P_EXIT", 28, "apr", true},
        {"SPAWN_REPLY", 31, "rpiP", false},
        {"SPAWN_REPLY_TT", 32, "rpiaa", false},
        {"ALIAS_SEND", 33, "Pr", true},
        {"ALIAS_SEND_TT", 34, "Pra", true},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        control((unsigned)strlen(rows[i].parts) + 1, rows[i].number);
        for (const char *part = rows[i].parts; *part != '\0'; part++) {
            if (*part == 'p')
                put_own_pid(5);
            else if (*part == 'P')
                put_peer_pid();
            else if (*part == 'r')
                put_reference(&b, own, 3);
            else if (*part == 'i')
                put_int(&b, 1);
            else
                put_atom(&b, "a");
        }
        size_t control_end = b.len;
        if (rows[i].with_payload) {
            payload();
            put_external(&b, "lists", "map", 2);
        }
        assert_passes();
        /* What is no such message ends the link. */
        if (form != PIECE) {
            put_u8(&b, 106);
            assert_cut(TACIT_GUARD_TRAILING);
            b.len = control_end;
            b.at[b.len - 1]++;
        }
    }
}

static void what_answers_this_node_always_passes(void **state)
{
    each_form(answers);
}

static void altact_flags(void)
{
    we_send_pid(5);
    const struct {
        unsigned flags;
        char to;             /* p shown, P not shown, r a reference, a and A names */
        const char *refused; /* NULL: passes */
    } rows[] = {
        {0, 'p', NULL},    {1, 'p', NULL},     {0, 'P', "pids"},   {4, 'r', NULL},
        {8, 'a', NULL},    {8, 'A', "send A"}, {9, 'A', "send A"}, {16, 'p', "exit"},
        {20, 'r', "exit"}, {24, 'a', "exit"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (unsigned token = 0; token <= 2; token += 2) {
            control(token ? 5 : 4, 37);
            put_int(&b, rows[i].flags | token);
            put_peer_pid();
            if (rows[i].to == 'r')
                put_reference(&b, own, 3);
            else if (rows[i].to == 'p' || rows[i].to == 'P')
                put_own_pid(rows[i].to == 'p' ? 5 : 6);
            else
                put_atom(&b, rows[i].to == 'a' ? "ingest" : "A");
            if (token)
                put_nil(&b);
            payload();
            put_nil(&b);
            if (rows[i].refused == NULL)
                assert_passes();
            else
                assert_refused(rows[i].refused);
        }
    }
    control(4, 37); /* both a name and an alias */
    put_int(&b, 12);
    put_peer_pid();
    put_atom(&b, "ingest");
    payload();
    put_nil(&b);
    assert_cut(TACIT_GUARD_CONTROL);
}

static void signals_of_otp_28_are_what_their_flags_say(void **state)
{
    set("send", "ingest");
    each_form(altact_flags);
}

/* The request as it is delivered: what stands before, and the rest of its own. */
static void delivered(struct bytes *whole)
{
    whole->len = 0;
    put(whole, verdict.before, verdict.before_len);
    put(whole, b.at + verdict.rest, b.len - verdict.rest);
}

/* It is delivered, with options of ours. */
static void assert_spawns(void)
{
    static struct bytes whole, expected;
    come();
    char text[TACIT_GUARD_OPERATION_MAX];
    tacit_guard_operation_text(&verdict.ruling, text);
    if (verdict.cut || verdict.ruling.refused)
        fail_msg("form %d: cut '%s', refused '%s'", form,
                 tacit_guard_reason_text(verdict.cut), text);
    delivered(&whole);
    expected.len = 0;
    put_list(&expected, 3);
    put_atom(&expected, "monitor");
    put_tuple(&expected, 2);
    put_atom(&expected, "priority");
    put_atom(&expected, "low");
    put_tuple(&expected, 2);
    put_atom(&expected, "max_heap_size");
    put(&expected, "\x6e\x8\0\0\0\x80\0\0\0\0\0\x6a", 12);
    assert_non_null(memmem(whole.at, whole.len, expected.at, expected.len));
    assert_int_equal(whole.len + strlen("\x6c\1\1\1\1\x77\7monitor\x6a"),
                     b.len + expected.len);
}

static void assert_spawn_refused(const char *operation, const char *error)
{
    static struct bytes reply;
    assert_refused(operation);
    reply.len = 0;
    put_tuple(&reply, 5);
    put_int(&reply, 31);
    put_reference(&reply, peer, 3);
    put_pid(&reply, peer, 7, 3);
    put_int(&reply, 0);
    put_atom(&reply, error);
    assert_answer(&reply);
}

/* The call is over: its process has ended. */
static void we_end_call(void)
{
    static struct bytes ours;
    ours.len = 0;
    if (form == PLAIN)
        put(&ours, "\x70\x83", 2);
    else
        put(&ours, "\x83\x44\0", 3);
    put_tuple(&ours, 4);
    put_int(&ours, 28);
    put_pid(&ours, own, 50, 2);
    put_pid(&ours, peer, 7, 3);
    put_reference(&ours, peer, 3);
    if (form == PLAIN)
        put_u8(&ours, 131);
    put_atom(&ours, "normal");
    struct iovec iov[] = {{ours.at, 10}, {ours.at + 10, ours.len - 10}};
    tacit_guard_out(the_link, iov, 2);
}

static void calls(void)
{
    erpc_call("erlang", "memory", 0);
    assert_spawns();
    we_end_call();
    erpc_call("m", "f", 2);
    assert_spawns();
    we_end_call();
    erpc_cast("m", "f", 2);
    assert_spawns();
    we_end_call();
    erpc_call("os", "cmd", 1);
    assert_spawn_refused("call os:cmd/1", "eacces");
    erpc_cast("os", "cmd", 1);
    assert_spawn_refused("call os:cmd/1", "eacces");
    erpc_call("m", "f", 3);
    assert_spawn_refused("call m:f/3", "eacces");
    erpc_call("erpc", "execute_call", 3);
    assert_spawn_refused("call erpc:execute_call/3", "eacces");
    spawn_request("m", "f", 2); /* spawned itself, which is another word */
    put_arguments(2);
    assert_spawn_refused("spawn m:f/2", "eacces");
    spawn_request("s", "f", 2);
    put_arguments(2);
    assert_spawns();
    we_end_call();
    spawn_request("s", "f", 4);
    put(&b, "\x6b\0\4abcd", 7); /* arguments that are a string of bytes */
    assert_spawns();
    we_end_call();
    spawn_request("erlang", "apply", 2);
    put_list(&b, 2);
    put_external(&b, "m", "f", 0);
    put_nil(&b);
    put_nil(&b);
    assert_spawn_refused("spawn fun erlang:apply/2", "eacces");
    assert_int_equal(tacit_guard_link_calls(the_link), 0);
}

static void only_functions_that_the_role_names_are_called(void **state)
{
    set("call", "erlang:memory/0-1, m:f/2");
    set("spawn", "s:*");
    each_form(calls);
}

static void arguments(void)
{
    /* [Ref, m, f, [1 | [2]]]: an argument more than the list says. */
    spawn_request("erpc", "execute_call", 4);
    put_list(&b, 4);
    put_peer_reference();
    put_atom(&b, "m");
    put_atom(&b, "f");
    put_list(&b, 1);
    put_int(&b, 1);
    put_arguments(1);
    put_nil(&b);
    assert_cut(TACIT_GUARD_ARGUMENTS);
    /* [Ref, m, f, [1] | [2]] */
    spawn_request("erpc", "execute_call", 4);
    put_list(&b, 4);
    put_peer_reference();
    put_atom(&b, "m");
    put_atom(&b, "f");
    put_arguments(1);
    put_arguments(1);
    assert_cut(TACIT_GUARD_ARGUMENTS);
    /* The same of a function that is spawned itself. */
    spawn_request("s", "f", 1);
    put_list(&b, 1);
    put_int(&b, 1);
    put_arguments(1);
    assert_cut(TACIT_GUARD_ARGUMENTS);
    /* An arity that the control says, and the list does not. */
    spawn_request("s", "f", 1);
    put_arguments(2);
    assert_refused("spawn s:f/1");
    spawn_request("erpc", "execute_call", 4);
    put_arguments(4);
    assert_refused("spawn erpc:execute_call/4");
    spawn_request("erpc", "execute_call", 4);
    put_atom(&b, "none");
    assert_refused("spawn erpc:execute_call/4");
    /* rex: the same, behind which a group leader stands. */
    reg_send("rex");
    put_gen_call();
    put_tuple(&b, 5);
    put_atom(&b, "call");
    put_atom(&b, "m");
    put_atom(&b, "f");
    put_list(&b, 1);
    put_int(&b, 1);
    put_arguments(1);
    put_atom(&b, "user");
    assert_cut(TACIT_GUARD_ARGUMENTS);
}

static void a_list_of_arguments_is_as_long_as_it_was_judged(void **state)
{
    set("call", "m:f/1");
    set("spawn", "s:f/1");
    for (int f = 0; f < PIECE; f++) { /* where nothing stays open behind a cut */
        link_of((enum form)f);
        arguments();
    }
}

static void rex(void)
{
    static const char *const words[] = {"call", "block_call"};
    for (int round = 0; round < 2; round++) {
        const char *m = round == 0 ? "m" : "os";
        for (size_t i = 0; i < COUNT(words); i++) {
            reg_send("rex");
            put_gen_call();
            put_rex_request(words[i], m, "f", 1);
            round == 0 ? assert_passes() : assert_refused("call os:f/1");
        }
        reg_send("rex");
        put_tuple(&b, 2);
        put_atom(&b, "$gen_cast");
        put_rex_request("cast", m, "f", 1);
        round == 0 ? assert_passes() : assert_refused("call os:f/1");
        reg_send("rex"); /* as C nodes ask */
        put_tuple(&b, 2);
        put_peer_pid();
        put_rex_request("call", m, "f", 1);
        round == 0 ? assert_passes() : assert_refused("call os:f/1");
    }
    reg_send("rex");
    put_tuple(&b, 2);
    put_peer_pid();
    put_atom(&b, "features_request");
    assert_passes();
    monitor("rex");
    assert_passes();
    reg_send("rex");
    put_tuple(&b, 2);
    put_peer_pid();
    put_tuple(&b, 3);
    put_atom(&b, "send"); /* {From, {send, Name, Message}} */
    put_atom(&b, "init");
    put_nil(&b);
    assert_refused("send rex");
    reg_send("rex");
    put_gen_call();
    put_atom(&b, "stop");
    assert_refused("send rex");
    reg_send("rex");
    put_gen_call();
    put_tuple(&b, 5);
    put_atom(&b, "call");
    put_atom(&b, "m");
    put_atom(&b, "f");
    put_arguments(1);
    put_own_pid(5); /* a group leader that is not the peer's */
    assert_cut(TACIT_GUARD_ARGUMENTS);
}

static void rex_calls_what_the_role_names_and_passes_nothing_on(void **state)
{
    set("call", "m:f/1");
    each_form(rex);
    tacit_role_free(&role);
    link_of(HEADED);
    reg_send("rex");
    put_tuple(&b, 2);
    put_peer_pid();
    put_atom(&b, "features_request");
    assert_refused("send rex");
    monitor("rex");
    assert_refused("send rex");
}

static void net_kernel_is_asked_whether_the_link_is_up_and_nothing_else(void **state)
{
    monitor("net_kernel");
    assert_passes();
    reg_send("net_kernel");
    put_gen_call();
    put_tuple(&b, 2);
    put_atom(&b, "is_auth");
    put_atom(&b, peer);
    assert_passes();
    static const char *const others[] = {"spawn", "disconnect", "new_ticktime",
                                         "setopts"};
    for (size_t i = 0; i < COUNT(others); i++) {
        reg_send("net_kernel");
        put_gen_call();
        put_tuple(&b, 2);
        put_atom(&b, others[i]);
        put_atom(&b, peer);
        assert_refused("send net_kernel");
    }
    reg_send("net_kernel");
    put_atom(&b, "is_auth");
    assert_refused("send net_kernel");
}

static void what_behaviours_obey_from_anybody_takes_a_word(void **state)
{
    static const char *const children[] = {"start_child", "terminate_child",
                                           "which_children"};
    set("send", "ingest");
    we_send_pid(5);
    for (int round = 0; round < 2; round++) {
        for (int to = 0; to < 2; to++) {
            to == 0 ? reg_send("ingest") : send_pid(5);
            put_tuple(&b, 3);
            put_atom(&b, "system");
            put_nil(&b);
            put_atom(&b, "suspend");
            round > 0 ? assert_passes()
                      : assert_refused(to == 0 ? "system ingest" : "system");
            to == 0 ? reg_send("ingest") : send_pid(5);
            put_tuple(&b, 3);
            put_atom(&b, "EXIT");
            put_own_pid(1);
            put_atom(&b, "kill");
            round > 0 ? assert_passes()
                      : assert_refused(to == 0 ? "system ingest" : "system");
        }
        for (size_t i = 0; i < COUNT(children); i++) {
            reg_send("ingest");
            put_gen_call();
            if (i < 2) {
                put_tuple(&b, 2);
                put_atom(&b, children[i]);
                put_nil(&b);
            } else {
                put_atom(&b, children[i]);
            }
            round > 0 ? assert_passes() : assert_refused("system ingest");
        }
        set("may", "system");
    }
    role.may = 0;
    reg_send("ingest"); /* what only looks like it */
    put_tuple(&b, 2);
    put_atom(&b, "system");
    put_nil(&b);
    assert_passes();
    reg_send("ingest");
    put_gen_call();
    put_tuple(&b, 2);
    put_atom(&b, "put");
    put_nil(&b);
    assert_passes();
    reg_send("ingest");
    put_tuple(&b, 0);
    assert_passes();
    reg_send("ingest");
    put_tuple(&b, 2);
    put_peer_pid();
    put_nil(&b);
    assert_passes();
}

static void funs_in_messages_take_a_word(void **state)
{
    set("send", "ingest");
    set("call", "m:f/1");
    set("spawn", "fun");
    for (int round = 0; round < 2; round++) {
        reg_send("ingest");
        put_list(&b, 1);
        put_external(&b, "m", "f", 1);
        put_nil(&b);
        round > 0 ? assert_passes() : assert_refused("funs ingest");
        spawn_request("erpc", "execute_call", 4);
        put_list(&b, 4);
        put_peer_reference();
        put_atom(&b, "m");
        put_atom(&b, "f");
        put_list(&b, 1);
        put_external(&b, "m", "f", 1);
        put_nil(&b);
        put_nil(&b);
        round > 0 ? assert_spawns() : assert_spawn_refused("funs m:f/1", "eacces");
        we_end_call();
        spawn_request("erlang", "apply", 2); /* `spawn = fun` says that there is one */
        put_list(&b, 2);
        put_external(&b, "m", "f", 0);
        put_nil(&b);
        put_nil(&b);
        assert_spawns();
        we_end_call();
        set("may", "funs");
    }
}

static void global_takes_a_word(void **state)
{
    for (int round = 0; round < 2; round++) {
        monitor("global_name_server");
        round > 0 ? assert_passes() : assert_refused("send global_name_server");
        reg_send("global_name_server");
        put_external(&b, "global", "random_exit_name", 3);
        round > 0 ? assert_passes() : assert_refused("send global_name_server");
        reg_send("rex");
        put_tuple(&b, 2);
        put_peer_pid();
        put_atom(&b, "features_request");
        round > 0 ? assert_passes() : assert_refused("send rex");
        set("may", "global");
    }
}

static void a_monitor_of_anybody_takes_a_word(void **state)
{
    control(4, 19);
    put_peer_pid();
    put_own_pid(9);
    put_peer_reference();
    assert_refused("pids");
    set("may", "monitor");
    assert_passes();
    monitor("init");
    assert_passes();
}

/* A request in another's name, or for another's process: no node sends it. */
static void a_request_is_made_by_the_peer_for_itself(void **state)
{
    set("spawn", "*");
    const struct {
        const char *request, *from, *leader;
        bool cut;
    } rows[] = {{own, peer, peer, true},
                {peer, own, peer, true},
                {peer, peer, own, false}, /* as of a process that we have started there */
                {peer, peer, "other@host", false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        control(6, 29);
        put_reference(&b, rows[i].request, 3);
        put_pid(&b, rows[i].from, 7, 3);
        put_pid(&b, rows[i].leader, 8, 3);
        put_tuple(&b, 3);
        put_atom(&b, "m");
        put_atom(&b, "f");
        put_int(&b, 0);
        put_nil(&b);
        put_nil(&b);
        rows[i].cut ? assert_cut(TACIT_GUARD_CONTROL)
                    : assert_refused("group-leader m:f/0");
    }
    set("may", "group-leader");
    come();
    assert_false(verdict.ruling.refused);
}

static void options_of_the_peers_are_links_and_monitors_alone(void **state)
{
    static struct bytes whole, expected;
    set("spawn", "m:f");
    set("heap", "1M");
    control(7, 30); /* with a token behind them */
    put_peer_reference();
    put_peer_pid();
    put_peer_pid();
    put_tuple(&b, 3);
    put_atom(&b, "m");
    put_atom(&b, "f");
    put_int(&b, 0);
    put_list(&b, 7);
    put_atom(&b, "link");
    static const char *const keys[] = {"priority",   "monitor",       "scheduler",
                                       "async_dist", "max_heap_size", "min_heap_size"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        put_tuple(&b, 2);
        put_atom(&b, keys[i]);
        put_atom(&b, "max");
    }
    put_nil(&b);
    put_nil(&b);
    put_nil(&b); /* no arguments */
    come();
    assert_int_equal(verdict.cut, TACIT_GUARD_FINE);
    assert_false(verdict.ruling.refused);
    delivered(&whole);
    expected.len = 0;
    put_list(&expected, 5);
    put_atom(&expected, "link");
    put_tuple(&expected, 2);
    put_atom(&expected, "monitor");
    put_atom(&expected, "max");
    put_tuple(&expected, 2);
    put_atom(&expected, "async_dist");
    put_atom(&expected, "max");
    put_tuple(&expected, 2);
    put_atom(&expected, "priority");
    put_atom(&expected, "low");
    put_tuple(&expected, 2);
    put_atom(&expected, "max_heap_size");
    put(&expected, "\x6e\x8\0\0\0\2\0\0\0\0\0\x6a", 12);
    put(&expected, "\x6a\x6a", 2);
    assert_true(whole.len > expected.len);
    assert_memory_equal(whole.at + whole.len - expected.len, expected.at, expected.len);
}

static void so_many_calls_are_under_way(void **state)
{
    set("call", "m:f/0");
    set("calls", "2");
    tacit_guard_link_role(the_link, &role);
    for (unsigned i = 0; i < 3; i++) {
        erpc_call("m", "f", 0);
        /* Its reference, which is the first one: another one each time. */
        uint8_t *reference = memmem(b.at, b.len, "\x5a\0\3", 3);
        reference[3 + 2 + strlen(peer) + 7] = (uint8_t)i;
        come();
        assert_int_equal(verdict.cut, TACIT_GUARD_FINE);
        assert_int_equal(verdict.ruling.refused, i == 2);
    }
    assert_int_equal(verdict.ruling.operation, TACIT_GUARD_OP_CALLS);
    assert_non_null(memmem(verdict.answer, verdict.answer_len, "system_limit", 12));
    assert_int_equal(tacit_guard_link_calls(the_link), 2);
    /* One of the same reference is no other one. */
    set("calls", "10");
    tacit_guard_link_role(the_link, &role);
    erpc_call("m", "f", 0);
    assert_spawns();
    erpc_call("m", "f", 0);
    assert_spawn_refused("calls m:f/0", "system_limit");
    /* One whose monitor is taken back is not told of any more. */
    control(4, 20);
    put_peer_pid();
    put_own_pid(50);
    put_peer_reference();
    assert_passes();
    assert_int_equal(tacit_guard_link_calls(the_link), 2);
}

/* {31, ReqId, To, Flags, Pid or error} of ours. */
static void we_reply(unsigned flags, bool error)
{
    static struct bytes ours;
    ours.len = 0;
    put(&ours, "\x83\x44\0", 3);
    put_tuple(&ours, 5);
    put_int(&ours, 31);
    put_reference(&ours, peer, 3);
    put_pid(&ours, peer, 7, 3);
    put_int(&ours, flags);
    if (error)
        put_atom(&ours, "system_limit");
    else
        put_pid(&ours, own, 60, 2);
    struct iovec iov = {ours.at, ours.len};
    tacit_guard_out(the_link, &iov, 1);
}

static void a_call_is_over_when_nothing_of_it_is_told_any_more(void **state)
{
    set("spawn", "*");
    const struct {
        unsigned flags;
        bool error;
        size_t left;
    } rows[] = {{2, false, 1}, {0, false, 0}, {1, false, 0}, {2, true, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        spawn_request("m", "f", 0);
        put_nil(&b);
        assert_spawns();
        we_reply(rows[i].flags, rows[i].error);
        assert_int_equal(tacit_guard_link_calls(the_link), rows[i].left);
        we_end_call();
        assert_int_equal(tacit_guard_link_calls(the_link), 0);
    }
}

static void rates(void **state)
{
    set("send", "ingest");
    set("messages", "10");
    for (int i = 0; i < 10; i++) {
        reg_send("ingest");
        put_nil(&b);
        assert_passes();
    }
    reg_send("ingest");
    put_nil(&b);
    assert_cut(TACIT_GUARD_RATE);
    set("excess", "drop");
    assert_refused("excess ingest");
    control(3, 4); /* what answers this node passes */
    put_peer_pid();
    put_own_pid(5);
    assert_passes();
    now += 1000;
    reg_send("ingest");
    put_nil(&b);
    assert_passes();
    role.messages = 0;
    set("bytes", "1K");
    reg_send("ingest");
    put_binary(&b, 5000); /* more than a second's worth: it is owed then */
    assert_passes();
    reg_send("ingest");
    put_nil(&b);
    assert_refused("excess ingest");
    now += 3000;
    assert_refused("excess ingest");
    now += 3000;
    assert_passes();
}

static void more_than_a_rate_is_cut_or_dropped(void **state)
{
    rates(state);
}

/* The next message that uses the slot has the atom; and so has the emulator. */
static void a_refused_message_still_fills_its_slots(void **state)
{
    const struct slot fills = {300, "ingest"}, uses = {300, NULL};
    static struct bytes nothing;
    set("send", "ingest");
    b.len = 0;
    put(&b, "\x83\x44", 2);
    put_header(&b, &fills, 1);
    size_t header = b.len;
    put_tuple(&b, 4);
    put_int(&b, 6);
    put_peer_pid();
    put_atom(&b, "");
    put_atom(&b, "other");
    put_nil(&b);
    come();
    assert_true(verdict.ruling.refused);
    put(&nothing, b.at, header);
    put_tuple(&nothing, 4);
    put_int(&nothing, 6);
    put_pid(&nothing, peer, 0, 3);
    put_atom(&nothing, "");
    put_atom(&nothing, "undefined");
    put_nil(&nothing);
    assert_int_equal(verdict.before_len, nothing.len);
    assert_memory_equal(verdict.before, nothing.at, nothing.len);
    b.len = 0;
    put(&b, "\x83\x44", 2);
    put_header(&b, &uses, 1);
    put_tuple(&b, 4);
    put_int(&b, 6);
    put_peer_pid();
    put_atom(&b, "");
    put_ref_atom(&b, 0);
    put_nil(&b);
    assert_passes();
}

/* One piece of so many, with what was put as its front. */
static void piece(uint64_t id, uint64_t number, bool first)
{
    b.len = 0;
    put_u8(&b, 131);
    put_u8(&b, first ? 69 : 70);
    put_u64(&b, id);
    put_u64(&b, number);
    if (first)
        put_header(&b, NULL, 0);
}

static void first_piece_to(const char *name, uint64_t id, uint64_t number)
{
    piece(id, number, true);
    put_tuple(&b, 4);
    put_int(&b, 6);
    put_peer_pid();
    put_atom(&b, "");
    put_atom(&b, name);
}

/* It is delivered as it came, and told as refused. */
static void assert_watched(void)
{
    come();
    assert_int_equal(verdict.cut, TACIT_GUARD_FINE);
    assert_int_equal(verdict.rest + verdict.before_len + verdict.answer_len, 0);
    assert_true(verdict.ruling.refused);
}

static void in_watch_all_passes_and_is_told(void **state)
{
    set("mode", "watch");
    reg_send("other");
    put_external(&b, "m", "f", 1);
    assert_watched();
    erpc_call("os", "cmd", 1);
    assert_watched();
    set("send", "ingest");
    tacit_guard_link_role(the_link, &role);
    first_piece_to("ingest", 3, 2);
    put_list(&b, 1);
    assert_passes();
    piece(3, 1, false);
    put_external(&b, "m", "f", 1);
    put_nil(&b);
    assert_passes();
    erpc_call("os", "cmd", 1);
    put_u8(&b, 106); /* but it is well formed */
    assert_cut(TACIT_GUARD_TRAILING);
}

static void a_refused_message_in_pieces_is_dropped_whole(void **state)
{
    set("send", "ingest");
    first_piece_to("other", 1, 2);
    put_list(&b, 1);
    assert_refused("send other");
    first_piece_to("ingest", 2, 2);
    put_list(&b, 1);
    assert_passes();
    piece(1, 1, false);
    put(&b, "no term", 7);
    come();
    assert_int_equal(verdict.cut, TACIT_GUARD_FINE);
    assert_int_equal(verdict.rest, b.len);
    piece(2, 1, false);
    put_nil(&b);
    put_nil(&b);
    assert_passes();
    piece(2, 1, false);
    assert_cut(TACIT_GUARD_FRAGMENT);
}

static void a_fun_in_a_later_piece_ends_the_link(void **state)
{
    set("send", "ingest");
    first_piece_to("ingest", 2, 2);
    put_list(&b, 1);
    put_external(&b, "m", "f", 1);
    assert_refused("funs ingest"); /* in the first one it can still be refused */
    first_piece_to("ingest", 3, 2);
    put_list(&b, 1);
    assert_passes();
    piece(3, 1, false);
    put_external(&b, "m", "f", 1);
    put_nil(&b);
    assert_cut(TACIT_GUARD_LATE_FUN);
}

static void a_call_whose_function_is_not_in_the_first_piece_is_refused(void **state)
{
    set("call", "m:f/0");
    set("send", "ingest");
    piece(4, 2, true);
    size_t front = b.len;
    erpc_call("m", "f", 0);
    uint8_t *control_at = memmem(b.at, b.len, "\x68\6\x61\x1d", 4);
    static struct bytes call;
    call.len = 0;
    put(&call, control_at, (size_t)(b.at + b.len - control_at));
    piece(4, 2, true);
    assert_int_equal(b.len, front);
    put(&b, call.at, call.len - 4); /* without the end of the payload */
    come();
    assert_true(verdict.ruling.refused);
    first_piece_to("ingest", 5, 2);
    assert_refused("system ingest"); /* nothing of it is seen yet */
}

static void another_role_acts_from_the_next_message_on(void **state)
{
    struct tacit_role other;
    const char *expected;
    tacit_role_init(&other);
    assert_int_equal(tacit_role_set(&other, "send", "ingest", 1, &expected), 0);
    reg_send("ingest");
    put_nil(&b);
    assert_refused("send ingest");
    tacit_guard_link_role(the_link, &other);
    assert_passes();
    tacit_guard_link_role(the_link, &role);
    assert_refused("send ingest");
    tacit_role_free(&other);
}

static void what_is_no_control_ends_the_link(void **state)
{
    const struct {
        const char *what;
        const char *bytes;
        size_t len;
    } rows[] = {
        {"no tuple", "\x83\x44\0\x61\1", 5},
        {"a number that there is not", "\x83\x44\0\x68\3\x61\5\x6a\x6a", 9},
        {"a number beyond all", "\x83\x44\0\x68\3\x62\xff\0\0\0\x6a\x6a", 12},
        {"a number that is none", "\x83\x44\0\x68\3\x6a\x6a\x6a", 8},
        {"parts of other kinds", "\x83\x44\0\x68\3\x61\1\x6a\x6a", 9},
        {"too few parts", "\x83\x44\0\x68\2\x61\1\x6a", 8},
        {"too many", "\x83\x44\0\x68\x9\x61\1\x6a\x6a\x6a\x6a\x6a\x6a\x6a\x6a", 15},
        {"flags that are no number", "\x83\x44\0\x68\4\x61\x25\x6a\x6a\x6a\x6a", 11},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        b.len = 0;
        put(&b, rows[i].bytes, rows[i].len);
        come();
        if (verdict.cut != TACIT_GUARD_CONTROL)
            fail_msg("%s: %s", rows[i].what, tacit_guard_reason_text(verdict.cut));
    }
    reg_send("other");
    b.at[0] = 132;
    assert_cut(TACIT_GUARD_FORM);
    set("send", "ingest");
    tacit_guard_link_role(the_link, &role);
    reg_send("ingest");
    assert_refused("system ingest"); /* no payload: nothing is seen of it */
    link_of(PLAIN);
    reg_send("ingest");
    b.at[b.len - 1] = 130;
    put_nil(&b);
    assert_cut(TACIT_GUARD_FORM);
}

static void a_tick_passes(void **state)
{
    set("messages", "1");
    for (int i = 0; i < 10; i++) {
        b.len = 0;
        assert_passes();
    }
}

static void a_link_with_a_flag_that_is_not_known_is_none(void **state)
{
    struct tacit_guard_start s = {.role = &role, .asks = &emulator.asks, .limits = wide};
    s.own = hello(own, 2);
    s.peer = hello(peer, 3);
    s.own.flags |= UINT64_C(1) << 50;
    struct tacit_guard_link *l = tacit_guard_link_new(&s);
    assert_non_null(l); /* the peer has not agreed on it */
    tacit_guard_link_free(l);
    s.peer.flags |= UINT64_C(1) << 50;
    assert_null(tacit_guard_link_new(&s));
    s = (struct tacit_guard_start){.role = &role, .asks = &emulator.asks, .limits = wide};
    s.own = hello(own, 2);
    s.peer = hello(long_text("x", 256), 3);
    assert_null(tacit_guard_link_new(&s));
    tacit_guard_link_free(NULL);
}

static void a_hello_is_read_as_either_side_sends_it(void **state)
{
    static const uint8_t dials[] = "N\0\0\0\0\0\x80\x20\0\0\0\0\5\0\3a@b",
                         dialled[] = "N\0\0\0\0\0\x80\x20\0\1\2\3\4\0\0\0\5\0\3a@b";
    struct tacit_guard_hello h;
    assert_true(tacit_guard_hello(dials, sizeof dials - 1, false, &h));
    assert_int_equal(h.flags, TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS);
    assert_int_equal(h.creation, 5);
    assert_memory_equal(h.name, "a@b", 3);
    assert_true(tacit_guard_hello(dialled, sizeof dialled - 1, true, &h));
    assert_int_equal(h.creation, 5);
    assert_int_equal(h.name_len, 3);
    assert_false(tacit_guard_hello(dials, sizeof dials - 2, false, &h));
    assert_false(tacit_guard_hello((const uint8_t *)"s", 1, false, &h));
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_name_that_the_role_does_not_say_is_one_that_nobody_has),
        promise(a_pid_is_reached_once_it_was_shown),
        promise(a_role_may_reach_any_pid_or_none),
        promise(links_exits_and_leaders_take_a_word_and_a_pid_that_was_shown),
        promise(a_refused_link_is_answered_as_of_a_process_that_is_gone),
        promise(what_answers_this_node_always_passes),
        promise(signals_of_otp_28_are_what_their_flags_say),
        promise(only_functions_that_the_role_names_are_called),
        promise(a_list_of_arguments_is_as_long_as_it_was_judged),
        promise(rex_calls_what_the_role_names_and_passes_nothing_on),
        promise(net_kernel_is_asked_whether_the_link_is_up_and_nothing_else),
        promise(what_behaviours_obey_from_anybody_takes_a_word),
        promise(funs_in_messages_take_a_word),
        promise(global_takes_a_word),
        promise(a_monitor_of_anybody_takes_a_word),
        promise(a_request_is_made_by_the_peer_for_itself),
        promise(options_of_the_peers_are_links_and_monitors_alone),
        promise(so_many_calls_are_under_way),
        promise(a_call_is_over_when_nothing_of_it_is_told_any_more),
        promise(more_than_a_rate_is_cut_or_dropped),
        promise(in_watch_all_passes_and_is_told),
        promise(a_refused_message_still_fills_its_slots),
        promise(a_refused_message_in_pieces_is_dropped_whole),
        promise(a_fun_in_a_later_piece_ends_the_link),
        promise(a_call_whose_function_is_not_in_the_first_piece_is_refused),
        promise(another_role_acts_from_the_next_message_on),
        promise(what_is_no_control_ends_the_link),
        promise(a_tick_passes),
        promise(a_link_with_a_flag_that_is_not_known_is_none),
        promise(a_hello_is_read_as_either_side_sends_it),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("guard-link", tests, NULL, NULL);
}
