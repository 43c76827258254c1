/* A trial connection: up to the channel. */
#include "cli/trial.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "ei/race.h"
#include "policy/signed.h"

enum {
    CONNECT_MS =
        20000, /* for TCP and all that follows: a stranger is closed after 10 s */
};

const char *trial_stage_name(enum trial_stage stage)
{
    static const char *const names[TRIAL_STAGES] = {
        "name",     "address",   "tcp",        "mesh key", "node",
        "identity", "rule here", "rule there", "flags",    "cookie"};
    return names[stage];
}

bool trial_tell(struct trial *t, enum trial_stage stage, enum trial_verdict verdict,
                const char *format, ...)
{
    char text[TRIAL_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (verdict == TRIAL_FAILED) {
        t->failed = true;
        snprintf(t->why, sizeof t->why, "%s: %s", trial_stage_name(stage), text);
    }
    t->told(t, stage, verdict, text);
    return verdict != TRIAL_FAILED;
}

void trial_find_own(struct trial *t, const char *as)
{
    struct control_process *found = calloc(CONTROL_PROCESSES_MAX, sizeof *found);
    int count = found != NULL ? control_find(tacit_policy_path(t->policy), found) : -1;
    for (int i = 0; i < count && *t->control == '\0'; i++) {
        if (*found[i].silent != '\0' || !tacit_name_ok(found[i].name) ||
            strcmp(found[i].name, t->node) == 0 ||
            (as != NULL && strcmp(found[i].name, as) != 0))
            continue;
        snprintf(t->own, sizeof t->own, "%s", found[i].name);
        snprintf(t->control, sizeof t->control, "%s", found[i].path);
    }
    if (as != NULL)
        snprintf(t->own, sizeof t->own, "%s", as);
    free(found);
}

/* --- what this side's rules say ----------------------------------------------------- */

/* "FILE:LINE [peer GLOB]" */
static const char *line_text(const struct tacit_decision *d, char *text, size_t cap)
{
    const struct tacit_rule *rule = tacit_decision_rule(d);
    snprintf(text, cap, "no line");
    if (d->peer != NULL)
        snprintf(text, cap, "%s:%u [peer %s]", rule->path, rule->line, d->peer->glob);
    else if (d->group != NULL)
        snprintf(text, cap, "%s:%u [group %s]", rule->path, rule->line, d->group->name);
    return text;
}

static bool check_name(struct trial *t)
{
    char line[512];
    struct tacit_decision d;
    struct tacit_question q = {.name = t->node, .now = cli_now(t->policy)};
    if (!tacit_name_ok(t->node))
        return trial_tell(t, TRIAL_NAME, TRIAL_FAILED,
                          "'%s' is no node's name: expected one such as "
                          "app@db1.example.net",
                          t->node);
    if (tacit_policy_is_plain(t->policy, t->node))
        return trial_tell(t, TRIAL_NAME, TRIAL_FAILED,
                          "a [plain] line of %s names it: it is reached without Tacit; "
                          "take it off that line, or ask epmd",
                          tacit_policy_path(t->policy));
    tacit_policy_explain(t->policy, &q, &d);
    return trial_tell(t, TRIAL_NAME, TRIAL_OK, "%s%s", line_text(&d, line, sizeof line),
                      tacit_decision_rule(&d) != NULL ? " decides about it"
                                                      : " of ours is for it");
}

/* The same question that a node of this host would ask, to show which line decides. */
static void decide(struct trial *t, const struct tacit_claim *claim,
                   const uint8_t public_key[NOISE_DHLEN], bool revoked)
{
    struct tacit_certificate certificate;
    struct tacit_question q = {.name = claim->name,
                               .public_key = public_key,
                               .address = &t->address,
                               .now = cli_now(t->policy)};
    if (claim->certificate_len > 0) {
        q.certificate_fault = tacit_policy_certificate(
            t->policy, claim->certificate, claim->certificate_len, &certificate);
        if (q.certificate_fault == TACIT_ALLOWED)
            q.certificate = &certificate;
    }
    int error = tacit_policy_decide(t->policy, &q, &t->decision);
    if (!error && revoked)
        t->decision.reason = TACIT_REVOKED;
    t->decided = true;
}

/* --- address and TCP ---------------------------------------------------------------- */

/* Where somebody listens. */
static bool tell_connected(struct trial *t, const struct wire_connection *connection)
{
    char shown[TACIT_ADDRESS_TEXT];
    client_take(t->client, connection->fd, CONNECT_MS);
    t->address = connection->address;
    t->tcp_us = wire_now_us() - connection->since;
    tacit_address_to_text(&t->address, shown);
    return trial_tell(t, TRIAL_TCP, TRIAL_OK, "%s", shown);
}

/* The first of the host's addresses that answers. */
static bool connect_to(struct trial *t, const struct tacit_endpoint *endpoint,
                       struct wire_race *race)
{
    struct wire_connection connection;
    int error = wire_race_next(race, &connection);
    if (!wire_race_has_address(race))
        return trial_tell(t, TRIAL_ADDRESS, TRIAL_FAILED,
                          "%s: %s: give the [peer] line an endpoint, or the name an "
                          "address in DNS",
                          endpoint->host, wire_race_why(race));
    trial_tell(t, TRIAL_ADDRESS, TRIAL_OK, "%s port %u", endpoint->host,
               (unsigned)endpoint->port);
    if (!error)
        return tell_connected(t, &connection);
    return trial_tell(
        t, TRIAL_TCP, TRIAL_FAILED,
        "%s: start the node or secure-epmd there, see what its [host] listen "
        "says, and what a firewall in between",
        wire_race_why(race));
}

static bool check_address(struct trial *t)
{
    struct tacit_endpoint endpoint;
    struct wire_race *race = NULL;
    int error = tacit_policy_endpoint(t->policy, t->node, &endpoint);
    if (!error)
        race = wire_race_new(t->policy, &endpoint, wire_deadline(CONNECT_MS));
    if (race == NULL)
        return trial_tell(t, TRIAL_ADDRESS, TRIAL_FAILED, "%s: %s", t->node,
                          tacit_error_text(error ? error : TACIT_ENOMEM));
    bool connected = connect_to(t, &endpoint, race);
    wire_race_free(race);
    return connected;
}

/* --- the handshake ------------------------------------------------------------------ */

static bool check_mesh_key(struct trial *t, int error)
{
    char key_id[TACIT_KEY_ID_TEXT], now[TACIT_TIME_TEXT];
    uint8_t bytes[TACIT_KEY_ID];
    const struct tacit_secret *keys;
    tacit_policy_mesh_keys(t->policy, &keys);
    tacit_key_id(&keys[0], bytes);
    tacit_key_id_text(bytes, key_id);
    tacit_time_to_text((uint64_t)time(NULL), now);
    if (t->client->session.handshake.peer.name[0] != '\0') /* message 2 opened */
        return trial_tell(t, TRIAL_MESH_KEY, TRIAL_OK, "%s", key_id);
    if (error == TACIT_ETRUNCATED || error == TACIT_ETIMEOUT)
        return trial_tell(
            t, TRIAL_MESH_KEY, TRIAL_FAILED,
            "silence: another mesh key there ('tacit mesh-key list': this "
            "host seals with %s), a clock that is wrong (this one says %s), no %s "
            "there (start it, or give its [peer] line the endpoint where it is), one "
            "that stands still, or no Tacit",
            key_id, now, t->node);
    return trial_tell(t, TRIAL_MESH_KEY, TRIAL_FAILED,
                      "what answers is not Tacit with this mesh key: %s",
                      tacit_error_text(error));
}

static bool check_node(struct trial *t, int error)
{
    const char *answers = t->client->session.handshake.peer.name;
    if (error == TACIT_ENAME && !t->decided)
        return trial_tell(t, TRIAL_NODE, TRIAL_FAILED,
                          "%s answers: start %s there, or give its [peer] line the "
                          "endpoint where it is",
                          answers, t->node);
    if (error && !t->decided)
        return trial_tell(t, TRIAL_NODE, TRIAL_FAILED,
                          "%s: see [mesh] suites and the releases of both sides",
                          tacit_error_text(error));
    return trial_tell(t, TRIAL_NODE, TRIAL_OK, "%s answers", answers);
}

/* Whether it is the proof that was wanting, and not the rule that says no. */
static bool is_of_identity(enum tacit_reason reason)
{
    return reason == TACIT_OTHER_KEY ||
           (reason >= TACIT_NO_CERTIFICATE && reason <= TACIT_RUN_OUT);
}

static bool check_rules(struct trial *t)
{
    char line[512], key[TACIT_KEY_TEXT], fingerprint[TACIT_FINGERPRINT_TEXT];
    enum tacit_reason reason = t->decision.reason;
    const char *why = tacit_reason_text(reason);
    line_text(&t->decision, line, sizeof line);
    tacit_key_to_text(t->client->session.handshake.peer_key, key);
    tacit_fingerprint(t->client->session.handshake.peer_key, fingerprint);
    if (is_of_identity(reason))
        return trial_tell(t, TRIAL_IDENTITY, TRIAL_FAILED,
                          "%s: %s: it shows the key %s; if that is right (ask there: "
                          "'tacit pubkey'), put it, or its certificate, in place",
                          line, why, key);
    trial_tell(t, TRIAL_IDENTITY, TRIAL_OK, "%s", fingerprint);
    if (reason == TACIT_NO_LINE)
        return trial_tell(t, TRIAL_RULE_HERE, TRIAL_FAILED,
                          "%s: if the key %s is right (ask there: 'tacit pubkey'): tacit "
                          "add-peer '%s' %s",
                          why, key, t->node, key);
    if (reason != TACIT_ALLOWED)
        return trial_tell(t, TRIAL_RULE_HERE, TRIAL_FAILED,
                          "%s: %s: see 'tacit explain %s'", line, why, t->node);
    return trial_tell(t, TRIAL_RULE_HERE, TRIAL_OK, "%s", line);
}

static int greet(struct trial *t)
{
    const struct tacit_handshake *hs = &t->client->session.handshake;
    int error = client_handshake(t->client, t->policy, t->own, t->node);
    if (error)
        return error;
    bool revoked = cli_is_revoked(t->policy, hs->peer_key);
    decide(t, &hs->peer, hs->peer_key, revoked);
    /* Without a name to claim there is no message 3. */
    return *t->own == '\0' ? TACIT_ESTATE
                           : client_proceed(t->client, &t->address, revoked);
}

static bool shake_hands(struct trial *t)
{
    int64_t start = wire_now_us();
    int error = greet(t);
    t->handshake_us = wire_now_us() - start;
    if (!check_mesh_key(t, error) || !check_node(t, error) || !check_rules(t))
        return false;
    if (*t->own == '\0')
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_NOT_CHECKED,
                          "no node runs here with %s: --as NAME says for which it is",
                          tacit_policy_path(t->policy));
    if (error)
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_FAILED, "%s",
                          tacit_error_text(error));
    return trial_run_node(t);
}

bool trial_run(struct trial *t)
{
    t->failed = t->decided = false;
    t->client = client_new();
    if (t->client == NULL)
        return trial_tell(t, TRIAL_NAME, TRIAL_FAILED, "%s",
                          tacit_error_text(TACIT_ENOMEM));
    if (check_name(t) && check_address(t))
        (void)shake_hands(t);
    client_free(t->client);
    t->client = NULL;
    return !t->failed;
}
