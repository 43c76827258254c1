/* The configuration in force, and what follows when another takes its place. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "channel/suite.h"
#include "door/daemon.h"
#include "files/files.h"
#include "policy/signed.h"

static int apply(enum listen_when when, struct tacit_fault *fault)
{
    /* At a reload what is most likely to fail comes first: nothing else was touched. */
    int error = when == LISTEN_RELOAD ? listen_apply(when, fault) : TACIT_OK;
    if (error == TACIT_OK)
        error = local_apply(fault);
    if (error == TACIT_OK)
        error = epmd_apply(when, fault);
    if (error == TACIT_OK && when != LISTEN_RELOAD)
        error = listen_apply(when, fault);
    return error;
}

/* What is read at the start may be read at every reload, and what is beside it. */
static int read_file(void *context, const char *path, enum tacit_file_kind kind,
                     char *buf, size_t cap, size_t *ret_len, struct tacit_fault *fault)
{
    struct tacit_files real = tacit_files_real();
    const bool *first = context;
    int error = real.read(real.context, path, kind, buf, cap, ret_len, fault);
    if (*first)
        confine_may_read(&door.confine, path);
    else if (error != TACIT_OK && errno == EACCES && access(path, R_OK) == 0) {
        size_t len = strlen(fault->text);
        snprintf(fault->text + len, sizeof fault->text - len,
                 "; it is outside the folders read at the start: restart secure-epmd");
    }
    return error;
}

/* What the nodes of the host revoke, asked for with each question. */
static void may_read_revoked(void)
{
    char path[PATH_MAX];
    if (tacit_file_revoked_path(door.conf, path))
        confine_may_read(&door.confine, path);
}

/* What comes after the policy in force. */
static int read_next(bool first, struct tacit_policy **ret_policy,
                     struct tacit_fault *fault)
{
    struct tacit_files files = {.context = &first, .read = read_file};
    struct tacit_policy *policy;
    int error = tacit_policy_load_door(door.conf, &files, tacit_suites_available(),
                                       &policy, fault);
    if (error)
        return error;
    error = tacit_policy_may_follow(policy, door.policy, fault);
    if (error)
        tacit_policy_free(policy);
    else
        *ret_policy = policy;
    return error;
}

/* It is in force, all of it: what else follows from that. */
static void settle(struct tacit_policy *before)
{
    directory_close();
    tacit_policy_free(before);
    tacit_clock_own(&door.clock, tacit_policy_own_signed_at(door.policy));
    rights_know_users(door.policy);
    interfaces_watch(listen_again);
}

int settings_load(struct tacit_fault *fault)
{
    int error = read_next(true, &door.policy, fault);
    if (error)
        return error;
    error = socket_file_prepare(tacit_policy_door(door.policy), fault);
    confine_may_bind(&door.confine, tacit_policy_door(door.policy));
    may_read_revoked();
    if (error == TACIT_OK)
        error = rights_read_revoked(fault);
    if (error == TACIT_OK)
        error = apply(LISTEN_START, fault);
    if (error == TACIT_OK)
        settle(NULL);
    return error;
}

/* The new one is in force only when all of it could be applied. */
static int put_in_force(struct tacit_policy *policy, struct tacit_fault *fault)
{
    struct tacit_policy *before = door.policy;
    struct tacit_fault again;
    door.policy = policy;
    int error = rights_read_revoked(fault);
    if (error == TACIT_OK)
        error = apply(LISTEN_RELOAD, fault);
    if (error == TACIT_OK) {
        settle(before);
        return TACIT_OK;
    }
    door.policy = before;
    tacit_policy_free(policy);
    (void)apply(LISTEN_LATER, &again);
    return error;
}

int settings_reload(struct tacit_fault *fault)
{
    struct tacit_policy *policy;
    char text[TACIT_FAULT_MAX];
    if (door.ending) {
        snprintf(fault->text, sizeof fault->text, "the door is being closed");
        return TACIT_ESTATE;
    }
    int error = read_next(false, &policy, fault);
    if (error == TACIT_OK)
        error = put_in_force(policy, fault);
    if (error != TACIT_OK) {
        door.counters.reload_failures++;
        log_event("reload_failed", "text=%s", log_quote(text, fault->text));
        door_trouble(TROUBLE_RELOAD, fault->text);
        return error;
    }
    nodes_recheck();
    nodes_tell_keys();
    door.counters.reloads++;
    door_trouble(TROUBLE_RELOAD, NULL);
    log_event("reloaded", "conf=%s", door.conf);
    return TACIT_OK;
}

static void add_stat(crypto_generichash_state *state, const char *path)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    uint64_t facts[4] = {there};
    if (there) {
        facts[1] = st.st_ino;
        facts[2] = (uint64_t)st.st_size;
        facts[3] =
            (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
    }
    crypto_generichash_update(state, (const uint8_t *)facts, sizeof facts);
}

void settings_look(void)
{
    static int64_t looked;
    static uint8_t before[crypto_generichash_BYTES];
    uint8_t now[sizeof before];
    const struct tacit_signed_policy *p;
    crypto_generichash_state state;
    struct tacit_fault fault;
    if (now_ms() < looked + LOOK_MS || tacit_policy_signed(door.policy, 0) == NULL)
        return;
    crypto_generichash_init(&state, NULL, 0, sizeof now);
    for (size_t i = 0; (p = tacit_policy_signed(door.policy, i)) != NULL; i++) {
        add_stat(&state, p->path);
        add_stat(&state, p->kept);
    }
    crypto_generichash_final(&state, now, sizeof now);
    bool changed = looked != 0 && memcmp(now, before, sizeof now) != 0;
    memcpy(before, now, sizeof now);
    looked = now_ms();
    if (changed)
        settings_reload(&fault);
}
