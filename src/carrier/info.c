/*
 * Answers to port_call, as Erlang terms: what tacit:info/0,1 shows. The maps' keys are
 * documented in erlang/src/tacit.erl. Only answers are terms: nothing is decoded here.
 */
#include <ei.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "policy/signed.h"
#include "tacit/suite.h"

enum {
    ANSWER_MAX = 32 * 1024, /* a path, some addresses, texts: less than half of it */
    POLICY_SPACE = 1024,    /* a signed policy but for paths and text; a notice */
};

enum call {
    CALL_HOST = 1,
    CALL_LINK = 2,
    CALL_LISTENER = 3,
    CALL_POLICIES = 4,
    CALL_REVOKED = 5,
};

static void put_binary(ei_x_buff *x, const char *key, const char *text)
{
    ei_x_encode_atom(x, key);
    ei_x_encode_binary(x, text, (int)strlen(text));
}

static void put_integer(ei_x_buff *x, const char *key, uint64_t value)
{
    ei_x_encode_atom(x, key);
    ei_x_encode_ulonglong(x, value);
}

static void put_address(ei_x_buff *x, const char *key,
                        const struct tacit_address *address)
{
    char text[TACIT_ADDRESS_TEXT] = "";
    if (address->family != 0)
        tacit_address_to_text(address, text);
    put_binary(x, key, text);
}

static const char *state_name(enum link_state state)
{
    static const char *const names[] = {"connecting", "connecting", "handshake",
                                        "passive", "up"};
    return names[state];
}

static void put_key_id(ei_x_buff *x, const uint8_t key_id[TACIT_KEY_ID])
{
    char text[TACIT_KEY_ID_TEXT];
    tacit_key_id_text(key_id, text);
    ei_x_encode_binary(x, text, (int)strlen(text));
}

/* The mesh key that the handshake used, and those that the peer can open. */
static void put_mesh_keys(ei_x_buff *x, const struct link *l)
{
    ei_x_encode_atom(x, "mesh_key");
    put_key_id(x, l->mesh_key_id);
    ei_x_encode_atom(x, "peer_mesh_keys");
    for (size_t i = 0; i < l->peer.mesh_key_count; i++) {
        ei_x_encode_list_header(x, 1);
        put_key_id(x, l->peer.mesh_keys[i]);
    }
    ei_x_encode_empty_list(x);
}

static void put_link(ei_x_buff *x, const struct link *l)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT] = "";
    bool known = l->channel != NULL;
    if (known)
        tacit_fingerprint(l->peer_key, fingerprint);
    ei_x_encode_map_header(x, 16);
    put_mesh_keys(x, l);
    put_binary(x, "name", l->peer.name);
    put_binary(x, "line", l->line);
    ei_x_encode_atom(x, "state");
    ei_x_encode_atom(x, state_name(l->state));
    ei_x_encode_atom(x, "direction");
    ei_x_encode_atom(x, l->initiator ? "out" : "in");
    put_binary(x, "fingerprint", fingerprint);
    ei_x_encode_atom(x, "suite");
    ei_x_encode_atom(x, known ? tacit_suite_name(l->channel->suite) : "none");
    put_address(x, "peer_address", &l->peer_address);
    put_address(x, "local_address", &l->local_address);
    put_integer(x, "received_bytes", l->received_bytes);
    put_integer(x, "sent_bytes", l->sent_bytes);
    put_integer(x, "received_messages", l->received_messages);
    put_integer(x, "sent_messages", l->sent_messages);
    put_integer(x, "rekeys", known ? l->channel->generation : 0);
    put_integer(x, "age", known ? (uint64_t)(monotonic_ms() - l->since) / 1000 : 0);
}

static void put_listen(ei_x_buff *x, const struct tacit_policy *policy)
{
    const struct tacit_address *addresses;
    size_t count = tacit_policy_listen(policy, &addresses);
    ei_x_encode_atom(x, "listen");
    for (size_t i = 0; i < count; i++) {
        char text[TACIT_ADDRESS_TEXT];
        tacit_address_to_text(&addresses[i], text);
        ei_x_encode_list_header(x, 1);
        ei_x_encode_binary(x, text, (int)strlen(text));
    }
    ei_x_encode_empty_list(x);
}

