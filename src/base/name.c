#include "base/name.h"

#include <string.h>

/* net_kernel's own test of a name part: ^[0-9A-Za-z_\-]+$ */
static bool name_byte_ok(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '_' || c == '-';
}

/* As it is written: to Erlang a@DB1 and a@db1 are two nodes, though DNS has one host. */
static bool host_byte_ok(unsigned char c)
{
    return c >= 33 && c <= 126 && c != '@' && c != '*';
}

static bool part_ok(const char *part, size_t len, bool (*byte_ok)(unsigned char),
                    bool star_ok)
{
    for (size_t i = 0; i < len; i++) {
        if (!byte_ok((unsigned char)part[i]) && !(star_ok && part[i] == '*'))
            return false;
    }
    return len > 0;
}

static bool both_parts_ok(const char *name, bool star_ok)
{
    size_t len = strnlen(name, TACIT_NAME_MAX + 1);
    const char *at = memchr(name, '@', len);
    if (len > TACIT_NAME_MAX || at == NULL)
        return false;
    size_t name_len = (size_t)(at - name);
    return part_ok(name, name_len, name_byte_ok, star_ok) &&
           part_ok(at + 1, len - name_len - 1, host_byte_ok, star_ok);
}

bool tacit_name_ok(const char *name)
{
    return both_parts_ok(name, false);
}

bool tacit_glob_ok(const char *glob)
{
    return both_parts_ok(glob, true);
}

bool tacit_host_ok(const char *host)
{
    /* Two bytes less than a name: the shortest one in front of it is "x@". */
    size_t len = strnlen(host, TACIT_NAME_MAX);
    return len <= TACIT_NAME_MAX - 2 && part_ok(host, len, host_byte_ok, false);
}

bool tacit_name_same_host(const char *a, const char *b)
{
    const char *host = strchr(a, '@'), *other = strchr(b, '@');
    return host != NULL && other != NULL && strcmp(host, other) == 0;
}

bool tacit_glob_match(const char *glob, const char *name)
{
    /* Only the last '*' is tried again: giving an earlier one more can never help. */
    const char *star = NULL, *given = NULL;
    while (*name != '\0') {
        if (*glob == '*') {
            star = glob++;
            given = name;
        } else if (*glob == *name) {
            glob++;
            name++;
        } else if (star != NULL && *given != '@') {
            glob = star + 1;
            name = ++given;
        } else {
            return false;
        }
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

size_t tacit_glob_literals(const char *glob)
{
    size_t count = 0;
    for (; *glob != '\0'; glob++)
        count += *glob != '*';
    return count;
}

bool tacit_glob_is_pattern(const char *glob)
{
    return strchr(strncmp(glob, "*@", 2) == 0 ? glob + 2 : glob, '*') != NULL;
}

/* Whether what stands before the first '*', or behind the last, already differs. */
static bool ends_differ(const char *a, size_t a_len, const char *b, size_t b_len)
{
    for (size_t i = 0; i < a_len && i < b_len && a[i] != '*' && b[i] != '*'; i++) {
        if (a[i] != b[i])
            return true;
    }
    for (size_t i = 1; i <= a_len && i <= b_len; i++) {
        char x = a[a_len - i], y = b[b_len - i];
        if (x == '*' || y == '*')
            return false;
        if (x != y)
            return true;
    }
    return false;
}

bool tacit_glob_is_for(const char *glob, const char *name, bool dynamic)
{
    if (!dynamic)
        return tacit_glob_match(glob, name);
    return strncmp(glob, "*@", 2) == 0 && tacit_glob_match(glob + 2, name);
}

bool tacit_globs_meet(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > TACIT_NAME_MAX || b_len > TACIT_NAME_MAX ||
        ends_differ(a, a_len, b, b_len))
        return false;

    /* meet[j]: whether what is left of a, and b from j on, have a string in common. */
    bool meet[TACIT_NAME_MAX + 1], next[TACIT_NAME_MAX + 1] = {false};
    for (size_t i = a_len + 1; i-- > 0;) {
        for (size_t j = b_len + 1; j-- > 0;) {
            bool a_ends = i == a_len, b_ends = j == b_len;
            if (a_ends && b_ends)
                meet[j] = true;
            else if (!a_ends && a[i] == '*')
                meet[j] = next[j] || (!b_ends && b[j] != '@' && meet[j + 1]);
            else if (!b_ends && b[j] == '*')
                meet[j] = meet[j + 1] || (!a_ends && a[i] != '@' && next[j]);
            else
                meet[j] = !a_ends && !b_ends && a[i] == b[j] && next[j + 1];
        }
        memcpy(next, meet, sizeof(bool) * (b_len + 1));
    }
    return meet[0];
}
