/*
 * A trial connection: Erlang's distribution handshake inside the channel. What it has to
 * know of the node that it is for, that node tells over its control socket.
 *
 * It goes as a hidden node, whatever that one is: no `global` takes notice of it.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "cli/trial.h"

/* lib/kernel/include/dist.hrl */
enum {
    DFLAG_PUBLISHED = 0x01,
    DFLAG_MANDATORY_25_DIGEST = 0x04000000,
};
#define MANDATORY_DFLAGS_25 UINT64_C(0x01070f94)
/* Those of OTP 25, where no node says its own; later releases still take them. */
#define DFLAGS_25 UINT64_C(0xd07df7fbc)

enum {
    MESSAGE_MAX = 512, /* a name, and less than 30 bytes */
    DIGEST = 16,
    HEX = 2 * DIGEST + 1,
};

/* "handshake" of CONTROL.md; digests of that many challenges. */
static int ask_own(struct trial *t, const uint32_t *challenges, size_t count,
                   char digests[][HEX], char **ret_why)
{
    char request[512], *text, *at;
    const char *f[CONTROL_FIELDS_MAX];
    size_t got = 0;
    int len = snprintf(request, sizeof request, "handshake\t%s", t->node);
    for (size_t i = 0; i < count; i++)
        len += snprintf(request + len, sizeof request - (size_t)len, "\t%" PRIu32,
                        challenges[i]);
    int error = control_ask(t->control, request, &text);
    if (error) {
        *ret_why = text;
        return error;
    }
    for (at = text; control_line(&at, f) >= 2;) {
        if (strcmp(f[0], "flags") == 0)
            t->flags = strtoull(f[1], NULL, 10);
        else if (strcmp(f[0], "mandatory") == 0)
            t->mandatory = strtoull(f[1], NULL, 10);
        else if (strcmp(f[0], "visible") == 0)
            t->visible = strcmp(f[1], "yes") == 0;
        else if (strcmp(f[0], "digest") == 0 && got < count)
            snprintf(digests[got++], HEX, "%s", f[1]);
    }
    free(text);
    return got == count ? TACIT_OK : TACIT_EFORMAT;
}

static int send_name(struct trial *t)
{
    uint8_t message[MESSAGE_MAX];
    struct tacit_writer w = tacit_writer(message, sizeof message);
    tacit_put_u8(&w, 'N');
    tacit_put_u64(&w, t->flags & ~(uint64_t)DFLAG_PUBLISHED);
    tacit_put_u32(&w, 1); /* creation: of no process that lives */
    tacit_put_u16(&w, (uint16_t)strlen(t->own));
    tacit_put_bytes(&w, t->own, strlen(t->own));
    return client_send_message(t->client, message, tacit_written(&w));
}

/* --- rule there --------------------------------------------------------------------- */

static bool refused_there(struct trial *t, int error)
{
    const struct client *c = t->client;
    char key[TACIT_KEY_TEXT];
    tacit_key_to_text(tacit_policy_identity(t->policy)->public_key, key);
    if (error == TACIT_ETRUNCATED)
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_FAILED,
                          "it closed without a word: the two sides have different "
                          "pair-keys for one another, or someone tampers");
    if (error != TACIT_ECLOSED)
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_FAILED,
                          "no answer from Erlang there: %s: see whether %s hangs",
                          tacit_error_text(error), t->node);
    if (c->reason == TACIT_CLOSE_VISIBILITY && t->visible)
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_OK,
                          "it lets visible nodes in, which a trial is not: the rest was "
                          "not checked");
    if (c->reason == TACIT_CLOSE_DONE) {
        trial_tell(t, TRIAL_RULE_THERE, TRIAL_OK, "%s may come", t->own);
        return trial_tell(t, TRIAL_FLAGS, TRIAL_FAILED,
                          "it ended the handshake: its log says why, or there was "
                          "another at the same time (then try again)");
    }
    return trial_tell(t, TRIAL_RULE_THERE, TRIAL_FAILED,
                      "%s: %s: the configuration there has to let %s in, with the key %s",
                      tacit_close_name(c->reason), c->text, t->own, key);
}

/* The status; false: nothing more is to be said, whether well or not. */
static bool check_rule_there(struct trial *t)
{
    uint8_t message[MESSAGE_MAX + 1];
    size_t len = 0;
    int64_t start = wire_now_us();
    int error = send_name(t);
    if (!error)
        error = client_receive_message(t->client, message, MESSAGE_MAX, &len);
    t->answer_us = wire_now_us() - start;
    message[len] = '\0';
    const char *status = error ? "" : (const char *)message + 1;
    if (!error && message[0] != 's')
        error = TACIT_EFORMAT;
    if (error)
        return refused_there(t, error) && false;
    if (strcmp(status, "not_allowed") == 0)
        return trial_tell(t, TRIAL_RULE_THERE, TRIAL_FAILED,
                          "net_kernel:allow/1 there does not name %s", t->own);
    trial_tell(t, TRIAL_RULE_THERE, TRIAL_OK, "%s may come", t->own);
    if (t->last <= TRIAL_RULE_THERE)
        return false;
    if (strcmp(status, "alive") == 0)
        trial_tell(t, TRIAL_FLAGS, TRIAL_OK,
                   "%s has a link with %s: flags and cookie are in order", t->node,
                   t->own);
    else if (strncmp(status, "ok", 2) != 0)
        trial_tell(t, TRIAL_FLAGS, TRIAL_NOT_CHECKED,
                   "the two nodes are just making a link: try again");
    return strncmp(status, "ok", 2) == 0;
}

