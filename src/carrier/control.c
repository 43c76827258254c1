/* Commands of erlang/src/tacit_drv.erl: to the port that all ask, a listener, a link. */
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "carrier.h"
#include "control.h"
#include "policy/signed.h"

enum {
    INET_MAGIC = 0x03f1a300,
    INET_REQUESTS = 0x100,
    REPLY_MAX = 64 * 1024,
};

/* Status and len bytes; longer than the emulator's buffer, it gets its own. */
static ErlDrvSSizeT reply(char **rbuf, size_t rlen, uint8_t status, const void *bytes,
                          size_t len)
{
    if (len > REPLY_MAX)
        len = REPLY_MAX;
    if (1 + len > rlen) {
        char *larger = driver_alloc(1 + len);
        if (larger == NULL)
            return -1;
        *rbuf = larger;
    }
    (*rbuf)[0] = (char)status;
    if (len > 0)
        memcpy(*rbuf + 1, bytes, len);
    return (ErlDrvSSizeT)(1 + len);
}

static ErlDrvSSizeT reply_ok(char **rbuf, size_t rlen)
{
    return reply(rbuf, rlen, 0, NULL, 0);
}

static ErlDrvSSizeT reply_failed(char **rbuf, size_t rlen, const char *text)
{
    return reply(rbuf, rlen, 1, text, strlen(text));
}

/* The next u8-length string, as C has them. */
static void get_text(struct tacit_reader *r, char text[TACIT_NAME_MAX + 1])
{
    size_t len = tacit_get_u8(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL)
        len = 0;
    else
        memcpy(text, bytes, len);
    text[len] = '\0';
}

/* The rest, as a name. */
static void get_name(struct tacit_reader *r, char name[TACIT_NAME_MAX + 1])
{
    size_t len = tacit_left(r);
    const uint8_t *bytes = tacit_get_bytes(r, len);
    if (bytes == NULL || len > TACIT_NAME_MAX)
        len = 0;
    else
        memcpy(name, bytes, len);
    name[len] = '\0';
}

/* --- about the configuration in force, and what is to be ---------------------------- */

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
        return reply_failed(rbuf, rlen, "the path of the configuration is too long");
    size_t len = tacit_left(r);
    if (len > TACIT_POLICY_MAX)
        return reply_failed(rbuf, rlen, "the policy is too long");
    if (reload_start(p->port, path, tacit_get_bytes(r, len), len, &number, text))
        return reply_failed(rbuf, rlen, text);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u64(&w, number);
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* Fingerprints, a line each. */
static ErlDrvSSizeT do_revoked(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    size_t len = tacit_left(r);
    struct tacit_revoked list = {0};
    struct tacit_fault fault;
    if (tacit_revoked_parse(&list, "revoked", (const char *)tacit_get_bytes(r, len), len,
                            &fault) != TACIT_OK)
        return reply_failed(rbuf, rlen, fault.text);
    shared_revoke(&list);
    return reply_ok(rbuf, rlen);
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
    size_t count = due_take(gate_now().ends, ports, &incomplete);
    uint8_t answer = incomplete ? 2 : count > 0;
    if (answer == 1)
        tell_due(p->port, ports, count);
    return reply(rbuf, rlen, 0, &answer, 1);
}

/* The fingerprint of the key that the policy has for a node; false: it has none. */
static bool find_fingerprint(const struct tacit_policy *policy, const char *name,
                             char ret_text[TACIT_FINGERPRINT_TEXT])
{
    static const uint8_t nobody[NOISE_DHLEN];
    struct tacit_question question = {.name = name, .public_key = nobody};
    struct tacit_decision decision;
    (void)tacit_policy_decide(policy, &question, &decision);
    if (decision.peer == NULL || !decision.peer->has_key)
        return false;
    tacit_fingerprint(decision.peer->public_key, ret_text);
    return true;
}

