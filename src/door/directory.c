/* Those who want no node but the door itself: its names, for whoever may ask. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/directory.h"
#include "channel/handshake.h"
#include "door/daemon.h"

/* One who asks, in memory for secrets. */
struct asker {
    struct stream stream;
    struct tacit_channel channel;
    struct tacit_handshake handshake;
    struct tacit_address peer;
    struct tacit_decision decision; /* of the policy in force: a reload ends askers */
    bool open;                      /* the channel is */
    size_t got;
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
    size_t answer_len;
};

static struct stream_group askers = {.max = ASKERS_MAX,
                                     .time_ms = TACIT_PENDING_DEADLINE_MS};
static size_t answers; /* bytes on their way to all of them */

/* Holders of the mesh key only; a question takes its time, and is seldom asked. */
static struct tacit_guard asking = {.all = {.burst = 50, .a_second = 50},
                                    .source = {.burst = 50, .a_second = 50}};

/* Whether X25519 may be computed for another one now. */
static bool may_compute(const struct tacit_address *peer)
{
    if (tacit_guard_spend(&asking, peer, now_ms()) == TACIT_OK) {
        door.counters.exchanges++;
        return true;
    }
    door.counters.limited++;
    return false;
}

/* --- the handshake's questions ---------------------------------------------------- */

static int rule_first(void *context, const struct tacit_first *first,
                      const uint8_t ephemeral[NOISE_DHLEN])
{
    (void)context, (void)first, (void)ephemeral;
    return TACIT_OK; /* public.c has judged it */
}

static void rule_pair_key(void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    (void)context, (void)public_key;
    memset(ret_key, 0, sizeof *ret_key);
}

static int rule_decide(void *context, const struct tacit_claim *claim,
                       const uint8_t public_key[NOISE_DHLEN])
{
    struct asker *a = context;
    struct tacit_question question = {.public_key = public_key,
                                      .address = &a->peer,
                                      .inbound = true,
                                      .now = door_now().ends};
    (void)claim;
    int error = tacit_policy_may_ask(door.policy, &question, &a->decision);
    if (error == TACIT_OK && settings_revoked(public_key)) {
        a->decision.reason = TACIT_REVOKED; /* by a node of this host */
        error = TACIT_EREFUSED;
    }
    if (error == TACIT_OK)
        tacit_guard_known(&asking, &a->peer);
    else
        tacit_guard_forget(&asking, &a->peer);
    return error;
}

static const struct tacit_channel_rules rules = {
    .first = rule_first, .pair_key = rule_pair_key, .decide = rule_decide};

static int start(struct asker *a)
{
    struct tacit_channel_config config = {
        .role = NOISE_RESPONDER,
        .identity = tacit_policy_door_identity(door.policy),
        .door_identity = tacit_policy_door_identity(door.policy),
        .suites = tacit_policy_suites(door.policy),
        .own_name = "",
        .wanted = "",
        .now = wall_clock(),
        .rules = &rules,
        .context = a,
    };
    config.mesh_key_count = tacit_policy_mesh_keys(door.policy, &config.mesh_keys);
    return tacit_handshake_init(&a->handshake, &config);
}

/* --- the answer ------------------------------------------------------------------- */

/* All pieces of the answer at once: names may go while a slow asker reads. */
static uint8_t *whole_answer(struct asker *a, const char *const *names, size_t count,
                             size_t *ret_len)
{
    uint8_t *out = NULL;
    size_t used = 0, from = 0, len;
    bool done = false;
    while (!done) {
        uint8_t *more = realloc(out, used + TACIT_DIRECTORY_ANSWER_MAX);
        if (more != NULL)
            out = more;
        if (more == NULL || answers + used > ANSWERS_MAX ||
            tacit_directory_answer(&a->channel, names, count, &from, out + used, &len,
                                   &done) != TACIT_OK) {
            free(out);
            return NULL;
        }
        used += len;
    }
    *ret_len = used;
    return out;
}

static void answer(struct asker *a)
{
    size_t count = 0, len = 0;
    const char **names = calloc(door.nodes.count + 1, sizeof *names);
    char fingerprint[TACIT_FINGERPRINT_TEXT], peer[TACIT_ADDRESS_TEXT];
    if (names == NULL) {
        stream_close(&a->stream);
        return;
    }
    for (struct tacit_registry_entry *e = door.nodes.oldest; e != NULL; e = e->newer)
        names[count++] = e->name;
    uint8_t *bytes = whole_answer(a, names, count, &len);
    free(names);
    tacit_fingerprint(a->handshake.peer_key, fingerprint);
    tacit_address_to_text(&a->peer, peer);
    door.counters.directory++;
    log_stranger("directory", "fingerprint=%s peer=%s names=%zu", fingerprint, peer,
                 count);
    if (bytes != NULL) {
        a->answer_len = len;
        answers += len;
    }
    stream_finish(&a->stream, bytes, len);
}

