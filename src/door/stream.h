/*
 * What connections of local programs have in common, and listening sockets of any kind.
 */
#ifndef TACIT_DOOR_STREAM_H
#define TACIT_DOOR_STREAM_H

#include <sys/types.h>
#include <uv.h>

#include "base/address.h"

struct stream;

/* Streams that have only so long; the oldest goes when there are too many. */
struct stream_group {
    struct stream *oldest, *newest;
    size_t count, max;
    int64_t time_ms; /* from the start of each, or */
    bool from_last;  /* from the last byte that came */
};

struct stream_kind {
    bool hasty; /* closed when all is sent: nothing can be unread then */
    void (*readable)(struct stream *s);
    void (*writable)(struct stream *s); /* where stream_want_room asked for it */
    void (*closed)(struct stream *s);   /* at once, before the socket is; or NULL */
    /* Later: frees what the stream is part of. */
    void (*gone)(struct stream *s);
};

/* A connection of a local program. The first member of what keeps it. */
struct stream {
    uv_poll_t poll;
    int fd;
    const struct stream_kind *kind;
    struct stream_group *group; /* NULL: it may stay */
    struct stream *next, *previous;
    int64_t opened, heard;
    uint8_t *out; /* on its way; NULL: nothing */
    size_t out_len, out_at;
    bool closing;   /* once that is sent */
    bool lingering; /* it is; the peer is to close first, lest it lose the end */
};

/* Takes fd over. On an error fd is closed and gone() is not called. */
int stream_open(struct stream *s, int fd, const struct stream_kind *kind,
                struct stream_group *group);
/* Whether to be told when it takes more bytes. */
void stream_want_room(struct stream *s, bool on);
/* From now on it may stay. */
void stream_keep(struct stream *s);
/*
 * Sends bytes, which are freed afterwards, and then closes. What still comes in is read
 * and forgotten. s may be gone afterwards.
 */
void stream_finish(struct stream *s, uint8_t *bytes, size_t len);
void stream_close(struct stream *s);
/* Reads at most cap bytes: how many; 0: nothing now. -1: the stream's end, or an error.
 */
ssize_t stream_read(struct stream *s, void *buf, size_t cap);
/* Ends those whose time is over. */
void stream_group_tick(struct stream_group *group);

/* A listening socket of any kind. */
struct listening {
    uv_poll_t poll;
    int fd;
    struct tacit_address address; /* of a TCP socket */
    void (*accept)(struct listening *l);
    struct listening *next; /* of its owner's */
    struct listening *all_next, *all_previous;
    bool wanted, throttled;
};

/* Takes fd over; NULL: no memory, and fd is closed. */
struct listening *listening_new(int fd, void (*accept)(struct listening *l));
void listening_free(struct listening *l);
/* The next connection, as socket_accept; -1: none now. Sees to it that there is room. */
int listening_accept(struct listening *l, struct tacit_address *ret_peer);
/* Accepting goes on after a rest. */
void listening_wake_all(void);

#endif
