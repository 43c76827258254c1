#include "door/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "socket/socket.h"

enum {
    SHOW_MS = 5000,        /* a door answers at once, or stands still */
    RELOAD_MS = 60000,     /* thousands of peers, and users that are looked up */
    QUEUE_MS = 50,         /* until a full queue is tried again */
    REPORT_MAX = 64 << 20, /* bytes */
};

/* The report, as it comes. */
struct report {
    char *text;
    size_t len, cap;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What the door sends is shown to people: nothing of it steers their terminal. */
static void append_printable(struct report *r, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool plain =
            (bytes[i] >= ' ' && bytes[i] <= '~') || bytes[i] == '\t' || bytes[i] == '\n';
        r->text[r->len++] = plain ? bytes[i] : '?';
    }
    r->text[r->len] = '\0';
}

static int append(struct report *r, const struct tacit_door_report *piece)
{
    if (r->len + piece->len + 1 > r->cap) {
        size_t cap = 2 * r->cap + sizeof *piece;
        char *text = cap > REPORT_MAX ? NULL : realloc(r->text, cap);
        if (text == NULL)
            return TACIT_ENOMEM;
        r->text = text;
        r->cap = cap;
    }
    append_printable(r, piece->bytes, piece->len);
    return TACIT_OK;
}

static int read_frame(int fd, int64_t deadline, struct tacit_door_frame *ret_frame)
{
    struct tacit_door_input in = {0};
    bool bad = false;
    for (size_t wants; (wants = tacit_door_wants(&in, &bad)) > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - now_ms();
        int ready = poll(&p, 1, left > 0 ? (int)left : 0);
        if (ready == 0)
            return TACIT_ETIMEOUT;
        ssize_t n = ready < 0 ? -1 : read(fd, in.bytes + in.len, wants);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return TACIT_ESYSTEM;
        if (n == 0)
            return TACIT_ETRUNCATED;
        in.len += n > 0 ? (size_t)n : 0;
    }
    return bad ? TACIT_EFORMAT : tacit_door_read(in.bytes, in.len, ret_frame);
}

/* Asks, and takes the whole report. */
static int exchange(int fd, int64_t deadline, struct report *r,
                    struct tacit_door_frame *frame)
{
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    int error = tacit_door_write(frame, bytes, &len);
    if (!error && send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
        error = TACIT_ETRUNCATED;
    while (!error && (error = read_frame(fd, deadline, frame)) == TACIT_OK) {
        if (frame->type == TACIT_DOOR_END)
            return r->text == NULL ? TACIT_EFORMAT : TACIT_OK;
        if (frame->type == TACIT_DOOR_REFUSED)
            return TACIT_EREFUSED;
        error =
            frame->type == TACIT_DOOR_REPORT ? append(r, &frame->report) : TACIT_EFORMAT;
    }
    return error;
}

/* A queue that stays full is one that nobody empties. */
static int connect_until(const char *path, int64_t deadline, int *ret_fd)
{
    while ((*ret_fd = socket_connect_unix(path)) < 0 && errno == EAGAIN) {
        if (now_ms() >= deadline)
            return TACIT_ETIMEOUT;
        (void)poll(NULL, 0, QUEUE_MS);
    }
    if (*ret_fd >= 0)
        return TACIT_OK;
    return errno == ENOENT || errno == ECONNREFUSED ? TACIT_EABSENT : TACIT_ESYSTEM;
}

static int fail(int error, const char *path, int64_t ms,
                const struct tacit_door_frame *frame, struct tacit_fault *fault)
{
    int used = snprintf(fault->text, sizeof fault->text, "%.200s: ", path);
    char *text = fault->text + used;
    size_t room = sizeof fault->text - (size_t)used;
    if (error == TACIT_EABSENT)
        snprintf(text, room, "%s: is secure-epmd running?", strerror(errno));
    else if (error == TACIT_ETRUNCATED)
        snprintf(text, room, "the answer was cut: is secure-epmd running?");
    else if (error == TACIT_ESYSTEM)
        snprintf(text, room, "%s", strerror(errno));
    else if (error == TACIT_ETIMEOUT)
        snprintf(text, room, "secure-epmd has not answered within %d s", (int)ms / 1000);
    else if (error == TACIT_EREFUSED)
        snprintf(text, room, "the door refuses: %s: %s",
                 tacit_door_reason_name(frame->refused.reason), frame->refused.text);
    else
        snprintf(text, room, "%s", tacit_error_text(error));
    return error;
}

static int ask(const char *path, enum tacit_door_type type, int64_t ms, struct report *r,
               struct tacit_fault *fault)
{
    struct tacit_door_frame frame = {.type = type};
    int64_t deadline = now_ms() + ms;
    int fd, error = connect_until(path, deadline, &fd);
    if (!error) {
        error = exchange(fd, deadline, r, &frame);
        close(fd);
    }
    return error ? fail(error, path, ms, &frame, fault) : TACIT_OK;
}

int tacit_door_ask(const char *path, char **ret_report, struct tacit_fault *fault)
{
    struct report r = {0};
    int error = ask(path, TACIT_DOOR_SHOW, SHOW_MS, &r, fault);
    if (error)
        free(r.text);
    else
        *ret_report = r.text;
    return error;
}

int tacit_door_reload(const char *path, struct tacit_fault *fault)
{
    struct report r = {0};
    int error = ask(path, TACIT_DOOR_SHOW, SHOW_MS, &r, fault);
    r.len = 0;
    if (!error)
        error = ask(path, TACIT_DOOR_RELOAD, RELOAD_MS, &r, fault);
    free(r.text);
    return error;
}