/* It is who it says, but may not ask: it gets that inside the seal. */
static void refuse(struct asker *a)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT], peer[TACIT_ADDRESS_TEXT];
    size_t len = 0;
    uint8_t *record = malloc(TACIT_DIRECTORY_ANSWER_MAX);
    if (record != NULL &&
        tacit_channel_seal_close(&a->channel, TACIT_CLOSE_REFUSED,
                                 tacit_policy_ask_text(&a->decision), record,
                                 TACIT_DIRECTORY_ANSWER_MAX, &len) != TACIT_OK)
        len = 0;
    tacit_fingerprint(a->handshake.peer_key, fingerprint);
    tacit_address_to_text(&a->peer, peer);
    door.counters.directory_refused++;
    log_stranger("directory_refused", "fingerprint=%s peer=%s reason=%s", fingerprint,
                 peer, tacit_reason_name(a->decision.reason));
    stream_finish(&a->stream, record, len);
}

/* --- what comes in ---------------------------------------------------------------- */

/* Sends what the handshake has to say; it is little, and nothing was sent before. */
static bool send_handshake(struct asker *a)
{
    const uint8_t *bytes;
    size_t len = tacit_handshake_output(&a->handshake, &bytes);
    if (len > 0 && send(a->stream.fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    tacit_handshake_sent(&a->handshake, len);
    return true;
}

static void take_handshake(struct asker *a, const uint8_t *bytes, size_t len)
{
    size_t used;
    if (tacit_handshake_feed(&a->handshake, bytes, len, &used) != TACIT_OK ||
        !send_handshake(a)) {
        stream_close(&a->stream);
        return;
    }
    if (a->handshake.state != TACIT_HANDSHAKE_DONE)
        return;
    int verdict = a->handshake.verdict;
    if (tacit_handshake_finish(&a->handshake, &a->channel) != TACIT_OK) {
        stream_close(&a->stream);
        return;
    }
    a->open = true;
    if (verdict != TACIT_OK)
        refuse(a);
}

static void take_question(struct asker *a)
{
    size_t size = tacit_record_size(a->question, a->got); /* 0: not known yet */
    size_t wants = (size == 0 ? TACIT_RECORD_HEADER : size) - a->got;
    if (size > sizeof a->question) {
        stream_close(&a->stream);
        return;
    }
    ssize_t n = stream_read(&a->stream, a->question + a->got, wants);
    if (n < 0) {
        stream_close(&a->stream);
        return;
    }
    a->got += (size_t)n;
    size = tacit_record_size(a->question, a->got);
    if (size == 0 || a->got < size)
        return;
    if (tacit_directory_question(&a->channel, a->question, a->got) == TACIT_OK)
        answer(a);
    else
        stream_close(&a->stream);
}

static void readable(struct stream *s)
{
    struct asker *a = (struct asker *)s;
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_3];
    if (a->open) {
        take_question(a);
        return;
    }
    ssize_t n = stream_read(s, bytes, tacit_handshake_wants(&a->handshake));
    if (n < 0)
        stream_close(s);
    else if (n > 0)
        take_handshake(a, bytes, (size_t)n);
}

static void closed(struct stream *s)
{
    struct asker *a = (struct asker *)s;
    answers -= a->answer_len;
    a->answer_len = 0;
}

static void gone(struct stream *s)
{
    tacit_secret_free(s);
}

static const struct stream_kind kind = {
    .readable = readable, .closed = closed, .gone = gone};

void directory_take(int fd, const struct tacit_address *peer,
                    const uint8_t first[TACIT_DOOR_FIRST])
{
    struct asker *a = may_compute(peer) ? tacit_secret_alloc(sizeof *a) : NULL;
    if (a == NULL || start(a) != TACIT_OK) {
        tacit_secret_free(a);
        close(fd);
        return;
    }
    a->peer = *peer;
    if (stream_open(&a->stream, fd, &kind, &askers) == TACIT_OK) {
        take_handshake(a, first, TACIT_DOOR_FIRST);
        return;
    }
    tacit_secret_free(a);
}

void directory_tick(void)
{
    stream_group_tick(&askers);
}

void directory_close(void)
{
    while (askers.oldest != NULL)
        stream_close(askers.oldest);
}
