/* tacit reload: has every node of the configuration read it anew. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/control.h"

static int reload_one(const struct control_process *p)
{
    const char *fields[CONTROL_FIELDS_MAX];
    char *text, *at;
    int status = CLI_OK;
    if (control_ask(p->path, "reload", &text) != 0) {
        status = cli_fail("%s: nothing was changed: %s", p->name, text);
    } else {
        printf("%s: reloaded\n", p->name);
        for (at = text; control_line(&at, fields) >= 2;) {
            if (strcmp(fields[0], "cut") == 0)
                printf("%s: cut %s\n", p->name, fields[1]);
        }
    }
    free(text);
    return status;
}

int cli_reload_processes(const char *conf)
{
    struct control_process *processes = calloc(CONTROL_PROCESSES_MAX, sizeof *processes);
    if (processes == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int status = CLI_OK, count = control_find(conf, processes);
    for (int i = 0; i < count; i++)
        if (reload_one(&processes[i]) != CLI_OK)
            status = CLI_FAILED;
    free(processes);
    if (count == 0)
        printf("no node of %s runs\n", conf);
    return count < 0 ? CLI_FAILED : status;
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
    tacit_policy_free(policy);
    return cli_reload_processes(conf);
}
