/*
 * A second process for what the confined daemon must not do itself: to ask the host's
 * user databases, which may open any library and connect anywhere, and to connect to a
 * Unix socket to see whether somebody is there. It starts before any key is read, holds
 * none, listens on nothing, and ends with the daemon.
 *
 * The daemon starts no process any more, so it cannot start this one again. They are two,
 * therefore: a worker that answers, and a keeper that starts another when that is gone. A
 * worker whose keeper is gone is the next keeper.
 */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "door/daemon.h"

enum {
    ANSWER_MS = 5000,  /* a directory service may be slow, but not for ever */
    ANSWER_MAX_S = 30, /* the worker is held up no longer: the next one begins again */
    AGAIN_MS = 100,
};

enum question {
    WHICH_USER,
    WHO_ANSWERS,
};

struct request {
    uint32_t serial;
    enum question question;
    char text[TACIT_DOOR_PATH_MAX + 1]; /* a user's name, or a path */
};

struct reply {
    uint32_t serial;
    bool yes;
    uid_t uid;
};

static int helper = -1;
static bool gone_told;
static uint32_t serial;

/* --- the worker ------------------------------------------------------------------- */

/* Whether somebody answers there; if not, what is there is a dead daemon's. */
static bool somebody_answers(const char *path)
{
    int fd = socket_connect_unix(path);
    bool answers = fd >= 0 || errno == EAGAIN;
    if (fd >= 0)
        close(fd);
    return answers;
}

static void answer(int fd, struct request *request)
{
    struct reply reply = {.serial = request->serial};
    request->text[sizeof request->text - 1] = '\0';
    if (request->question == WHO_ANSWERS) {
        reply.yes = somebody_answers(request->text);
    } else {
        alarm(ANSWER_MAX_S);
        const struct passwd *user = getpwnam(request->text);
        alarm(0);
        reply.yes = user != NULL;
        reply.uid = user != NULL ? user->pw_uid : 0;
    }
    (void)send(fd, &reply, sizeof reply, MSG_NOSIGNAL);
}

static void woken(int number)
{
    (void)number;
}

/* A signal comes when the keeper is gone, and only while the worker waits. */
static void watch_keeper(sigset_t *ret_waiting)
{
    const struct sigaction action = {.sa_handler = woken};
    sigset_t gone;
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&gone);
    sigaddset(&gone, SIGUSR1);
    sigprocmask(SIG_BLOCK, &gone, ret_waiting);
    sigdelset(ret_waiting, SIGUSR1);
#ifdef __linux__
    (void)prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
#endif
}

/* Until its keeper is gone. Ends where the daemon is. */
static void work(int fd, pid_t keeper)
{
    struct pollfd question = {.fd = fd, .events = POLLIN};
    struct request request;
    sigset_t waiting;
#ifdef __linux__
    const struct timespec *patience = NULL;
#else
    const struct timespec second = {.tv_sec = 1}, *patience = &second;
#endif
    watch_keeper(&waiting);
    while (getppid() == keeper) {
        if (ppoll(&question, 1, patience, &waiting) != 1)
            continue;
        ssize_t got = recv(fd, &request, sizeof request, MSG_DONTWAIT);
        if (got == (ssize_t)sizeof request)
            answer(fd, &request);
        else if (got >= 0 || (errno != EINTR && errno != EAGAIN))
            _exit(0);
    }
}

/* --- the keeper ------------------------------------------------------------------- */

/* Whether the worker came to its own end: then the daemon has. */
static bool ended(pid_t worker)
{
    int status = 0;
    while (waitpid(worker, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status);
}

__attribute__((noreturn)) static void keep(int fd)
{
    signal(SIGHUP, SIG_IGN); /* the daemon's, though they may be sent to all */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    for (;;) {
        pid_t self = getpid(), worker = fork();
        if (worker == 0) {
            work(fd, self);
            continue;
        }
        if (worker > 0 && ended(worker))
            _exit(0);
        (void)poll(NULL, 0, AGAIN_MS);
    }
}

/* --- the daemon's side ------------------------------------------------------------ */

int helper_start(struct tacit_fault *fault)
{
    const struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        snprintf(fault->text, sizeof fault->text, "socketpair: %s", strerror(errno));
        return TACIT_ESYSTEM;
    }
    signal(SIGCHLD, SIG_IGN); /* nobody waits for it: it is not to be left as a zombie */
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        system_forget_sockets();
        keep(pair[1]);
    }
    close(pair[1]);
    if (pid < 0) {
        snprintf(fault->text, sizeof fault->text, "fork: %s", strerror(errno));
        close(pair[0]);
        return TACIT_ESYSTEM;
    }
    (void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    helper = pair[0];
    return TACIT_OK;
}

/* Both were ended at once: nobody is left who could start another. */
static void tell_gone(void)
{
    static const char text[] = "users cannot be looked up any more: restart secure-epmd";
    if (!gone_told)
        log_event("helper_gone", "text=\"%s\"", text);
    gone_told = true;
    door_trouble(TROUBLE_HELPER, text);
}

/* false: it did not answer. */
static bool ask(enum question question, const char *text, struct reply *ret_reply)
{
    struct request request = {.serial = ++serial, .question = question};
    ssize_t n;
    snprintf(request.text, sizeof request.text, "%s", text);
    if (send(helper, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) !=
        (ssize_t)sizeof request) {
        if (errno == EPIPE || errno == ECONNRESET)
            tell_gone();
        return false;
    }
    do /* what it answers too late belongs to an earlier question */
        n = recv(helper, ret_reply, sizeof *ret_reply, 0);
    while ((n < 0 && errno == EINTR) ||
           (n == (ssize_t)sizeof *ret_reply && ret_reply->serial != serial));
    if (n == 0)
        tell_gone();
    return n == (ssize_t)sizeof *ret_reply;
}

enum helper_answer helper_user(const char *name, uid_t *ret_uid)
{
    struct reply reply;
    if (!ask(WHICH_USER, name, &reply))
        return HELPER_SILENT;
    *ret_uid = reply.uid;
    return reply.yes ? HELPER_YES : HELPER_NO;
}

bool helper_somebody_at(const char *path)
{
    struct reply reply;
    return !ask(WHO_ANSWERS, path, &reply) || reply.yes;
}
