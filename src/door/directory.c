/* Those who want no node but the door itself: its names, for those who may ask. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/directory.h"
#include "door/daemon.h"
#include "session/session.h"

/* One who asks, in memory for secrets. */
struct requester {
    struct stream stream;
    struct tacit_channel channel;
    struct tacit_session session; /* under door.policy: a reload ends it */
    struct tacit_address peer;
    bool open; /* the channel is */
    size_t got;
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
    size_t answer_len;
};

static struct stream_group requesters = {.max = REQUESTERS_MAX,
                                         .time_ms = TACIT_PENDING_DEADLINE_MS};
static size_t answers; /* bytes on their way to all of them */

/* Holders of the mesh key only; a question takes its time, and is seldom asked. */
static struct tacit_admission asking = {.all = {.burst = 50, .a_second = 50},
                                        .source = {.burst = 50, .a_second = 50}};

/* Whether X25519 may be computed for another one now. */
static bool may_compute(const struct tacit_address *peer)
{
    if (tacit_admission_spend(&asking, peer, now_ms()) == TACIT_OK) {
        door.counters.exchanges++;
        return true;
    }
    door.counters.limited++;
    return false;
}

/* --- the answer ------------------------------------------------------------------- */

/* All pieces of the answer at once: names may go while a slow requester reads. */
static uint8_t *whole_answer(struct requester *a, const char *const *names, size_t count,
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

static void answer(struct requester *a)
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
    tacit_fingerprint(a->session.handshake.peer_key, fingerprint);
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

/* It is who it says, but may not ask: that is all that is still to be sent. */
static void refuse(struct requester *a)
{
    char fingerprint[TACIT_FINGERPRINT_TEXT], peer[TACIT_ADDRESS_TEXT];
    const uint8_t *close;
    size_t len = tacit_session_output(&a->session, &close);
    uint8_t *record = malloc(len);
    if (record != NULL)
        memcpy(record, close, len);
    tacit_fingerprint(a->session.handshake.peer_key, fingerprint);
    tacit_address_to_text(&a->peer, peer);
    tacit_admission_forget(&asking, tacit_pending_source(&a->peer));
    door.counters.directory_refused++;
    log_stranger("directory_refused", "fingerprint=%s peer=%s reason=%s", fingerprint,
                 peer, tacit_reason_name(a->session.ruling.why));
    stream_finish(&a->stream, record, record == NULL ? 0 : len);
}

/* --- what comes in ---------------------------------------------------------------- */

static enum tacit_session_event start(struct requester *a)
{
    struct tacit_session_config config = {
        .role = NOISE_RESPONDER,
        .policy = door.policy,
        .own_name = "", /* the door itself */
        .now = wall_clock(),
    };
    return tacit_session_start(&a->session, &config);
}

/* Answers what the session asks; public.c has judged the first message. */
static enum tacit_session_event decide(struct requester *a,
                                       enum tacit_session_event event)
{
    struct tacit_session *s = &a->session;
    if (event == TACIT_SESSION_FIRST)
        return tacit_session_first(s, TACIT_OK);
    if (event != TACIT_SESSION_PEER)
        return event;
    struct tacit_now now = door_now();
    return tacit_session_peer(s, &a->peer, &now, rights_revoked(s->handshake.peer_key));
}

/* Sends what the handshake has to say; it is little, and nothing was sent before. */
static bool send_handshake(struct requester *a)
{
    const uint8_t *bytes;
    size_t len = tacit_session_output(&a->session, &bytes);
    if (len > 0 && send(a->stream.fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    tacit_session_sent(&a->session, len);
    return true;
}

static void begin(struct requester *a)
{
    tacit_admission_known(&asking, tacit_pending_source(&a->peer));
    a->open = true;
    if (tacit_session_take(&a->session, &a->channel) != TACIT_OK)
        stream_close(&a->stream);
}

static void take_handshake(struct requester *a, const uint8_t *bytes, size_t len)
{
    size_t used;
    switch (decide(a, tacit_session_feed(&a->session, bytes, len, &used))) {
    case TACIT_SESSION_MORE:
        if (!send_handshake(a))
            stream_close(&a->stream);
        break;
    case TACIT_SESSION_DIRECTORY:
        begin(a);
        break;
    case TACIT_SESSION_REFUSED:
        refuse(a);
        break;
    default:
        stream_close(&a->stream);
        break;
    }
}

static void take_question(struct requester *a)
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
    struct requester *a = (struct requester *)s;
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_3];
    if (a->open) {
        take_question(a);
        return;
    }
    ssize_t n = stream_read(s, bytes, tacit_session_wants(&a->session));
    if (n < 0)
        stream_close(s);
    else if (n > 0)
        take_handshake(a, bytes, (size_t)n);
}

static void closed(struct stream *s)
{
    struct requester *a = (struct requester *)s;
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
    struct requester *a = may_compute(peer) ? tacit_secret_alloc(sizeof *a) : NULL;
    if (a == NULL || start(a) != TACIT_SESSION_MORE) {
        tacit_secret_free(a);
        close(fd);
        return;
    }
    a->peer = *peer;
    if (stream_open(&a->stream, fd, &kind, &requesters) == TACIT_OK) {
        take_handshake(a, first, TACIT_DOOR_FIRST);
        return;
    }
    tacit_secret_free(a);
}

void directory_tick(void)
{
    stream_group_tick(&requesters);
}

void directory_close(void)
{
    while (requesters.oldest != NULL)
        stream_close(requesters.oldest);
}
