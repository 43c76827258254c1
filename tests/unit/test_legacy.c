/* The promises of src/door/legacy and src/door/registry: names, and epmd's protocol. */
#include "test_unit.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "door/legacy.h"
#include "tacit/error.h"

/* ---- The registry ------------------------------------------------------------------ */

static void ten_thousand_names_are_found_and_no_other(void **state)
{
    enum {
        MANY = 10000
    };
    struct tacit_registry r = {0};
    struct tacit_registry_entry *entries = calloc(MANY, sizeof *entries);
    char(*names)[16] = calloc(MANY, sizeof *names);
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "n%d@h", i);
        entries[i].name = names[i];
        assert_int_equal(tacit_registry_add(&r, &entries[i]), 0);
    }
    assert_true(r.slot_count >= MANY); /* so that none is searched for long */
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(tacit_registry_find(&r, names[i]), &entries[i]);
    assert_null(tacit_registry_find(&r, "n10000@h"));
    struct tacit_registry_entry twin = {.name = "n7@h"};
    assert_int_equal(tacit_registry_add(&r, &twin), TACIT_ENAME);
    for (int i = 0; i < MANY; i += 2)
        tacit_registry_remove(&r, &entries[i]);
    for (int i = 0; i < MANY; i++)
        assert_ptr_equal(tacit_registry_find(&r, names[i]), i % 2 ? &entries[i] : NULL);
    assert_ptr_equal(r.oldest, &entries[1]);
    assert_ptr_equal(r.newest, &entries[MANY - 1]);
    assert_int_equal(r.count, MANY / 2);
    tacit_registry_free(&r);
    free(entries);
    free(names);
}

/* ---- Requests ---------------------------------------------------------------------- */

static struct tacit_legacy_input in;
static struct tacit_legacy_request request;

/* Gives the bytes in pieces of this size; then reads the request. */
static int ask(const void *bytes, size_t len, size_t piece)
{
    bool whole = false;
    const uint8_t *at = bytes;
    memset(&in, 0, sizeof in);
    while (len > 0 && !whole) {
        size_t take = tacit_legacy_wants(&in);
        take = take > len ? len : take;
        take = take > piece ? piece : take;
        memcpy(in.bytes + in.got, at, take);
        int error = tacit_legacy_took(&in, take, &whole);
        if (error)
            return error;
        at += take;
        len -= take;
    }
    return whole ? tacit_legacy_read(&in, &request) : TACIT_ESTATE;
}

#define ASK(text) ask(text, sizeof text - 1, sizeof text)
#define ALIVE "x\x11\x12M\0\0\6\0\5\0\3app\0\2ex"

static void a_registration_is_read_however_it_is_cut(void **state)
{
    static const char bytes[] = "\0\22" ALIVE;
    for (size_t piece = 1; piece < sizeof bytes; piece++) {
        assert_int_equal(ask(bytes, sizeof bytes - 1, piece), 0);
        assert_int_equal(request.type, TACIT_LEGACY_ALIVE);
        assert_int_equal(request.port, 0x1112);
        assert_int_equal(request.node_type, 'M');
        assert_int_equal(request.version_max, 6);
        assert_int_equal(request.version_min, 5);
        assert_string_equal(request.name, "app");
        assert_int_equal(request.extra_len, 2);
        assert_memory_equal(request.extra, "ex", 2);
        assert_true(request.name_ok);
    }
}

