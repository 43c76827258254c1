/* The functions that users call: include/tacit/ei.h. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ei/callbacks.h"
#include "ei/fault.h"
#include "files/files.h"
#include "tacit/ei.h"

#define BEFORE_INIT "expected tacit_ei_init to be called first"

/* --- what users call -----------------------------------------------------------------
 */

static int failed(int error)
{
    erl_errno = cnode_errno(error);
    return ERL_ERROR;
}

static const char *conf_path(const char *conf)
{
    const char *environment = getenv("TACIT_CONF");
    if (conf != NULL)
        return conf;
    return environment != NULL && *environment != '\0' ? environment
                                                       : "/etc/tacit/tacit.conf";
}

/* ei wants its name in three pieces. */
static int init_ei(ei_cnode *ec, struct cnode *node, const char *cookie,
                   unsigned creation)
{
    const char *at = strchr(node->name, '@');
    char alive[TACIT_NAME_MAX + 1];
    struct in_addr nowhere = {0};
    snprintf(alive, sizeof alive, "%.*s", (int)(at - node->name), node->name);
    return ei_connect_xinit_ussi(ec, at + 1, alive, node->name, &nowhere, cookie,
                                 creation, &cnode_callbacks, sizeof cnode_callbacks,
                                 node);
}

int tacit_ei_init(ei_cnode *ec, const char *conf, const char *name, const char *cookie,
                  unsigned creation)
{
    struct cnode *node;
    memset(ec, 0, sizeof *ec);
    if (sodium_init() < 0)
        return failed(cnode_fault(TACIT_ECRYPTO, "%s", tacit_error_text(TACIT_ECRYPTO)));
    if (name == NULL || !tacit_name_ok(name))
        return failed(cnode_fault(TACIT_EINVAL,
                                  "got '%.200s', expected a node name such as "
                                  "job@db1.example.net",
                                  name == NULL ? "" : name));
    struct tacit_fault fault;
    char path[PATH_MAX]; /* the program may work elsewhere when it reads it again */
    int error = tacit_file_absolute(conf_path(conf), path, &fault);
    if (error)
        return failed(cnode_fault(error, "%s", fault.text));
    error = cnode_new(path, name, &node);
    if (error)
        return failed(error);
    if (init_ei(ec, node, cookie, creation) == 0) {
        node->creation = ec->creation;
        return 0;
    }
    cnode_release(node);
    ec->setup_context = NULL;
    return failed(cnode_fault(TACIT_EINVAL,
                              "%s: ei does not take the name, or there is no "
                              "cookie: expected one, or ~/.erlang.cookie",
                              name));
}

int tacit_ei_reload(ei_cnode *ec)
{
    unsigned dropped;
    if (ec->setup_context == NULL)
        return failed(cnode_fault(TACIT_ESTATE, BEFORE_INIT));
    int error = cnode_reload(ec->setup_context, &dropped);
    return error ? failed(error) : (int)dropped;
}

void tacit_ei_free(ei_cnode *ec)
{
    cnode_release(ec->setup_context);
    ec->setup_context = NULL;
}

/* --- connecting ----------------------------------------------------------------------
 */

static _Thread_local char status[LINK_STATUS];

const char *tacit_ei_error(void)
{
    return cnode_fault_text();
}

const char *tacit_ei_status(void)
{
    return status;
}

static int find(const struct tacit_policy *policy, struct cnode_target *target)
{
    int error = tacit_policy_endpoint(policy, target->name, &target->endpoint);
    if (error)
        return cnode_fault(error,
                           "got '%.200s', expected a node name such as "
                           "app@db1.example.net",
                           target->name);
    if (tacit_policy_is_plain(policy, target->name))
        return cnode_fault(TACIT_EREFUSED,
                           "%s: a [plain] line of %s names it: it is reached without "
                           "Tacit",
                           target->name, tacit_policy_path(policy));
    return TACIT_OK;
}

/* What ei has no word for: Erlang's handshake ended where the texts say nothing. */
static void explain(const struct cnode_target *target)
{
    if (strcmp(target->status, "pending") == 0)
        return;
    if (*target->status != '\0' && strncmp(target->status, "ok", 2) != 0)
        (void)cnode_fault(0, "%s: it answers '%s'%s", target->name, target->status,
                          strcmp(target->status, "alive") == 0
                              ? ": it has a link with a node of this name"
                              : "");
    else if (*cnode_fault_text() == '\0')
        (void)cnode_fault(0, "%s: Erlang's handshake failed: another cookie?",
                          target->name);
}

int tacit_ei_connect(ei_cnode *ec, const char *name, unsigned ms)
{
    struct in_addr nowhere = {0};
    struct cnode_target target = {.name = name,
                                  .deadline = ms == 0 ? WIRE_NEVER : wire_deadline(ms)};
    *status = '\0';
    (void)cnode_fault(0, "%s", "");
    if (ec->setup_context == NULL)
        return failed(cnode_fault(TACIT_ESTATE, BEFORE_INIT));
    struct cnode_rules *rules = cnode_rules_of(ec->setup_context);
    int error = find(rules->policy, &target);
    cnode_rules_release(rules);
    if (error)
        return failed(error);
    cnode_set_target(&target);
    /* The time is the target's: what ei counts begins again with each message. */
    int fd = ei_xconnect_host_port_tmo(ec, &nowhere, 1, ms);
    cnode_set_target(NULL);
    memcpy(status, target.status, sizeof status);
    if (fd < 0)
        explain(&target);
    return fd;
}

/* --- being called --------------------------------------------------------------------
 */

int tacit_ei_listen(ei_cnode *ec, int backlog)
{
    struct in_addr any = {0};
    int port = 0;
    if (ec->setup_context == NULL)
        return failed(cnode_fault(TACIT_ESTATE, BEFORE_INIT));
    return ei_xlisten(ec, &any, &port, backlog);
}
