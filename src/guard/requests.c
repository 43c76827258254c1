#include "requests.h"

#include "guard/role.h"
#include "guard/words.h"

static enum tacit_word word_of(const struct tacit_guard_text *text)
{
    return (enum tacit_word)(text->bits & TACIT_ROLE_BITS_WORD);
}

/* An atom's word; NONE where there is no atom, or of no word. */
static enum tacit_word get_word(const struct tacit_guard_walk *w, struct tacit_reader *r)
{
    struct tacit_guard_text *text;
    return tacit_guard_get_atom(w, r, &text) ? word_of(text) : TACIT_WORD_NONE;
}

bool tacit_guard_read_spawn(const struct tacit_guard_control *c,
                            const struct tacit_guard_walk *w,
                            struct tacit_guard_spawn *ret)
{
    struct tacit_reader request = tacit_guard_part(c, 0), from = tacit_guard_part(c, 1),
                        leader = tacit_guard_part(c, 2), mfa = tacit_guard_part(c, 3);
    struct tacit_guard_text *module, *function;
    uint32_t arity;
    if (!tacit_guard_get_reference(w, &request, &ret->request) ||
        !tacit_guard_get_pid(w, &from, &ret->from) ||
        !tacit_guard_get_pid(w, &leader, &ret->leader) ||
        !tacit_guard_get_tuple(&mfa, &arity) || arity != 3 ||
        !tacit_guard_get_atom(w, &mfa, &module) ||
        !tacit_guard_get_atom(w, &mfa, &function) ||
        !tacit_guard_get_integer(&mfa, &ret->call.arity))
        return false;
    ret->call.module = module;
    ret->call.function = function;
    return true;
}

/*
 * Module, function, and the head of a list of arguments. Behind them so many terms are to
 * come, besides the list's own.
 */
static bool get_call(struct tacit_guard_walk *w, struct tacit_reader *r, uint64_t behind,
                     struct tacit_guard_call *call)
{
    struct tacit_guard_text *module, *function;
    bool tail;
    if (!tacit_guard_get_atom(w, r, &module) || !tacit_guard_get_atom(w, r, &function) ||
        !tacit_guard_get_list(w, r, &call->arity, &tail))
        return false;
    call->module = module;
    call->function = function;
    w->todo = behind + (tail ? (uint64_t)call->arity + 1 : 0);
    if (tail)
        w->ends[behind] = TACIT_GUARD_END_NIL;
    w->counts.atoms += 2;
    return w->todo <= w->most;
}

/* `[Ref, M, F, Args]` of erpc:execute_call, `[M, F, Args]` of erpc:execute_cast. */
static enum tacit_guard_spawns read_erpc(struct tacit_guard_walk *w,
                                         struct tacit_reader *r, bool reference,
                                         struct tacit_guard_call *call)
{
    uint32_t len;
    bool tail;
    if (!tacit_guard_get_list(w, r, &len, &tail) || !tail || len != 3U + reference ||
        (reference && !tacit_guard_pass(w, r)))
        return TACIT_GUARD_SPAWNS_OTHER;
    w->ends[0] = TACIT_GUARD_END_NIL;
    return get_call(w, r, 1, call) ? TACIT_GUARD_SPAWNS_CALL : TACIT_GUARD_SPAWNS_OTHER;
}

/* Arguments of a function that is spawned itself, or the fun of erlang:apply/2. */
static enum tacit_guard_spawns read_plain(const struct tacit_guard_spawn *spawn,
                                          struct tacit_guard_walk *w,
                                          struct tacit_reader *r)
{
    uint32_t len;
    bool tail;
    if (!tacit_guard_get_list(w, r, &len, &tail) || len != spawn->call.arity)
        return TACIT_GUARD_SPAWNS_OTHER;
    w->todo = tail ? (uint64_t)len + 1 : 0;
    w->ends[0] = TACIT_GUARD_END_NIL;
    if (w->todo > w->most)
        return TACIT_GUARD_SPAWNS_OTHER;
    bool apply = word_of(spawn->call.module) == TACIT_WORD_ERLANG &&
                 word_of(spawn->call.function) == TACIT_WORD_APPLY && len == 2;
    return apply ? TACIT_GUARD_SPAWNS_FUN : TACIT_GUARD_SPAWNS_FUNCTION;
}

enum tacit_guard_spawns tacit_guard_read_arguments(const struct tacit_guard_spawn *spawn,
                                                   struct tacit_guard_walk *w,
                                                   struct tacit_reader *payload,
                                                   struct tacit_guard_call *call)
{
    enum tacit_word function = word_of(spawn->call.function);
    bool erpc = word_of(spawn->call.module) == TACIT_WORD_ERPC;
    if (erpc && function == TACIT_WORD_EXECUTE_CALL && spawn->call.arity == 4)
        return read_erpc(w, payload, true, call);
    if (erpc && function == TACIT_WORD_EXECUTE_CAST && spawn->call.arity == 3)
        return read_erpc(w, payload, false, call);
    return read_plain(spawn, w, payload);
}

