/* Commands that read the configuration, ask it, or put another in force. */
#include <string.h>

#include "control.h"
#include "policy/signed.h"

enum {
    PATH_SPACE = 4096
};

/* A path of len bytes. */
static bool get_path(struct tacit_reader *r, size_t len, char path[PATH_SPACE])
{
    const uint8_t *bytes = len < PATH_SPACE ? tacit_get_bytes(r, len) : NULL;
    if (bytes == NULL)
        return false;
    memcpy(path, bytes, len);
    path[len] = '\0';
    return true;
}

/* The length of the path (16 bits), the path, then a signed policy or nothing. The number
 * of the reload (64 bits) is the answer; {tacit_loaded, Number, Text} follows. */
static ErlDrvSSizeT do_reload(struct carrier_port *p, struct tacit_reader *r, char **rbuf,
                              size_t rlen)
{
    char path[PATH_SPACE], text[TACIT_FAULT_MAX];
    uint8_t space[8];
    uint64_t number;
    size_t path_len = tacit_get_u16(r);
    if (!get_path(r, path_len, path))
        return control_failed(rbuf, rlen, "the path of the configuration is too long");
    size_t len = tacit_left(r);
    if (len > TACIT_POLICY_MAX)
        return control_failed(rbuf, rlen, "the policy is too long");
    if (reload_start(p->port, path, tacit_get_bytes(r, len), len, &number, text))
        return control_failed(rbuf, rlen, text);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u64(&w, number);
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* Fingerprints, a line each. */
static ErlDrvSSizeT do_revoked(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    size_t len = tacit_left(r);
    struct tacit_revoked list = {0};
    struct tacit_fault fault;
    if (tacit_revoked_parse(&list, "revoked", (const char *)tacit_get_bytes(r, len), len,
                            &fault) != TACIT_OK)
        return control_failed(rbuf, rlen, fault.text);
    shared_revoke(&list);
    return control_ok(rbuf, rlen);
}

/* {tacit_due, Ports}. */
static void tell_due(ErlDrvPort port, const ErlDrvTermData *ports, size_t count)
{
    char name[] = "tacit_due";
    ErlDrvTermData term[2 * DUE_BATCH + 7];
    int size = 0;
    term[size++] = ERL_DRV_ATOM;
    term[size++] = driver_mk_atom(name);
    for (size_t i = 0; i < count; i++) {
        term[size++] = ERL_DRV_PORT;
        term[size++] = ports[i];
    }
    term[size++] = ERL_DRV_NIL;
    term[size++] = ERL_DRV_LIST;
    term[size++] = count + 1;
    term[size++] = ERL_DRV_TUPLE;
    term[size++] = 2;
    erl_drv_send_term(driver_mk_port(port), driver_caller(port), term, size);
}

/* The links to be reviewed now. 0: none; 1: {tacit_due, Ports} comes, and there may be
 * more; 2: all. */
static ErlDrvSSizeT do_due(struct carrier_port *p, char **rbuf, size_t rlen)
{
    ErlDrvTermData ports[DUE_BATCH];
    bool incomplete;
    size_t count = due_take(guard_now().ends, ports, &incomplete);
    uint8_t answer = incomplete ? 2 : count > 0;
    if (answer == 1)
        tell_due(p->port, ports, count);
    return control_reply(rbuf, rlen, 0, &answer, 1);
}

/* By how many seconds the wall clock was set since this was asked last: 64 bits. */
static ErlDrvSSizeT do_clock(char **rbuf, size_t rlen)
{
    uint8_t space[8];
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u64(&w, (uint64_t)guard_step());
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

static ErlDrvSSizeT do_key_of(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1], fingerprint[TACIT_FINGERPRINT_TEXT];
    struct policy_ref *policy = shared_policy();
    control_get_name(r, name);
    bool found = policy != NULL && rule_fingerprint(policy->policy, name, fingerprint);
    policy_release(policy);
    return found ? control_reply(rbuf, rlen, 0, fingerprint, strlen(fingerprint))
                 : control_failed(rbuf, rlen, "none");
}

/* Of a node, or of a host's door: "@HOST". */
static int endpoint_of(const struct tacit_policy *policy, const char *name,
                       struct tacit_endpoint *ret_endpoint)
{
    return name[0] == '@' ? tacit_policy_door_endpoint(policy, name + 1, ret_endpoint)
                          : tacit_policy_endpoint(policy, name, ret_endpoint);
}

static ErlDrvSSizeT do_endpoint(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1];
    uint8_t space[2 + TACIT_HOST_MAX + 1];
    struct tacit_endpoint endpoint;
    struct policy_ref *policy = shared_policy();
    control_get_name(r, name);
    int error =
        policy == NULL ? TACIT_ESTATE : endpoint_of(policy->policy, name, &endpoint);
    policy_release(policy);
    if (error)
        return control_failed(rbuf, rlen, tacit_error_name(error));
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u16(&w, endpoint.port);
    tacit_put_bytes(&w, endpoint.host, strlen(endpoint.host));
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

static ErlDrvSSizeT do_is_plain(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1];
    struct policy_ref *policy = shared_policy();
    control_get_name(r, name);
    uint8_t plain = policy != NULL && tacit_policy_is_plain(policy->policy, name);
    policy_release(policy);
    return control_reply(rbuf, rlen, 0, &plain, 1);
}

