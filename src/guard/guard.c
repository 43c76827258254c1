#include "guard.h"

#include <stdlib.h>

#include "guard/link.h"
#include "guard/out.h"

/* Flags whose meaning this guard knows: all that OTP 25 to 29 have. */
static const uint64_t known_flags = UINT64_C(0x7fffffffff);

enum {
    US = 1000,               /* of a millisecond */
    HEAP_WORDS_LEAST = 1024, /* of a process: less is no process */
};

bool tacit_guard_hello(const uint8_t *bytes, size_t len, bool challenge,
                       struct tacit_guard_hello *ret)
{
    struct tacit_reader r = tacit_reader(bytes, len);
    uint8_t tag = tacit_get_u8(&r);
    ret->flags = tacit_get_u64(&r);
    if (challenge)
        tacit_get_u32(&r);
    ret->creation = tacit_get_u32(&r);
    ret->name_len = tacit_get_u16(&r);
    ret->name = tacit_get_bytes(&r, ret->name_len);
    return tag == 'N' && !r.bad;
}

/* A node's name, which stays as long as the link. */
static bool hold_name(struct tacit_guard_link *link,
                      const struct tacit_guard_hello *hello,
                      const struct tacit_guard_text **ret)
{
    struct tacit_guard_text *text;
    if (tacit_guard_intern(&link->named.texts, hello->name, hello->name_len, &text))
        return false;
    text->held++;
    *ret = text;
    return true;
}

void tacit_guard_link_role(struct tacit_guard_link *link, const struct tacit_role *role)
{
    link->rules.role = role;
    link->calls.most = role->calls < UINT32_MAX ? (uint32_t)role->calls : UINT32_MAX;
    tacit_guard_texts_rule(&link->named.texts, tacit_role_text_bits, role);
}

struct tacit_guard_link *tacit_guard_link_new(const struct tacit_guard_start *start)
{
    uint64_t flags = start->own.flags & start->peer.flags;
    struct tacit_guard_link *link =
        (flags & ~known_flags) == 0 ? calloc(1, sizeof *link) : NULL;
    if (link == NULL)
        return NULL;
    link->flags = flags;
    link->peer_creation = start->peer.creation;
    tacit_guard_named_init(&link->named, &start->limits, start->asks);
    link->own_fragments.own = true;
    link->calls.key = link->named.texts.key;
    link->rules = (struct tacit_guard_rules){
        .creation = start->own.creation, .shown = &link->shown, .calls = &link->calls};
    tacit_guard_link_role(link, start->role);
    link->named.texts.own = true; /* both nodes have a name */
    bool held = hold_name(link, &start->own, &link->rules.own) &&
                hold_name(link, &start->peer, &link->rules.peer);
    link->named.texts.own = false;
    if (!held) {
        tacit_guard_link_free(link);
        return NULL;
    }
    return link;
}

void tacit_guard_link_free(struct tacit_guard_link *link)
{
    if (link == NULL)
        return;
    tacit_guard_fragments_free(&link->fragments);
    tacit_guard_fragments_free(&link->own_fragments);
    tacit_guard_named_free(&link->named);
    tacit_guard_shown_free(&link->shown);
    tacit_guard_calls_free(&link->calls);
    tacit_guard_made_free(&link->before);
    tacit_guard_made_free(&link->answer);
    free(link);
}

size_t tacit_guard_link_calls(const struct tacit_guard_link *link)
{
    return link->calls.number;
}

/* --- what comes in ---------------------------------------------------------------------
 */

/*
 * Uses so much of a rate, with a second's worth at once. What is larger than that goes
 * when nothing is owed, and is owed then. false: nothing is left.
 */
static bool spend(struct tacit_guard_rate *rate, uint64_t a_second, uint64_t cost,
                  int64_t now)
{
    int64_t us = now * US;
    if (a_second == 0)
        return true;
    if (!rate->used || rate->until < us - US * 1000)
        rate->until = us - US * 1000;
    rate->used = true;
    if (rate->until >= us)
        return false;
    rate->until += (int64_t)(cost * US * 1000 / a_second);
    return true;
}

/* Whether this message is within the rates of the role. */
static bool within_rates(struct tacit_guard_link *link, size_t len, int64_t now)
{
    const struct tacit_role *role = link->rules.role;
    bool messages = spend(&link->messages, role->messages, 1, now);
    return spend(&link->bytes, role->bytes, len, now) && messages;
}

