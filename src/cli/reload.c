/*
 * tacit reload: has the host's door and every node of the configuration read it again,
 * and names who was not reached.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/control.h"
#include "door/ask.h"

static int reload_one(const struct control_process *p)
{
    const char *fields[CONTROL_FIELDS_MAX];
    char *text, *at;
    int status = CLI_OK;
    if (*p->silent != '\0')
        return cli_fail("%s: not reached: %s", p->name, p->silent);
    int error = control_ask(p->path, "reload", &text);
    if (error != TACIT_OK) {
        status = cli_fail("%s: %s: %s", p->name,
                          error == TACIT_EREFUSED ? "nothing was changed" : "not reached",
                          text);
    } else {
        printf("%s: reloaded\n", p->name);
        for (at = text; control_line(&at, fields) >= 2;) {
            if (strcmp(fields[0], "dropped") == 0)
                printf("%s: dropped %s\n", p->name, fields[1]);
        }
    }
    free(text);
    return status;
}

/* Only one that refuses has said that nothing was changed; another may have read it. */
static int reload_door(const char *path, bool *ret_still)
{
    struct tacit_fault fault;
    int error = tacit_door_reload(path, &fault);
    *ret_still = error == TACIT_ETIMEOUT;
    if (error != TACIT_OK)
        return cli_fail("door: %s: %s",
                        error == TACIT_EREFUSED ? "nothing was changed" : "not reached",
                        fault.text);
    puts("door: reloaded");
    return CLI_OK;
}

/* What is not as the configuration says although it is in force: no fault of the file. */
static void tell_troubles(const char *report)
{
    char *copy = strdup(report), *at = copy;
    const char *f[CONTROL_FIELDS_MAX];
    for (size_t n; copy != NULL && (n = control_line(&at, f)) > 0;)
        if (n >= 2 && strcmp(f[0], "absent") == 0)
            printf("door: does not listen on %s: no such interface, or without an "
                   "address: nothing listens there until it has one\n",
                   f[1]);
        else if (n >= 2 && strcmp(f[0], "trouble") == 0)
            printf("door: trouble: %s\n", f[1]);
    free(copy);
}

/* --- those whom the door knows ------------------------------------------------------ */

/* Whether a node that told the door of this configuration has the one at conf. */
static bool is_same(const char *told, const char *conf)
{
    char *there = realpath(told, NULL), *here = realpath(conf, NULL);
    char as_told[TACIT_DOOR_TEXT_MAX + 1];
    tacit_door_printable(here != NULL ? here : conf, as_told);
    bool same = strcmp(told, as_told) == 0 ||
                (there != NULL && here != NULL && strcmp(there, here) == 0);
    free(there);
    free(here);
    return same;
}

static bool was_found(const char *name, const struct control_process *found, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(found[i].name, name) == 0)
            return true;
    return false;
}

int cli_door_unreached(const char *conf, char *report,
                       const struct control_process *found, int count)
{
    const char *f[CONTROL_FIELDS_MAX];
    int status = CLI_OK;
    size_t fields;
    for (char *at = report; (fields = control_line(&at, f)) > 0;) {
        if (strcmp(f[0], "node") != 0 || fields < 8 || was_found(f[1], found, count))
            continue;
        if (fields < 9)
            status = cli_fail(
                "%s: not reached: registered at the door, by another release", f[1]);
        else if (is_same(f[8], conf))
            status =
                cli_fail("%s: not reached: registered at the door, and answers to no "
                         "command (a C node reads again when its program says so)",
                         f[1]);
        else
            printf("%s: not asked: it has %s\n", f[1], f[8]);
    }
    return status;
}

/* What tacit:revoke/1 wrote: the door reads it beside its own configuration. */
static int check_revoked(const char *conf, const char *report)
{
    char own[PATH_MAX], *copy = strdup(report), *at = copy;
    const char *f[CONTROL_FIELDS_MAX];
    struct stat st;
    int status = CLI_OK;
    bool any =
        tacit_file_revoked_path(conf, own) && stat(own, &st) == 0 && st.st_size > 0;
    for (size_t n; copy != NULL && any && (n = control_line(&at, f)) > 0;)
        if (n >= 2 && strcmp(f[0], "revoked") == 0 && !cli_is_one_file(f[1], own))
            status =
                cli_fail("door: what tacit:revoke/1 revoked does not reach it: make %s "
                         "a symbolic link to %s, and start secure-epmd again",
                         f[1], own);
    free(copy);
    return status;
}

/* --- a door with a configuration of its own ----------------------------------------- */

