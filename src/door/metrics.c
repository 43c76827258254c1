/* Counters for Prometheus: as much of HTTP as that takes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "door/daemon.h"
#include "door/scrape.h"

struct scrape {
    struct stream stream;
    size_t got;
    char request[TACIT_SCRAPE_MAX];
};

static struct listening *listener;
static struct stream_group scrapes = {.max = METRICS_MAX, .time_ms = METRICS_MS};

static void respond(struct scrape *s, const char *status, const char *body)
{
    size_t cap = strlen(body) + 256;
    char *out = malloc(cap);
    int len = 0;
    if (out != NULL)
        len = snprintf(out, cap,
                       "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       status, strlen(body), body);
    stream_finish(&s->stream, (uint8_t *)out, (size_t)len);
}

static void report(struct scrape *s)
{
    char *text = report_metrics();
    if (text == NULL)
        stream_close(&s->stream);
    else
        respond(s, "200 OK", text);
    free(text);
}

static void readable(struct stream *stream)
{
    struct scrape *s = (struct scrape *)stream;
    ssize_t got = stream_read(stream, s->request + s->got, sizeof s->request - s->got);
    if (got < 0) {
        stream_close(stream);
        return;
    }
    s->got += (size_t)got;
    switch (tacit_scrape_read(s->request, s->got)) {
    case TACIT_SCRAPE_MORE:
        break;
    case TACIT_SCRAPE_METRICS:
        report(s);
        break;
    case TACIT_SCRAPE_OTHER:
        respond(s, "404 Not Found", "expected GET /metrics\n");
        break;
    case TACIT_SCRAPE_BAD:
        respond(s, "400 Bad Request", "expected GET /metrics\n");
        break;
    }
}

static void gone(struct stream *stream)
{
    free(stream);
}

static const struct stream_kind kind = {.readable = readable, .gone = gone};

static void accept_scrape(struct listening *l)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct tacit_address peer;
        int fd = listening_accept(l, &peer);
        if (fd < 0)
            return;
        struct scrape *s = door_allocate(sizeof *s);
        if (s == NULL)
            close(fd);
        else if (stream_open(&s->stream, fd, &kind, &scrapes) != TACIT_OK)
            gone(&s->stream);
    }
}

int metrics_start(const char *text, struct tacit_fault *fault)
{
    static const uint8_t zeros[16];
    struct tacit_address address;
    if (tacit_address_from_text(text, &address) != 0 ||
        memcmp(address.bytes, zeros, sizeof zeros) == 0) {
        snprintf(fault->text, sizeof fault->text,
                 "--metrics: got '%.100s', expected this host's own address, such as "
                 "127.0.0.1:9370",
                 text);
        return TACIT_ECONFIG;
    }
    int fd = system_socket(&address, NULL);
    if (fd < 0)
        fd = socket_listen(&address);
    listener = fd < 0 ? NULL : listening_new(fd, accept_scrape);
    if (listener == NULL) {
        snprintf(fault->text, sizeof fault->text, "--metrics %.100s: %s", text,
                 strerror(errno));
        return TACIT_ESYSTEM;
    }
    log_event("metrics", "address=%s", text);
    return TACIT_OK;
}

void metrics_tick(void)
{
    stream_group_tick(&scrapes);
}

void metrics_close(void)
{
    if (listener != NULL)
        listening_free(listener);
    listener = NULL;
    while (scrapes.oldest != NULL)
        stream_close(scrapes.oldest);
}