static void overrule(struct tacit_guard_ruling *ruling,
                     enum tacit_guard_operation operation)
{
    ruling->refused = true;
    ruling->operation = operation;
    ruling->error = "system_limit";
}

static uint64_t funs(const struct tacit_guard_walk *w)
{
    return w->counts.funs + w->counts.externals;
}

/*
 * What the role says of it, but for the funs that are in it. In watch, what is refused is
 * walked from its beginning on, as it is delivered.
 */
static enum tacit_guard_reason judge(struct tacit_guard_link *link,
                                     struct tacit_guard_message *m,
                                     struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_walk walk;
    struct tacit_reader payload = m->payload;
    bool watch = link->rules.role->watch;
    if (watch)
        walk = m->walk;
    enum tacit_guard_reason reason =
        tacit_guard_judge(&link->rules, &m->control, &m->walk, &m->payload, ruling);
    if (!reason && !ruling->refused && m->over && tacit_guard_may_refuse(&m->control))
        overrule(ruling, TACIT_GUARD_OP_RATE);
    if (watch && ruling->refused) {
        m->walk = walk;
        m->payload = payload;
    }
    return reason;
}

/* Its funs, as far as they have been seen. */
static void judge_funs(const struct tacit_guard_walk *w,
                       struct tacit_guard_ruling *ruling)
{
    if (!ruling->refused && !ruling->funs && funs(w) > 0) {
        ruling->refused = true;
        ruling->operation = TACIT_GUARD_OP_FUNS;
    }
}

/*
 * A call that nothing else stands against: so many may be under way. What the caller is
 * told otherwise is the emulator's own word.
 */
static void judge_number(struct tacit_guard_link *link,
                         const struct tacit_guard_message *m,
                         struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_reference request;
    if (m->control.asked != TACIT_GUARD_SPAWN_REQUEST || ruling->refused ||
        link->rules.role->watch)
        return;
    struct tacit_reader r = tacit_guard_part(&m->control, 0);
    if (tacit_guard_get_reference(&m->walk, &r, &request) &&
        !tacit_guard_call_begins(&link->calls, request.bytes, request.len))
        overrule(ruling, TACIT_GUARD_OP_CALLS);
}

/* Whether what the ruling is about is kept from the emulator. */
static bool is_held(const struct tacit_guard_link *link,
                    const struct tacit_guard_ruling *ruling)
{
    return ruling->refused && !link->rules.role->watch;
}

/* The payload of a message that is whole. What is not delivered is not walked. */
static enum tacit_guard_reason take_whole(struct tacit_guard_link *link,
                                          struct tacit_guard_message *m,
                                          struct tacit_guard_ruling *ruling)
{
    if (is_held(link, ruling))
        return TACIT_GUARD_FINE;
    enum tacit_guard_reason reason = tacit_guard_walk_terms(&m->walk, &m->payload);
    if (reason)
        return reason;
    if (tacit_left(&m->payload) > 0)
        return TACIT_GUARD_TRAILING;
    judge_funs(&m->walk, ruling);
    judge_number(link, m, ruling);
    return TACIT_GUARD_FINE;
}

/* The first piece of a payload. What it shows to be refused is refused as a whole. */
static enum tacit_guard_reason take_first(struct tacit_guard_link *link,
                                          struct tacit_guard_message *m,
                                          struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_sequence *s;
    size_t len = tacit_left(&m->payload);
    enum tacit_guard_reason reason =
        tacit_guard_fragments_open(&link->fragments, &link->named, &m->frame, len,
                                   &m->refs, is_held(link, ruling), &s);
    if (reason)
        return reason;
    s->walk = m->walk;
    s->walk.refs = &s->refs;
    reason = tacit_guard_fragments_walk(s, m->payload.at, len);
    if (reason)
        return reason;
    if (!s->refused) {
        judge_funs(&s->walk, ruling);
        judge_number(link, m, ruling);
        s->refused = is_held(link, ruling);
    }
    s->no_funs = !ruling->funs && !ruling->refused && !link->rules.role->watch;
    return tacit_guard_fragments_end(&link->fragments, &link->named, s);
}

