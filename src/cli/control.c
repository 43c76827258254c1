#include "cli/control.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "socket/socket.h"

enum {
    WAIT_S = 60,
    WHO_S = 5, /* who a process is, it can say at once */
    QUEUE_MS = 50,
    REQUEST_MAX = 4096,
    ANSWER_MAX = 16 << 20,
};

/* The run directory: TACIT_RUN, else "run" beside tacit.conf. */
static void run_directory(const char *conf, char *out, size_t cap)
{
    const char *set = getenv("TACIT_RUN"), *slash = strrchr(conf, '/');
    if (set != NULL && *set != '\0')
        snprintf(out, cap, "%s", set);
    else if (slash != NULL)
        snprintf(out, cap, "%.*s/run", (int)(slash - conf), conf);
    else
        snprintf(out, cap, "run");
}

/* --- one question ------------------------------------------------------------------ */

/* A request under way; nobody waits for one process while others could answer. */
struct call {
    int fd; /* -1: over */
    int error;
    char *text;
    size_t len, cap;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void end_call(struct call *c, int error)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->error = error;
}

/* Connects and asks. A queue that stays full until the deadline is one nobody empties. */
static struct call begin_call(const char *path, const char *request, int64_t deadline)
{
    struct call c = {0};
    char line[REQUEST_MAX];
    int len = snprintf(line, sizeof line, "%s\n", request);
    while ((c.fd = socket_connect_unix(path)) < 0 && errno == EAGAIN &&
           now_ms() < deadline)
        (void)poll(NULL, 0, QUEUE_MS);
    if (c.fd < 0)
        c.error = errno == EAGAIN ? ETIMEDOUT : errno;
    else if (len >= (int)sizeof line)
        end_call(&c, EMSGSIZE);
    else if (send(c.fd, line, (size_t)len, MSG_NOSIGNAL) != len)
        end_call(&c, errno);
    return c;
}

/* Reads what is there; the call ends where the answer does. */
static void read_some(struct call *c)
{
    if (c->len + 1 >= c->cap) {
        size_t cap = c->cap == 0 ? 4096 : 2 * c->cap;
        char *grown = cap <= ANSWER_MAX ? realloc(c->text, cap) : NULL;
        if (grown == NULL) {
            end_call(c, ENOMEM);
            return;
        }
        c->text = grown;
        c->cap = cap;
    }
    ssize_t n = read(c->fd, c->text + c->len, c->cap - c->len - 1);
    if (n > 0)
        c->len += (size_t)n;
    else if (n == 0)
        end_call(c, 0);
    else if (errno != EINTR && errno != EAGAIN)
        end_call(c, errno);
    c->text[c->len] = '\0';
}

/* What a process says is shown to people: nothing of it steers their terminal. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t' && *text != '\n') ||
            *text == 0x7f)
            *text = '?';
}

/* The whole answer, or NULL with errno. */
static char *finish_call(struct call *c, int64_t deadline)
{
    while (c->fd >= 0) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = deadline - now_ms();
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready > 0)
            read_some(c);
        else if (ready == 0)
            end_call(c, ETIMEDOUT);
        else if (errno != EINTR)
            end_call(c, errno);
    }
    errno = c->error;
    if (c->error != 0) {
        free(c->text);
        return NULL;
    }
    make_printable(c->text);
    return c->text;
}

int control_answer(char *text, char **ret_text)
{
    char *end = strchr(text, '\n');
    bool ok = strncmp(text, "ok\n", 3) == 0;
    bool error = end != NULL && strncmp(text, "error\t", 6) == 0;
    if (error)
        *end = '\0';
    const char *rest = ok      ? text + 3
                       : error ? text + 6
                               : "the answer was cut: it ended, or you are another user";
    *ret_text = strdup(rest);
    free(text);
    return ok ? TACIT_OK : error ? TACIT_EREFUSED : TACIT_ETRUNCATED;
}

static int take_answer(struct call *c, int64_t deadline, int seconds, char **ret_text)
{
    char *text = finish_call(c, deadline);
    if (text != NULL)
        return control_answer(text, ret_text);
    char why[64];
    snprintf(why, sizeof why, "has not answered within %d s", seconds);
    *ret_text = strdup(errno == ETIMEDOUT ? why : strerror(errno));
    return TACIT_ESYSTEM;
}

