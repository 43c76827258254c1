/* What all ports of the driver share. One lock; nothing under it blocks. */
#include <sodium.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/clock.h"
#include "carrier.h"
#include "channel/suite.h"
#include "files/files.h"
#include "gate/pending.h"
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
    struct tacit_key_ids door_keys;
} shared;

int shared_init(void)
{
    char name[] = "tacit_shared";
    shared.lock = erl_drv_mutex_create(name);
    if (shared.lock == NULL)
        return TACIT_ENOMEM;
    int error = gate_init();
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
    gate_finish();
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
        gate_own_signed(tacit_policy_own_signed_at(shared.policy->policy));
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

bool shared_set_door_keys(const struct tacit_key_ids *key_ids)
{
    static const struct tacit_key_ids none;
    const struct tacit_key_ids *now = key_ids != NULL ? key_ids : &none;
    erl_drv_mutex_lock(shared.lock);
    bool changed = shared.has_door != (key_ids != NULL) ||
                   memcmp(&shared.door_keys, now, sizeof *now) != 0;
    shared.has_door = key_ids != NULL;
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
    struct tacit_key_ids key_ids = shared.door_keys;
    erl_drv_mutex_unlock(shared.lock);
    return tacit_mesh_hidden(keys, count, has_door ? &key_ids : NULL);
}

/* --- identities -------------------------------------------------------------------- */

struct identity *identity_new(const struct noise_keypair *pair)
{
    struct identity *identity = driver_alloc(sizeof *identity);
    if (identity == NULL)
        return NULL;
    atomic_init(&identity->count, 1);
    identity->pair = sodium_malloc(sizeof *identity->pair);
    if (identity->pair == NULL) {
        driver_free(identity);
        return NULL;
    }
    *identity->pair = *pair;
    sodium_mprotect_readonly(identity->pair);
    return identity;
}

struct identity *identity_hold(struct identity *identity)
{
    atomic_fetch_add(&identity->count, 1);
    return identity;
}

void identity_release(struct identity *identity)
{
    if (identity == NULL || atomic_fetch_sub(&identity->count, 1) > 1)
        return;
    sodium_free(identity->pair); /* wipes */
    driver_free(identity);
}

/* --- admission and the clock, under a lock of their own ----------------------------- */

static struct {
    ErlDrvMutex *lock;
    struct tacit_clock clock;
    struct tacit_admission admission;
    int64_t step; /* of the wall clock, that nobody was told of yet */
} gate;

/*
 * With the lock held. The emulator's own clocks would not do: it has them go faster or
 * slower after the wall clock was set.
 */
static struct tacit_now look(void)
{
    int64_t step;
    struct tacit_now now =
        tacit_clock_look(&gate.clock, tacit_wall_clock(), tacit_unset_ms(), &step);
    gate.step += step;
    return now;
}

int gate_init(void)
{
    char name[] = "tacit_gate";
    gate.lock = erl_drv_mutex_create(name);
    if (gate.lock == NULL)
        return TACIT_ENOMEM;
    gate.admission.all = tacit_admission_all;
    gate.admission.source = tacit_admission_source;
    (void)look(); /* the memory of first messages begins here */
    return TACIT_OK;
}

void gate_finish(void)
{
    tacit_admission_free(&gate.admission);
    gate.clock = (struct tacit_clock){0};
    gate.step = 0;
    erl_drv_mutex_destroy(gate.lock);
}

struct tacit_now gate_now(void)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    erl_drv_mutex_unlock(gate.lock);
    return now;
}

void gate_signed(const struct tacit_now *now, uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    tacit_clock_signed(&gate.clock, now, time);
    erl_drv_mutex_unlock(gate.lock);
}

void gate_own_signed(uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    tacit_clock_own(&gate.clock, time);
    erl_drv_mutex_unlock(gate.lock);
}

int64_t gate_step(void)
{
    erl_drv_mutex_lock(gate.lock);
    (void)look();
    int64_t step = gate.step;
    gate.step = 0;
    erl_drv_mutex_unlock(gate.lock);
    return step;
}

int gate_first(const struct tacit_address *source, const uint8_t ephemeral[NOISE_DHLEN],
               uint64_t time, int *ret_skew)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    int error =
        tacit_admission_first(&gate.admission, source, ephemeral, time, &now, ret_skew);
    erl_drv_mutex_unlock(gate.lock);
    return error;
}

void gate_own(const uint8_t ephemeral[NOISE_DHLEN], uint64_t time)
{
    erl_drv_mutex_lock(gate.lock);
    struct tacit_now now = look();
    tacit_admission_own(&gate.admission, ephemeral, time, &now);
    erl_drv_mutex_unlock(gate.lock);
}

void gate_known(const struct tacit_address *peer, bool known)
{
    uint64_t source = tacit_pending_source(peer);
    erl_drv_mutex_lock(gate.lock);
    if (known)
        tacit_admission_known(&gate.admission, source);
    else
        tacit_admission_forget(&gate.admission, source);
    erl_drv_mutex_unlock(gate.lock);
}

size_t gate_count(void)
{
    erl_drv_mutex_lock(gate.lock);
    size_t count = tacit_admission_count(&gate.admission);
    erl_drv_mutex_unlock(gate.lock);
    return count;
}

bool gate_news(struct tacit_admission_told *told, struct tacit_admission_news *ret_news)
{
    erl_drv_mutex_lock(gate.lock);
    bool some = tacit_admission_news(&gate.admission, told, ret_news);
    erl_drv_mutex_unlock(gate.lock);
    return some;
}