/* The globs of [plain], a line each. */
static ErlDrvSSizeT do_plain(char **rbuf, size_t rlen)
{
    uint8_t space[16 * 1024];
    struct tacit_writer w = tacit_writer(space, sizeof space);
    struct policy_ref *policy = shared_policy();
    const char *glob;
    for (size_t i = 0;
         policy != NULL && (glob = tacit_policy_plain(policy->policy, i)) != NULL; i++) {
        tacit_put_bytes(&w, glob, strlen(glob));
        tacit_put_u8(&w, '\n');
    }
    policy_release(policy);
    return w.bad ? control_failed(rbuf, rlen, "too many [plain] lines")
                 : control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* inbound, time, reason, text: why the name's last link failed or ended. */
static ErlDrvSSizeT do_last(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1];
    struct refusal refusal;
    uint8_t space[16 + sizeof refusal.reason + sizeof refusal.text];
    control_get_name(r, name);
    if (!shared_last_refusal(name, &refusal))
        return control_failed(rbuf, rlen, "none");
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u8(&w, refusal.inbound);
    tacit_put_u64(&w, refusal.time);
    tacit_put_u8(&w, (uint8_t)strlen(refusal.reason));
    tacit_put_bytes(&w, refusal.reason, strlen(refusal.reason));
    tacit_put_bytes(&w, refusal.text, strlen(refusal.text));
    return control_reply(rbuf, rlen, 0, space, tacit_written(&w));
}

ErlDrvSSizeT control_policy(struct carrier_port *p, enum command command,
                            struct tacit_reader *r, char **rbuf, size_t rlen)
{
    switch (command) {
    case COMMAND_RELEASE:
        return control_reply(rbuf, rlen, 0, TACIT_RELEASE, strlen(TACIT_RELEASE));
    case COMMAND_RELOAD:
        return do_reload(p, r, rbuf, rlen);
    case COMMAND_ADOPT:
        return shared_adopt(tacit_get_u64(r))
                   ? control_ok(rbuf, rlen)
                   : control_failed(rbuf, rlen, "another configuration came meanwhile");
    case COMMAND_GIVE_UP:
        reload_give_up(tacit_get_u64(r));
        return control_ok(rbuf, rlen);
    case COMMAND_REVOKED:
        return do_revoked(r, rbuf, rlen);
    case COMMAND_DUE:
        return do_due(p, rbuf, rlen);
    case COMMAND_CLOCK:
        return do_clock(rbuf, rlen);
    case COMMAND_KEY_OF:
        return do_key_of(r, rbuf, rlen);
    case COMMAND_ENDPOINT:
        return do_endpoint(r, rbuf, rlen);
    case COMMAND_IS_PLAIN:
        return do_is_plain(r, rbuf, rlen);
    case COMMAND_PLAIN:
        return do_plain(rbuf, rlen);
    case COMMAND_LAST:
        return do_last(r, rbuf, rlen);
    default:
        return -1;
    }
}
