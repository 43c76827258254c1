/*
 * Messages of a peer with a role, and of this node to it, in any order. What is delivered
 * is read by a second guard, as the emulator would read it, whose role allows all: it
 * must find nothing wrong, neither in what passed nor in what stands in place of what was
 * refused. What is answered is read by a third, as the peer would.
 */
#include "fuzz.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "guard/guard.h"

static const struct tacit_guard_limits limits = {
    .bytes = 1 << 20, .words = 1 << 20, .pieces = 20, .nodes = 50, .funs = 50};
static const struct tacit_guard_limits wider = {
    .bytes = 1 << 21, .words = 1 << 21, .pieces = 40, .nodes = 500, .funs = 500};

static bool exists(void *context, const uint8_t *text, size_t len)
{
    return len % 2 == 0;
}

static bool spend(void *context)
{
    return ++*(unsigned *)context < 200;
}

static void set(struct tacit_role *role, const char *key, const char *value)
{
    const char *expected;
    MUST(tacit_role_set(role, key, value, 1, &expected) == 0);
}

static void all(struct tacit_role *role)
{
    tacit_role_init(role);
    set(role, "send", "*, init");
    set(role, "call", "*");
    set(role, "spawn", "*, fun");
    set(role, "pids", "any");
    set(role, "may", "link, exit, group-leader, monitor, funs, system, global");
    set(role, "calls", "1000000");
}

/* One that says as much as the bits of the choice. */
static void some(struct tacit_role *role, uint8_t choice)
{
    tacit_role_init(role);
    if (choice & 2)
        set(role, "send", "ingest");
    if (choice & 4)
        set(role, "call", "m:f, erlang:*");
    if (choice & 8)
        set(role, "spawn", "s:*, fun");
    if (choice & 16)
        set(role, "may", "link, exit, group-leader, monitor");
    if (choice & 32)
        set(role, "may", "funs, system, global");
    if (choice & 64)
        set(role, "pids", "any");
    if (choice & 128)
        set(role, "mode", "watch");
}

static struct tacit_guard_link *link_of(const struct tacit_role *role,
                                        const struct tacit_guard_asks *asks,
                                        const struct tacit_guard_limits *within,
                                        bool peer, uint64_t flags)
{
    struct tacit_guard_hello own = {.flags = flags,
                                    .creation = 2,
                                    .name = (const uint8_t *)"own@host",
                                    .name_len = 8},
                             other = {.flags = flags,
                                      .creation = 3,
                                      .name = (const uint8_t *)"peer@host",
                                      .name_len = 9};
    struct tacit_guard_start start = {.role = role,
                                      .asks = asks,
                                      .limits = *within,
                                      .own = peer ? other : own,
                                      .peer = peer ? own : other};
    struct tacit_guard_link *link = tacit_guard_link_new(&start);
    MUST(link != NULL);
    return link;
}

/* Bytes in memory of their own, so that one beyond them is seen. */
static void read_by(struct tacit_guard_link *link, const uint8_t *first, size_t first_len,
                    const uint8_t *rest, size_t rest_len)
{
    struct tacit_guard_verdict v;
    size_t len = first_len + rest_len;
    uint8_t *own = malloc(len);
    MUST(own != NULL);
    if (first_len > 0)
        memcpy(own, first, first_len);
    if (rest_len > 0)
        memcpy(own + first_len, rest, rest_len);
    tacit_guard_in(link, own, len, 0, &v);
    MUST(v.cut == TACIT_GUARD_FINE);
    free(own);
}

/* A message of the peer's. false: the link is cut. */
static bool comes(struct tacit_guard_link *link, struct tacit_guard_link *emulator,
                  struct tacit_guard_link *peer, const uint8_t *bytes, size_t len)
{
    struct tacit_guard_verdict v;
    char text[TACIT_GUARD_OPERATION_MAX];
    tacit_guard_in(link, bytes, len, 0, &v);
    tacit_guard_operation_text(&v.ruling, text);
    if (v.cut != TACIT_GUARD_FINE)
        return false;
    MUST(v.rest <= len && (v.answer_len == 0 || v.ruling.refused));
    if (v.before_len > 0 || v.rest < len)
        read_by(emulator, v.before, v.before_len, bytes + v.rest, len - v.rest);
    if (v.answer_len > 0)
        read_by(peer, v.answer, v.answer_len, NULL, 0);
    return true;
}

/* A message of this node's: in two pieces of memory. */
static void goes(struct tacit_guard_link *link, const uint8_t *bytes, size_t len)
{
    size_t half = len / 2;
    struct iovec iov[2];
    for (int i = 0; i < 2; i++) {
        iov[i].iov_len = i == 0 ? half : len - half;
        iov[i].iov_base = malloc(iov[i].iov_len + (iov[i].iov_len == 0));
        MUST(iov[i].iov_base != NULL);
        memcpy(iov[i].iov_base, bytes + (i == 0 ? 0 : half), iov[i].iov_len);
    }
    tacit_guard_out(link, iov, 2);
    free(iov[0].iov_base);
    free(iov[1].iov_base);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    unsigned spent[2] = {0};
    struct tacit_guard_asks asks = {&spent[0], exists, spend},
                            others = {&spent[1], exists, spend};
    struct tacit_role role, every;
    MUST(sodium_init() >= 0);
    if (len < 2)
        return 0;
    struct tacit_reader in = tacit_reader(bytes, len);
    uint8_t choice = tacit_get_u8(&in), unlikely = tacit_get_u8(&in);
    uint64_t flags = choice & 1 ? 0
                                : TACIT_GUARD_FLAG_CACHE | TACIT_GUARD_FLAG_FRAGMENTS |
                                      TACIT_GUARD_FLAG_RECORDS;
    if (unlikely == 1)
        flags = TACIT_GUARD_FLAG_FRAGMENTS;
    some(&role, choice);
    all(&every);
    struct tacit_guard_link *link = link_of(&role, &asks, &limits, false, flags);
    struct tacit_guard_link *emulator = link_of(&every, &others, &wider, false, flags);
    struct tacit_guard_link *peer = link_of(&every, &others, &wider, true, flags);
    bool lives = true;
    while (lives && tacit_left(&in) > 0) {
        bool ours = (tacit_get_u8(&in) & 1) != 0;
        size_t size = tacit_get_u16(&in);
        size = size < tacit_left(&in) ? size : tacit_left(&in);
        const uint8_t *message = tacit_get_bytes(&in, size);
        if (message == NULL)
            break;
        if (ours)
            goes(link, message, size);
        else
            lives = comes(link, emulator, peer, message, size);
        spent[1] = 0;
    }
    tacit_guard_link_free(link);
    tacit_guard_link_free(emulator);
    tacit_guard_link_free(peer);
    tacit_role_free(&role);
    tacit_role_free(&every);
    return 0;
}