static void put_door(ei_x_buff *x)
{
    struct door_status door;
    shared_door(&door);
    ei_x_encode_atom(x, "door");
    ei_x_encode_map_header(x, 3);
    put_binary(x, "socket", door.path);
    ei_x_encode_atom(x, "state");
    ei_x_encode_atom(x, door.state);
    put_binary(x, "text", door.text);
}

static void put_counter(ei_x_buff *x, const char *key, atomic_uint_least64_t *counter)
{
    put_integer(x, key, atomic_load(counter));
}

static void put_marks(ei_x_buff *x, const char *name, const struct tacit_key_ids *key_ids,
                      unsigned hidden)
{
    ei_x_encode_atom(x, name);
    for (size_t i = 0; i < key_ids->count; i++) {
        if ((hidden >> i & 1) != 0)
            continue;
        ei_x_encode_list_header(x, 1);
        put_key_id(x, key_ids->at[i]);
    }
    ei_x_encode_empty_list(x);
}

/* Marks of this host's mesh keys, it seals with the first; those that peers are shown. */
static void put_own_mesh_keys(ei_x_buff *x, const struct tacit_policy *policy)
{
    const struct tacit_secret *keys;
    struct tacit_key_ids key_ids;
    size_t count = tacit_policy_mesh_keys(policy, &keys);
    tacit_key_ids(keys, count, &key_ids);
    put_marks(x, "mesh_keys", &key_ids, 0);
    put_marks(x, "shown_mesh_keys", &key_ids, shared_hidden_keys(policy));
}

/* An authority's newest policy; its text only where that is asked for. */
static void put_signed(ei_x_buff *x, const struct tacit_signed_policy *p, bool with_text)
{
    ei_x_encode_map_header(x, with_text ? 10 : 9);
    put_binary(x, "authority", p->authority);
    put_integer(x, "serial", p->serial);
    put_binary(x, "file", p->source != NULL ? p->source : "");
    ei_x_encode_atom(x, "fresh_until");
    if (p->fresh_until == TACIT_NEVER)
        ei_x_encode_atom(x, "infinity");
    else
        ei_x_encode_ulonglong(x, p->fresh_until);
    ei_x_encode_atom(x, "stale");
    ei_x_encode_boolean(x, p->fresh_until <= gate_now().ends);
    ei_x_encode_atom(x, "key");
    ei_x_encode_binary(x, p->public_key, TACIT_KEY_BYTES);
    ei_x_encode_atom(x, "hash");
    ei_x_encode_binary(x, p->hash, sizeof p->hash);
    put_binary(x, "path", p->path);
    put_binary(x, "kept", p->kept);
    if (!with_text)
        return;
    ei_x_encode_atom(x, "text");
    ei_x_encode_binary(x, p->text != NULL ? p->text : "", (int)p->len);
}

static void put_policies(ei_x_buff *x, const struct tacit_policy *policy, bool with_text)
{
    const struct tacit_signed_policy *p;
    for (size_t i = 0; (p = tacit_policy_signed(policy, i)) != NULL; i++) {
        ei_x_encode_list_header(x, 1);
        put_signed(x, p, with_text);
    }
    ei_x_encode_empty_list(x);
}

static void put_notices(ei_x_buff *x, const struct tacit_policy *policy)
{
    const char *notice;
    ei_x_encode_atom(x, "not_taken");
    for (size_t i = 0; (notice = tacit_policy_notice(policy, i)) != NULL; i++) {
        ei_x_encode_list_header(x, 1);
        ei_x_encode_binary(x, notice, (int)strlen(notice));
    }
    ei_x_encode_empty_list(x);
}

/* What is wrong with what this host shows to peers, now: by a clock, as they judge it. */
static void put_own_fault(ei_x_buff *x, const struct tacit_policy *policy)
{
    struct tacit_fault fault = {""};
    (void)tacit_policy_own_fault(policy, gate_now().steady, &fault);
    put_binary(x, "own_fault", fault.text);
}

