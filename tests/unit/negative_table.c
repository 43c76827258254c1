#include "test_negative.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct row rows[ROWS_MAX];
size_t row_count;

/* --- reading ------------------------------------------------------------------------ */

/* "00ff 41*3" -> 00 ff 41 41 41 */
static size_t read_bytes(const char *text, uint8_t *out)
{
    size_t len = 0;
    while (*text != '\0') {
        char pair[3] = {text[0], text[1], '\0'}, *end;
        assert_true(isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]));
        uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);
        unsigned long times = 1;
        text += 2;
        if (*text == '*') {
            times = strtoul(text + 1, &end, 10);
            text = end;
        }
        for (; times > 0; times--) {
            assert_true(len < BYTES_MAX);
            out[len++] = byte;
        }
        while (*text == ' ')
            text++;
    }
    return len;
}

static void read_edit(struct row *row, char of, const char *text)
{
    struct edit *edit = &row->edits[row->edit_count++];
    char *sign;
    assert_true(row->edit_count <= EDITS_MAX);
    edit->of = of;
    edit->at = strtoul(text, &sign, 10);
    edit->flips = *sign == '^';
    assert_true(edit->flips || *sign == '=');
    edit->len = read_bytes(sign + 1, edit->bytes);
    assert_true(edit->len > 0);
}

void read_change(struct row *row)
{
    char copy[sizeof row->change], *rest = copy;
    snprintf(copy, sizeof copy, "%s", row->change);
    for (char *part = strtok_r(copy, ",", &rest); part != NULL;
         part = strtok_r(NULL, ",", &rest)) {
        while (*part == ' ')
            part++;
        char *args = strchr(part, ' ');
        args = args == NULL ? part + strlen(part) : args + 1;
        if (strncmp(part, "wire ", 5) == 0)
            read_edit(row, 'w', args);
        else if (strncmp(part, "payload ", 8) == 0 || strncmp(part, "data ", 5) == 0)
            read_edit(row, 'p', args);
        else if (strncmp(part, "first ", 6) == 0)
            read_edit(row, '1', args);
        else if (strncmp(part, "cut ", 4) == 0)
            row->grow = -atoi(args);
        else if (strncmp(part, "grow ", 5) == 0)
            row->grow = atoi(args);
        else if (strncmp(part, "time ", 5) == 0)
            row->time = atoi(args);
        else if (strncmp(part, "type ", 5) == 0)
            row->type = atoi(args);
        else if (strncmp(part, "static ", 7) == 0) {
            uint8_t key[BYTES_MAX];
            row->has_static = read_bytes(args, key) == NOISE_DHLEN;
            memcpy(row->static_key, key, NOISE_DHLEN);
        }
    }
}

/* "| `change` | what is wrong | error |" */
static bool read_row(const char *line, struct row *row)
{
    row->type = TACIT_RECORD_DATA;
    if (sscanf(line, "| `%199[^`]` | %199[^|] | %31[a-z_] |", row->change, row->wrong,
               row->error) == 3)
        return true;
    row->change[0] = '\0';
    return sscanf(line, "| | %199[^|] | %31[a-z_] |", row->wrong, row->error) == 2;
}

bool read_tables(const char *path)
{
    char line[512], section[32] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL && row_count < ROWS_MAX) {
        struct row *row = &rows[row_count];
        (void)sscanf(line, "## %31[^\n]", section);
        if (!read_row(line, row))
            continue;
        row->wrong[strcspn(row->wrong, "|") - 1] = '\0'; /* the space before the bar */
        char wrong[sizeof row->wrong], error[sizeof row->error];
        memcpy(row->section, section, sizeof section);
        memcpy(wrong, row->wrong, sizeof wrong);
        memcpy(error, row->error, sizeof error);
        snprintf(row->name, sizeof row->name, "%s, %s: %s", section, wrong, error);
        row_count++;
    }
    fclose(file);
    return true;
}

/* --- changing bytes ----------------------------------------------------------------- */

bool says(const struct row *row, const char *word)
{
    size_t len = strlen(word);
    const char *at = strstr(row->change, word);
    return at != NULL && (at == row->change || at[-1] == ' ') &&
           (at[len] == '\0' || at[len] == ',');
}

void edit_bytes(const struct row *row, char of, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < row->edit_count; i++) {
        const struct edit *e = &row->edits[i];
        if (e->of != of)
            continue;
        assert_true(e->at + e->len <= len);
        for (size_t k = 0; k < e->len; k++)
            bytes[e->at + k] = e->flips ? bytes[e->at + k] ^ e->bytes[k] : e->bytes[k];
    }
}

size_t resize(const struct row *row, uint8_t *bytes, size_t len)
{
    assert_true(row->grow >= 0 || (size_t)-row->grow <= len);
    if (row->grow > 0)
        memset(bytes + len, 0, (size_t)row->grow);
    return (size_t)((ptrdiff_t)len + row->grow);
}
