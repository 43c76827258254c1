/*
 * tacit.conf as text: its lines. inih takes "key = value ; comment" apart, a line at a
 * time. It cuts long lines and long section names without a word, knows no empty sections
 * and joins indented lines, so the reader that feeds it sees to all of that.
 */
#include "policy/conf.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

/* One of its lines is wrong: where only revocations count the next ones still do. */
static int pass_fault(struct policy_conf *c)
{
    if (c->revoked_only && c->error == TACIT_ECONFIG) {
        c->error = 0;
        c->pending = NULL;
    }
    return c->error;
}

/* Text only: what a terminal would obey, or a NUL would hide, is a fault. */
static int check_bytes(struct policy_conf *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if ((byte < 32 && byte != '\t') || byte == 127)
            return CONF_FAULT(c, c->line, "got the byte 0x%02x, expected text", byte);
    }
    return 0;
}

/* Everything that a line can be but "key = value", which is left to inih. */
static int take_line(struct policy_conf *c, const char *text, size_t len, size_t max)
{
    if (len > 0 && text[len - 1] == '\r')
        len--;
    if (check_bytes(c, text, len) != 0)
        return c->error;
    policy_trim(&text, &len);
    if (len == 0 || *text == ';' || *text == '#')
        return 0;
    if (len > max)
        return CONF_FAULT(c, c->line, "a line of %zu bytes, expected at most %zu", len,
                          max);
    if (*text == '[')
        return policy_enter_section(c, text, len);
    if (c->section == NULL)
        return CONF_FAULT(c, c->line, "got '%s', expected a section such as [mesh] first",
                          QUOTE(text, len));
    c->pending = text;
    c->pending_len = len;
    return 0;
}

/* An ini_reader: gives inih the next line, an empty one where there is nothing for it. */
static char *next_line(char *str, int num, void *stream)
{
    struct policy_conf *c = stream;
    /* inih skips a line without '='; nobody else would notice that it did. */
    if (c->error == 0 && c->pending != NULL)
        CONF_FAULT(c, c->line, "got '%s', expected 'key = value'",
                   QUOTE(c->pending, c->pending_len));
    if (pass_fault(c) != 0 || c->at == c->end)
        return NULL;

    const char *eol = memchr(c->at, '\n', (size_t)(c->end - c->at));
    size_t len = (size_t)((eol != NULL ? eol : c->end) - c->at);
    size_t max = (num < POLICY_LINE_MAX ? (size_t)num : POLICY_LINE_MAX) - 3;
    const char *text = c->at;
    c->at = eol != NULL ? eol + 1 : c->end;
    c->line++;
    if (take_line(c, text, len, max) != 0 && pass_fault(c) != 0)
        return NULL;
    if (c->pending != NULL)
        memcpy(str, c->pending, c->pending_len);
    str[c->pending != NULL ? c->pending_len : 0] = '\0';
    return str;
}

/* An ini_handler. inih's copy of the section's name may be cut: c->section counts. */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct policy_conf *c = user;
    (void)section;
    c->pending = NULL;
    c->error = policy_take_pair(c, name, value);
    return pass_fault(c) == 0;
}

int policy_conf_read(struct policy_conf *c)
{
    if (ini_parse_stream(next_line, c, take_pair, c) < 0 && c->error == 0)
        c->error = TACIT_ENOMEM;
    return c->error != 0 ? c->error : policy_check_whole(c);
}

int policy_rules_read(struct policy_conf *c, const char *path,
                      const struct tacit_signed_rules *rules)
{
    c->path = path;
    c->at = rules->text;
    c->end = rules->text + rules->len;
    c->line = rules->line;
    c->section = NULL;
    c->sections_seen = c->signed_groups = c->signed_patterns = c->signed_tests = 0;
    return policy_conf_read(c);
}

int policy_heed_revoked(struct policy_conf *c, const char *path,
                        const struct tacit_signed_rules *rules)
{
    struct tacit_fault unsaid, *fault = c->fault;
    size_t before = c->policy->revoked.count;
    c->fault = &unsaid;
    c->revoked_only = true;
    int error = policy_rules_read(c, path, rules);
    c->revoked_only = false;
    c->fault = fault;
    c->policy->heeded = c->policy->heeded || c->policy->revoked.count > before;
    return error;
}

void policy_conf_free(struct policy_conf *c)
{
    for (size_t i = 0; i < c->pair_paths.count; i++)
        free(c->pair_paths.at[i]);
    free(c->pair_paths.at);
    free(c->key_file);
    free(c->identity);
    free(c->door_identity);
    free(c->certificate);
}
