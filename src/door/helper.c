/*
 * A second process for what the confined daemon must not do itself: to ask the host's
 * user databases, which may open any library and connect anywhere, and to connect to a
 * Unix socket to see whether somebody is there. It starts before any key is read, holds
 * none, listens on nothing, and ends with the daemon.
 */
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "door/daemon.h"

enum {
    ANSWER_MS = 5000, /* a directory service may be slow, but not for ever */
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
static uint32_t serial;

/* --- the second process ----------------------------------------------------------- */

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
        const struct passwd *user = getpwnam(request->text);
        reply.yes = user != NULL;
        reply.uid = user != NULL ? user->pw_uid : 0;
    }
    (void)send(fd, &reply, sizeof reply, MSG_NOSIGNAL);
}

__attribute__((noreturn)) static void serve(int fd)
{
    struct request request;
#ifdef __linux__
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
#endif
    signal(SIGHUP, SIG_IGN); /* the daemon's, though they may be sent to both */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        ssize_t got = recv(fd, &request, sizeof request, 0);
        if (got == (ssize_t)sizeof request)
            answer(fd, &request);
        else if (got >= 0 || errno != EINTR)
            _exit(0);
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
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        system_forget_sockets();
        serve(pair[1]);
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

/* false: it did not answer. */
static bool ask(enum question question, const char *text, struct reply *ret_reply)
{
    struct request request = {.serial = ++serial, .question = question};
    ssize_t n;
    snprintf(request.text, sizeof request.text, "%s", text);
    if (send(helper, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT) !=
        (ssize_t)sizeof request)
        return false;
    do /* what it answers too late belongs to an earlier question */
        n = recv(helper, ret_reply, sizeof *ret_reply, 0);
    while ((n < 0 && errno == EINTR) ||
           (n == (ssize_t)sizeof *ret_reply && ret_reply->serial != serial));
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
