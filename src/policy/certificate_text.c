/* Certificates as text: one spelling each, so that what was signed is what is read. */
#include "policy/policy-internal.h"

#include <stdio.h>
#include <string.h>

/* --- writing ------------------------------------------------------------------------ */

static int add_text(struct tacit_certificate *certificate, const char *text)
{
    size_t used = 0, len = strlen(text) + 1;
    for (size_t i = 0; i < certificate->name_count + certificate->group_count; i++)
        used += strlen(certificate->text + used) + 1;
    if (len > sizeof certificate->text - used)
        return TACIT_ESPACE;
    memcpy(certificate->text + used, text, len);
    return 0;
}

int tacit_certificate_add_name(struct tacit_certificate *certificate, const char *glob)
{
    if (certificate->group_count > 0)
        return TACIT_ESTATE;
    int error = tacit_glob_ok(glob) ? add_text(certificate, glob) : TACIT_EFORMAT;
    certificate->name_count += error == 0;
    return error;
}

int tacit_certificate_add_group(struct tacit_certificate *certificate, const char *group)
{
    int error = policy_label_ok(group) ? add_text(certificate, group) : TACIT_EFORMAT;
    certificate->group_count += error == 0;
    return error;
}

/* A text that grows to the end of its room, and then is no longer good. */
struct room {
    char *text;
    size_t cap, len;
    bool full;
};

static void put(struct room *r, const char *key, const char *value)
{
    int n = snprintf(r->text + r->len, r->cap - r->len, "%s = %s\n", key, value);
    if (n < 0 || (size_t)n >= r->cap - r->len)
        r->full = true;
    else
        r->len += (size_t)n;
}

/* The signed part, with room for a zero behind it. */
static int write_body(const struct tacit_certificate *c, char *text, size_t cap,
                      size_t *ret_len)
{
    char key[TACIT_KEY_TEXT], time[TACIT_TIME_TEXT];
    struct room r = {.text = text, .cap = cap};
    const char *item;
    for (size_t i = 0; (item = tacit_certificate_name(c, i)) != NULL; i++)
        put(&r, "name", item);
    tacit_key_to_text(c->public_key, key);
    put(&r, "public-key", key);
    for (size_t i = 0; (item = tacit_certificate_group(c, i)) != NULL; i++)
        put(&r, "group", item);
    tacit_time_to_text(c->not_before, time);
    put(&r, "not-before", time);
    tacit_time_to_text(c->not_after, time);
    put(&r, "not-after", time);
    if (r.full)
        return TACIT_ESPACE;
    *ret_len = r.len;
    return 0;
}

static bool makes_sense(const struct tacit_certificate *c)
{
    return c->name_count > 0 && noise_public_key_ok(c->public_key) &&
           c->not_before < c->not_after;
}

int tacit_certificate_sign(struct tacit_certificate *certificate,
                           const struct tacit_secret *seed,
                           char ret_text[TACIT_CERTIFICATE_MAX], size_t *ret_len)
{
    char body[TACIT_CERTIFICATE_MAX];
    size_t len;
    if (!makes_sense(certificate))
        return TACIT_EINVAL;
    int error = write_body(certificate, body, sizeof body, &len);
    if (error != 0)
        return error;
    tacit_authority_key(seed, certificate->authority);
    return tacit_sign(TACIT_SIGNED_CERTIFICATE, seed, body, len, ret_text,
                      TACIT_CERTIFICATE_MAX, ret_len);
}

/* --- reading ------------------------------------------------------------------------ */

/* Lines that are left; text ends with a zero. */
struct lines {
    char *at;
};

/* The value of the next line if its key is this one; else NULL, and nothing is taken. */
static const char *take_value(struct lines *lines, const char *key)
{
    size_t len = strlen(key);
    char *end = strchr(lines->at, '\n');
    if (end == NULL || strncmp(lines->at, key, len) != 0 ||
        strncmp(lines->at + len, " = ", 3) != 0)
        return NULL;
    const char *value = lines->at + len + 3;
    *end = '\0';
    lines->at = end + 1;
    return value;
}

/* text is written into. */
static int parse_body(char *text, struct tacit_certificate *c)
{
    struct lines lines = {text};
    const char *value;
    while ((value = take_value(&lines, "name")) != NULL) {
        if (tacit_certificate_add_name(c, value) != 0)
            return TACIT_EFORMAT;
    }
    value = take_value(&lines, "public-key");
    if (value == NULL || tacit_key_from_text(value, c->public_key) != 0)
        return TACIT_EFORMAT;
    while ((value = take_value(&lines, "group")) != NULL) {
        if (tacit_certificate_add_group(c, value) != 0)
            return TACIT_EFORMAT;
    }
    value = take_value(&lines, "not-before");
    if (value == NULL || tacit_time_from_text(value, &c->not_before) != 0)
        return TACIT_EFORMAT;
    value = take_value(&lines, "not-after");
    if (value == NULL || tacit_time_from_text(value, &c->not_after) != 0)
        return TACIT_EFORMAT;
    return makes_sense(c) ? 0 : TACIT_EFORMAT;
}

int tacit_certificate_read(const char *text, size_t len,
                           struct tacit_certificate *ret_certificate)
{
    struct tacit_certificate c = {0};
    char copy[TACIT_CERTIFICATE_MAX + 1], again[TACIT_CERTIFICATE_MAX];
    const char *body;
    size_t body_len, again_len;
    if (len > TACIT_CERTIFICATE_MAX)
        return TACIT_EFORMAT;
    int error = tacit_signed_open(TACIT_SIGNED_CERTIFICATE, text, len, c.authority, &body,
                                  &body_len);
    if (error != 0)
        return error;
    memcpy(copy, body, body_len);
    copy[body_len] = '\0';
    /* Written again it must be the same bytes: each certificate has one spelling. */
    if (parse_body(copy, &c) != 0 ||
        write_body(&c, again, sizeof again, &again_len) != 0 || again_len != body_len ||
        memcmp(again, body, body_len) != 0)
        return TACIT_EFORMAT;
    *ret_certificate = c;
    return 0;
}

enum tacit_reason tacit_policy_certificate(const struct tacit_policy *policy,
                                           const char *text, size_t len,
                                           struct tacit_certificate *ret_certificate)
{
    struct policy_envelope envelope;
    if (policy_envelope_read(TACIT_SIGNED_CERTIFICATE, text, len, &envelope) != 0)
        return TACIT_BAD_CERTIFICATE;
    /* Anybody can sign: whose signature counts for nothing costs no time here. */
    if (policy_find_authority(policy, envelope.authority) == NULL)
        return TACIT_NO_AUTHORITY;
    return tacit_certificate_read(text, len, ret_certificate) == 0
               ? TACIT_ALLOWED
               : TACIT_BAD_CERTIFICATE;
}