/* In place of a refused message: its answer, and what fills its slots. */
static enum tacit_guard_reason replace(struct tacit_guard_link *link,
                                       const struct tacit_guard_message *m,
                                       struct tacit_guard_verdict *ret)
{
    ret->rest = m->len;
    if (!tacit_guard_answer(&link->answer, &m->control, &ret->ruling, &m->walk,
                            link->flags))
        return TACIT_GUARD_MEMORY;
    if (m->refs.filled &&
        !tacit_guard_nothing(&link->before, m->header.at, tacit_left(&m->header),
                             link->rules.peer, link->peer_creation))
        return TACIT_GUARD_MEMORY;
    return TACIT_GUARD_FINE;
}

/* A request to spawn, with options of ours. */
static enum tacit_guard_reason bound(struct tacit_guard_link *link,
                                     const struct tacit_guard_message *m,
                                     struct tacit_guard_verdict *ret)
{
    const struct tacit_guard_part *options = &m->control.part[4];
    uint64_t words = link->rules.role->heap / sizeof(void *);
    if (words > 0 && words < HEAP_WORDS_LEAST)
        words = HEAP_WORDS_LEAST;
    if (!tacit_guard_options(&link->before, m->bytes, &m->control, &m->walk, words))
        return TACIT_GUARD_MEMORY;
    ret->rest = (size_t)(options->at + options->len - m->bytes);
    return TACIT_GUARD_FINE;
}

/* A message with a control, whole or its first piece. */
static enum tacit_guard_reason take(struct tacit_guard_link *link,
                                    struct tacit_guard_message *m,
                                    struct tacit_guard_verdict *ret)
{
    struct tacit_guard_ruling *ruling = &ret->ruling;
    m->walk = tacit_guard_walk(&link->named, &m->refs, link->flags, 0, 0);
    m->walk.peer = link->rules.peer;
    enum tacit_guard_reason reason = tacit_guard_read_message(link, &link->mirror, m);
    if (!reason)
        reason = judge(link, m, ruling);
    if (!reason)
        reason = m->frame.form == TACIT_GUARD_FIRST_PIECE ? take_first(link, m, ruling)
                                                          : take_whole(link, m, ruling);
    if (reason || link->rules.role->watch)
        return reason;
    if (ruling->refused)
        return replace(link, m, ret);
    return m->control.asked == TACIT_GUARD_SPAWN_REQUEST ? bound(link, m, ret)
                                                         : TACIT_GUARD_FINE;
}

/* A later piece. Of a message that was refused with its first one, none is delivered. */
static enum tacit_guard_reason take_next(struct tacit_guard_link *link,
                                         struct tacit_guard_message *m,
                                         struct tacit_guard_verdict *ret)
{
    struct tacit_guard_sequence *s;
    size_t len = tacit_left(&m->frame.rest);
    enum tacit_guard_reason reason =
        tacit_guard_fragments_next(&link->fragments, &link->named, &m->frame, len, &s);
    if (reason)
        return reason;
    if (s->refused)
        ret->rest = m->len;
    reason = tacit_guard_fragments_walk(s, m->frame.rest.at, len);
    if (reason)
        return reason;
    /* What came before has been delivered: it cannot be refused any more. */
    if (s->no_funs && funs(&s->walk) > 0)
        return TACIT_GUARD_LATE_FUN;
    return tacit_guard_fragments_end(&link->fragments, &link->named, s);
}

void tacit_guard_in(struct tacit_guard_link *link, const uint8_t *bytes, size_t len,
                    int64_t now, struct tacit_guard_verdict *ret)
{
    const struct tacit_role *role = link->rules.role;
    struct tacit_guard_message m;
    *ret = (struct tacit_guard_verdict){.cut = TACIT_GUARD_FINE};
    tacit_guard_made_clear(&link->before);
    tacit_guard_made_clear(&link->answer);
    tacit_guard_texts_sweep(&link->named.texts);
    m.bytes = bytes;
    m.len = len;
    ret->cut = tacit_guard_frame(&m.frame, link->flags, bytes, len);
    if (ret->cut || m.frame.form == TACIT_GUARD_TICK)
        return;
    m.over = !within_rates(link, len, now);
    if (m.over && !role->drop && !role->watch)
        ret->cut = TACIT_GUARD_RATE;
    else
        ret->cut = m.frame.form == TACIT_GUARD_NEXT_PIECE ? take_next(link, &m, ret)
                                                          : take(link, &m, ret);
    ret->before = link->before.bytes;
    ret->before_len = link->before.len;
    ret->answer = link->answer.bytes;
    ret->answer_len = link->answer.len;
}

void tacit_guard_out(struct tacit_guard_link *link, const struct iovec *iov,
                     size_t number)
{
    tacit_guard_watch(link, iov, number);
}
