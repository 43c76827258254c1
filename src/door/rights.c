/* Who of this host may register which name, and whose key it has revoked. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/daemon.h"
#include "files/files.h"

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

void rights_know_users(const struct tacit_policy *policy)
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

bool rights_allow(uid_t uid, const char *name)
{
    if (uid == 0 || uid == geteuid())
        return true;
    for (size_t i = 0; i < known_count; i++)
        if (known[i].uid == uid &&
            tacit_policy_door_allows(door.policy, known[i].name, uid, name))
            return true;
    return tacit_policy_door_allows(door.policy, "", uid, name);
}

static struct tacit_revoked revoked; /* as last read */

int rights_read_revoked(struct tacit_fault *fault)
{
    int error = tacit_file_revoked(door.conf, &revoked, fault);
    if (error == TACIT_OK)
        door_trouble(TROUBLE_REVOKED, NULL);
    return error;
}

bool rights_revoked(const uint8_t public_key[TACIT_KEY_BYTES])
{
    char text[TACIT_FAULT_MAX];
    struct tacit_fault fault;
    if (rights_read_revoked(&fault) != TACIT_OK &&
        door_trouble(TROUBLE_REVOKED, fault.text))
        log_event("revoked_failed", "text=%s", log_quote(text, fault.text));
    return tacit_revoked_has(&revoked, public_key);
}
