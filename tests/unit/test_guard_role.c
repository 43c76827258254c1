/* The promises of src/guard/role.h, role_values.h and words.h. */
#include "test_unit.h"

#include <stdio.h>
#include <string.h>

#include "guard/role.h"
#include "guard/words.h"
#include "tacit/error.h"

static struct tacit_role role;

static int start(void **state)
{
    tacit_role_init(&role);
    return 0;
}

static int end(void **state)
{
    tacit_role_free(&role);
    return 0;
}

static void set(const char *key, const char *value)
{
    const char *expected = NULL;
    if (tacit_role_set(&role, key, value, 7, &expected) != 0)
        fail_msg("%s = %s: expected %s", key, value, expected);
}

static bool allowed(const char *operation)
{
    bool ret = false;
    const struct tacit_role_item *item = NULL;
    if (tacit_role_explain(&role, operation, &ret, &item) != 0)
        fail_msg("%s is no operation", operation);
    return ret;
}

static void a_role_allows_what_it_says_and_nothing_else(void **state)
{
    static const char *const operations[] = {
        "send ingest", "call erlang:memory/0", "spawn lists:map/2", "spawn fun", "link",
        "exit",        "group-leader",         "monitor",           "funs",      "system",
        "global"};
    for (size_t i = 0; i < COUNT(operations); i++)
        assert_false(allowed(operations[i]));
    set("send", "ingest");
    set("call", "erlang:memory/0-1");
    set("spawn", "lists:map/2, fun");
    set("may", "link, exit,group-leader , monitor");
    set("may", "funs, system, global");
    for (size_t i = 0; i < COUNT(operations); i++)
        assert_true(allowed(operations[i]));
    assert_false(allowed("send ingest2"));
    assert_false(allowed("spawn erlang:memory/0"));
    assert_false(allowed("call lists:map/2"));
}

static void a_pattern_is_for_names_that_it_matches(void **state)
{
    set("send", "in_*, *_out, a*b*c, exact");
    static const char *const yes[] = {"in_", "in_x",    "_out", "x_out",
                                      "abc", "axbxbxc", "exact"};
    static const char *const no[] = {"in",  "xin_",   "_outx", "ab",
                                     "axc", "exact1", "exac"};
    char operation[40];
    for (size_t i = 0; i < COUNT(yes); i++) {
        snprintf(operation, sizeof operation, "send %s", yes[i]);
        assert_true(allowed(operation));
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        snprintf(operation, sizeof operation, "send %s", no[i]);
        assert_false(allowed(operation));
    }
}

static void a_pattern_is_for_no_name_of_otp_and_none_for_rex_and_net_kernel(void **state)
{
    set("send", "*");
    assert_true(allowed("send anything"));
    assert_false(allowed("send init"));
    assert_false(allowed("send user"));
    assert_false(allowed("send alarm_handler"));
    assert_false(allowed("send code_server"));
    set("send", "init, rex, net_kernel");
    assert_true(allowed("send init"));
    assert_false(allowed("send rex"));
    assert_false(allowed("send net_kernel"));
}

static void an_entry_of_calls_is_for_functions_and_arities(void **state)
{
    set("call", "m:f/1, m:g/2-3");
    set("call", "n:*");
    set("call", "Elixir.Mix.State:get!");
    static const char *const yes[] = {"m:f/1", "m:g/2", "m:g/3", "n:any/9",
                                      "Elixir.Mix.State:get!/255"};
    static const char *const no[] = {
        "m:f/0", "m:f/2", "m:g/1", "m:g/4", "m:h/1", "nn:any/1", "Elixir.Mix:get!/1"};
    char operation[60];
    for (size_t i = 0; i < COUNT(yes); i++) {
        snprintf(operation, sizeof operation, "call %s", yes[i]);
        assert_true(allowed(operation));
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        snprintf(operation, sizeof operation, "call %s", no[i]);
        assert_false(allowed(operation));
    }
    set("call", "*");
    assert_true(allowed("call nn:any/1"));
    assert_false(allowed("spawn nn:any/1"));
}

static void the_entry_that_decides_is_named_with_its_line(void **state)
{
    bool ret;
    const struct tacit_role_item *item;
    const char *expected;
    assert_int_equal(tacit_role_set(&role, "call", "a:b/0, recon:*", 41, &expected), 0);
    assert_int_equal(tacit_role_explain(&role, "call recon:info/1", &ret, &item), 0);
    assert_int_equal(item->line, 41);
    assert_string_equal(item->text, "recon:*");
    assert_int_equal(tacit_role_explain(&role, "call os:cmd/1", &ret, &item), 0);
    assert_null(item);
}

