/*
 * A configuration that is read, at the start and while the node runs. Files may keep who
 * reads them waiting, for ever where they are far away, and so may the emulator's own
 * threads, which also write to its standard output: so a thread of the driver's own
 * reads, one configuration at a time, and nobody has to wait for it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "carrier.h"
#include "files/files.h"
#include "policy/signed.h"
#include "tacit/suite.h"

/* --- with a signed policy that a peer has sent, in place of its file ---------------- */

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
static int decide(const struct tacit_policy *before, const char *text, size_t len,
                  const struct tacit_signed_policy **ret_slot, struct tacit_fault *fault)
{
    uint8_t key[TACIT_KEY_BYTES];
    struct tacit_signed_rules rules;
    int error = tacit_policy_open(text, len, key, &rules);
    if (error != 0)
        return refuse(fault, "%s", tacit_policy_open_text(text, len, error));
    const struct tacit_signed_policy *slot = tacit_policy_signed_by(before, key);
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
    const struct tacit_signed_policy *p = tacit_policy_signed_by(policy, key);
    if (p != NULL && p->len == len && memcmp(p->text, text, len) == 0)
        return 0;
    const char *notice = tacit_policy_notice(policy, 0);
    return refuse(fault, "%s",
                  notice != NULL ? notice : "tacit.conf has no place for it");
}

/*
 * Loads the configuration again with the signed policy in text, if that is newer than the
 * one that was in force before, and may be. TACIT_EREFUSED or TACIT_ECONFIG, and why.
 */
static int read_newest(const struct tacit_policy *before, const char *text, size_t len,
                       struct tacit_policy **ret_policy, struct tacit_fault *fault)
{
    const struct tacit_signed_policy *slot = NULL;
    struct tacit_policy *policy;
    int error = decide(before, text, len, &slot, fault);
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

/* --- all of it ---------------------------------------------------------------------- */

/* The policy's identity: the one in force where it is the same key. */
static struct identity *identity_of(const struct tacit_policy *policy)
{
    const struct noise_keypair *pair = tacit_policy_identity(policy);
    struct policy_ref *now = shared_policy();
    struct identity *identity;
    if (now != NULL && now->identity != NULL &&
        memcmp(now->identity->pair->public_key, pair->public_key, NOISE_DHLEN) == 0)
        identity = identity_hold(now->identity);
    else
        identity = identity_new(pair);
    policy_release(now);
    return identity;
}

/* What comes after the policy in force: none of what was signed ever goes back. */
static int read_next(const char *path, const char *newest, size_t len,
                     struct tacit_policy **ret_policy, struct tacit_fault *fault)
{
    struct tacit_files files = tacit_files_real();
    struct policy_ref *before = shared_policy();
    struct tacit_policy *policy = NULL;
    int error =
        len > 0 && before != NULL
            ? read_newest(before->policy, newest, len, &policy, fault)
            : tacit_policy_load(path, &files, tacit_suites_available(), &policy, fault);
    if (error == TACIT_OK)
        error = tacit_policy_may_follow(policy, before == NULL ? NULL : before->policy,
                                        fault);
    policy_release(before);
    if (error)
        tacit_policy_free(policy);
    else
        *ret_policy = policy;
    return error;
}

/*
 * Reads a configuration; it is not in force yet. newest: a signed policy that a peer has
 * sent, of len bytes, to be taken, too; 0: none.
 */
static int read_all(const char *path, const char *newest, size_t len,
                    struct policy_ref **ret_ref, struct tacit_fault *fault)
{
    struct policy_ref *ref = driver_alloc(sizeof *ref);
    if (ref == NULL) {
        snprintf(fault->text, sizeof fault->text, "%s: out of memory", path);
        return TACIT_ENOMEM;
    }
    memset(ref, 0, sizeof *ref);
    atomic_init(&ref->count, 1);
    int error = tacit_file_revoked(path, &ref->revoked, fault);
    if (error == TACIT_OK)
        error = read_next(path, newest, len, &ref->policy, fault);
    if (error) {
        policy_release(ref);
        return error;
    }
    if (tacit_policy_identity(ref->policy) != NULL &&
        (ref->identity = identity_of(ref->policy)) == NULL) {
        snprintf(fault->text, sizeof fault->text, "%s: lockable out of memory", path);
        policy_release(ref);
        return TACIT_ENOMEM;
    }
    *ret_ref = ref;
    return TACIT_OK;
}

/* --- on a thread -------------------------------------------------------------------- */

struct job {
    uint64_t number;
    ErlDrvTermData port, caller;
    ErlDrvTime since;   /* ms */
    bool given_up;      /* under the reader's lock */
    size_t newest, len; /* a signed policy, behind the path; how long it is */
    char path[];
};

static struct {
    ErlDrvMutex *lock;
    struct job *job; /* that is being read; NULL: none */
    uint64_t last;   /* number that was given */
    ErlDrvTid thread;
    bool started; /* the thread: to be joined once its job is done */
} reader;

int reload_init(void)
{
    char name[] = "tacit_reader";
    reader.lock = erl_drv_mutex_create(name);
    return reader.lock == NULL ? TACIT_ENOMEM : TACIT_OK;
}

void reload_finish(void)
{
    if (reader.started)
        erl_drv_thread_join(reader.thread, NULL);
    reader.started = false;
    erl_drv_mutex_destroy(reader.lock);
}

/* {tacit_loaded, Number, Text}. On any thread. */
static void tell_loaded(const struct job *job, const char *text)
{
    struct term t = {0};
    term_atom(&t, "tacit_loaded");
    term_unsigned(&t, job->number);
    term_binary(&t, text);
    term_tuple(&t, 3);
    erl_drv_send_term(job->port, job->caller, t.data, (int)t.size);
}

/* On the reader's thread. */
static void *read_it(void *data)
{
    struct job *job = data;
    struct policy_ref *read = NULL;
    struct tacit_fault fault = {""};
    int error = read_all(job->path, job->path + job->newest, job->len, &read, &fault);
    if (error && fault.text[0] == '\0')
        snprintf(fault.text, sizeof fault.text, "%.*s: %s", TACIT_FAULT_MAX / 2,
                 job->path, tacit_error_text(error));
    erl_drv_mutex_lock(reader.lock);
    reader.job = NULL;
    if (!job->given_up && read != NULL) {
        shared_offer(read, job->number);
        read = NULL;
    }
    bool wanted = !job->given_up;
    erl_drv_mutex_unlock(reader.lock);
    policy_release(read);
    if (wanted)
        tell_loaded(job, error ? fault.text : ""); /* what was passed over is no fault */
    driver_free(job);
    return NULL;
}

static struct job *job_new(ErlDrvPort port, const char *path, const void *newest,
                           size_t len)
{
    size_t size = strlen(path) + 1;
    struct job *job = driver_alloc(sizeof *job + size + len);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof *job);
    memcpy(job->path, path, size);
    job->newest = size;
    job->len = len;
    if (len > 0)
        memcpy(job->path + size, newest, len);
    job->port = driver_mk_port(port);
    job->caller = driver_caller(port);
    job->since = monotonic_ms();
    return job;
}