/* By how many seconds the wall clock was set since this was asked last: 64 bits. */
static ErlDrvSSizeT do_clock(char **rbuf, size_t rlen)
{
    uint8_t space[8];
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u64(&w, (uint64_t)gate_step());
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

static ErlDrvSSizeT do_key_of(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1], fingerprint[TACIT_FINGERPRINT_TEXT];
    struct policy_ref *policy = shared_policy();
    get_name(r, name);
    bool found = policy != NULL && find_fingerprint(policy->policy, name, fingerprint);
    policy_release(policy);
    return found ? reply(rbuf, rlen, 0, fingerprint, strlen(fingerprint))
                 : reply_failed(rbuf, rlen, "none");
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
    get_name(r, name);
    int error =
        policy == NULL ? TACIT_ESTATE : endpoint_of(policy->policy, name, &endpoint);
    policy_release(policy);
    if (error)
        return reply_failed(rbuf, rlen, tacit_error_name(error));
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u16(&w, endpoint.port);
    tacit_put_bytes(&w, endpoint.host, strlen(endpoint.host));
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

static ErlDrvSSizeT do_is_plain(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1];
    struct policy_ref *policy = shared_policy();
    get_name(r, name);
    uint8_t plain = policy != NULL && tacit_policy_is_plain(policy->policy, name);
    policy_release(policy);
    return reply(rbuf, rlen, 0, &plain, 1);
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
    return w.bad ? reply_failed(rbuf, rlen, "too many [plain] lines")
                 : reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* inbound, time, reason, text: why the name's last link failed or ended. */
static ErlDrvSSizeT do_last(struct tacit_reader *r, char **rbuf, size_t rlen)
{
    char name[TACIT_NAME_MAX + 1];
    struct refusal refusal;
    uint8_t space[16 + sizeof refusal.reason + sizeof refusal.text];
    get_name(r, name);
    if (!shared_last_refusal(name, &refusal))
        return reply_failed(rbuf, rlen, "none");
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u8(&w, refusal.inbound);
    tacit_put_u64(&w, refusal.time);
    tacit_put_u8(&w, (uint8_t)strlen(refusal.reason));
    tacit_put_bytes(&w, refusal.reason, strlen(refusal.reason));
    tacit_put_bytes(&w, refusal.text, strlen(refusal.text));
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

static ErlDrvSSizeT about_policy(struct carrier_port *p, enum command command,
                                 struct tacit_reader *r, char **rbuf, size_t rlen)
{
    switch (command) {
    case COMMAND_RELEASE:
        return reply(rbuf, rlen, 0, TACIT_RELEASE, strlen(TACIT_RELEASE));
    case COMMAND_RELOAD:
        return do_reload(p, r, rbuf, rlen);
    case COMMAND_ADOPT:
        return shared_adopt(tacit_get_u64(r))
                   ? reply_ok(rbuf, rlen)
                   : reply_failed(rbuf, rlen, "another configuration came meanwhile");
    case COMMAND_GIVE_UP:
        reload_give_up(tacit_get_u64(r));
        return reply_ok(rbuf, rlen);
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

/* --- to the port that listens ------------------------------------------------------- */

static void put_address(struct tacit_writer *w, const struct tacit_address *a)
{
    if (a == NULL)
        return;
    tacit_put_u8(w, a->family);
    tacit_put_u16(w, a->port);
    tacit_put_bytes(w, a->bytes, a->family == 4 ? 4 : 16);
}

/* The answer: creation (0: there is no door to wait for), then the address, if any. */
static ErlDrvSSizeT do_listen(struct carrier_port *p, struct tacit_reader *r, char **rbuf,
                              size_t rlen)
{
    char name[TACIT_NAME_MAX + 1], text[TACIT_FAULT_MAX] = "out of memory";
    uint8_t space[32];
    get_name(r, name);
    if (!tacit_name_ok(name)) {
        snprintf(
            text, sizeof text,
            "%.200s is not a node name that Tacit takes, expected NAME@HOST with "
            "letters, digits, '_', '-' before the '@' and no '*' after it, all ASCII",
            name);
        return reply_failed(rbuf, rlen, text);
    }
    if (p->link != NULL || p->listener != NULL)
        return reply_failed(rbuf, rlen, "the port is in use");
    if (listener_start(p->port, name, &p->listener, text) != TACIT_OK)
        return reply_failed(rbuf, rlen, text);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u32(&w, listener_creation(p->listener));
    put_address(&w, listener_address(p->listener));
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* The number of the reload. */
static ErlDrvSSizeT do_listen_try(struct listener *l, struct tacit_reader *r, char **rbuf,
                                  size_t rlen)
{
    char text[TACIT_FAULT_MAX] = "out of memory";
    return listener_try(l, tacit_get_u64(r), text) == TACIT_OK
               ? reply_ok(rbuf, rlen)
               : reply_failed(rbuf, rlen, text);
}

static ErlDrvSSizeT to_listener(struct carrier_port *p, enum command command,
                                struct tacit_reader *r, char **rbuf, size_t rlen)
{
    if (command == COMMAND_LISTEN)
        return do_listen(p, r, rbuf, rlen);
    if (p->listener == NULL)
        return -1;
    switch (command) {
    case COMMAND_ACCEPT:
        listener_accept(p->listener, driver_caller(p->port));
        return reply_ok(rbuf, rlen);
    case COMMAND_LISTEN_TRY:
        return do_listen_try(p->listener, r, rbuf, rlen);
    case COMMAND_LISTEN_SETTLE:
        listener_settle(p->listener);
        return reply_ok(rbuf, rlen);
    default:
        return -1;
    }
}

/* --- to the port of a link ---------------------------------------------------------- */

/* dynamic, own name, wanted name, timeout in ms, family, port, scope, address. */
static ErlDrvSSizeT do_connect(struct carrier_port *p, struct tacit_reader *r,
                               char **rbuf, size_t rlen)
{
    char own[TACIT_NAME_MAX + 1], wanted[TACIT_NAME_MAX + 1];
    struct tacit_address address = {0};
    bool dynamic = tacit_get_u8(r) != 0;
    get_text(r, own);
    get_text(r, wanted);
    uint32_t timeout = tacit_get_u32(r);
    address.family = tacit_get_u8(r);
    address.port = tacit_get_u16(r);
    address.scope = tacit_get_u32(r);
    size_t size = address.family == 4 ? 4 : 16;
    const uint8_t *bytes = tacit_get_bytes(r, size);
    if (bytes == NULL || p->link != NULL || p->listener != NULL)
        return reply_failed(rbuf, rlen, "einval");
    memcpy(address.bytes, bytes, size);
    bool own_ok = dynamic ? tacit_host_ok(own) : tacit_name_ok(own);
    /* Who asks a door has no name. */
    if (wanted[0] == '@' ? !tacit_host_ok(wanted + 1) : !own_ok || !tacit_name_ok(wanted))
        return reply_failed(rbuf, rlen, "name");
    int error = link_connect(p->port, own, dynamic, wanted, &address, timeout, &p->link);
    if (error == TACIT_ESYSTEM)
        return reply_failed(rbuf, rlen, erl_errno_id(errno));
    return error ? reply_failed(rbuf, rlen, tacit_error_name(error))
                 : reply_ok(rbuf, rlen);
}

static void put_text(struct tacit_writer *w, const char *text)
{
    size_t len = strlen(text);
    tacit_put_u8(w, (uint8_t)len);
    tacit_put_bytes(w, text, len);
}

/* Nothing where the link still may be; else inbound, name, fingerprint, address, line,
 * why.
 */
static ErlDrvSSizeT do_review(struct link *l, char **rbuf, size_t rlen)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT], address[TACIT_ADDRESS_TEXT];
    uint8_t space[TACIT_NAME_MAX + sizeof fingerprint + sizeof address + RULING_LINE +
                  REASON_MAX];
    bool failed = l->failed;
    link_review(l);
    if (failed || !l->failed)
        return reply_ok(rbuf, rlen);
    tacit_fingerprint(l->peer_key, fingerprint);
    tacit_address_to_text(&l->peer_address, address);
    struct tacit_writer w = tacit_writer(space, sizeof space);
    tacit_put_u8(&w, !l->initiator);
    put_text(&w, l->peer.name);
    put_text(&w, fingerprint);
    put_text(&w, address);
    put_text(&w, l->line);
    tacit_put_bytes(&w, l->failed_text, strlen(l->failed_text));
    return reply(rbuf, rlen, 0, space, tacit_written(&w));
}

/* The distribution handshake claims something else than the channel proved. */
static ErlDrvSSizeT do_refuse(struct link *l, struct tacit_reader *r, char **rbuf,
                              size_t rlen)
{
    char text[TACIT_NAME_MAX + 1];
    static const enum tacit_close reasons[] = {TACIT_CLOSE_MISMATCH,
                                               TACIT_CLOSE_VISIBILITY, TACIT_CLOSE_BUSY};
    enum tacit_close reason = reasons[tacit_get_u8(r) % 3];
    get_name(r, text);
    atomic_fetch_add(&carrier_counters.refused, 1);
    link_send_close(l, reason, text);
    link_fail(l, TACIT_ENAME, tacit_close_name(reason), text);
    link_arm(l);
    return reply_ok(rbuf, rlen);
}

/* A peer's keyring changed while the link was up: key IDs as text, each with a line's
 * end.
 */
static ErlDrvSSizeT do_peer_keys(struct link *l, struct tacit_reader *r, char **rbuf,
                                 size_t rlen)
{
    uint8_t key_ids[TACIT_CLAIM_MESH_KEYS_MAX][TACIT_KEY_ID];
    size_t count = tacit_left(r) / TACIT_KEY_ID_TEXT;
    if (tacit_left(r) % TACIT_KEY_ID_TEXT != 0 || count > TACIT_CLAIM_MESH_KEYS_MAX)
        return reply_failed(rbuf, rlen, "einval");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *text = tacit_get_bytes(r, TACIT_KEY_ID_TEXT);
        if (tacit_key_id_from_text((const char *)text, key_ids[i]))
            return reply_failed(rbuf, rlen, "einval");
    }
    memcpy(l->peer.mesh_keys, key_ids, count * sizeof key_ids[0]);
    l->peer.mesh_key_count = count;
    return reply_ok(rbuf, rlen);
}

static ErlDrvSSizeT to_link(struct carrier_port *p, enum command command,
                            struct tacit_reader *r, char **rbuf, size_t rlen)
{
    struct link *l = p->link;
    if (command == COMMAND_CONNECT)
        return do_connect(p, r, rbuf, rlen);
    if (l == NULL)
        return -1;
    switch (command) {
    case COMMAND_PROCEED: /* within so many ms */
        if (l->state != LINK_CONNECTED)
            return reply_failed(rbuf, rlen, "einval");
        link_proceed(l, tacit_get_u32(r));
        return reply_ok(rbuf, rlen);
    case COMMAND_RECV:
        if (l->state != LINK_PASSIVE)
            return reply_failed(rbuf, rlen, "einval");
        l->wants_message = true;
        (void)link_read(l); /* PASSIVE: the link always lives */
        link_arm(l);
        return reply_ok(rbuf, rlen);
    case COMMAND_SEEN: /* 1: the peer is a visible node; 0: a hidden one */
        l->seen = tacit_get_u8(r) ? TACIT_VISIBLE : TACIT_HIDDEN;
        return *link_visibility_fault(l) == '\0'
                   ? reply_ok(rbuf, rlen)
                   : reply_failed(rbuf, rlen, link_visibility_fault(l));
    case COMMAND_NEW_NAME:
        if (l->state != LINK_PASSIVE || l->new_name)
            return reply_failed(rbuf, rlen, "einval");
        l->new_name = shared_setup_name(l->peer_key);
        return l->new_name ? reply_ok(rbuf, rlen)
                           : reply_failed(rbuf, rlen,
                                          "its key has brought too many names that "
                                          "never became links");
    case COMMAND_ACTIVE:
        if (l->state != LINK_PASSIVE)
            return reply_failed(rbuf, rlen, "einval");
        l->state = LINK_ACTIVE;
        link_set_up(l, true);
        l->read_pending = true;
        link_arm(l);
        return reply_ok(rbuf, rlen);
    case COMMAND_TICK:
        link_tick(l);
        return reply_ok(rbuf, rlen);
    case COMMAND_REFUSE:
        return do_refuse(l, r, rbuf, rlen);
    case COMMAND_REVIEW:
        return do_review(l, rbuf, rlen);
    case COMMAND_PEER_KEYS:
        return do_peer_keys(l, r, rbuf, rlen);
    default:
        return -1;
    }
}

/* --- whose they are ----------------------------------------------------------------- */

ErlDrvSSizeT carrier_control(struct carrier_port *p, unsigned command, const uint8_t *buf,
                             size_t len, char **rbuf, size_t rlen)
{
    if (command >= INET_MAGIC && command < INET_MAGIC + INET_REQUESTS)
        return p->link == NULL
                   ? -1
                   : inet_control(p->link, command - INET_MAGIC, buf, len, rbuf, rlen);
    struct tacit_reader r = tacit_reader(buf, len);
    enum command known = (enum command)command;
    ErlDrvSSizeT size = about_policy(p, known, &r, rbuf, rlen);
    if (size < 0)
        size = to_listener(p, known, &r, rbuf, rlen);
    if (size < 0)
        size = to_link(p, known, &r, rbuf, rlen);
    return size;
}
