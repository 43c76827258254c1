/* Signed policies: rules of tacit.conf's kind, with a serial number. */
#include "policy/policy-internal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_MAX = 128,
    SERIAL_DIGITS = 18,
};

/* --- writing ------------------------------------------------------------------------ */

int tacit_policy_sign(const struct tacit_signed_header *header,
                      const struct tacit_secret *seed, const char *rules, size_t len,
                      char *out, size_t cap, size_t *ret_len)
{
    char head[HEADER_MAX], fresh[64] = "", time[TACIT_TIME_TEXT];
    if (header->serial == 0 || header->serial > TACIT_SERIAL_MAX)
        return TACIT_EINVAL;
    if (header->fresh_until != TACIT_NEVER) {
        tacit_time_to_text(header->fresh_until, time);
        snprintf(fresh, sizeof fresh, "fresh-until = %s\n", time);
    }
    int n = snprintf(head, sizeof head, "serial = %ju\n%s\n", (uintmax_t)header->serial,
                     fresh);
    char *body = malloc((size_t)n + len);
    if (body == NULL)
        return TACIT_ENOMEM;
    memcpy(body, head, (size_t)n);
    memcpy(body + n, rules, len);
    int error =
        tacit_sign(TACIT_SIGNED_POLICY, seed, body, (size_t)n + len, out, cap, ret_len);
    free(body);
    return error;
}

/* --- reading ------------------------------------------------------------------------ */

/* Takes "KEY = VALUE" and the line's end off the front; value has cap bytes. */
static bool take_line(const char **at, size_t *left, const char *key, char *value,
                      size_t cap)
{
    size_t key_len = strlen(key);
    const char *eol = memchr(*at, '\n', *left);
    size_t len = eol != NULL ? (size_t)(eol - *at) : 0;
    if (len < key_len || memcmp(*at, key, key_len) != 0 || len - key_len >= cap ||
        memchr(*at, '\0', len) != NULL)
        return false;
    memcpy(value, *at + key_len, len - key_len);
    value[len - key_len] = '\0';
    *at += len + 1;
    *left -= len + 1;
    return true;
}

static bool serial_from_text(const char *text, uint64_t *ret_serial)
{
    size_t len = strlen(text);
    if (len == 0 || len > SERIAL_DIGITS || strspn(text, "0123456789") != len ||
        text[0] == '0')
        return false;
    *ret_serial = strtoull(text, NULL, 10);
    return true;
}

/* The body's own lines, up to the rules. */
static int read_header(const char *body, size_t len, struct tacit_signed_rules *r)
{
    char value[64];
    r->header.fresh_until = TACIT_NEVER;
    if (!take_line(&body, &len, "serial = ", value, sizeof value) ||
        !serial_from_text(value, &r->header.serial))
        return TACIT_EFORMAT;
    r->line = 5; /* the envelope's four, and the serial's */
    if (take_line(&body, &len, "fresh-until = ", value, sizeof value)) {
        if (tacit_time_from_text(value, &r->header.fresh_until) != 0)
            return TACIT_EFORMAT;
        r->line++;
    }
    if (len == 0 || *body != '\n')
        return TACIT_EFORMAT;
    r->line++;
    r->text = body + 1;
    r->len = len - 1;
    return 0;
}

int tacit_policy_open(const char *text, size_t len,
                      uint8_t ret_authority[TACIT_KEY_BYTES],
                      struct tacit_signed_rules *ret_rules)
{
    struct tacit_signed_rules rules;
    const char *body;
    size_t body_len;
    if (len > TACIT_POLICY_MAX)
        return TACIT_EFORMAT;
    int error = tacit_signed_open(TACIT_SIGNED_POLICY, text, len, ret_authority, &body,
                                  &body_len);
    if (error == 0)
        error = read_header(body, body_len, &rules);
    if (error != 0)
        return error;
    crypto_generichash(rules.hash, sizeof rules.hash, (const uint8_t *)body, body_len,
                       NULL, 0);
    *ret_rules = rules;
    return 0;
}

const char *tacit_policy_open_text(const char *text, size_t len, int error)
{
    static const char certificate[] = "tacit certificate ";
    size_t n = sizeof certificate - 1;
    if (error == TACIT_EAUTH)
        return "the signature does not hold: it was altered, or a part is missing";
    if (len >= n && memcmp(text, certificate, n) == 0)
        return "a certificate, expected a policy that 'tacit policy sign' wrote";
    return "not a signed policy, or a part of one, expected what 'tacit policy sign' "
           "wrote";
}

/* --- those of a policy ----------------------------------------------------------------
 */

const struct policy_authority *policy_source(const struct tacit_policy *policy,
                                             unsigned source)
{
    return source == 0 ? NULL
                       : policy_find_authority(
                             policy, policy->signed_policies.at[source - 1].public_key);
}

const struct tacit_signed_policy *tacit_policy_signed(const struct tacit_policy *policy,
                                                      size_t i)
{
    return i < policy->signed_policies.count ? &policy->signed_policies.at[i] : NULL;
}

const struct tacit_signed_policy *
tacit_policy_signed_by(const struct tacit_policy *policy,
                       const uint8_t key[TACIT_KEY_BYTES])
{
    const struct tacit_signed_policy *p;
    for (size_t i = 0; (p = tacit_policy_signed(policy, i)) != NULL; i++)
        if (memcmp(p->public_key, key, TACIT_KEY_BYTES) == 0)
            return p;
    return NULL;
}

bool policy_is_new(const struct tacit_policy *policy, unsigned source)
{
    return source > 0 && policy->signed_policies.at[source - 1].is_new;
}

int policy_note(struct tacit_policy *policy, const struct tacit_fault *fault)
{
    struct tacit_fault *place = POLICY_ADD(&policy->notices);
    if (place == NULL)
        return TACIT_ENOMEM;
    *place = *fault;
    return 0;
}

const char *tacit_policy_notice(const struct tacit_policy *policy, size_t i)
{
    return i < policy->notices.count ? policy->notices.at[i].text : NULL;
}

bool tacit_policy_heeds(const struct tacit_policy *policy)
{
    return policy->heeded;
}

static int check_follows(const struct tacit_signed_policy *now,
                         const struct tacit_signed_policy *before,
                         struct tacit_fault *fault)
{
    if (now->serial < before->serial)
        return tacit_fault_at(fault, now->path, 0,
                              "serial %ju of [authority %s], expected %ju or above, "
                              "which is in force",
                              (uintmax_t)now->serial, now->authority,
                              (uintmax_t)before->serial);
    if (now->serial == before->serial && now->serial > 0 &&
        memcmp(now->hash, before->hash, sizeof now->hash) != 0)
        return tacit_fault_at(fault, now->path, 0,
                              "serial %ju again, with other rules than those that are in "
                              "force, expected a higher one",
                              (uintmax_t)now->serial);
    return 0;
}

int tacit_policy_follows(const struct tacit_policy *policy,
                         const struct tacit_policy *before, struct tacit_fault *fault)
{
    const struct tacit_signed_policy *now, *old;
    int error = 0;
    for (size_t i = 0; (old = tacit_policy_signed(before, i)) != NULL && error == 0; i++)
        if ((now = tacit_policy_signed_by(policy, old->public_key)) != NULL)
            error = check_follows(now, old, fault);
    return error;
}
