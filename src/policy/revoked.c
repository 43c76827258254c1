/* The keys that a host has revoked by itself. */
#include "policy/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "policy/policy-internal.h"

enum {
    LINE_LEN = TACIT_FINGERPRINT_TEXT - 1,
};

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, TACIT_FINGERPRINT_BYTES);
}

static int take_line(struct tacit_revoked *list, const char *path, unsigned line,
                     const char *text, size_t len, struct tacit_fault *fault)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT];
    if (len == 0)
        return TACIT_OK;
    if (len == LINE_LEN) {
        memcpy(fingerprint, text, LINE_LEN);
        fingerprint[LINE_LEN] = '\0';
        if (tacit_fingerprint_from_text(fingerprint, list->at[list->count]) == 0) {
            list->count++;
            return TACIT_OK;
        }
    }
    struct tacit_quoted quoted;
    return tacit_fault_at(fault, path, line,
                          "got '%s', expected a fingerprint and nothing beside it",
                          tacit_quote(&quoted, text, len));
}

static int take_lines(struct tacit_revoked *list, const char *path, const char *text,
                      size_t len, struct tacit_fault *fault)
{
    int error = TACIT_OK;
    unsigned line = 1;
    for (size_t at = 0; at < len && !error; line++) {
        const char *eol = memchr(text + at, '\n', len - at);
        size_t line_len = eol != NULL ? (size_t)(eol - text) - at : len - at;
        error = take_line(list, path, line, text + at, line_len, fault);
        at += line_len + 1;
    }
    return error;
}

/* In order, each once. */
static void put_in_order(struct tacit_revoked *list)
{
    size_t kept = 0;
    qsort(list->at, list->count, sizeof *list->at, by_bytes);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || by_bytes(list->at[kept - 1], list->at[i]) != 0)
            memmove(list->at[kept++], list->at[i], sizeof *list->at);
    list->count = kept;
}

int tacit_revoked_parse(struct tacit_revoked *list, const char *path, const char *text,
                        size_t len, struct tacit_fault *fault)
{
    /* The last line may lack its end. */
    struct tacit_revoked next = {.at = calloc(len / LINE_LEN + 1, sizeof *next.at)};
    if (next.at == NULL) {
        tacit_fault_at(fault, path, 0, "%s", tacit_error_text(TACIT_ENOMEM));
        return TACIT_ENOMEM;
    }
    int error = take_lines(&next, path, text, len, fault);
    if (error) {
        tacit_revoked_free(&next);
        return error;
    }
    put_in_order(&next);
    tacit_revoked_free(list);
    *list = next;
    return TACIT_OK;
}

bool tacit_revoked_has(const struct tacit_revoked *list,
                       const uint8_t public_key[TACIT_KEY_BYTES])
{
    uint8_t hash[TACIT_FINGERPRINT_BYTES];
    if (list->count == 0)
        return false;
    tacit_fingerprint_bytes(public_key, hash);
    return bsearch(hash, list->at, list->count, sizeof *list->at, by_bytes) != NULL;
}

int tacit_revoked_copy(const struct tacit_revoked *list, struct tacit_revoked *ret_copy)
{
    struct tacit_revoked copy = {.count = list->count};
    if (list->count > 0) {
        copy.at = calloc(list->count, sizeof *copy.at);
        if (copy.at == NULL)
            return TACIT_ENOMEM;
        memcpy(copy.at, list->at, list->count * sizeof *copy.at);
    }
    *ret_copy = copy;
    return TACIT_OK;
}

void tacit_revoked_free(struct tacit_revoked *list)
{
    free(list->at);
    *list = (struct tacit_revoked){0};
}
