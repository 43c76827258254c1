#include "cli/control.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    WAIT_S = 60,
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

static int open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* To the stream's end. NULL with errno. */
static char *read_all(int fd)
{
    size_t len = 0, cap = 0;
    char *text = NULL;
    for (;;) {
        if (len + 1 >= cap) {
            cap = cap == 0 ? 4096 : 2 * cap;
            char *grown = cap <= ANSWER_MAX ? realloc(text, cap) : NULL;
            if (grown == NULL) {
                free(text);
                errno = ENOMEM;
                return NULL;
            }
            text = grown;
        }
        ssize_t n = read(fd, text + len, cap - len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(text);
            return NULL;
        }
        if (n == 0)
            break;
        len += (size_t)n;
    }
    text[len] = '\0';
    return text;
}

static char *exchange(const char *path, const char *request)
{
    int fd = open_socket(path);
    char *text = NULL;
    if (fd < 0)
        return NULL;
    size_t len = strlen(request);
    if (send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len &&
        send(fd, "\n", 1, MSG_NOSIGNAL) == 1)
        text = read_all(fd);
    int saved = errno;
    close(fd);
    errno = saved;
    return text;
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
    return ok ? TACIT_OK : error ? TACIT_EREFUSED : TACIT_ECUT;
}

int control_ask(const char *path, const char *request, char **ret_text)
{
    char *text = exchange(path, request);
    if (text != NULL)
        return control_answer(text, ret_text);
    *ret_text = strdup(strerror(errno));
    return TACIT_ESYSTEM;
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

/* Who answers there; false: nobody, a killed node's socket say. */
static bool introduce(struct control_process *p)
{
    const char *fields[CONTROL_FIELDS_MAX];
    char *text, *at;
    int error = control_ask(p->path, "who", &text);
    for (at = text; !error && control_line(&at, fields) >= 2;) {
        if (strcmp(fields[0], "kind") == 0)
            snprintf(p->kind, sizeof p->kind, "%s", fields[1]);
        else if (strcmp(fields[0], "name") == 0)
            snprintf(p->name, sizeof p->name, "%s", fields[1]);
    }
    free(text);
    return !error;
}

int control_find(const char *conf, struct control_process *processes)
{
    char dir[4096];
    run_directory(conf, dir, sizeof dir);
    DIR *handle = opendir(dir);
    int count = 0;
    if (handle == NULL && errno == ENOENT)
        return 0;
    if (handle == NULL) {
        cli_fail("%s: %s", dir, strerror(errno));
        return -1;
    }
    for (struct dirent *entry;
         count < CONTROL_PROCESSES_MAX && (entry = readdir(handle)) != NULL;) {
        struct control_process *p = &processes[count];
        size_t len = strlen(entry->d_name);
        memset(p, 0, sizeof *p);
        if (len <= 5 || strcmp(entry->d_name + len - 5, ".sock") != 0 ||
            snprintf(p->path, sizeof p->path, "%s/%s", dir, entry->d_name) >=
                (int)sizeof p->path)
            continue;
        count += introduce(p);
    }
    closedir(handle);
    return count;
}
