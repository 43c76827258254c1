/* A hidden node for one call. */
#include "cli/remote.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/control.h"
#include "ei/rules.h"
#include "ei/wire.h"
#include "tacit/ei.h"

enum {
    NAMES = 8,          /* calls of one host to one node at once, without waiting */
    DISMISSALS = 3,     /* that may be the fault of another call, and not the cookie's */
    CONNECT_MS = 20000, /* where there is no time-out */
    RETRY_MS = 100,
};

/*
 * ei makes its challenge of it. The system's own asks the resolver for what this host is
 * called; for as long as that takes the other node would wait.
 */
long gethostid(void)
{
    return (long)randombytes_random();
}

/* --- who we are ----------------------------------------------------------------------
 */

/* The host part of the [peer] that is this host itself: it has our own key. */
static bool host_of_peers(const struct tacit_policy *policy,
                          char host[TACIT_HOST_MAX + 1])
{
    const uint8_t *own = tacit_policy_identity(policy)->public_key;
    const struct tacit_peer *peer;
    for (size_t i = 0; (peer = tacit_policy_peer(policy, i)) != NULL; i++) {
        const char *at = strchr(peer->glob, '@');
        if (!peer->has_key || memcmp(peer->public_key, own, TACIT_KEY_BYTES) != 0 ||
            at == NULL || strchr(at, '*') != NULL)
            continue;
        snprintf(host, TACIT_HOST_MAX + 1, "%s", at + 1);
        return true;
    }
    return false;
}

/* That of a node that runs here with the configuration. */
static bool host_of_nodes(const struct tacit_policy *policy,
                          char host[TACIT_HOST_MAX + 1])
{
    struct control_process *found = calloc(CONTROL_PROCESSES_MAX, sizeof *found);
    int count = found != NULL ? control_find(tacit_policy_path(policy), found) : -1;
    bool is_found = false;
    for (int i = 0; i < count && !is_found; i++) {
        is_found = *found[i].silent == '\0' && tacit_name_ok(found[i].name);
        if (is_found)
            snprintf(host, TACIT_HOST_MAX + 1, "%s", strchr(found[i].name, '@') + 1);
    }
    free(found);
    return is_found;
}

static int find_host(const struct remote *r, char host[TACIT_HOST_MAX + 1])
{
    if (host_of_peers(r->policy, host) || host_of_nodes(r->policy, host))
        return CLI_OK;
    return cli_fail("what this host is called in node names is not known: expected a "
                    "[peer *@HOST] with its own key in %s, a node that runs here, or "
                    "--as NAME",
                    tacit_policy_path(r->policy));
}

/* --- questions -----------------------------------------------------------------------
 */

/* To this call's process, and not to that of one before, which had the same name. */
static bool is_ours(struct remote *r, const erlang_msg *message)
{
    const erlang_pid *self = ei_self(&r->self), *to = &message->to;
    return message->msgtype == ERL_SEND && to->creation == self->creation &&
           to->num == self->num && to->serial == self->serial;
}

/* The answer's {rex, Reply}; ticks are answered on the way. */
static bool await(struct remote *r, ei_x_buff *x)
{
    erlang_msg message;
    int got;
    do {
        int64_t left = (r->deadline - wire_now_us()) / 1000;
        if (r->deadline != WIRE_NEVER && left <= 0)
            left = 1;
        x->index = 0;
        got = ei_xreceive_msg_tmo(r->fd, &message, x,
                                  r->deadline == WIRE_NEVER ? 0 : (unsigned)left);
    } while (got == ERL_TICK || (got == ERL_MSG && !is_ours(r, &message)));
    return got == ERL_MSG;
}

/* Calls module:function with the list of arguments in *x, which then has the answer. */
static bool ask(struct remote *r, const char *module, const char *function, ei_x_buff *x)
{
    char names[2][32]; /* ei does not say const */
    snprintf(names[0], sizeof names[0], "%s", module);
    snprintf(names[1], sizeof names[1], "%s", function);
    return ei_rpc_to(&r->self, r->fd, names[0], names[1], x->buff, x->index) >= 0 &&
           await(r, x);
}

/*
 * A question that changes nothing. Once it is answered the link is one for the node, too,
 * where until then another call of the same name could still end it; so that what is
 * asked next is asked once.
 */
static bool is_heard(struct remote *r)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_encode_empty_list(&x);
    bool heard = ask(r, "erlang", "node", &x);
    ei_x_free(&x);
    return heard;
}

/* --- connecting ----------------------------------------------------------------------
 */

static int64_t connect_until(const struct remote *r)
{
    return r->deadline != WIRE_NEVER ? r->deadline : wire_deadline(CONNECT_MS);
}

/* Whether another name, or a moment's patience, may do. */
static bool is_taken(void)
{
    const char *status = tacit_ei_status();
    return strcmp(status, "alive") == 0 || strcmp(status, "pending") == 0 ||
           strcmp(status, "nok") == 0;
}

static int connect_as(struct remote *r, const char *name, int64_t until)
{
    int64_t left = (until - wire_now_us()) / 1000;
    unsigned creation = 1 + randombytes_uniform(UINT32_MAX);
    r->fd = -1;
    if (tacit_ei_init(&r->self, tacit_policy_path(r->policy), name, r->cookie, creation) <
        0)
        return cli_fail("%s", tacit_ei_error());
    r->fd = tacit_ei_connect(&r->self, r->node, left > 1 ? (unsigned)left : 1);
    if (r->fd >= 0 && is_heard(r))
        return CLI_OK;
    remote_close(r);
    return CLI_NO_LINK;
}