static void a_value_that_is_none_says_what_was_expected(void **state)
{
    static const char *const rows[][2] = {
        {"send", ""},        {"send", "a b"},
        {"send", "a,,b"},    {"send", "a:b"},
        {"call", "m"},       {"call", "m:"},
        {"call", ":f"},      {"call", "m:f/"},
        {"call", "m:f/256"}, {"call", "m:f/3-2"},
        {"call", "m:f/1-"},  {"call", "m:f/1x"},
        {"call", "m*:f"},    {"call", "m:f*"},
        {"call", "*:f"},     {"call", "m/1:f"},
        {"call", "fun"},     {"call", "m:f/00001"},
        {"call", "m:*/1-x"}, {"may", "all"},
        {"may", ""},         {"pids", "some"},
        {"excess", "wait"},  {"mode", "on"},
        {"atoms", "0"},      {"atoms", "many"},
        {"atoms", "5K"},     {"messages", "-1"},
        {"bytes", "20T"},    {"bytes", "M"},
        {"heap", "64MB"},    {"heap", "999999999999G"},
        {"calls", "1 000"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *expected = NULL;
        if (tacit_role_set(&role, rows[i][0], rows[i][1], 1, &expected) != TACIT_ECONFIG)
            fail_msg("%s = %s", rows[i][0], rows[i][1]);
        assert_non_null(expected);
    }
    const char *expected = "";
    assert_int_equal(tacit_role_set(&role, "sends", "a", 1, &expected), TACIT_ECONFIG);
    assert_null(expected);
    static char much[5000];
    memset(much, 'a', sizeof much - 1);
    assert_int_equal(tacit_role_set(&role, "send", much, 1, &expected), TACIT_ECONFIG);
}

static void what_is_no_operation_is_said_to_be_none(void **state)
{
    static const char *const rows[] = {"",       "send",     "send ",       "send a b",
                                       "call f", "call m:f", "call *",      "call m:*",
                                       "spawn",  "stop",     "call m:f/1-2"};
    bool ret;
    const struct tacit_role_item *item;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(tacit_role_explain(&role, rows[i], &ret, &item), TACIT_EINVAL);
}

static void numbers_and_words_are_what_was_written(void **state)
{
    assert_int_equal(role.atoms, 1000);
    assert_int_equal(role.calls, 100);
    assert_int_equal(role.heap, 64 << 20);
    assert_int_equal(role.processes, 1000);
    assert_int_equal(role.messages + role.bytes + role.reductions, 0);
    assert_int_equal(role.pids, TACIT_ROLE_PIDS_SHOWN);
    set("atoms", "200");
    set("messages", "5000");
    set("bytes", "20M");
    set("heap", "2G");
    set("calls", "7");
    set("processes", "8");
    set("reductions", "1000000");
    set("pids", "any");
    set("excess", "drop");
    set("mode", "watch");
    assert_int_equal(role.atoms, 200);
    assert_int_equal(role.messages, 5000);
    assert_int_equal(role.bytes, 20 << 20);
    assert_int_equal(role.heap, UINT64_C(2) << 30);
    assert_int_equal(role.calls + role.processes + role.reductions, 1000015);
    assert_int_equal(role.pids, TACIT_ROLE_PIDS_ANY);
    assert_true(role.drop && role.watch);
    set("pids", "none");
    set("excess", "cut");
    set("mode", "enforce");
    assert_int_equal(role.pids, TACIT_ROLE_PIDS_NONE);
    assert_false(role.drop || role.watch);
}

static void a_list_has_an_end(void **state)
{
    const char *expected;
    for (int i = 0; i < TACIT_ROLE_ITEMS; i++)
        set("send", "a");
    assert_int_equal(tacit_role_set(&role, "send", "a", 1, &expected), TACIT_ECONFIG);
    set("call", "m:f/1");
}

static enum tacit_word word(const char *text)
{
    return tacit_word((const uint8_t *)text, strlen(text));
}

static void words_are_known_by_all_of_their_text(void **state)
{
    assert_int_equal(word(""), TACIT_WORD_NONE);
    assert_int_equal(word("rex"), TACIT_WORD_REX);
    assert_int_equal(word("re"), TACIT_WORD_NONE);
    assert_int_equal(word("rexx"), TACIT_WORD_NONE);
    assert_int_equal(word("$gen_call"), TACIT_WORD_GEN_CALL);
    assert_int_equal(word("which_children"), TACIT_WORD_SUPERVISOR);
    assert_int_equal(word("apply"), TACIT_WORD_APPLY);
    assert_int_equal(word("link"), TACIT_WORD_OPTION);
    assert_int_equal(word("zzz"), TACIT_WORD_NONE);
    assert_int_equal(tacit_word((const uint8_t *)"rex\0", 4), TACIT_WORD_NONE);
}

static void a_text_carries_its_word_and_whether_it_may_be_sent_to(void **state)
{
    set("send", "ingest, init");
    assert_int_equal(tacit_role_text_bits(&role, (const uint8_t *)"ingest", 6),
                     TACIT_ROLE_BITS_SEND);
    assert_int_equal(tacit_role_text_bits(&role, (const uint8_t *)"rex", 3),
                     TACIT_WORD_REX);
    assert_int_equal(tacit_role_text_bits(&role, (const uint8_t *)"init", 4),
                     TACIT_ROLE_BITS_SEND);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(a_role_allows_what_it_says_and_nothing_else),
        promise(a_pattern_is_for_names_that_it_matches),
        promise(a_pattern_is_for_no_name_of_otp_and_none_for_rex_and_net_kernel),
        promise(an_entry_of_calls_is_for_functions_and_arities),
        promise(the_entry_that_decides_is_named_with_its_line),
        promise(a_value_that_is_none_says_what_was_expected),
        promise(what_is_no_operation_is_said_to_be_none),
        promise(numbers_and_words_are_what_was_written),
        promise(a_list_has_an_end),
        promise(words_are_known_by_all_of_their_text),
        promise(a_text_carries_its_word_and_whether_it_may_be_sent_to),
    };
    return cmocka_run_group_tests_name("guard-role", tests, NULL, NULL);
}
