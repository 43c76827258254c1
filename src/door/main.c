/* secure-epmd, one door a host: its options, and its start. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/program.h"
#include "base/release.h"
#include "channel/suite.h"
#include "door/ask.h"
#include "door/daemon.h"
#include "files/files.h"

enum {
    EXIT_USAGE = 2,
    EPMD_PORT = 4369,
};

struct options {
    const char *conf, *user, *metrics;
    uint16_t epmd_port;
    bool check, reload, relaxed, unconfined;
};

static void usage(FILE *to)
{
    fputs("usage: secure-epmd [--conf FILE] [--check | --reload] [--user USER]\n"
          "                   [--metrics ADDR:PORT] [--epmd-port PORT]\n"
          "                   [--relaxed-command-check] [--unconfined] [--version]\n",
          to);
}

static int bad_usage(const char *value, const char *what)
{
    fprintf(stderr, "secure-epmd: '%s': %s\n", value, what);
    usage(stderr);
    return EXIT_USAGE;
}

static int take_port(const char *text, uint16_t *ret_port)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || port == 0 || port > 65535)
        return bad_usage(text, "expected a port, 1 to 65535");
    *ret_port = (uint16_t)port;
    return 0;
}

static const struct option options[] = {{"conf", required_argument, NULL, 'c'},
                                        {"check", no_argument, NULL, 'k'},
                                        {"reload", no_argument, NULL, 'l'},
                                        {"user", required_argument, NULL, 'u'},
                                        {"metrics", required_argument, NULL, 'm'},
                                        {"epmd-port", required_argument, NULL, 'p'},
                                        {"relaxed-command-check", no_argument, NULL, 'r'},
                                        {"unconfined", no_argument, NULL, 'o'},
                                        {"version", no_argument, NULL, 'v'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

/* -1: go on; else the exit status. */
static int take_options(int argc, char **argv, struct options *o)
{
    const char *port = getenv("ERL_EPMD_PORT");
    const char *next = program_next_option(argv);
    int c;
    opterr = 0; /* its own messages look otherwise than ours */
    for (; (c = getopt_long(argc, argv, ":", options, NULL)) != -1;
         next = program_next_option(argv)) {
        switch (c) {
        case 'c':
            o->conf = optarg;
            break;
        case 'k':
            o->check = true;
            break;
        case 'l':
            o->reload = true;
            break;
        case 'u':
            o->user = optarg;
            break;
        case 'm':
            o->metrics = optarg;
            break;
        case 'p':
            port = optarg;
            break;
        case 'r':
            o->relaxed = true;
            break;
        case 'o':
            o->unconfined = true;
            break;
        case 'v':
            puts("secure-epmd " TACIT_RELEASE);
            return EXIT_SUCCESS;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            return bad_usage(next, program_option_fault(c, next, options));
        }
    }
    if (optind < argc)
        return bad_usage(argv[optind], "expected options only");
    if (o->check && o->reload)
        return bad_usage("--reload", "expected without --check");
    if (port != NULL && *port != '\0' && take_port(port, &o->epmd_port) != 0)
        return EXIT_USAGE;
    return -1;
}

static int fail(const struct tacit_fault *fault)
{
    fprintf(stderr, "secure-epmd: %s\n", fault->text);
    return EXIT_FAILURE;
}

/* No fault, as they may come yet; or a slip of the pen. */
static void print_absent(const struct tacit_policy *policy)
{
    const struct tacit_interface *interfaces;
    size_t count = tacit_policy_interfaces(policy, &interfaces);
    for (size_t i = 0; i < count; i++)
        if (!socket_interface_is_up(interfaces[i].name))
            printf("listen %s:%u: no such interface, or without an address: nothing "
                   "listens there until it has one\n",
                   interfaces[i].name, interfaces[i].port);
}

