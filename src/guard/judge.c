#include "judge.h"

#include <stdio.h>

#include "base/fault.h"
#include "guard/requests.h"
#include "guard/words.h"

static const char *const operations[TACIT_GUARD_OPS] = {
    [TACIT_GUARD_OP_NONE] = "",
    [TACIT_GUARD_OP_SEND] = "send",
    [TACIT_GUARD_OP_PID] = "pids",
    [TACIT_GUARD_OP_CALL] = "call",
    [TACIT_GUARD_OP_SPAWN] = "spawn",
    [TACIT_GUARD_OP_SPAWN_FUN] = "spawn fun",
    [TACIT_GUARD_OP_LINK] = "link",
    [TACIT_GUARD_OP_EXIT] = "exit",
    [TACIT_GUARD_OP_GROUP_LEADER] = "group-leader",
    [TACIT_GUARD_OP_FUNS] = "funs",
    [TACIT_GUARD_OP_SYSTEM] = "system",
    [TACIT_GUARD_OP_CALLS] = "calls",
    [TACIT_GUARD_OP_RATE] = "excess",
};

const char *tacit_guard_operation_word(enum tacit_guard_operation operation)
{
    return operation < TACIT_GUARD_OPS ? operations[operation] : "";
}

void tacit_guard_operation_text(const struct tacit_guard_ruling *ruling,
                                char text[TACIT_GUARD_OPERATION_MAX])
{
    struct tacit_quoted name, function;
    const char *word = tacit_guard_operation_word(ruling->operation);
    if (ruling->name == NULL)
        snprintf(text, TACIT_GUARD_OPERATION_MAX, "%s", word);
    else if (ruling->function == NULL)
        snprintf(
            text, TACIT_GUARD_OPERATION_MAX, "%s %s", word,
            tacit_quote(&name, (const char *)ruling->name->bytes, ruling->name->len));
    else
        snprintf(text, TACIT_GUARD_OPERATION_MAX, "%s %s:%s/%u", word,
                 tacit_quote(&name, (const char *)ruling->name->bytes, ruling->name->len),
                 tacit_quote(&function, (const char *)ruling->function->bytes,
                             ruling->function->len),
                 ruling->arity);
}

bool tacit_guard_may_refuse(const struct tacit_guard_control *c)
{
    switch (c->asked) {
    case TACIT_GUARD_LINK:
    case TACIT_GUARD_SEND_PID:
    case TACIT_GUARD_SEND_NAME:
    case TACIT_GUARD_EXIT2:
    case TACIT_GUARD_GROUP_LEADER:
    case TACIT_GUARD_MONITOR:
    case TACIT_GUARD_SPAWN_REQUEST:
        return true;
    default:
        return false;
    }
}

static bool may(const struct tacit_guard_rules *rules, unsigned bit)
{
    return (rules->role->may & bit) != 0;
}

static void refuse(struct tacit_guard_ruling *ruling,
                   enum tacit_guard_operation operation)
{
    ruling->refused = true;
    ruling->operation = operation;
}

/* Whether the peer may reach this pid. */
static bool reaches(const struct tacit_guard_rules *rules,
                    const struct tacit_guard_walk *w, struct tacit_reader part)
{
    struct tacit_guard_pid pid;
    if (rules->role->pids != TACIT_ROLE_PIDS_SHOWN)
        return rules->role->pids == TACIT_ROLE_PIDS_ANY;
    return tacit_guard_get_pid(w, &part, &pid) && pid.node == rules->own &&
           pid.creation == rules->creation &&
           tacit_guard_was_shown(rules->shown, (uint64_t)pid.serial << 32 | pid.number);
}

/* A link, an exit or a group leader: a word of `may`, for pids that it reaches. */
static void judge_signal(const struct tacit_guard_rules *rules,
                         const struct tacit_guard_control *c,
                         const struct tacit_guard_walk *w, unsigned bit,
                         enum tacit_guard_operation operation,
                         struct tacit_guard_ruling *ruling)
{
    struct tacit_reader to = tacit_guard_part(c, c->to);
    if (!may(rules, bit))
        refuse(ruling, operation);
    else if (tacit_guard_kind(&to) == TACIT_GUARD_KIND_PID && !reaches(rules, w, to))
        refuse(ruling, TACIT_GUARD_OP_PID);
}

