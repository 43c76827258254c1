#include "role.h"

#include <stdlib.h>
#include <string.h>

#include "guard/role_values.h"
#include "guard/words.h"
#include "tacit/error.h"

void tacit_role_init(struct tacit_role *role)
{
    *role = (struct tacit_role){
        .atoms = 1000, .calls = 100, .processes = 1000, .heap = UINT64_C(64) << 20};
}

static void free_item(struct tacit_role_item *item)
{
    free(item->text);
    free(item->module);
    free(item->function);
}

void tacit_role_free(struct tacit_role *role)
{
    for (int list = 0; list < TACIT_ROLE_LISTS; list++) {
        for (size_t i = 0; i < role->lists[list].number; i++)
            free_item(&role->lists[list].items[i]);
        free(role->lists[list].items);
    }
    tacit_role_init(role);
}

/* '*' in the pattern stands for any run of bytes; the text has an end, not a zero. */
static bool matches(const char *pattern, const uint8_t *text, size_t len)
{
    const char *star = NULL;
    size_t at = 0, again = 0;
    while (at < len) {
        if (*pattern == '*') {
            star = pattern++;
            again = at;
        } else if (*pattern != '\0' && (uint8_t)*pattern == text[at]) {
            pattern++;
            at++;
        } else if (star != NULL) { /* the star takes one more */
            pattern = star + 1;
            at = ++again;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

const struct tacit_role_item *tacit_role_sends(const struct tacit_role *role,
                                               const uint8_t *name, size_t len)
{
    enum tacit_word word = tacit_word(name, len);
    bool otp = tacit_word_is_otp(name, len);
    if (word == TACIT_WORD_REX || word == TACIT_WORD_NET_KERNEL)
        return NULL;
    for (size_t i = 0; i < role->lists[TACIT_ROLE_SEND].number; i++) {
        const struct tacit_role_item *item = &role->lists[TACIT_ROLE_SEND].items[i];
        if (matches(item->text, name, len) && (!otp || strchr(item->text, '*') == NULL))
            return item;
    }
    return NULL;
}

static bool is(const char *text, struct tacit_role_text other)
{
    return text == NULL ||
           (strlen(text) == other.len && memcmp(text, other.bytes, other.len) == 0);
}

const struct tacit_role_item *tacit_role_calls(const struct tacit_role *role,
                                               enum tacit_role_list list,
                                               struct tacit_role_text module,
                                               struct tacit_role_text function,
                                               uint64_t arity)
{
    for (size_t i = 0; i < role->lists[list].number; i++) {
        const struct tacit_role_item *item = &role->lists[list].items[i];
        if (arity >= item->least && arity <= item->most && is(item->module, module) &&
            is(item->function, function))
            return item;
    }
    return NULL;
}

uint32_t tacit_role_text_bits(const void *rules, const uint8_t *text, size_t len)
{
    const struct tacit_role *role = rules;
    uint32_t bits = (uint32_t)tacit_word(text, len);
    return bits | (tacit_role_sends(role, text, len) ? TACIT_ROLE_BITS_SEND : 0);
}

static struct tacit_role_text text_of(const char *text)
{
    return (struct tacit_role_text){(const uint8_t *)text, strlen(text)};
}

/* `call M:F/A` and `spawn M:F/A`: one function, of one arity. */
static int explain_call(const struct tacit_role *role, enum tacit_role_list list,
                        const char *what, const struct tacit_role_item **ret)
{
    struct tacit_role_item asked;
    int error = tacit_role_parse_call(what, &asked);
    if (error)
        return error == TACIT_ENOMEM ? error : TACIT_EINVAL;
    if (asked.module == NULL || asked.function == NULL || asked.least != asked.most)
        error = TACIT_EINVAL;
    else
        *ret = tacit_role_calls(role, list, text_of(asked.module),
                                text_of(asked.function), asked.least);
    free_item(&asked);
    return error;
}

int tacit_role_explain(const struct tacit_role *role, const char *operation,
                       bool *ret_allowed, const struct tacit_role_item **ret_item)
{
    const struct tacit_role_item *item = NULL;
    unsigned bit = tacit_role_may_word(operation);
    int error = 0;
    if (bit != 0) {
        *ret_item = NULL;
        *ret_allowed = (role->may & bit) != 0;
        return 0;
    }
    if (strcmp(operation, "spawn fun") == 0) {
        *ret_item = NULL;
        *ret_allowed = role->spawn_fun;
        return 0;
    }
    if (strncmp(operation, "send ", 5) == 0 && tacit_role_name_ok(operation + 5))
        item =
            tacit_role_sends(role, (const uint8_t *)operation + 5, strlen(operation + 5));
    else if (strncmp(operation, "call ", 5) == 0)
        error = explain_call(role, TACIT_ROLE_CALL, operation + 5, &item);
    else if (strncmp(operation, "spawn ", 6) == 0)
        error = explain_call(role, TACIT_ROLE_SPAWN, operation + 6, &item);
    else
        error = TACIT_EINVAL;
    if (error)
        return error;
    *ret_item = item;
    *ret_allowed = item != NULL;
    return 0;
}