/* `{call, M, F, Args, GroupLeader}`, with one of these words in front. */
static bool get_request(struct tacit_guard_walk *w, struct tacit_reader *r,
                        enum tacit_word first, enum tacit_word other,
                        struct tacit_guard_call *call)
{
    uint32_t arity;
    if (!tacit_guard_get_tuple(r, &arity) || arity != 5)
        return false;
    enum tacit_word word = get_word(w, r);
    if (word == TACIT_WORD_NONE || (word != first && word != other))
        return false;
    w->ends[0] = TACIT_GUARD_END_LEADER;
    return get_call(w, r, 1, call);
}

enum tacit_guard_rex tacit_guard_read_rex(struct tacit_guard_walk *w,
                                          struct tacit_reader *payload,
                                          struct tacit_guard_call *call)
{
    struct tacit_guard_walk walk = *w;
    struct tacit_reader r = *payload, front;
    uint32_t arity;
    bool is_call = false;
    if (!tacit_guard_get_tuple(&r, &arity) || arity < 2 || arity > 3)
        return TACIT_GUARD_REX_OTHER;
    front = r;
    enum tacit_word word = tacit_guard_kind(&front) == TACIT_GUARD_KIND_ATOM
                               ? get_word(w, &front)
                               : TACIT_WORD_NONE;
    if (!tacit_guard_pass(&walk, &r)) /* that word, or who asks */
        return TACIT_GUARD_REX_OTHER;
    if (arity == 3)
        is_call = word == TACIT_WORD_GEN_CALL && tacit_guard_pass(&walk, &r) &&
                  get_request(&walk, &r, TACIT_WORD_CALL, TACIT_WORD_BLOCK_CALL, call);
    else if (word == TACIT_WORD_GEN_CAST)
        is_call = get_request(&walk, &r, TACIT_WORD_CAST, TACIT_WORD_CAST, call);
    else if (tacit_guard_kind(&r) == TACIT_GUARD_KIND_ATOM)
        return get_word(w, &r) == TACIT_WORD_FEATURES_REQUEST ? TACIT_GUARD_REX_FEATURES
                                                              : TACIT_GUARD_REX_OTHER;
    else
        is_call = get_request(&walk, &r, TACIT_WORD_CALL, TACIT_WORD_CALL, call);
    if (!is_call)
        return TACIT_GUARD_REX_OTHER;
    *w = walk;
    *payload = r;
    return TACIT_GUARD_REX_CALL;
}

/* Behind `{'$gen_call', From,` or `{'$gen_cast',`: the request's word. */
static enum tacit_word request_word(const struct tacit_guard_walk *w, bool call,
                                    struct tacit_reader *r, bool *ret_seen)
{
    struct tacit_guard_walk walk = *w;
    uint32_t arity;
    *ret_seen = !call || tacit_guard_pass(&walk, r);
    if (!*ret_seen)
        return TACIT_WORD_NONE;
    if (tacit_guard_kind(r) == TACIT_GUARD_KIND_TUPLE)
        *ret_seen = tacit_guard_get_tuple(r, &arity);
    if (tacit_left(r) == 0)
        *ret_seen = false;
    return tacit_guard_kind(r) == TACIT_GUARD_KIND_ATOM ? get_word(w, r)
                                                        : TACIT_WORD_NONE;
}

bool tacit_guard_is_auth(const struct tacit_guard_walk *w,
                         const struct tacit_reader *payload)
{
    struct tacit_reader r = *payload;
    uint32_t arity;
    bool seen;
    return tacit_guard_get_tuple(&r, &arity) && arity == 3 &&
           get_word(w, &r) == TACIT_WORD_GEN_CALL &&
           request_word(w, true, &r, &seen) == TACIT_WORD_IS_AUTH && seen;
}

bool tacit_guard_is_system(const struct tacit_guard_walk *w,
                           const struct tacit_reader *payload)
{
    struct tacit_reader r = *payload;
    uint32_t arity;
    bool seen, call = false;
    if (tacit_guard_kind(&r) != TACIT_GUARD_KIND_TUPLE)
        return tacit_left(&r) == 0; /* not there yet */
    if (!tacit_guard_get_tuple(&r, &arity))
        return true;
    if (tacit_guard_kind(&r) != TACIT_GUARD_KIND_ATOM)
        return tacit_left(&r) == 0 && arity > 0;
    switch (get_word(w, &r)) {
    case TACIT_WORD_SYSTEM:
    case TACIT_WORD_EXIT:
        return arity == 3;
    case TACIT_WORD_GEN_CALL:
        call = true;
        break;
    case TACIT_WORD_GEN_CAST:
        break;
    default:
        return r.bad;
    }
    if (arity != 2U + call)
        return false;
    return request_word(w, call, &r, &seen) == TACIT_WORD_SUPERVISOR || !seen;
}
