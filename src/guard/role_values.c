#include "role_values.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tacit/error.h"

enum {
    NAME_MAX_BYTES = 255 * 4, /* of an atom */
    ITEM_MAX = 2 * NAME_MAX_BYTES + 16,
};

static const struct {
    const char *word;
    unsigned bit;
} may_words[] = {
    {"link", TACIT_ROLE_LINK},
    {"exit", TACIT_ROLE_EXIT},
    {"group-leader", TACIT_ROLE_GROUP_LEADER},
    {"monitor", TACIT_ROLE_MONITOR},
    {"funs", TACIT_ROLE_FUNS},
    {"system", TACIT_ROLE_SYSTEM},
    {"global", TACIT_ROLE_GLOBAL},
};

unsigned tacit_role_may_word(const char *word)
{
    for (size_t i = 0; i < sizeof may_words / sizeof may_words[0]; i++)
        if (strcmp(word, may_words[i].word) == 0)
            return may_words[i].bit;
    return 0;
}

/* Whether the bytes may be an atom in a value: no spaces, nor what separates. */
static bool is_atom(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] <= ' ' || text[i] == 0x7f || strchr(",:/\"'", text[i]))
            return false;
    return len > 0 && len <= NAME_MAX_BYTES;
}

bool tacit_role_name_ok(const char *name)
{
    return is_atom(name, strlen(name));
}

/* A number of up to three digits, at most an arity's; *at is behind it then. */
static bool parse_arity(const char **at, uint16_t *ret)
{
    unsigned value = 0, digits = 0;
    for (; **at >= '0' && **at <= '9' && digits < 4; (*at)++, digits++)
        value = 10 * value + (unsigned)(**at - '0');
    *ret = (uint16_t)value;
    return digits > 0 && value <= TACIT_ROLE_ARITY_MAX;
}

static bool parse_arities(const char *at, struct tacit_role_item *item)
{
    if (!parse_arity(&at, &item->least))
        return false;
    item->most = item->least;
    if (*at == '-') {
        at++;
        if (!parse_arity(&at, &item->most))
            return false;
    }
    return *at == '\0' && item->least <= item->most;
}

/* Where the parts are, as far as they are not for any. */
struct parts {
    const char *function;
    size_t module_len, function_len; /* 0: any */
};

static bool split_call(const char *text, struct parts *parts,
                       struct tacit_role_item *item)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
    *parts = (struct parts){.function = text};
    if (strcmp(text, "*") == 0)
        return true;
    if (colon == NULL || (slash != NULL && slash < colon))
        return false;
    parts->module_len = (size_t)(colon - text);
    parts->function = colon + 1;
    parts->function_len =
        slash != NULL ? (size_t)(slash - parts->function) : strlen(parts->function);
    if (!is_atom(text, parts->module_len) ||
        !is_atom(parts->function, parts->function_len) ||
        memchr(text, '*', parts->module_len) != NULL)
        return false;
    if (strcmp(parts->function, "*") == 0)
        parts->function_len = 0;
    return memchr(parts->function, '*', parts->function_len) == NULL &&
           (slash == NULL || parse_arities(slash + 1, item));
}

/* A copy of so many bytes, where there are any. */
static bool copy(const char *text, size_t len, char **ret)
{
    *ret = len > 0 ? strndup(text, len) : NULL;
    return len == 0 || *ret != NULL;
}

int tacit_role_parse_call(const char *text, struct tacit_role_item *ret)
{
    struct tacit_role_item item = {.most = TACIT_ROLE_ARITY_MAX};
    struct parts parts;
    if (!split_call(text, &parts, &item))
        return TACIT_ECONFIG;
    if (copy(text, strlen(text), &item.text) &&
        copy(text, parts.module_len, &item.module) &&
        copy(parts.function, parts.function_len, &item.function)) {
        *ret = item;
        return 0;
    }
    free(item.text);
    free(item.module);
    free(item.function);
    return TACIT_ENOMEM;
}

/* Makes room for another entry of that list. */
static struct tacit_role_item *another(struct tacit_role *role, enum tacit_role_list list)
{
    size_t number = role->lists[list].number;
    if ((number & (number - 1)) == 0) { /* a power of two: full */
        size_t size = number > 0 ? 2 * number : 1;
        struct tacit_role_item *items =
            realloc(role->lists[list].items, size * sizeof *items);
        if (items == NULL)
            return NULL;
        role->lists[list].items = items;
    }
    return &role->lists[list].items[number];
}

static int add_item(struct tacit_role *role, enum tacit_role_list list, const char *text,
                    unsigned line)
{
    if (list == TACIT_ROLE_SPAWN && strcmp(text, "fun") == 0) {
        role->spawn_fun = true;
        return 0;
    }
    if (role->lists[list].number == TACIT_ROLE_ITEMS ||
        (list == TACIT_ROLE_SEND && !tacit_role_name_ok(text)))
        return TACIT_ECONFIG;
    struct tacit_role_item *item = another(role, list), made = {.text = NULL};
    if (item == NULL)
        return TACIT_ENOMEM;
    if (list == TACIT_ROLE_SEND) {
        if (!copy(text, strlen(text), &made.text))
            return TACIT_ENOMEM;
    } else {
        int error = tacit_role_parse_call(text, &made);
        if (error)
            return error;
    }
    made.line = line;
    *item = made;
    role->lists[list].number++;
    return 0;
}