/* What OTP's behaviours do for anybody, whatever the process's own protocol is. */
static void judge_front(const struct tacit_guard_rules *rules,
                        const struct tacit_guard_walk *w,
                        const struct tacit_reader *payload,
                        struct tacit_guard_ruling *ruling)
{
    if (!ruling->refused && !may(rules, TACIT_ROLE_SYSTEM) &&
        tacit_guard_is_system(w, payload))
        refuse(ruling, TACIT_GUARD_OP_SYSTEM);
}

static bool has_calls(const struct tacit_guard_rules *rules)
{
    return rules->role->lists[TACIT_ROLE_CALL].number > 0;
}

static void judge_call(const struct tacit_guard_rules *rules, enum tacit_role_list list,
                       const struct tacit_guard_call *call,
                       struct tacit_guard_ruling *ruling)
{
    struct tacit_role_text module = {call->module->bytes, call->module->len},
                           function = {call->function->bytes, call->function->len};
    ruling->name = call->module;
    ruling->function = call->function;
    ruling->arity = call->arity;
    if (tacit_role_calls(rules->role, list, module, function, call->arity) == NULL)
        refuse(ruling,
               list == TACIT_ROLE_CALL ? TACIT_GUARD_OP_CALL : TACIT_GUARD_OP_SPAWN);
}

/* A message to rex: a call, or the question whether erpc is there. */
static void judge_rex(const struct tacit_guard_rules *rules, struct tacit_guard_walk *w,
                      struct tacit_reader *payload, struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_call call;
    switch (tacit_guard_read_rex(w, payload, &call)) {
    case TACIT_GUARD_REX_CALL:
        judge_call(rules, TACIT_ROLE_CALL, &call, ruling);
        break;
    case TACIT_GUARD_REX_FEATURES:
        if (!has_calls(rules) && !may(rules, TACIT_ROLE_GLOBAL))
            refuse(ruling, TACIT_GUARD_OP_SEND);
        break;
    case TACIT_GUARD_REX_OTHER:
        refuse(ruling, TACIT_GUARD_OP_SEND);
        break;
    }
}

static void judge_name(const struct tacit_guard_rules *rules,
                       const struct tacit_guard_control *c, struct tacit_guard_walk *w,
                       struct tacit_reader *payload, struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_text *name;
    struct tacit_reader to = tacit_guard_part(c, c->to);
    if (!tacit_guard_get_atom(w, &to, &name)) {
        refuse(ruling, TACIT_GUARD_OP_SEND);
        return;
    }
    ruling->name = name;
    switch (name->bits & TACIT_ROLE_BITS_WORD) {
    case TACIT_WORD_REX:
        judge_rex(rules, w, payload, ruling);
        return;
    case TACIT_WORD_NET_KERNEL:
        if (!tacit_guard_is_auth(w, payload))
            refuse(ruling, TACIT_GUARD_OP_SEND);
        return;
    case TACIT_WORD_GLOBAL_NAME_SERVER:
        if (may(rules, TACIT_ROLE_GLOBAL)) {
            ruling->funs = true; /* that resolve clashes */
            return;
        }
    }
    if ((name->bits & TACIT_ROLE_BITS_SEND) == 0)
        refuse(ruling, TACIT_GUARD_OP_SEND);
    judge_front(rules, w, payload, ruling);
}

static void judge_monitor(const struct tacit_guard_rules *rules,
                          const struct tacit_guard_control *c,
                          const struct tacit_guard_walk *w,
                          struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_text *name = NULL;
    struct tacit_reader to = tacit_guard_part(c, c->to);
    if (may(rules, TACIT_ROLE_MONITOR))
        return;
    if (tacit_guard_kind(&to) == TACIT_GUARD_KIND_PID) {
        if (!reaches(rules, w, to))
            refuse(ruling, TACIT_GUARD_OP_PID);
        return;
    }
    if (!tacit_guard_get_atom(w, &to, &name)) {
        refuse(ruling, TACIT_GUARD_OP_SEND);
        return;
    }
    uint32_t word = name->bits & TACIT_ROLE_BITS_WORD;
    ruling->name = name;
    if ((name->bits & TACIT_ROLE_BITS_SEND) == 0 && word != TACIT_WORD_NET_KERNEL &&
        !(word == TACIT_WORD_REX && has_calls(rules)) &&
        !(word == TACIT_WORD_GLOBAL_NAME_SERVER && may(rules, TACIT_ROLE_GLOBAL)))
        refuse(ruling, TACIT_GUARD_OP_SEND);
}

