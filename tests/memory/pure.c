/*
 * Memory that runs out in policy, channel and the door's pure parts: at each allocation
 * in turn. An error comes back, nothing is lost, and the next attempt works.
 */
#include "../unit/test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door/legacy.h"
#include "door/registry.h"
#include "fault.h"
#include "gate/replay.h"
#include "policy/policy.h"

enum {
    SUITES = 1 << 1 | 1 << 2 | 1 << 3,
    TRIES_MAX = 100000,
};

/* --- a configuration with something of everything -------------------------------------
 */

static char conf[8192];
static const char key[] = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";
static const char identity[] = "AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n";

static int read_file(void *context, const char *path, enum tacit_file_kind kind,
                     char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const char *text = strstr(path, "tacit.conf") != NULL ? conf
                       : strstr(path, "mesh.key") != NULL ? key
                                                          : identity;
    size_t len = strlen(text);
    assert_true(len <= cap);
    memcpy(buf, text, len);
    *ret_len = len;
    return TACIT_OK;
}

/* The n-th of some public keys that are canonical. */
static void put_key(char *to, size_t cap, unsigned n)
{
    struct tacit_secret secret = {{(uint8_t)(8 * n + 8), 9}};
    struct noise_keypair pair;
    assert_int_equal(noise_keypair_from_private(&secret, &pair), 0);
    assert_true(cap >= TACIT_KEY_TEXT);
    tacit_key_to_text(pair.public_key, to);
}

static void write_conf(bool door)
{
    size_t at = (size_t)snprintf(
        conf, sizeof conf,
        "[mesh]\nkey-file = /c/mesh.key\n[host]\nidentity = /c/id.key\n"
        "door-identity = /c/door.key\nlisten = 127.0.0.1:4370, [::1]:4370\n%s",
        door ? "door = /run/tacit/door.sock\n" : "");
    for (unsigned i = 0; i < 20; i++) {
        char text[TACIT_KEY_TEXT];
        put_key(text, sizeof text, i);
        at += (size_t)snprintf(conf + at, sizeof conf - at,
                               "[peer n%u@h%u.example]\npublic-key = %s\n%s%s", i, i,
                               text, i % 2 ? "from = 192.0.2.0/24, 2001:db8::/32\n" : "",
                               i % 3 ? "" : "pair-key = /c/pair.key\n");
    }
    snprintf(conf + at, sizeof conf - at, "[plain]\nnode = old@h1.example\n");
}

static int load(int (*loader)(const char *, const struct tacit_files *, unsigned,
                              struct tacit_policy **, struct tacit_fault *))
{
    struct tacit_files files = {NULL, read_file};
    struct tacit_policy *policy = NULL;
    struct tacit_fault fault = {""};
    int error = loader("/c/tacit.conf", &files, SUITES, &policy, &fault);
    assert_true((error == TACIT_OK) == (policy != NULL));
    if (error)
        assert_true(fault.text[0] != '\0');
    if (error != TACIT_OK && error != TACIT_ENOMEM)
        fail_msg("%s: %s", tacit_error_name(error), fault.text);
    tacit_policy_free(policy);
    return error;
}

static int load_node(void)
{
    return load(tacit_policy_load);
}

static int load_door(void)
{
    return load(tacit_policy_load_door);
}

/* --- replay memory, names --------------------------------------------------------------
 */

/* So many first messages that the table grows to its end and forgets. */
static int replay_memory(void)
{
    struct tacit_replay replay = {0};
    struct tacit_now now = {.wall = 1000600, .steady = 1000600};
    uint8_t ephemeral[NOISE_DHLEN] = {0};
    int error = TACIT_OK;
    for (uint32_t i = 0; i < TACIT_REPLAY_MAX + 100 && !error; i++) {
        memcpy(ephemeral, &i, sizeof i);
        error = tacit_replay_check(&replay, ephemeral, 1000000 + i / 100, &now, i % 64);
        if (error == TACIT_ENOMEM) /* the same message may come once more, and is new */
            assert_int_equal(
                tacit_replay_check(&replay, ephemeral, 1000000 + i / 100, &now, i % 64),
                0);
        else if (!error)
            assert_true(tacit_replay_check(&replay, ephemeral, 1000000 + i / 100, &now,
                                           i % 64) != TACIT_OK);
    }
    tacit_replay_free(&replay);
    return error;
}

static int legacy(void)
{
    struct tacit_legacy names = {0};
    struct tacit_legacy_node *node;
    int error = TACIT_OK;
    for (unsigned i = 0; i < 100 && !error; i++) {
        struct tacit_legacy_request request = {.type = TACIT_LEGACY_ALIVE,
                                               .name_ok = true};
        snprintf(request.name, sizeof request.name, "node%u", i);
        error = tacit_legacy_register(&names, &request, 3, i, &node);
    }
    size_t len;
    uint8_t *list = tacit_legacy_list(&names, TACIT_LEGACY_NAMES, 4369, &len);
    if (!error && list == NULL)
        error = TACIT_ENOMEM;
    free(list);
    tacit_legacy_free(&names);
    return error;
}

/* --- each allocation in turn ----------------------------------------------------------
 */

static void run_out(int (*scenario)(void))
{
    size_t before = fault_live();
    bool failed = true;
    assert_int_equal(scenario(), TACIT_OK);
    assert_int_equal(fault_live(), before);
    size_t n;
    for (n = 1; failed && n < TRIES_MAX; n++) {
        fault_arm(n);
        int error = scenario();
        failed = fault_disarm();
        /* A table that cannot grow does with what it has. */
        assert_true(error == TACIT_OK || (failed && error == TACIT_ENOMEM));
        assert_int_equal(fault_live(), before);
    }
    assert_in_range(n, 3, TRIES_MAX - 1); /* there were some, and an end */
}

static void a_configuration_is_refused_and_nothing_is_lost(void **state)
{
    write_conf(false);
    run_out(load_node);
}

static void a_door_s_configuration_is_refused_and_nothing_is_lost(void **state)
{
    write_conf(true);
    run_out(load_door);
}

static void a_first_message_is_refused_and_may_come_again(void **state)
{
    run_out(replay_memory);
}

static void a_legacy_name_is_not_registered(void **state)
{
    run_out(legacy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_is_refused_and_nothing_is_lost),
        cmocka_unit_test(a_door_s_configuration_is_refused_and_nothing_is_lost),
        cmocka_unit_test(a_first_message_is_refused_and_may_come_again),
        cmocka_unit_test(a_legacy_name_is_not_registered),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
