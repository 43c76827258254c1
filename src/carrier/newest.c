/*
 * A configuration with a signed policy that a peer has sent: it stands in place of the
 * file where people put one, in a load like any other. Runs on a thread of the
 * emulator's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "carrier.h"
#include "files/files.h"
#include "policy/signed.h"
#include "tacit/suite.h"

/* The real files, but for one that is in memory. */
struct overlay {
    struct tacit_files real;
    const char *path;
    const char *text;
    size_t len;
};

static int read_overlay(void *context, const char *path, enum tacit_file_kind kind,
                        char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    const struct overlay *o = context;
    if (strcmp(path, o->path) != 0 || o->len > cap)
        return o->real.read(o->real.context, path, kind, buf, cap, ret_len, fault);
    memcpy(buf, o->text, o->len);
    *ret_len = o->len;
    return 0;
}

static const struct tacit_signed_policy *
find_authority(const struct tacit_policy *policy, const uint8_t key[TACIT_KEY_BYTES])
{
    const struct tacit_signed_policy *p;
    for (size_t i = 0; (p = tacit_policy_signed(policy, i)) != NULL; i++)
        if (memcmp(p->public_key, key, TACIT_KEY_BYTES) == 0)
            return p;
    return NULL;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct tacit_fault *fault,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    return TACIT_EREFUSED;
}

/* Whether it is one of ours, and newer: nothing in it is looked at before. */
static int judge(const struct tacit_policy *before, const char *text, size_t len,
                 const struct tacit_signed_policy **ret_slot, struct tacit_fault *fault)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_signed_rules rules;
    int error = tacit_policy_open(text, len, key, &rules);
    if (error != 0)
        return refuse(fault, "%s", tacit_policy_open_text(text, len, error));
    const struct tacit_signed_policy *slot = find_authority(before, key);
    if (slot == NULL)
        return refuse(fault, "no [authority] with a 'policy' line signed it");
    uintmax_t serial = rules.header.serial;
    bool same = memcmp(slot->hash, rules.hash, sizeof rules.hash) == 0;
    if (slot->serial > serial)
        return refuse(fault, "serial %ju, expected one above %ju, which is in force",
                      serial, (uintmax_t)slot->serial);
    if (slot->serial == serial && !same)
        return refuse(fault,
                      "serial %ju again, with other rules than those that are in force, "
                      "expected a higher one",
                      serial);
    *ret_slot = slot;
    return 0;
}

/* Whether a load has taken the text, and not a newer one that was there. */
static int check_taken(const struct tacit_policy *policy, const uint8_t *key,
                       const char *text, size_t len, struct tacit_fault *fault)
{
    const struct tacit_signed_policy *p = find_authority(policy, key);
    if (p != NULL && p->len == len && memcmp(p->text, text, len) == 0)
        return 0;
    const char *notice = tacit_policy_notice(policy, 0);
    return refuse(fault, "%s",
                  notice != NULL ? notice : "tacit.conf has no place for it");
}

int newest_read(const struct tacit_policy *before, const char *text, size_t len,
                struct tacit_policy **ret_policy, struct tacit_fault *fault)
{
    const struct tacit_signed_policy *slot = NULL;
    struct tacit_policy *policy;
    int error = judge(before, text, len, &slot, fault);
    if (error != 0)
        return error;
    struct overlay overlay = {tacit_files_real(), slot->path, text, len};
    const struct tacit_files files = {.context = &overlay, .read = read_overlay};
    error = tacit_policy_load(tacit_policy_path(before), &files, tacit_suites_available(),
                              &policy, fault);
    if (error != 0)
        return error;
    error = check_taken(policy, slot->public_key, text, len, fault);
    if (error != 0 && !tacit_policy_heeds(policy)) {
        tacit_policy_free(policy);
        return error;
    }
    *ret_policy = policy; /* or what was before, and the keys that it revokes */
    return 0;
}