/* Under the lock. */
static int start_thread(struct job *job, char text[TACIT_FAULT_MAX])
{
    char name[] = "tacit_reader";
    if (reader.started)
        erl_drv_thread_join(reader.thread, NULL); /* it has no more to do */
    reader.job = job;
    reader.started = erl_drv_thread_create(name, &reader.thread, read_it, job, NULL) == 0;
    if (reader.started)
        return TACIT_OK;
    reader.job = NULL;
    snprintf(text, TACIT_FAULT_MAX, "%.*s: no thread can be made to read it",
             TACIT_FAULT_MAX / 2, job->path);
    return TACIT_ESYSTEM;
}

static int start(struct job *job, uint64_t *ret_number, char text[TACIT_FAULT_MAX])
{
    const struct job *busy = reader.job;
    if (busy != NULL) {
        snprintf(text, TACIT_FAULT_MAX,
                 "%.*s: the reading that began %ju s ago has not come to its end: a file "
                 "that it names keeps it waiting",
                 TACIT_FAULT_MAX / 2, busy->path,
                 (uintmax_t)(monotonic_ms() - busy->since) / 1000);
        return TACIT_ESTATE;
    }
    *ret_number = job->number = ++reader.last;
    return start_thread(job, text);
}

int reload_start(ErlDrvPort port, const char *path, const void *newest, size_t len,
                 uint64_t *ret_number, char text[TACIT_FAULT_MAX])
{
    struct job *job = job_new(port, path, newest, len);
    if (job == NULL) {
        snprintf(text, TACIT_FAULT_MAX, "out of memory");
        return TACIT_ENOMEM;
    }
    erl_drv_mutex_lock(reader.lock);
    int error = start(job, ret_number, text);
    erl_drv_mutex_unlock(reader.lock);
    if (error)
        driver_free(job);
    return error;
}

void reload_give_up(uint64_t number)
{
    erl_drv_mutex_lock(reader.lock);
    if (reader.job != NULL && reader.job->number == number)
        reader.job->given_up = true;
    erl_drv_mutex_unlock(reader.lock);
    shared_withdraw(number);
}