static void what_epmd_closes_at_is_closed_at(void **state)
{
    assert_int_equal(ASK("\0\0"), TACIT_EFORMAT);
    assert_int_equal(ASK("\xff\xff"), TACIT_EFORMAT);
    assert_int_equal(ASK("\x0b\xf2"), TACIT_EFORMAT); /* 3058 */
    assert_int_equal(ASK("\0\1nn"), TACIT_EFORMAT);   /* a byte too many */
    assert_int_equal(ASK("\0\1?"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\1x"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\16x\x11\x12M\0\0\6\0\5\0\3app"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\20x\x11\x12M\0\0\6\0\5\0\3a\0p\0\0"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\20x\x11\x12M\0\0\6\0\5\xff\xff"
                         "app\0\0"),
                     TACIT_EFORMAT);
    assert_int_equal(ASK("\0\1z"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\2z\0"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\4za\0b"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\3z\xff\xff"), TACIT_EFORMAT);
    assert_int_equal(ASK("\0\1s"), TACIT_EFORMAT);
}

static void a_port_is_asked_for_with_and_without_a_zero(void **state)
{
    assert_int_equal(ASK("\0\4zapp"), 0);
    assert_string_equal(request.name, "app");
    assert_int_equal(ASK("\0\5zapp\0"), 0);
    assert_string_equal(request.name, "app");
}

/* ---- Names ------------------------------------------------------------------------- */

static struct tacit_legacy names;

static struct tacit_legacy_node *alive(const char *name, uint16_t version)
{
    struct tacit_legacy_node *node = NULL;
    memset(&request, 0, sizeof request);
    request.type = TACIT_LEGACY_ALIVE;
    request.port = 77;
    request.version_max = version;
    request.name_ok = true;
    snprintf(request.name, sizeof request.name, "%s", name);
    assert_int_equal(tacit_legacy_register(&names, &request, 5, 1000, &node), 0);
    return node;
}

static void a_name_that_comes_back_has_a_higher_creation(void **state)
{
    struct tacit_legacy_node *node = alive("a", 6);
    uint32_t first = node->creation;
    struct tacit_legacy_node *twin = NULL;
    assert_int_equal(first, 1001);
    assert_int_equal(tacit_legacy_register(&names, &request, 6, 1, &twin), TACIT_ENAME);
    assert_null(twin);
    tacit_legacy_unregister(&names, node);
    assert_int_equal(alive("a", 6)->creation, first + 1);
    tacit_legacy_free(&names);
}

static void answers_are_epmd_s_own(void **state)
{
    uint8_t out[TACIT_LEGACY_REPLY_MAX];
    struct tacit_legacy_node *node = alive("a", 6);
    assert_int_equal(tacit_legacy_alive_reply(&request, node, out), 6);
    assert_memory_equal(out, "v\0\0\0\3\xe9", 6);
    assert_int_equal(tacit_legacy_alive_reply(&request, NULL, out), 6);
    assert_memory_equal(out, "v\1\0\0\0\x63", 6);
    request.version_max = 5;
    assert_int_equal(tacit_legacy_alive_reply(&request, node, out), 4);
    assert_memory_equal(out, "y\0\0\3", 4); /* 1001 % 3 + 1 */
    assert_int_equal(tacit_legacy_alive_reply(&request, NULL, out), 4);
    assert_memory_equal(out, "y\1\0\x63", 4);
    assert_int_equal(tacit_legacy_port_reply(node, out), 15);
    assert_memory_equal(out, "w\0\0\x4d\0\0\0\6\0\0\0\1a\0\0", 15);
    assert_int_equal(tacit_legacy_port_reply(NULL, out), 2);
    assert_memory_equal(out, "w\1", 2);
    tacit_legacy_free(&names);
}

static void lists_hold_every_name(void **state)
{
    static const char listed[] = "\0\0\x11\x11name b at port 77\nname a at port 77\n";
    static const char dumped[] = "\0\0\x11\x11"
                                 "active name     <a> at port 77, fd = 5\n\0"
                                 "old/unused name <b>, port = 77, fd = 5 \n";
    size_t len;
    alive("a", 6);
    struct tacit_legacy_node *b = alive("b", 6);
    uint8_t *list = tacit_legacy_list(&names, TACIT_LEGACY_NAMES, 0x1111, &len);
    assert_int_equal(len, sizeof listed - 1);
    assert_memory_equal(list, listed, len);
    free(list);
    tacit_legacy_unregister(&names, b);
    list = tacit_legacy_list(&names, TACIT_LEGACY_DUMP, 0x1111, &len);
    assert_int_equal(len, sizeof dumped);
    assert_memory_equal(list, dumped, len);
    free(list);
    tacit_legacy_free(&names);
}

static void old_names_are_forgotten_in_the_end(void **state)
{
    char name[16];
    for (int i = 0; i < TACIT_LEGACY_OLD_MAX + 10; i++) {
        snprintf(name, sizeof name, "n%d", i);
        tacit_legacy_unregister(&names, alive(name, 6));
    }
    assert_int_equal(names.old.count, TACIT_LEGACY_OLD_MAX);
    assert_null(tacit_registry_find(&names.old, "n9"));
    assert_non_null(tacit_registry_find(&names.old, "n10"));
    tacit_legacy_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_names_are_found_and_no_other),
        cmocka_unit_test(a_registration_is_read_however_it_is_cut),
        cmocka_unit_test(what_epmd_closes_at_is_closed_at),
        cmocka_unit_test(a_port_is_asked_for_with_and_without_a_zero),
        cmocka_unit_test(a_name_that_comes_back_has_a_higher_creation),
        cmocka_unit_test(answers_are_epmd_s_own),
        cmocka_unit_test(lists_hold_every_name),
        cmocka_unit_test(old_names_are_forgotten_in_the_end),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests_name("legacy", tests, NULL, NULL);
}