static void put_host(ei_x_buff *x, const struct tacit_policy *policy)
{
    char key[TACIT_KEY_TEXT], fingerprint[TACIT_FINGERPRINT_TEXT];
    const struct noise_keypair *identity = tacit_policy_identity(policy);
    tacit_key_to_text(identity->public_key, key);
    tacit_fingerprint(identity->public_key, fingerprint);
    ei_x_encode_map_header(x, 21);
    put_own_mesh_keys(x, policy);
    ei_x_encode_atom(x, "policies");
    put_policies(x, policy, false);
    put_notices(x, policy);
    put_own_fault(x, policy);
    put_binary(x, "configuration", tacit_policy_path(policy));
    put_binary(x, "public_key", key);
    put_binary(x, "fingerprint", fingerprint);
    put_listen(x, policy);
    put_door(x);
    put_counter(x, "accepted", &carrier_counters.accepted);
    put_counter(x, "pending", &carrier_counters.pending);
    put_counter(x, "strangers", &carrier_counters.strangers);
    put_counter(x, "replays", &carrier_counters.replays);
    put_counter(x, "refused", &carrier_counters.refused);
    put_counter(x, "evicted", &carrier_counters.evicted);
    put_counter(x, "handshakes", &carrier_counters.handshakes);
    put_counter(x, "exchanges", &carrier_counters.exchanges);
    put_counter(x, "limited", &carrier_counters.limited);
    put_counter(x, "unauthenticated_bytes", &carrier_counters.unauthenticated_bytes);
    put_integer(x, "known", gate_count());
}

/* {Read, InForce}: fingerprints, one behind the other. */
static void put_revoked(ei_x_buff *x, const struct tacit_revoked *read,
                        const struct tacit_revoked *in_force)
{
    ei_x_encode_tuple_header(x, 2);
    ei_x_encode_binary(x, read->at, (int)(read->count * sizeof *read->at));
    ei_x_encode_binary(x, in_force->at, (int)(in_force->count * sizeof *in_force->at));
}

/* The most that an answer can need: signed policies are what may be long. */
static size_t room_for_answer(const struct policy_ref *policy,
                              const struct tacit_revoked *in_force, unsigned command)
{
    const struct tacit_signed_policy *s;
    size_t room = ANSWER_MAX;
    if (policy == NULL)
        return room;
    if (command == CALL_REVOKED)
        room += (policy->revoked.count + in_force->count) * TACIT_FINGERPRINT_BYTES;
    for (size_t i = 0; (s = tacit_policy_signed(policy->policy, i)) != NULL; i++) {
        room += POLICY_SPACE + 3 * strlen(s->kept);
        room += command == CALL_POLICIES ? s->len : 0;
    }
    for (size_t i = 0; tacit_policy_notice(policy->policy, i) != NULL; i++)
        room += POLICY_SPACE;
    return room;
}

static bool put_answer(ei_x_buff *x, const struct carrier_port *p,
                       const struct policy_ref *policy,
                       const struct tacit_revoked *in_force, unsigned command)
{
    bool answered = true;
    if (command == CALL_LINK && p->link != NULL)
        put_link(x, p->link);
    else if (command == CALL_HOST && policy != NULL)
        put_host(x, policy->policy);
    else if (command == CALL_POLICIES && policy != NULL)
        put_policies(x, policy->policy, true);
    else if (command == CALL_REVOKED && policy != NULL)
        put_revoked(x, &policy->revoked, in_force);
    else if (command == CALL_LISTENER && p->listener != NULL)
        ei_x_encode_atom(x, "listener");
    else
        answered = false;
    return answered;
}

/*
 * In a buffer that no answer outgrows: ei's own grow as they go, and where memory runs
 * out meanwhile they are lost, which none of its functions can be asked about later.
 */
ErlDrvSSizeT carrier_call(struct carrier_port *p, unsigned command, char *buf, size_t len,
                          char **rbuf, size_t rlen)
{
    struct tacit_revoked in_force = {0};
    if (command == CALL_REVOKED && shared_revoked(&in_force) != TACIT_OK)
        return -1;
    struct policy_ref *policy = shared_policy();
    size_t room = room_for_answer(policy, &in_force, command);
    ei_x_buff x = {.buff = malloc(room), .buffsz = (int)room};
    ErlDrvSSizeT size = -1;
    if (x.buff != NULL)
        ei_encode_version(x.buff, &x.index);
    if (x.buff != NULL && put_answer(&x, p, policy, &in_force, command) &&
        ((size_t)x.index <= rlen || (*rbuf = driver_alloc((size_t)x.index)) != NULL)) {
        memcpy(*rbuf, x.buff, (size_t)x.index);
        size = x.index;
    }
    free(x.buff);
    tacit_revoked_free(&in_force);
    policy_release(policy);
    return size;
}