/* Whether a line of the report is of this kind, and its value, given back, ends so. */
static bool has_line(const char *report, const char *kind, const char *ends,
                     char ret_value[PATH_MAX])
{
    char *copy = strdup(report), *at = copy;
    const char *f[CONTROL_FIELDS_MAX];
    bool has = false;
    for (size_t n; copy != NULL && !has && (n = control_line(&at, f)) > 0;) {
        size_t len = n >= 2 ? strlen(f[1]) : 0, tail = strlen(ends);
        has = n >= 2 && strcmp(f[0], kind) == 0 && len >= tail &&
              strcmp(f[1] + len - tail, ends) == 0;
        if (has)
            snprintf(ret_value, PATH_MAX, "%s", f[1]);
    }
    free(copy);
    return has;
}

/* An interface's addresses are the door's to know: one with that port will do. */
static int check_interfaces(const struct tacit_policy *policy, const char *report,
                            const char *door_conf)
{
    const struct tacit_interface *interfaces;
    size_t count = tacit_policy_interfaces(policy, &interfaces);
    char text[64], value[PATH_MAX];
    int status = CLI_OK;
    for (size_t i = 0; i < count; i++) {
        int name = snprintf(text, sizeof text, "%s", interfaces[i].name);
        snprintf(text + name, sizeof text - (size_t)name, ":%u", interfaces[i].port);
        if (!has_line(report, "absent", text, value) &&
            !has_line(report, "listen", text + name, value))
            status = cli_fail("door: does not listen on %s, as %s says: it reads %s",
                              text, tacit_policy_path(policy), door_conf);
    }
    return status;
}

/* What the nodes' file says and the door's does not: nobody would reach them so. */
static int check_door(const struct tacit_policy *policy, const char *report)
{
    const struct tacit_address *listen;
    const struct tacit_secret *keys;
    size_t count = tacit_policy_listen(policy, &listen);
    size_t key_count = tacit_policy_mesh_keys(policy, &keys);
    char text[TACIT_ADDRESS_TEXT], key_id[TACIT_KEY_ID_TEXT], value[PATH_MAX];
    char conf[PATH_MAX] = "another file";
    (void)has_line(report, "conf", "", conf);
    int status = check_interfaces(policy, report, conf);
    for (size_t i = 0; i < count; i++) {
        tacit_address_to_text(&listen[i], text);
        if (!has_line(report, "listen", text, value))
            status = cli_fail("door: does not listen on %s, as %s says: it reads %s",
                              text, tacit_policy_path(policy), conf);
    }
    for (size_t i = 0; i < key_count; i++) {
        uint8_t bytes[TACIT_KEY_ID];
        tacit_key_id(&keys[i], bytes);
        tacit_key_id_text(bytes, key_id);
        if (!has_line(report, "mesh-key", key_id, value))
            status = cli_fail("door: does not open %s of %s: it reads %s", key_id,
                              tacit_policy_mesh_path(policy), conf);
    }
    return status;
}

/* The door that was reloaded: what it has now. */
static int look_at_door(const struct tacit_policy *policy, const char *report)
{
    tell_troubles(report);
    return check_door(policy, report);
}

int cli_reload_all(const struct tacit_policy *policy)
{
    const char *conf = tacit_policy_path(policy), *door = tacit_policy_door(policy);
    struct control_process *found = calloc(CONTROL_PROCESSES_MAX, sizeof *found);
    struct tacit_fault fault;
    char *report = NULL;
    bool still = false;
    if (found == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int status = door != NULL ? reload_door(door, &still) : CLI_OK, door_status = status;
    int count = control_find(conf, found);
    for (int i = 0; i < count; i++)
        if (reload_one(&found[i]) != CLI_OK)
            status = CLI_FAILED;
    if (count == 0)
        printf("no node of %s runs\n", conf);
    if (count < 0)
        status = CLI_FAILED;
    if (door != NULL && !still && tacit_door_ask(door, &report, &fault) == 0) {
        if (door_status == CLI_OK && look_at_door(policy, report) != CLI_OK)
            status = CLI_FAILED;
        if (check_revoked(conf, report) != CLI_OK)
            status = CLI_FAILED;
        if (cli_door_unreached(conf, report, found, count) != CLI_OK)
            status = CLI_FAILED;
    }
    free(report);
    free(found);
    return status;
}

int cli_reload(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {NULL, 0, NULL, 0}};
    const char *values[1] = {NULL};
    struct tacit_files files = cli_files();
    struct tacit_policy *policy;
    struct tacit_fault fault;
    if (cli_options(argc, argv, options, values, 0) != 0)
        return CLI_USAGE;
    const char *conf = cli_conf_path(values[0]);
    /* One message for all nodes, and none of them asked, where it cannot load. */
    if (tacit_policy_load(conf, &files, tacit_suites_available(), &policy, &fault) != 0)
        return cli_fail("nothing was changed: %s", fault.text);
    int status = cli_reload_all(policy);
    if (tacit_policy_own_fault(policy, (uint64_t)time(NULL), &fault))
        cli_fail("%s", fault.text); /* what else has changed is in force */
    tacit_policy_free(policy);
    return status;
}
