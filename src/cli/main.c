#include "cli/cli.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/program.h"
#include "base/release.h"

static const struct {
    const char *name, *arguments, *what;
    cli_run_fn *run;
} commands[] = {
    {"init", "--dir DIR --listen ADDR:PORT[,...] [--mesh-key FILE] [--name NAME]",
     "make a host's keys and tacit.conf; print the [peer] for the others", cli_init},
    {"add-peer", "[--conf FILE] NAME PUBLIC-KEY [--endpoint HOST:PORT]",
     "allow a host or a node", cli_add_peer},
    {"check", "[--conf FILE]", "load a configuration and say what is in it", cli_check},
    {"explain", "[--conf FILE] NAME [--from ADDR] [--key KEY] [--certificate FILE]",
     "say which line decides about a node, and why", cli_explain},
    {"doctor", "[--conf FILE] [--as NAME] NODE",
     "say at which stage a connection to a node fails, and what to do", cli_doctor},
    {"ping", "[--conf FILE] [--as NAME] NODE", "say how long connecting to a node takes",
     cli_ping},
    {"call",
     "[--conf FILE] [--as NAME] [--cookie-file FILE | -c COOKIE] [--timeout SECONDS] "
     "NODE "
     "{MODULE FUNCTION [ARGS] | -a 'MODULE FUNCTION ARGS' | -m}",
     "call a function of a node and print what it returns; -m: load a module that stands "
     "on the standard input",
     cli_call},
    {"eval",
     "[--conf FILE] [--as NAME] [--cookie-file FILE | -c COOKIE] [--timeout SECONDS] "
     "NODE "
     "[EXPRESSIONS]",
     "have a node evaluate Erlang expressions, or the standard input, and print the "
     "value",
     cli_eval},
    {"reload", "[--conf FILE]", "have this host's nodes read the configuration again",
     cli_reload},
    {"show", "[--conf FILE] [--json | dump]",
     "what this host's door says of itself and its nodes; also without a command",
     cli_show},
    {"names", "[--conf FILE] HOST",
     "ask the door of a host which nodes are there, a name a line", cli_names},
    {"mesh-key",
     "list | add [--key FILE] | use [--force] KEY-ID | remove [--force] KEY-ID "
     "(each: [--conf FILE])",
     "replace the mesh's key while the mesh runs", cli_mesh_key},
    {"authority", "new|show FILE",
     "make an authority, which signs certificates and policies; print its public key",
     cli_authority},
    {"cert",
     "sign --authority FILE --public-key KEY --name NAME[,...] [--group GROUP[,...]] "
     "--not-after DAYSd|TIME [--not-before TIME] FILE | show FILE | verify [--conf FILE] "
     "FILE",
     "make, print or check a certificate, which stands for a [peer] line", cli_cert},
    {"policy",
     "sign --authority FILE [--serial N] [--fresh-until DAYSd|TIME] RULES FILE | show "
     "FILE "
     "| verify [--conf FILE] FILE",
     "make, print or check a policy: rules that one host hands to all others",
     cli_policy},
    {"keygen", "FILE", "make an identity; print its public key", cli_keygen},
    {"pubkey", "FILE", "print the public key of an identity", cli_pubkey},
    {"psk", "FILE", "make a mesh key or a pair key", cli_psk},
};

enum {
    COMMANDS = sizeof commands / sizeof commands[0]
};

static void print_help(FILE *out)
{
    fputs("usage: tacit COMMAND [ARGUMENT...]\n\n", out);
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(out, "  %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                commands[i].what);
    fputs(
        "  help\n  --version\n\n"
        "--conf FILE is $TACIT_CONF, else /etc/tacit/tacit.conf, where it is left out.\n",
        out);
}

/* What was printed must have arrived: a disk may be full. */
static int finish(int status)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        return cli_fail("cannot write to the standard output");
    return status;
}

static bool is_one_of(const char *argument, const char *a, const char *b)
{
    return strcmp(argument, a) == 0 || strcmp(argument, b) == 0;
}

int main(int argc, char **argv)
{
    static char show[] = "show";
    char *nothing[] = {argv[0], show, NULL};
    if (!program_standard())
        return CLI_FAILED; /* and nobody to tell it to */
    if (argc < 2) {
        argc = 2;
        argv = nothing;
    }
    if (is_one_of(argv[1], "help", "--help")) {
        print_help(stdout);
        return finish(CLI_OK);
    }
    if (is_one_of(argv[1], "--version", "-V")) {
        puts("tacit " TACIT_RELEASE);
        return finish(CLI_OK);
    }
    if (sodium_init() < 0)
        return cli_fail("%s", tacit_error_text(TACIT_ECRYPTO));
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        int status = commands[i].run(argc - 1, argv + 1);
        if (status == CLI_USAGE)
            cli_fail("usage: tacit %s %s", commands[i].name, commands[i].arguments);
        return finish(status);
    }
    cli_fail("unknown command '%s', expected one that 'tacit help' lists", argv[1]);
    return CLI_USAGE;
}