/* The next item of a value with commas, without the spaces around it; false: no more. */
static bool next_item(const char **value, char item[ITEM_MAX])
{
    const char *at = *value;
    if (at == NULL)
        return false;
    const char *comma = strchr(at, ','), *end = comma != NULL ? comma : at + strlen(at);
    *value = comma != NULL ? comma + 1 : NULL;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t len = (size_t)(end - at) < ITEM_MAX ? (size_t)(end - at) : 0;
    memcpy(item, at, len);
    item[len] = '\0'; /* nothing, as one too long, is no item of any list */
    return true;
}

static int set_list(struct tacit_role *role, enum tacit_role_list list, const char *value,
                    unsigned line)
{
    char item[ITEM_MAX];
    int error = 0;
    while (!error && next_item(&value, item))
        error = add_item(role, list, item, line);
    return error;
}

static int set_may(struct tacit_role *role, const char *value)
{
    char item[ITEM_MAX];
    while (next_item(&value, item)) {
        unsigned bit = tacit_role_may_word(item);
        if (bit == 0)
            return TACIT_ECONFIG;
        role->may |= bit;
    }
    return 0;
}

/* A number, with K, M or G for so many times 1024 where that is allowed. */
static int set_number(uint64_t *ret, const char *value, bool units)
{
    uint64_t number = 0;
    unsigned digits = 0, shift = 0;
    for (; *value >= '0' && *value <= '9' && digits < 12; value++, digits++)
        number = 10 * number + (uint64_t)(*value - '0');
    if (units && *value != '\0') {
        shift = *value == 'K' ? 10 : *value == 'M' ? 20 : *value == 'G' ? 30 : 0;
        value += shift > 0;
    }
    if (digits == 0 || *value != '\0' || number == 0 ||
        number > UINT64_MAX >> 20 >> shift)
        return TACIT_ECONFIG;
    *ret = number << shift;
    return 0;
}

/* One of two or three words: its place among them. */
static int set_word(const char *const *words, const char *value, unsigned *ret)
{
    for (unsigned i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], value) == 0) {
            *ret = i;
            return 0;
        }
    }
    return TACIT_ECONFIG;
}

enum kind {
    LIST_SEND,
    LIST_CALL,
    LIST_SPAWN,
    MAY,
    PIDS,
    EXCESS,
    MODE,
    NUMBER,
    BYTES,
};

static const struct {
    const char *key;
    enum kind kind;
    size_t offset; /* of a number */
    const char *expected;
} keys[] = {
    {"send", LIST_SEND, 0, "registered names, '*' in them for any characters"},
    {"call", LIST_CALL, 0, "M:F/A, M:F/A-B, M:F, M:* or *, with commas between"},
    {"spawn", LIST_SPAWN, 0, "M:F/A, M:F/A-B, M:F, M:*, * or fun, with commas between"},
    {"may", MAY, 0, "link, exit, group-leader, monitor, funs, system or global"},
    {"pids", PIDS, 0, "shown, any or none"},
    {"excess", EXCESS, 0, "cut or drop"},
    {"mode", MODE, 0, "enforce or watch"},
    {"atoms", NUMBER, offsetof(struct tacit_role, atoms), "a number of new atoms"},
    {"calls", NUMBER, offsetof(struct tacit_role, calls), "a number of calls at once"},
    {"processes", NUMBER, offsetof(struct tacit_role, processes),
     "a number of processes"},
    {"messages", NUMBER, offsetof(struct tacit_role, messages), "a number a second"},
    {"reductions", NUMBER, offsetof(struct tacit_role, reductions), "a number a second"},
    {"bytes", BYTES, offsetof(struct tacit_role, bytes), "bytes a second, as 20M"},
    {"heap", BYTES, offsetof(struct tacit_role, heap), "bytes, as 64M"},
};

static int set(struct tacit_role *role, enum kind kind, uint64_t *number,
               const char *value, unsigned line)
{
    static const char *const pids[] = {"shown", "any", "none", NULL},
                             *const excess[] = {"cut", "drop", NULL},
                             *const mode[] = {"enforce", "watch", NULL};
    unsigned word = 0;
    int error = 0;
    switch (kind) {
    case LIST_SEND:
        return set_list(role, TACIT_ROLE_SEND, value, line);
    case LIST_CALL:
        return set_list(role, TACIT_ROLE_CALL, value, line);
    case LIST_SPAWN:
        return set_list(role, TACIT_ROLE_SPAWN, value, line);
    case MAY:
        return set_may(role, value);
    case PIDS:
        error = set_word(pids, value, &word);
        role->pids = error ? role->pids : (enum tacit_role_pids)word;
        return error;
    case EXCESS:
        error = set_word(excess, value, &word);
        role->drop = error ? role->drop : word == 1;
        return error;
    case MODE:
        error = set_word(mode, value, &word);
        role->watch = error ? role->watch : word == 1;
        return error;
    case NUMBER:
    case BYTES:
        break;
    }
    return set_number(number, value, kind == BYTES);
}

int tacit_role_set(struct tacit_role *role, const char *key, const char *value,
                   unsigned line, const char **ret_expected)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i].key, key) != 0)
            continue;
        uint64_t *number = (uint64_t *)(void *)((char *)role + keys[i].offset);
        int error = set(role, keys[i].kind, number, value, line);
        if (error)
            *ret_expected = keys[i].expected;
        return error;
    }
    *ret_expected = NULL;
    return TACIT_ECONFIG;
}