static enum tacit_guard_reason judge_spawn(const struct tacit_guard_rules *rules,
                                           const struct tacit_guard_control *c,
                                           struct tacit_guard_walk *w,
                                           struct tacit_reader *payload,
                                           struct tacit_guard_ruling *ruling)
{
    struct tacit_guard_spawn spawn;
    ruling->error = "eacces";
    /* The emulator takes requests in others' names: no node sends them. */
    if (!tacit_guard_read_spawn(c, w, &spawn) || spawn.request.node != rules->peer ||
        spawn.from.node != rules->peer)
        return TACIT_GUARD_CONTROL;
    struct tacit_guard_call call = spawn.call;
    ruling->name = call.module;
    ruling->function = call.function;
    ruling->arity = call.arity;
    switch (tacit_guard_read_arguments(&spawn, w, payload, &call)) {
    case TACIT_GUARD_SPAWNS_CALL:
        judge_call(rules, TACIT_ROLE_CALL, &call, ruling);
        break;
    case TACIT_GUARD_SPAWNS_FUN:
        ruling->funs = true;
        if (!rules->role->spawn_fun)
            refuse(ruling, TACIT_GUARD_OP_SPAWN_FUN);
        break;
    case TACIT_GUARD_SPAWNS_FUNCTION:
        judge_call(rules, TACIT_ROLE_SPAWN, &call, ruling);
        break;
    case TACIT_GUARD_SPAWNS_OTHER:
        refuse(ruling, TACIT_GUARD_OP_SPAWN);
        break;
    }
    /* What it starts is the peer's by its group leader, unless it may set any. */
    if (!ruling->refused && spawn.leader.node != rules->peer &&
        !may(rules, TACIT_ROLE_GROUP_LEADER))
        refuse(ruling, TACIT_GUARD_OP_GROUP_LEADER);
    return TACIT_GUARD_FINE;
}

/* A monitor that the peer takes back: the end of its call will not be told. */
static void forget_call(const struct tacit_guard_rules *rules,
                        const struct tacit_guard_control *c,
                        const struct tacit_guard_walk *w)
{
    struct tacit_guard_reference reference;
    struct tacit_reader r = tacit_guard_part(c, 2);
    if (rules->calls->number > 0 && tacit_guard_get_reference(w, &r, &reference))
        tacit_guard_call_ends(rules->calls, reference.bytes, reference.len);
}

enum tacit_guard_reason tacit_guard_judge(const struct tacit_guard_rules *rules,
                                          const struct tacit_guard_control *c,
                                          struct tacit_guard_walk *w,
                                          struct tacit_reader *payload,
                                          struct tacit_guard_ruling *ret)
{
    *ret = (struct tacit_guard_ruling){.funs = may(rules, TACIT_ROLE_FUNS)};
    w->todo = c->payload ? 1 : 0;
    switch (c->asked) {
    case TACIT_GUARD_LINK:
        judge_signal(rules, c, w, TACIT_ROLE_LINK, TACIT_GUARD_OP_LINK, ret);
        break;
    case TACIT_GUARD_EXIT2:
        judge_signal(rules, c, w, TACIT_ROLE_EXIT, TACIT_GUARD_OP_EXIT, ret);
        ret->funs = true;
        break;
    case TACIT_GUARD_GROUP_LEADER:
        judge_signal(rules, c, w, TACIT_ROLE_GROUP_LEADER, TACIT_GUARD_OP_GROUP_LEADER,
                     ret);
        break;
    case TACIT_GUARD_SEND_PID:
        if (!reaches(rules, w, tacit_guard_part(c, c->to)))
            refuse(ret, TACIT_GUARD_OP_PID);
        judge_front(rules, w, payload, ret);
        break;
    case TACIT_GUARD_SEND_NAME:
        judge_name(rules, c, w, payload, ret);
        break;
    case TACIT_GUARD_MONITOR:
        judge_monitor(rules, c, w, ret);
        break;
    case TACIT_GUARD_SPAWN_REQUEST:
        return judge_spawn(rules, c, w, payload, ret);
    case TACIT_GUARD_DEMONITOR:
        forget_call(rules, c, w);
        break;
    case TACIT_GUARD_NOTHING:
    case TACIT_GUARD_SEND_ALIAS:
    case TACIT_GUARD_MONITOR_EXIT:
    case TACIT_GUARD_SPAWN_REPLY:
        ret->funs = true; /* what this node asked for */
        break;
    }
    return TACIT_GUARD_FINE;
}