/* What is asked of a daemon that runs, or of none: --reload, --check. */
static int command(const struct options *o)
{
    struct tacit_fault fault;
    struct tacit_policy *policy;
    struct tacit_files_user user = {0};
    struct tacit_files files = tacit_files_command(&user);
    if (tacit_policy_load_door(o->conf, &files, tacit_suites_available(), &policy,
                               &fault) != TACIT_OK)
        return fail(&fault);
    int error = o->reload ? tacit_door_reload(tacit_policy_door(policy), &fault) : 0;
    if (error == TACIT_OK)
        print_absent(policy);
    if (error == TACIT_OK)
        printf("%s: %s\n", o->conf, o->reload ? "reloaded" : "OK");
    tacit_policy_free(policy);
    return error == TACIT_OK ? EXIT_SUCCESS : fail(&fault);
}

static void closed(uv_handle_t *handle)
{
    (void)handle;
}

/*
 * libuv's table of descriptors grows with the highest of them, and libuv aborts where it
 * cannot. So it grows now, once and for all, and memory may run out later.
 */
static void reserve(void)
{
    static uv_poll_t highest;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, (int)system_descriptors() - 1);
    if (high >= 0 && uv_poll_init(&door.loop, &highest, high) == 0) {
        uv_poll_start(&highest, UV_READABLE, NULL);
        uv_poll_stop(&highest);
        uv_close((uv_handle_t *)&highest, closed);
    }
    if (high >= 0)
        close(high);
    if (fd >= 0)
        close(fd);
}

/* Everything is open that has to be: the rest of its life it works with that. */
static void confine(const struct options *o)
{
    struct confined done = {false, 0};
    if (!o->unconfined)
        done = confine_end(&door.confine);
    log_event("confined", "calls=%s files=%s", done.calls ? "yes" : "no",
              done.files > 0 ? "yes" : "no");
}

/* Commands are told which it is, and may be somewhere else. */
static const char *absolute(const char *path, char out[PATH_MAX])
{
    char here[PATH_MAX];
    if (*path == '/' || getcwd(here, sizeof here) == NULL)
        return path;
    int len = snprintf(out, PATH_MAX, "%s/%s", here, path);
    return len > 0 && len < PATH_MAX ? out : path;
}

static int run(const struct options *o)
{
    static char conf[PATH_MAX];
    struct tacit_fault fault = {{0}};
    door.conf = absolute(o->conf, conf);
    door.epmd_port = o->epmd_port;
    door.epmd_relaxed = o->relaxed;
    door.started = now_ms();
    door.admission.all = tacit_admission_all;
    door.admission.source = tacit_admission_source;
    (void)door_now(); /* the memory of first messages begins here */
    if (helper_start(&fault) != TACIT_OK)
        return fail(&fault);
    confine_begin(&door.confine, !o->unconfined);
    if (uv_loop_init(&door.loop) != 0)
        return EXIT_FAILURE;
    reserve();
    door_live();
    int error = settings_load(&fault);
    if (error == TACIT_OK && o->metrics != NULL)
        error = metrics_start(o->metrics, &fault);
    if (error != TACIT_OK) {
        socket_file_remove();
        return fail(&fault);
    }
    system_close_sockets();
    confine(o);
    log_event("ready", "release=%s conf=%s", TACIT_RELEASE, o->conf);
    system_notify("READY=1");
    uv_run(&door.loop, UV_RUN_DEFAULT);
    uv_loop_close(&door.loop);
    tacit_policy_free(door.policy);
    tacit_admission_free(&door.admission);
    tacit_registry_free(&door.nodes);
    tacit_legacy_free(&door.legacy);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *conf = getenv("TACIT_CONF");
    struct options o = {.conf = conf != NULL && *conf != '\0' ? conf
                                                              : "/etc/tacit/tacit.conf",
                        .epmd_port = EPMD_PORT};
    struct tacit_fault fault = {{0}};
    if (!program_standard())
        return EXIT_FAILURE; /* and nobody to tell it to */
    int status = take_options(argc, argv, &o);
    if (status >= 0)
        return status;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, 2048); /* a line is one write */
    system_take_sockets();
    /* Before anything is read: what it can read now, it can read at every reload. */
    if (o.user != NULL && system_become(o.user, &fault) != TACIT_OK)
        return fail(&fault);
    if (sodium_init() < 0) {
        fputs("secure-epmd: libsodium did not start\n", stderr);
        return EXIT_FAILURE;
    }
    system_harden();
    return o.check || o.reload ? command(&o) : run(&o);
}
