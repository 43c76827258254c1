/* What all ports of the driver share. One lock; nothing under it blocks. */
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"
#include "carrier.h"
#include "channel/suite.h"
#include "files/files.h"
#include "gate/setups.h"
#include "policy/signed.h"

struct counters carrier_counters;

static struct {
    ErlDrvMutex *lock;
    struct policy_ref *policy, *candidate;
    uint64_t offered_by; /* the number of the candidate's reload */
    struct tacit_setups setups;
    struct refusal refusals[REFUSALS_MAX];
    uint64_t refusal_count;
    struct tacit_revoked revoked;
    struct door_status door;
    bool has_door;
    struct tacit_mesh_marks door_keys;
} shared;

int shared_init(void)
{
    char name[] = "tacit_shared";
    shared.lock = erl_drv_mutex_create(name);
    if (shared.lock == NULL)
        return TACIT_ENOMEM;
    int error = guard_init();
    if (error)
        erl_drv_mutex_destroy(shared.lock);
    return error;
}

void shared_finish(void)
{
    policy_release(shared.policy);
    policy_release(shared.candidate);
    shared.policy = shared.candidate = NULL;
    tacit_revoked_free(&shared.revoked);
    guard_finish();
    erl_drv_mutex_destroy(shared.lock);
}

uint64_t wall_clock(void)
{
    return tacit_wall_clock();
}

ErlDrvTime monotonic_ms(void)
{
    return erl_drv_monotonic_time(ERL_DRV_MSEC);
}

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
            ? newest_read(before->policy, newest, len, &policy, fault)
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

int shared_read(const char *path, const char *newest, size_t len,
                struct policy_ref **ret_ref, struct tacit_fault *fault)
{
    struct policy_ref *ref = driver_alloc(sizeof *ref);
    if (ref == NULL) {
        snprintf(fault->text, sizeof fault->text, "%s: memory ran out", path);
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
        snprintf(fault->text, sizeof fault->text, "%s: lockable memory ran out", path);
        policy_release(ref);
        return TACIT_ENOMEM;
    }
    *ret_ref = ref;
    return TACIT_OK;
}

void shared_offer(struct policy_ref *ref, uint64_t reload)
{
    erl_drv_mutex_lock(shared.lock);
    struct policy_ref *old = shared.candidate;
    shared.candidate = ref;
    shared.offered_by = reload;
    erl_drv_mutex_unlock(shared.lock);
    policy_release(old);
}

/* Under the lock: the candidate is what that reload offers. */
static bool offers(uint64_t reload)
{
    return shared.candidate != NULL && shared.offered_by == reload;
}

bool shared_adopt(uint64_t reload)
{
    erl_drv_mutex_lock(shared.lock);
    struct policy_ref *old = shared.policy;
    bool offered = offers(reload);
    if (offered) {
        shared.policy = shared.candidate;
        shared.candidate = NULL;
        guard_own_signed(tacit_policy_own_signed_at(shared.policy->policy));
    }
    erl_drv_mutex_unlock(shared.lock);
    if (offered)
        policy_release(old);
    return offered;
}

void shared_withdraw(uint64_t reload)
{
    struct policy_ref *old = NULL;
    erl_drv_mutex_lock(shared.lock);
    if (offers(reload)) {
        old = shared.candidate;
        shared.candidate = NULL;
    }
    erl_drv_mutex_unlock(shared.lock);
    policy_release(old);
}

/* Takes part in the use of ref, under the lock. */
static struct policy_ref *refer(struct policy_ref *ref)
{
    if (ref != NULL)
        atomic_fetch_add(&ref->count, 1);
    return ref;
}

struct policy_ref *shared_policy(void)
{
    erl_drv_mutex_lock(shared.lock);
    struct policy_ref *ref = refer(shared.policy);
    erl_drv_mutex_unlock(shared.lock);
    return ref;
}

struct policy_ref *shared_candidate(uint64_t reload)
{
    erl_drv_mutex_lock(shared.lock);
    struct policy_ref *ref = refer(offers(reload) ? shared.candidate : NULL);
    erl_drv_mutex_unlock(shared.lock);
    return ref;
}

void policy_release(struct policy_ref *ref)
{
    if (ref == NULL || atomic_fetch_sub(&ref->count, 1) > 1)
        return;
    tacit_policy_free(ref->policy);
    tacit_revoked_free(&ref->revoked);
    identity_release(ref->identity);
    driver_free(ref);
}

bool shared_setup_enter(const uint8_t key[NOISE_DHLEN])
{
    erl_drv_mutex_lock(shared.lock);
    bool entered = tacit_setups_enter(&shared.setups, key);
    erl_drv_mutex_unlock(shared.lock);
    return entered;
}

