/* tacit doctor and tacit ping: whether a node can be reached, and where it fails. */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/trial.h"

static void print_stage(struct trial *t, enum trial_stage stage,
                        enum trial_verdict verdict, const char *text)
{
    static const char *const verdicts[] = {"ok", "FAILED", "not checked"};
    (void)t;
    printf("%-12s%-8s%s%s\n", trial_stage_name(stage), verdicts[verdict],
           verdict == TRIAL_NOT_CHECKED ? ": " : "", text);
    fflush(stdout); /* the next stage may take its time */
}

static void print_nothing(struct trial *t, enum trial_stage stage,
                          enum trial_verdict verdict, const char *text)
{
    (void)t, (void)stage, (void)verdict, (void)text;
}

/* Takes the arguments that both have, and runs the trial; true: no stage failed. */
static int run(int argc, char **argv, struct trial *t, bool *ret_well)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {"as", required_argument, NULL, 1},
                                            {NULL, 0, NULL, 0}};
    const char *values[2] = {NULL, NULL};
    struct tacit_policy *policy;
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    if (values[1] != NULL && !tacit_name_ok(values[1]))
        return cli_fail(
            "--as: got '%s', expected a node name such as app@db1.example.net",
            values[1]);
    if (cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    t->policy = policy;
    t->node = argv[optind];
    trial_find_own(t, values[1]);
    *ret_well = trial_run(t);
    tacit_policy_free(policy);
    return CLI_OK;
}

int cli_doctor(int argc, char **argv)
{
    struct trial t = {.last = TRIAL_COOKIE, .told = print_stage};
    bool well;
    int status = run(argc, argv, &t, &well);
    if (status != CLI_OK)
        return status;
    return well ? CLI_OK : CLI_FAILED;
}

int cli_ping(int argc, char **argv)
{
    struct trial t = {.last = TRIAL_RULE_THERE, .told = print_nothing};
    char address[TACIT_ADDRESS_TEXT];
    bool well;
    int status = run(argc, argv, &t, &well);
    if (status != CLI_OK)
        return status;
    if (!well)
        return cli_fail("%s: %s", t.node, t.why);
    tacit_address_to_text(&t.address, address);
    printf("%s at %s: %.2f ms: TCP %.2f, handshake %.2f", t.node, address,
           (double)(t.tcp_us + t.handshake_us + t.answer_us) / 1000,
           (double)t.tcp_us / 1000, (double)t.handshake_us / 1000);
    if (*t.own != '\0')
        printf(", answer to %s %.2f\n", t.own, (double)t.answer_us / 1000);
    else
        puts(" (whether it lets a node of this host in was not checked: see --as)");
    return CLI_OK;
}