/* --- flags and cookie --------------------------------------------------------------- */

static bool check_flags(struct trial *t, uint32_t *ret_challenge)
{
    uint8_t message[MESSAGE_MAX];
    size_t len;
    int error = client_receive_message(t->client, message, sizeof message, &len);
    struct tacit_reader r = tacit_reader(message, error ? 0 : len);
    uint8_t kind = tacit_get_u8(&r);
    uint64_t theirs = tacit_get_u64(&r);
    *ret_challenge = tacit_get_u32(&r);
    if (error || r.bad || kind != 'N')
        return trial_tell(t, TRIAL_FLAGS, TRIAL_FAILED,
                          "no challenge came: its log says why");
    if (*t->control == '\0')
        return trial_tell(t, TRIAL_FLAGS, TRIAL_NOT_CHECKED,
                          "%s does not run here, which alone knows its flags and cookie",
                          t->own) &&
               false;
    if (theirs & DFLAG_MANDATORY_25_DIGEST)
        theirs |= MANDATORY_DFLAGS_25;
    if ((theirs & t->mandatory) != t->mandatory)
        return trial_tell(t, TRIAL_FLAGS, TRIAL_FAILED,
                          "it lacks %#" PRIx64
                          ", which the release here needs: update it",
                          t->mandatory & ~theirs);
    bool visible = theirs & DFLAG_PUBLISHED;
    if (t->decision.visibility == (visible ? TACIT_HIDDEN : TACIT_VISIBLE))
        return trial_tell(
            t, TRIAL_FLAGS, TRIAL_FAILED,
            "it is a %s node, and the line that decides here wants the other",
            visible ? "visible" : "hidden");
    return trial_tell(t, TRIAL_FLAGS, TRIAL_OK, "a %s node",
                      visible ? "visible" : "hidden");
}

/* Our digest for its challenge, then its for ours. */
static int exchange_digests(struct trial *t, uint32_t own_challenge, char digests[2][HEX])
{
    uint8_t message[MESSAGE_MAX], digest[DIGEST];
    char hex[HEX];
    size_t len;
    struct tacit_writer w = tacit_writer(message, sizeof message);
    if (sodium_hex2bin(digest, sizeof digest, digests[0], HEX - 1, NULL, &len, NULL) !=
            0 ||
        len != DIGEST)
        return TACIT_EFORMAT;
    tacit_put_u8(&w, 'r');
    tacit_put_u32(&w, own_challenge);
    tacit_put_bytes(&w, digest, sizeof digest);
    int error = client_send_message(t->client, message, tacit_written(&w));
    if (!error)
        error = client_receive_message(t->client, message, sizeof message, &len);
    if (error)
        return error;
    if (len != 1 + DIGEST || message[0] != 'a')
        return TACIT_EFORMAT;
    sodium_bin2hex(hex, sizeof hex, message + 1, DIGEST);
    return sodium_memcmp(hex, digests[1], HEX - 1) == 0 ? TACIT_OK : TACIT_EAUTH;
}

static bool check_cookie(struct trial *t, uint32_t challenge)
{
    char digests[2][HEX] = {{0}}, *why = NULL;
    uint32_t challenges[2] = {challenge, randombytes_random()};
    int error = ask_own(t, challenges, 2, digests, &why);
    if (error) {
        trial_tell(t, TRIAL_COOKIE, TRIAL_NOT_CHECKED, "%s does not tell its own: %s",
                   t->own, why != NULL ? why : tacit_error_text(error));
        free(why);
        return true;
    }
    error = exchange_digests(t, challenges[1], digests);
    if (error && error != TACIT_ECLOSED && error != TACIT_ETRUNCATED &&
        error != TACIT_EAUTH)
        return trial_tell(t, TRIAL_COOKIE, TRIAL_FAILED,
                          "no answer from Erlang there: %s: see whether %s hangs",
                          tacit_error_text(error), t->node);
    if (error)
        return trial_tell(
            t, TRIAL_COOKIE, TRIAL_FAILED,
            "%s has another cookie for %s than %s for it: start one with the "
            "other's -setcookie, or call erlang:set_cookie/2",
            t->node, t->own, t->own);
    return trial_tell(t, TRIAL_COOKIE, TRIAL_OK, "the same on both sides");
}

bool trial_run_node(struct trial *t)
{
    uint32_t challenge;
    char *why = NULL;
    t->flags = DFLAGS_25;
    /* A node that does not tell is an older one: as if it did not run. */
    if (*t->control != '\0' && ask_own(t, NULL, 0, NULL, &why) != TACIT_OK)
        *t->control = '\0';
    free(why);
    return check_rule_there(t) && check_flags(t, &challenge) &&
           check_cookie(t, challenge);
}
