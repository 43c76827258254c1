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

/* Users of door-users by number: looked up at load, since a look-up may take its time. */
static struct known {
    uid_t uid;
    char name[TACIT_USER_MAX + 1];
} * known;
static size_t known_count;

/* A directory service that is slow now was not always. */
static bool user_number(const char *name, uid_t *ret_uid)
{
    enum helper_answer answer = helper_user(name, ret_uid);
    for (size_t i = 0; answer == HELPER_SILENT && i < known_count; i++)
        if (strcmp(known[i].name, name) == 0) {
            *ret_uid = known[i].uid;
            return true;
        }
    return answer == HELPER_YES;
}

static void know_users(const struct tacit_policy *policy)
{
    const struct tacit_door_user *user;
    size_t count = 0, used = 0;
    while (tacit_policy_door_user(policy, count) != NULL)
        count++;
    struct known *all = count == 0 ? NULL : calloc(count, sizeof *all);
    for (size_t i = 0; all != NULL && (user = tacit_policy_door_user(policy, i)); i++) {
        if (user_number(user->user, &all[used].uid)) {
            memcpy(all[used++].name, user->user, sizeof user->user);
        } else if (strspn(user->user, "0123456789*") != strlen(user->user)) {
            log_event("unknown_user", "user=%s", user->user);
        }
    }
    free(known);
    known = all;
    known_count = used;
}

bool settings_allow(uid_t uid, const char *name)
{
    if (uid == 0 || uid == geteuid())
        return true;
    for (size_t i = 0; i < known_count; i++)
        if (known[i].uid == uid &&
            tacit_policy_door_allows(door.policy, known[i].name, uid, name))
            return true;
    return tacit_policy_door_allows(door.policy, "", uid, name);
}

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

static struct tacit_revoked revoked; /* as last read */

bool settings_revoked(const uint8_t public_key[TACIT_KEY_BYTES])
{
    char text[TACIT_FAULT_MAX];
    struct tacit_fault fault;
    if (tacit_file_revoked(door.conf, &revoked, &fault) != TACIT_OK)
        log_stranger("revoked_failed", "text=%s", log_quote(text, fault.text));
    return tacit_revoked_has(&revoked, public_key);
}

/* The new one is in force only when all of it could be applied. */
int settings_load(bool first, struct tacit_fault *fault)
{
    struct tacit_files files = {.context = &first, .read = read_file};
    struct tacit_policy *policy, *before = door.policy;
    if (door.ending) {
        snprintf(fault->text, sizeof fault->text, "the door is being closed");
        return TACIT_ESTATE;
    }
    int error = tacit_policy_load_door(door.conf, &files, tacit_suites_available(),
                                       &policy, fault);
    if (error == TACIT_OK) {
        error = tacit_policy_may_follow(policy, before, fault);
        if (error != TACIT_OK)
            tacit_policy_free(policy);
    }
    if (error == TACIT_OK) {
        door.policy = policy;
        if (first) {
            error = socket_file_prepare(tacit_policy_door(policy), fault);
            confine_may_bind(&door.confine, tacit_policy_door(policy));
            may_read_revoked();
        }
        if (error == TACIT_OK)
            error = tacit_file_revoked(door.conf, &revoked, fault);
    }
    if (error == TACIT_OK)
        error = apply(first ? LISTEN_START : LISTEN_RELOAD, fault);
    if (error != TACIT_OK && !first) {
        char text[TACIT_FAULT_MAX];
        struct tacit_fault again;
        if (door.policy != before) {
            door.policy = before;
            tacit_policy_free(policy);
            apply(LISTEN_LATER, &again);
        }
        door.counters.reload_failures++;
        log_event("reload_failed", "text=%s", log_quote(text, fault->text));
        door_trouble(TROUBLE_RELOAD, fault->text);
    }
    if (error != TACIT_OK)
        return error;
    directory_close();
    tacit_policy_free(before);
    tacit_clock_own(&door.clock, tacit_policy_own_signed_at(policy));
    know_users(policy);
    interfaces_watch();
    if (first)
        return TACIT_OK;
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
        settings_load(false, &fault);
}