void shared_setup_leave(const uint8_t key[NOISE_DHLEN])
{
    erl_drv_mutex_lock(shared.lock);
    tacit_setups_leave(&shared.setups, key);
    erl_drv_mutex_unlock(shared.lock);
}

bool shared_setup_name(const uint8_t key[NOISE_DHLEN])
{
    erl_drv_mutex_lock(shared.lock);
    bool taken = tacit_setups_name(&shared.setups, key, monotonic_ms());
    erl_drv_mutex_unlock(shared.lock);
    return taken;
}

void shared_setup_named(const uint8_t key[NOISE_DHLEN])
{
    erl_drv_mutex_lock(shared.lock);
    tacit_setups_named(&shared.setups, key);
    erl_drv_mutex_unlock(shared.lock);
}

void shared_note_refusal(const char *name, bool inbound, const char *reason,
                         const char *text)
{
    erl_drv_mutex_lock(shared.lock);
    struct refusal *slot = &shared.refusals[0];
    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        struct refusal *r = &shared.refusals[i];
        if (strcmp(r->name, name) == 0) {
            slot = r;
            break;
        }
        if (r->number < slot->number)
            slot = r;
    }
    memset(slot, 0, sizeof *slot);
    snprintf(slot->name, sizeof slot->name, "%s", name);
    snprintf(slot->reason, sizeof slot->reason, "%s", reason);
    snprintf(slot->text, sizeof slot->text, "%s", text);
    slot->time = wall_clock();
    slot->number = ++shared.refusal_count;
    slot->inbound = inbound;
    erl_drv_mutex_unlock(shared.lock);
}

bool shared_last_refusal(const char *name, struct refusal *ret_refusal)
{
    bool found = false;
    erl_drv_mutex_lock(shared.lock);
    for (size_t i = 0; i < REFUSALS_MAX && !found; i++) {
        found =
            shared.refusals[i].number != 0 && strcmp(shared.refusals[i].name, name) == 0;
        if (found)
            *ret_refusal = shared.refusals[i];
    }
    erl_drv_mutex_unlock(shared.lock);
    return found;
}

void shared_revoke(struct tacit_revoked *list)
{
    erl_drv_mutex_lock(shared.lock);
    struct tacit_revoked old = shared.revoked;
    shared.revoked = *list;
    erl_drv_mutex_unlock(shared.lock);
    *list = (struct tacit_revoked){0};
    tacit_revoked_free(&old);
}

int shared_revoked(struct tacit_revoked *ret_list)
{
    erl_drv_mutex_lock(shared.lock);
    int error = tacit_revoked_copy(&shared.revoked, ret_list);
    erl_drv_mutex_unlock(shared.lock);
    return error;
}

bool shared_is_revoked(const uint8_t key[NOISE_DHLEN])
{
    erl_drv_mutex_lock(shared.lock);
    bool found = tacit_revoked_has(&shared.revoked, key);
    erl_drv_mutex_unlock(shared.lock);
    return found;
}

void shared_set_door(const char *path, const char *state, const char *text)
{
    struct door_status *door = &shared.door;
    erl_drv_mutex_lock(shared.lock);
    snprintf(door->path, sizeof door->path, "%s", path);
    snprintf(door->state, sizeof door->state, "%s", state);
    snprintf(door->text, sizeof door->text, "%s", text);
    erl_drv_mutex_unlock(shared.lock);
}

void shared_door(struct door_status *ret_status)
{
    erl_drv_mutex_lock(shared.lock);
    *ret_status = shared.door;
    erl_drv_mutex_unlock(shared.lock);
    if (ret_status->path[0] == '\0')
        snprintf(ret_status->state, sizeof ret_status->state, "none");
}

bool shared_set_door_keys(const struct tacit_mesh_marks *marks)
{
    static const struct tacit_mesh_marks none;
    const struct tacit_mesh_marks *now = marks != NULL ? marks : &none;
    erl_drv_mutex_lock(shared.lock);
    bool changed = shared.has_door != (marks != NULL) ||
                   memcmp(&shared.door_keys, now, sizeof *now) != 0;
    shared.has_door = marks != NULL;
    shared.door_keys = *now;
    erl_drv_mutex_unlock(shared.lock);
    return changed;
}

unsigned shared_hidden_keys(const struct tacit_policy *policy)
{
    const struct tacit_secret *keys;
    size_t count = tacit_policy_mesh_keys(policy, &keys);
    erl_drv_mutex_lock(shared.lock);
    bool has_door = shared.has_door;
    struct tacit_mesh_marks marks = shared.door_keys;
    erl_drv_mutex_unlock(shared.lock);
    return tacit_mesh_hidden(keys, count, has_door ? &marks : NULL);
}
