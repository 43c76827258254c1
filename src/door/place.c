#include "door/place.h"

#include <stdio.h>
#include <string.h>

static void begin(struct tacit_place *p)
{
    p->starved = p->keys_due = p->hears = false;
    memset(&p->in, 0, sizeof p->in);
    memset(&p->told, 0, sizeof p->told);
    p->out_len = p->out_at = 0;
}

void tacit_place_start(struct tacit_place *p, const char *path, const char *name,
                       int64_t now)
{
    snprintf(p->path, sizeof p->path, "%s", path == NULL ? "" : path);
    snprintf(p->name, sizeof p->name, "%s", name);
    begin(p);
    p->state = path == NULL ? TACIT_PLACE_NONE : TACIT_PLACE_WAITING;
    p->passed = -1;
    p->since = p->at = now;
    p->wait = TACIT_PLACE_RETRY_MS;
    p->fault[0] = '\0';
}

int64_t tacit_place_wait(const struct tacit_place *p, int64_t now)
{
    if (p->state != TACIT_PLACE_WAITING && p->state != TACIT_PLACE_ASKED && !p->hears)
        return -1;
    return p->at > now ? p->at - now : 0;
}

enum tacit_place_event tacit_place_timeout(struct tacit_place *p, int64_t now)
{
    if (tacit_place_wait(p, now) != 0)
        return TACIT_PLACE_NOTHING;
    if (p->state == TACIT_PLACE_WAITING)
        return TACIT_PLACE_CONNECT;
    if (p->state == TACIT_PLACE_DONE) {
        p->at = now + TACIT_PLACE_TELL_MS;
        return TACIT_PLACE_TELL;
    }
    return tacit_place_fail(p, TACIT_ETIMEOUT, "the door does not answer", now);
}

/* --- how it fails ------------------------------------------------------------------- */

/* patience: how long a node that starts goes on trying, ms. */
static enum tacit_place_event lose(struct tacit_place *p, int error, const char *fault,
                                   int64_t patience, int64_t now)
{
    char text[sizeof p->fault];
    snprintf(text, sizeof text, "%s: %.380s", p->path, fault);
    p->is_news = strcmp(text, p->fault) != 0;
    memcpy(p->fault, text, sizeof text);
    p->error = error;
    begin(p);
    if (!p->started && now - p->since >= patience) {
        p->state = TACIT_PLACE_FAILED;
        return TACIT_PLACE_LOST;
    }
    p->state = TACIT_PLACE_WAITING;
    p->at = now + p->wait;
    p->wait *= 2;
    if (p->wait > TACIT_PLACE_RETRY_MAX_MS)
        p->wait = TACIT_PLACE_RETRY_MAX_MS;
    return TACIT_PLACE_LOST;
}

enum tacit_place_event tacit_place_fail(struct tacit_place *p, int error,
                                        const char *fault, int64_t now)
{
    return lose(p, error, fault, error == TACIT_EREFUSED ? 0 : TACIT_PLACE_START_MS, now);
}

static enum tacit_place_event
refused(struct tacit_place *p, const struct tacit_door_refused *refusal, int64_t now)
{
    char text[sizeof p->fault];
    snprintf(text, sizeof text, "the door refuses %.120s: %s: %.150s", p->name,
             tacit_door_reason_name(refusal->reason), refusal->text);
    /* A name that this node gave up just now may be a moment on its way. */
    return lose(p, TACIT_EREFUSED, text,
                refusal->reason == TACIT_DOOR_NAME_TAKEN ? TACIT_PLACE_TAKEN_MS : 0, now);
}

static enum tacit_place_event cut(struct tacit_place *p, const char *fault, int64_t now)
{
    return tacit_place_fail(p, TACIT_ETRUNCATED, fault, now);
}

/* --- registering -------------------------------------------------------------------- */

