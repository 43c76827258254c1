/* Key files: one base64 key a line. Their text is held in locked memory only. */
#include "policy/policy-internal.h"

#include <sodium.h>
#include <string.h>

/* A key file while it is being read. */
struct key_file {
    const char *path;
    enum tacit_key_kind kind;
    struct tacit_secret *keys;
    size_t count, max;
    struct tacit_fault *fault;
};

static const char *const titles[] = {
    [TACIT_KEY_PRIVATE] = "# tacit private key",
    [TACIT_KEY_MESH] = "# tacit mesh key",
    [TACIT_KEY_PAIR] = "# tacit pair key",
    [TACIT_KEY_SHARED] = "# tacit shared key",
    [TACIT_KEY_AUTHORITY] = "# tacit authority key",
};

const char *tacit_key_title(enum tacit_key_kind kind)
{
    return titles[kind];
}

/* The title without its mark. */
static const char *kind_name(enum tacit_key_kind kind)
{
    return titles[kind] + sizeof "# tacit " - 1;
}

static const char *article(enum tacit_key_kind kind)
{
    return kind == TACIT_KEY_AUTHORITY ? "an" : "a";
}

static bool may_be(enum tacit_key_kind said, enum tacit_key_kind wanted)
{
    bool shared = wanted == TACIT_KEY_MESH || wanted == TACIT_KEY_PAIR;
    return said == wanted || (said == TACIT_KEY_SHARED && shared);
}

/* A comment; it may say what the file is. */
static int take_comment(struct key_file *f, const char *text, size_t len, unsigned line)
{
    for (unsigned i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        enum tacit_key_kind said = (enum tacit_key_kind)i;
        if (strlen(titles[i]) == len && memcmp(titles[i], text, len) == 0 &&
            !may_be(said, f->kind))
            return tacit_fault_at(f->fault, f->path, line, "%s %s, expected %s %s",
                                  article(said), kind_name(said), article(f->kind),
                                  kind_name(f->kind));
    }
    return 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* text[len] may be written. No message quotes anything of the line. */
static int take_line(struct key_file *f, char *text, size_t len, unsigned line)
{
    for (; len > 0 && is_space(*text); text++)
        len--;
    while (len > 0 && is_space(text[len - 1]))
        len--;
    if (len == 0 || *text == ';' || *text == '#')
        return take_comment(f, text, len, line);
    if (f->count == f->max)
        return tacit_fault_at(f->fault, f->path, line, "more than %zu key%s, expected %s",
                              f->max, f->max == 1 ? "" : "s",
                              f->max == 1 ? "one" : "at most as many");
    struct tacit_secret *key = &f->keys[f->count];
    text[len] = '\0';
    if (strlen(text) != len || tacit_key_from_text(text, key->bytes) != 0)
        return tacit_fault_at(f->fault, f->path, line,
                              "not a key, expected base64 of 32 bytes (44 characters)");
    if (sodium_is_zero(key->bytes, sizeof key->bytes))
        return tacit_fault_at(f->fault, f->path, line,
                              "a key of zeros, expected a random one");
    for (size_t i = 0; i < f->count; i++) {
        if (tacit_secret_equal(&f->keys[i], key))
            return tacit_fault_at(f->fault, f->path, line,
                                  "the same key twice, expected each once");
    }
    f->count++;
    return 0;
}

/* text has room for one byte more than len. */
static int take_text(struct key_file *f, char *text, size_t len)
{
    int error = 0;
    unsigned line = 1;
    for (size_t at = 0; at < len && error == 0; line++) {
        const char *eol = memchr(text + at, '\n', len - at);
        size_t line_len = eol != NULL ? (size_t)(eol - text) - at : len - at;
        error = take_line(f, text + at, line_len, line);
        at += line_len + 1;
    }
    if (error == 0 && f->count == 0)
        error =
            tacit_fault_at(f->fault, f->path, 0,
                           "holds no key, expected base64 of 32 bytes (44 characters)");
    return error;
}

int tacit_key_file_read(const char *path, const struct tacit_files *files,
                        enum tacit_key_kind kind, size_t max,
                        struct tacit_secret *ret_keys, size_t *ret_count,
                        struct tacit_fault *fault)
{
    if (sodium_init() < 0)
        return TACIT_ECRYPTO;
    struct key_file f = {.path = path, .kind = kind, .max = max, .fault = fault};
    char *text = sodium_malloc(POLICY_KEY_FILE_MAX + 1);
    f.keys = sodium_allocarray(max, sizeof *f.keys);
    int error = text == NULL || f.keys == NULL ? TACIT_ENOMEM : 0;

    size_t len = 0;
    if (error == 0)
        error = files->read(files->context, path, TACIT_FILE_SECRET, text,
                            POLICY_KEY_FILE_MAX, &len, fault);
    if (error == 0)
        error = take_text(&f, text, len);
    if (error == 0) {
        memcpy(ret_keys, f.keys, f.count * sizeof *f.keys);
        *ret_count = f.count;
    }
    sodium_free(f.keys); /* wipes */
    sodium_free(text);
    return error;
}
