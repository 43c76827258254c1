/*
 * A role: what a peer may do, as [role NAME] of tacit.conf says it. Only what it says is
 * allowed. It is read once, and then shared by all links of that role.
 *
 *     send = NAME, ...         names that it may send to, and monitor. '*' stands for any
 *                              run of characters: such a pattern is for no name that OTP
 *                              registers, and none is for rex and net_kernel, which are
 *                              judged by what they are asked
 *     call = M:F/A, ...        through erpc, rpc and rex; also M:F, M:*, M:F/A-B, *
 *     spawn = M:F/A, ...       for spawn itself; also the word fun
 *     pids = shown|any|none    which pids it may send to
 *     may = WORD, ...          link, exit, group-leader, monitor, funs, system, global
 *     atoms, messages, bytes, calls, heap, reductions, processes = NUMBER
 *     excess = cut|drop, mode = enforce|watch
 */
#ifndef TACIT_GUARD_ROLE_H
#define TACIT_GUARD_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TACIT_ROLE_ITEMS = 1000, /* of one list */
    TACIT_ROLE_ARITY_MAX = 255,
};

/* Words of `may`, as bits. */
enum tacit_role_may {
    TACIT_ROLE_LINK = 1,
    TACIT_ROLE_EXIT = 2,
    TACIT_ROLE_GROUP_LEADER = 4, /* also: spawn under one that is not the peer's */
    TACIT_ROLE_MONITOR = 8,      /* anybody */
    TACIT_ROLE_FUNS = 16,
    TACIT_ROLE_SYSTEM = 32,
    TACIT_ROLE_GLOBAL = 64,
};

enum tacit_role_pids {
    TACIT_ROLE_PIDS_SHOWN, /* those that messages of ours have shown this peer */
    TACIT_ROLE_PIDS_ANY,
    TACIT_ROLE_PIDS_NONE,
};

/* Of the lists that it has. */
enum tacit_role_list {
    TACIT_ROLE_SEND,
    TACIT_ROLE_CALL,
    TACIT_ROLE_SPAWN,
    TACIT_ROLE_LISTS,
};

/* One entry: as written, and of calls its parts. NULL: any. */
struct tacit_role_item {
    unsigned line;
    uint16_t least, most; /* arity */
    char *text, *module, *function;
};

/* Zero it to start, then tacit_role_init. 0 of a rate, or of what processes may use: no
 * limit. */
struct tacit_role {
    struct {
        struct tacit_role_item *items;
        size_t number;
    } lists[TACIT_ROLE_LISTS];
    bool spawn_fun;
    unsigned may; /* bits */
    enum tacit_role_pids pids;
    uint64_t atoms, calls, processes, heap; /* heap: bytes */
    uint64_t messages, bytes, reductions;   /* a second */
    bool drop, watch;                       /* excess = drop; mode = watch */
};

/* A role that allows nothing, with the limits that are the default. */
void tacit_role_init(struct tacit_role *role);
void tacit_role_free(struct tacit_role *role);

/*
 * Sets a key to what stands on that line; lists grow. 0; TACIT_ENOMEM; TACIT_ECONFIG:
 * *ret_expected says what might stand there, NULL where there is no such key.
 */
int tacit_role_set(struct tacit_role *role, const char *key, const char *value,
                   unsigned line, const char **ret_expected);

/* The entry that allows a send to that name, or a monitor of it; NULL: none does. */
const struct tacit_role_item *tacit_role_sends(const struct tacit_role *role,
                                               const uint8_t *name, size_t len);

/* An atom's text, as the guard has it. */
struct tacit_role_text {
    const uint8_t *bytes;
    size_t len;
};

/* The entry of that list (call or spawn) that allows M:F/A; NULL: none does. */
const struct tacit_role_item *tacit_role_calls(const struct tacit_role *role,
                                               enum tacit_role_list list,
                                               struct tacit_role_text module,
                                               struct tacit_role_text function,
                                               uint64_t arity);

/* What there is to know of a text under a role: bits of its own, and its word. */
enum tacit_role_bits {
    TACIT_ROLE_BITS_WORD = 0xff, /* enum tacit_word */
    TACIT_ROLE_BITS_SEND = 0x100,
};

/* Of `rules`, a role, for struct tacit_guard_texts. */
uint32_t tacit_role_text_bits(const void *rules, const uint8_t *text, size_t len);

/*
 * Whether the role allows an operation that is written as people write it: `send NAME`,
 * `call M:F/A`, `spawn M:F/A`, `spawn fun`, or a word of `may`. 0 and the answer, with
 * the entry where a list has one; or TACIT_EINVAL: it is no operation.
 */
int tacit_role_explain(const struct tacit_role *role, const char *operation,
                       bool *ret_allowed, const struct tacit_role_item **ret_item);

#endif