/* What the other side has to have, where it said no. */
static int tell_no_link(const struct remote *r, const char *name)
{
    char key[TACIT_KEY_TEXT];
    tacit_key_to_text(tacit_policy_identity(r->policy)->public_key, key);
    const char *closed = strstr(tacit_ei_error(), "the peer closed: ");
    if (closed != NULL && strstr(closed, "closed: done") == NULL)
        cli_fail("%s: the configuration there has to let %s in, with the key %s",
                 tacit_ei_error(), name, key);
    else
        cli_fail("%s", tacit_ei_error());
    return CLI_NO_LINK;
}

static void name_of(unsigned i, const char *host, char *name, size_t cap)
{
    if (i == 0)
        snprintf(name, cap, "tacit-call@%s", host);
    else
        snprintf(name, cap, "tacit-call-%u@%s", i + 1, host);
}

/*
 * A call that begins while another of the same name is just beginning ends that one: it
 * looks as if the cookie was wrong, or the link is lost at once. It tries again
 * elsewhere.
 */
static bool was_dismissed(unsigned *count)
{
    return strncmp(tacit_ei_status(), "ok", 2) == 0 && ++*count < DISMISSALS;
}

int remote_open(struct remote *r)
{
    char host[TACIT_HOST_MAX + 1], name[TACIT_HOST_MAX + 32];
    int64_t until = connect_until(r);
    unsigned i = 0, dismissals = 0;
    cnode_rules_files(cli_files);
    if (r->as == NULL && find_host(r, host) != CLI_OK)
        return CLI_FAILED;
    for (;;) {
        if (r->as != NULL)
            snprintf(name, sizeof name, "%s", r->as);
        else
            name_of(i, host, name, sizeof name);
        int status = connect_as(r, name, until);
        if (status != CLI_NO_LINK)
            return status;
        bool taken = is_taken(), dismissed = was_dismissed(&dismissals);
        if ((!taken && !dismissed) || wire_now_us() + RETRY_MS * 1000 >= until)
            return tell_no_link(r, name);
        if (dismissed || r->as != NULL || i == NAMES - 1)
            (void)poll(NULL, 0, (int)randombytes_uniform(RETRY_MS));
        i = dismissed ? randombytes_uniform(NAMES) : (i + 1) % NAMES;
    }
}

void remote_close(struct remote *r)
{
    if (r->fd >= 0)
        (void)ei_close_connection(r->fd);
    tacit_ei_free(&r->self);
    r->fd = -1;
}

/* --- calling -------------------------------------------------------------------------
 */

static int lost(void)
{
    if (erl_errno == ETIMEDOUT)
        cli_fail("no answer: time is up");
    else
        cli_fail("%s", tacit_ei_error());
    return CLI_NO_LINK;
}

/* A text that is a binary. */
static char *take_text(const char *buf, int *index)
{
    int type, size;
    long len;
    if (ei_get_type(buf, index, &type, &size) < 0 || type != ERL_BINARY_EXT)
        return NULL;
    char *text = malloc((size_t)size + 1);
    if (text == NULL || ei_decode_binary(buf, index, text, &len) < 0) {
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

/* {rex, {ok, Text}}, {rex, {exception, Text}}, or {rex, {badrpc, Reason}}. */
static int read_answer(const char *buf, char **ret_text)
{
    int index = 0, version, arity;
    char rex[MAXATOMLEN_UTF8], kind[MAXATOMLEN_UTF8];
    if (ei_decode_version(buf, &index, &version) < 0 ||
        ei_decode_tuple_header(buf, &index, &arity) < 0 || arity != 2 ||
        ei_decode_atom(buf, &index, rex) < 0 || strcmp(rex, "rex") != 0)
        return CLI_NO_LINK;
    int reply = index;
    if (ei_decode_tuple_header(buf, &index, &arity) == 0 && arity == 2 &&
        ei_decode_atom(buf, &index, kind) == 0 &&
        (*ret_text = take_text(buf, &index)) != NULL)
        return strcmp(kind, "ok") == 0 ? CLI_OK : CLI_EXCEPTION;
    if (ei_s_print_term(ret_text, buf, &reply) < 0)
        return CLI_NO_LINK;
    return CLI_EXCEPTION;
}

int remote_call(struct remote *r, const char *function, const char *const *texts,
                int count, char **ret_text)
{
    ei_x_buff x;
    ei_x_new(&x);
    ei_x_encode_list_header(&x, count);
    for (int i = 0; i < count; i++)
        ei_x_encode_binary(&x, texts[i], (int)strlen(texts[i]));
    ei_x_encode_empty_list(&x);
    *ret_text = NULL;
    int status = ask(r, "tacit_call", function, &x) ? CLI_OK : lost();
    if (status == CLI_OK) {
        status = read_answer(x.buff, ret_text);
        if (status == CLI_NO_LINK)
            cli_fail("%s: an answer that is none", r->node);
    }
    ei_x_free(&x);
    return status;
}