int control_ask(const char *path, const char *request, char **ret_text)
{
    int64_t deadline = now_ms() + WAIT_S * 1000;
    struct call c = begin_call(path, request, deadline);
    return take_answer(&c, deadline, WAIT_S, ret_text);
}

size_t control_line(char **at, const char *fields[CONTROL_FIELDS_MAX])
{
    size_t count = 0;
    if (*at == NULL || **at == '\0')
        return 0;
    char *line = *at, *end = strchr(line, '\n');
    *at = end == NULL ? line + strlen(line) : end + 1;
    if (end != NULL)
        *end = '\0';
    while (line != NULL && count < CONTROL_FIELDS_MAX) {
        fields[count++] = line;
        line = strchr(line, '\t');
        if (line != NULL)
            *line++ = '\0';
    }
    return count;
}

/* --- who is there ------------------------------------------------------------------ */

/* NAME.XXXXXXXX.sock: whose it is where he does not say so himself. */
static void name_of_file(const char *file, char *name, size_t cap)
{
    size_t len = strlen(file) - strlen(".sock");
    const char *dot = memrchr(file, '.', len);
    if (dot != NULL && dot != file && (size_t)(file + len - dot) == 9)
        len = (size_t)(dot - file);
    snprintf(name, cap, "%.*s", (int)len, file);
}

/* Takes down who answers, or why nobody does. false: nobody is there any more. */
static bool introduce(struct control_process *p, struct call *c, int64_t deadline)
{
    const char *fields[CONTROL_FIELDS_MAX];
    char *text, *at;
    bool gone = c->fd < 0 && (c->error == ECONNREFUSED || c->error == ENOENT);
    int error = take_answer(c, deadline, WHO_S, &text);
    for (at = text; !error && control_line(&at, fields) >= 2;) {
        if (strcmp(fields[0], "name") == 0)
            snprintf(p->name, sizeof p->name, "%s", fields[1]);
    }
    if (error)
        snprintf(p->silent, sizeof p->silent, "%s", text);
    free(text);
    /* One that ends just now takes its socket away. */
    return !gone && (!error || access(p->path, F_OK) == 0);
}

/* The next socket of the directory; false: there is none more. */
static bool next_socket(DIR *handle, const char *dir, struct control_process *p)
{
    struct dirent *entry;
    while ((entry = readdir(handle)) != NULL) {
        size_t len = strlen(entry->d_name);
        memset(p, 0, sizeof *p);
        if (len <= 5 || strcmp(entry->d_name + len - 5, ".sock") != 0 ||
            snprintf(p->path, sizeof p->path, "%s/%s", dir, entry->d_name) >=
                (int)sizeof p->path)
            continue;
        name_of_file(entry->d_name, p->name, sizeof p->name);
        return true;
    }
    return false;
}

/* Asks all at once, so that several that stand still cost no more time than one. */
static int ask_all(DIR *handle, const char *dir, struct control_process *processes)
{
    struct call *calls = calloc(CONTROL_PROCESSES_MAX, sizeof *calls);
    int64_t deadline = now_ms() + WHO_S * 1000;
    int count = 0, kept = 0;
    if (calls == NULL) {
        cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
        return -1;
    }
    while (count < CONTROL_PROCESSES_MAX && next_socket(handle, dir, &processes[count])) {
        calls[count] = begin_call(processes[count].path, "who", deadline);
        count++;
    }
    struct control_process one_more;
    bool too_many = count == CONTROL_PROCESSES_MAX && next_socket(handle, dir, &one_more);
    for (int i = 0; i < count; i++)
        if (introduce(&processes[i], &calls[i], deadline))
            processes[kept++] = processes[i];
    free(calls);
    if (!too_many)
        return kept;
    cli_fail("%s: more than %d nodes, which is all that this command asks", dir,
             CONTROL_PROCESSES_MAX);
    return -1;
}

int control_find(const char *conf, struct control_process *processes)
{
    char dir[4096];
    run_directory(conf, dir, sizeof dir);
    DIR *handle = opendir(dir);
    if (handle == NULL && errno == ENOENT)
        return 0;
    if (handle == NULL) {
        cli_fail("%s: %s", dir, strerror(errno));
        return -1;
    }
    int count = ask_all(handle, dir, processes);
    closedir(handle);
    return count;
}