int tacit_place_ask(struct tacit_place *p, const struct tacit_door_register *who,
                    int64_t now, uint8_t out[TACIT_DOOR_FRAME_MAX], size_t *ret_len)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_REGISTER, .reg = *who};
    frame.reg.version_min = 1;
    frame.reg.version_max = TACIT_DOOR_VERSION;
    snprintf(frame.reg.name, sizeof frame.reg.name, "%s", p->name);
    p->state = TACIT_PLACE_ASKED;
    p->at = now + TACIT_PLACE_ANSWER_MS;
    return tacit_door_write(&frame, out, ret_len);
}

/* --- what the door says ------------------------------------------------------------- */

uint8_t *tacit_place_room(struct tacit_place *p, size_t *ret_len)
{
    bool bad; /* one that is was found when it came */
    *ret_len = tacit_door_wants(&p->in, &bad);
    return p->in.bytes + p->in.len;
}

static enum tacit_place_event take_pass(struct tacit_place *p, int64_t now)
{
    if (p->starved) {
        p->starved = false;
        return TACIT_PLACE_STARVED;
    }
    if (p->passed < 0)
        return cut(p, "the door passed a link without its socket", now);
    return TACIT_PLACE_PASSED;
}

static enum tacit_place_event
take_registered(struct tacit_place *p, const struct tacit_door_registered *r, int64_t now)
{
    p->state = TACIT_PLACE_DONE;
    p->started = true;
    p->keys_due = r->version >= TACIT_DOOR_VERSION_KEYS;
    p->hears = r->version >= TACIT_DOOR_VERSION_SOURCES;
    p->at = now;
    p->wait = TACIT_PLACE_RETRY_MS;
    p->fault[0] = '\0';
    return TACIT_PLACE_REGISTERED;
}

static enum tacit_place_event
take_frame(struct tacit_place *p, const struct tacit_door_frame *frame, int64_t now)
{
    if (frame->type == TACIT_DOOR_PASS && p->state == TACIT_PLACE_DONE)
        return take_pass(p, now);
    if (p->passed >= 0 || p->starved)
        return cut(p, "the door passed a socket without its link", now);
    if (frame->type == TACIT_DOOR_REGISTERED && p->state == TACIT_PLACE_ASKED)
        return take_registered(p, &frame->registered, now);
    if (frame->type == TACIT_DOOR_KEYS && p->state == TACIT_PLACE_DONE) {
        p->keys_due = false;
        return TACIT_PLACE_KEYS;
    }
    if (frame->type == TACIT_DOOR_REFUSED)
        return refused(p, &frame->refused, now);
    return cut(p, "the door said something that it may not say now", now);
}

enum tacit_place_event tacit_place_read(struct tacit_place *p, size_t n, int fd,
                                        bool starved, int64_t now,
                                        struct tacit_door_frame *ret_frame)
{
    bool bad = false, first = p->in.len == 0;
    if (n == 0)
        return cut(p, "the door has closed", now);
    if ((fd >= 0 || starved) && !first)
        return cut(p, "the door passed a socket in the middle of a frame", now);
    if (first)
        p->passed = fd;
    p->starved |= starved;
    p->in.len += n;
    size_t wants = tacit_door_wants(&p->in, &bad);
    if (!bad && wants > 0)
        return TACIT_PLACE_NOTHING;
    if (bad || tacit_door_read(p->in.bytes, p->in.len, ret_frame) != TACIT_OK)
        return cut(p, "a malformed frame from the door", now);
    memset(&p->in, 0, sizeof p->in);
    return take_frame(p, ret_frame, now);
}

/* --- what it hears ------------------------------------------------------------------ */

bool tacit_place_hears(const struct tacit_place *p)
{
    return p->hears && p->out_len == 0;
}

void tacit_place_say(struct tacit_place *p, const struct tacit_admission_news *news)
{
    struct tacit_door_frame frame = {.type = TACIT_DOOR_SOURCES, .sources = *news};
    p->out_at = 0;
    if (tacit_door_write(&frame, p->out, &p->out_len) != TACIT_OK)
        p->out_len = 0; /* no admission says that */
}

void tacit_place_sent(struct tacit_place *p, size_t n)
{
    p->out_at += n;
    if (p->out_at == p->out_len)
        p->out_at = p->out_len = 0;
}
