/* The sockets on which a listener listens: those of the policy in force, and only those.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

/* A host with a door has it listen in its nodes' place. */
static size_t addresses(const struct tacit_policy *policy,
                        const struct tacit_address **ret_addresses)
{
    size_t count = tacit_policy_listen(policy, ret_addresses);
    return tacit_policy_door(policy) != NULL ? 0 : count;
}

bool listen_set_wanted(const struct tacit_address *address,
                       const struct tacit_policy *policy)
{
    const struct tacit_address *wanted;
    size_t count = addresses(policy, &wanted);
    for (size_t i = 0; i < count; i++)
        if (tacit_address_equal(&wanted[i], address))
            return true;
    return false;
}

static bool has(const struct listen_set *set, const struct tacit_address *address)
{
    for (size_t i = 0; i < set->count; i++)
        if (tacit_address_equal(&set->at[i].address, address))
            return true;
    return false;
}

static int cannot_listen(const struct tacit_policy *policy,
                         const struct tacit_address *address, int error,
                         char text[TACIT_FAULT_MAX])
{
    char at[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(address, at);
    snprintf(text, TACIT_FAULT_MAX, "%s: [host] listen = %s: %s",
             tacit_policy_path(policy), at, strerror(error));
    return TACIT_ESYSTEM;
}

int listen_set_open(struct listen_set *set, const struct tacit_policy *policy,
                    char text[TACIT_FAULT_MAX])
{
    const struct tacit_address *wanted;
    size_t count = addresses(policy, &wanted), before = set->count;
    if (count == 0 && tacit_policy_door(policy) == NULL) {
        snprintf(text, TACIT_FAULT_MAX,
                 "%s: [host] has no listen, expected one address at least "
                 "(or start the node with -dist_listen false)",
                 tacit_policy_path(policy));
        return TACIT_ECONFIG;
    }
    for (size_t i = 0; i < count; i++) {
        if (has(set, &wanted[i]))
            continue;
        int fd = set->count < LISTEN_SET_MAX ? socket_listen(&wanted[i]) : -1;
        if (fd < 0) {
            int full = set->count < LISTEN_SET_MAX ? errno : EMFILE;
            int error = cannot_listen(policy, &wanted[i], full, text);
            while (set->count > before)
                close(set->at[--set->count].fd);
            return error;
        }
        set->at[set->count].fd = fd;
        set->at[set->count++].address = wanted[i];
    }
    return TACIT_OK;
}
