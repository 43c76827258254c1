/*
 * Atoms that mean something to a guard: what OTP's own processes are asked by, options of
 * processes, and names that OTP registers. A text's word is found once, when it is first
 * seen.
 */
#ifndef TACIT_GUARD_WORDS_H
#define TACIT_GUARD_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tacit_word {
    TACIT_WORD_NONE = 0,
    TACIT_WORD_APPLY,
    TACIT_WORD_BLOCK_CALL,
    TACIT_WORD_CALL,
    TACIT_WORD_CAST,
    TACIT_WORD_ERLANG,
    TACIT_WORD_ERPC,
    TACIT_WORD_EXECUTE_CALL,
    TACIT_WORD_EXECUTE_CAST,
    TACIT_WORD_EXIT, /* 'EXIT' */
    TACIT_WORD_FEATURES_REQUEST,
    TACIT_WORD_GEN_CALL, /* '$gen_call' */
    TACIT_WORD_GEN_CAST,
    TACIT_WORD_GLOBAL_NAME_SERVER,
    TACIT_WORD_IS_AUTH,
    TACIT_WORD_NET_KERNEL,
    TACIT_WORD_OPTION, /* of a process, which its caller may set: link and its kin */
    TACIT_WORD_REX,
    TACIT_WORD_SUPERVISOR, /* what supervisors are asked: start_child and its kin */
    TACIT_WORD_SYSTEM,
};

/* What the text is, of these. */
enum tacit_word tacit_word(const uint8_t *text, size_t len);

/* Whether a part of OTP registers that name. */
bool tacit_word_is_otp(const uint8_t *text, size_t len);

#endif
