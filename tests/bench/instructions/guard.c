/*
 * guard KIND COUNT: has src/guard judge COUNT messages of that kind, as an ordinary node
 * sends them: their atoms are in the cache, and each names five.
 * tests/bench/instructions/run counts what that takes.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/frame.h"
#include "guard/guard.h"

static struct tacit_role role;
static uint8_t message[4096];
static size_t message_len;

static void fail(const char *what)
{
    fprintf(stderr, "guard: %s\n", what);
    exit(1);
}

/* --- the emulator, which has every atom ----------------------------------------------
 */

static bool exists(void *context, const uint8_t *text, size_t len)
{
    (void)context, (void)text, (void)len;
    return true;
}

static bool spend(void *context)
{
    (void)context;
    return true;
}

/* --- messages ------------------------------------------------------------------------
 */

static void put(const void *bytes, size_t len)
{
    memcpy(message + message_len, bytes, len);
    message_len += len;
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

static const char *const atoms[] = {"own@host", "peer@host", "ingest", "$gen_call", ""};

/* A header that names the atoms above, in their slots: new ones the first time. */
static void put_header(bool first)
{
    uint8_t number = sizeof atoms / sizeof atoms[0];
    message_len = 0;
    put("\x83\x44", 2);
    put(&number, 1);
    for (unsigned i = 0; i <= number; i += 2)
        put(first ? "\x88" : "\0", 1);
    if (first && number % 2 == 1)
        message[message_len - 1] = 0x08; /* the last half says that lengths are short */
    for (uint8_t i = 0; i < number; i++) {
        uint8_t len = (uint8_t)strlen(atoms[i]);
        put(&i, 1);
        if (!first)
            continue;
        put(&len, 1);
        put_text(atoms[i]);
    }
}

enum {
    OWN,
    PEER,
    INGEST,
    GEN_CALL,
    EMPTY
};

static void put_atom(uint8_t at)
{
    put("\x52", 1);
    put(&at, 1);
}

/* NEW_PID_EXT: number, serial, creation. */
static void put_pid(uint8_t node, uint8_t creation)
{
    put("\x58", 1);
    put_atom(node);
    put("\0\0\0\x63\0\0\0\0\0\0\0", 11);
    put(&creation, 1);
}

static void put_reference(void)
{
    put("\x5a\0\3", 3);
    put_atom(PEER);
    put("\0\0\0\3\0\0\1\1\0\0\2\2\0\0\3\3", 16);
}

static void put_binary(uint16_t len)
{
    uint8_t head[] = {0x6d, 0, 0, (uint8_t)(len >> 8), (uint8_t)len};
    put(head, sizeof head);
    memset(message + message_len, 'x', len);
    message_len += len;
}

static void make(const char *kind)
{
    put_header(false);
    if (strncmp(kind, "pid", 3) == 0) { /* SEND_SENDER */
        put("\x68\3\x61\x16", 4);
        put_pid(PEER, 3);
        put_pid(OWN, 2);
        put_binary((uint16_t)atoi(kind + 3));
    } else if (strcmp(kind, "name") == 0) { /* REG_SEND */
        put("\x68\4\x61\6", 4);
        put_pid(PEER, 3);
        put_atom(EMPTY);
        put_atom(INGEST);
        put_binary(16);
    } else if (strcmp(kind, "monitor") == 0) {
        put("\x68\4\x61\x13", 4);
        put_pid(PEER, 3);
        put_atom(INGEST);
        put_reference();
    } else if (strcmp(kind, "call") == 0) { /* {'$gen_call', {Pid, [alias | Ref]}, X} */
        put("\x68\4\x61\6", 4);
        put_pid(PEER, 3);
        put_atom(EMPTY);
        put_atom(INGEST);
        put("\x68\3", 2);
        put_atom(GEN_CALL);
        put("\x68\2", 2);
        put_pid(PEER, 3);
        put("\x6c\0\0\0\1", 5);
        put_atom(INGEST);
        put_reference();
        put_binary(16);
    } else {
        fail("pid16, pid1024, name, monitor or call");
    }
}

/* --- judging --------------------------------------------------------------------------
 */

static void set(const char *key, const char *value)
{
    const char *expected;
    if (tacit_role_set(&role, key, value, 1, &expected) != 0)
        fail(expected);
}

static struct tacit_guard_link *open_link(void)
{
    static const struct tacit_guard_asks asks = {.atom_exists = exists,
                                                 .spend_atom = spend};
    const struct tacit_guard_start start = {
        .role = &role,
        .asks = &asks,
        .limits = {.bytes = 1 << 26,
                   .words = 1 << 26,
                   .pieces = 100,
                   .nodes = 100,
                   .funs = 100},
        .own = {TACIT_GUARD_FLAG_CACHE, 2, strlen(atoms[OWN]),
                (const uint8_t *)atoms[OWN]},
        .peer = {TACIT_GUARD_FLAG_CACHE, 3, strlen(atoms[PEER]),
                 (const uint8_t *)atoms[PEER]}};
    struct tacit_guard_link *link = tacit_guard_link_new(&start);
    if (link == NULL)
        fail("no link");
    return link;
}

static void judge(struct tacit_guard_link *link)
{
    struct tacit_guard_verdict verdict;
    tacit_guard_in(link, message, message_len, 1000, &verdict);
    if (verdict.cut)
        fail(tacit_guard_reason_text(verdict.cut));
    if (verdict.ruling.refused)
        fail("refused");
}

int main(int argc, char **argv)
{
    if (argc != 3 || sodium_init() < 0)
        return 2;
    tacit_role_init(&role);
    set("send", "ingest");
    set("pids", "any");
    struct tacit_guard_link *link = open_link();
    put_header(true);
    put("\x68\4\x61\6", 4); /* fills the slots */
    put_pid(PEER, 3);
    put_atom(EMPTY);
    put_atom(INGEST);
    put_binary(1);
    judge(link);
    make(argv[1]);
    for (long count = atol(argv[2]); count > 0; count--)
        judge(link);
    tacit_guard_link_free(link);
    tacit_role_free(&role);
    return 0;
}
