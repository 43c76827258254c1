/*
 * wan: a bad network for the tests. Routes, each a listening address that leads to
 * another; what a connection over one goes through is delay, jitter, little bandwidth,
 * tiny segments, and at most one fault, set by command or drawn from a seed.
 *
 * main.c takes commands from standard input and answers each with a line, so that it ends
 * with who started it; route.c has routes and connections, pipe.c one direction of a
 * connection, conditions.c what can be wrong with it. Calls libuv only. The tests use it
 * by tests/erl/lib/wan.erl.
 */
#ifndef TACIT_TESTS_WAN_H
#define TACIT_TESTS_WAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum fault {
    FAULT_NONE,
    FAULT_STALL, /* nothing goes any more, either way; both ends stay open */
    FAULT_HALF,  /* whom the bytes go to is reset, the other never hears again */
    FAULT_RESET, /* both ends are reset */
    FAULT_CUT,   /* both ends see the end */
    FAULT_FLIP,  /* a bit of the next byte is another; all goes on */
    FAULTS
};

enum way {
    THERE,
    BACK
}; /* as the dialler sends, and as who was dialled does */

struct conditions {
    unsigned delay;   /* ms, each way */
    unsigned jitter;  /* ms at most that come on top */
    uint64_t rate;    /* bytes a second, each way; 0: no limit */
    uint64_t segment; /* bytes that go at once, at most; 0: any number */
    enum fault fault;
    enum way way;   /* the direction in which the fault counts bytes */
    uint64_t after; /* how many go by before it, from when these conditions hold on */
};

enum {
    CONDITIONS_TEXT = 160
};

/* The next of a sequence that the state alone decides. */
uint64_t draw(uint64_t *state);
/* What the n-th connection of a route with this seed goes through. */
void conditions_draw(struct conditions *c, uint64_t seed, uint64_t n);
/* Reads "key=value": false where that is none. */
bool conditions_parse(struct conditions *c, const char *word);
/* As conditions_parse reads it. */
void conditions_write(const struct conditions *c, char out[CONDITIONS_TEXT]);
const char *fault_name(enum fault fault);

struct connection;

/* Bytes that came in and go out when they are due. len 0: the end. */
struct chunk {
    struct chunk *next;
    uint64_t due; /* ns, of uv_hrtime */
    size_t len, sent;
    bool reset; /* the end, by force */
    char bytes[];
};

/* One direction of a connection. */
struct pipe {
    struct connection *connection;
    enum way way;
    uv_tcp_t *from, *to;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct chunk *first, *last;
    size_t queued;      /* bytes in chunks */
    uint64_t last_due;  /* bytes stay in order */
    uint64_t free_from; /* ns: when the line has sent what was put on it */
    uint64_t counted;   /* bytes since the conditions hold */
    uint64_t passed;    /* and in all */
    size_t piece;       /* bytes being written */
    bool reading, writing, ended, deaf;
};

struct route {
    struct route *next;
    unsigned number;
    uv_tcp_t listener;
    struct sockaddr_storage to;
    struct conditions conditions;
    bool seeded;
    uint64_t seed;
    struct connection *connections;
    uint64_t accepted, closed, faults;
};

struct connection {
    struct connection *next, **here;
    struct route *route;
    uint64_t number;
    struct conditions conditions;
    uint64_t random; /* for jitter, and the bit that is flipped */
    uv_tcp_t ends[2];
    uv_connect_t connect;
    struct pipe pipes[2];
    bool stalled, fault_done, closing;
    int open_handles;
};

/* Listens on ip for what is to go to port there: the route, or NULL with the error. */
struct route *route_open(uv_loop_t *loop, const char *ip, const char *to_ip, int to_port,
                         int *ret_port, int *ret_error);
struct route *route_find(unsigned number);
/* What holds from now on, for connections that are there, too: a stall is over. */
void route_set(struct route *route, const struct conditions *conditions);
/* Connections that come from now on draw theirs from the seed. */
void route_seed(struct route *route, uint64_t seed);

/* Both ends are closed, with a reset or without. */
void connection_close(struct connection *c, bool reset);
/* The fault's time has come. */
void connection_fault(struct connection *c);
/* A line of the log: what happened to a connection. */
void connection_log(const struct connection *c, const char *what, const char *more);

int pipe_init(struct pipe *p, struct connection *c, enum way way);
/* Goes on with what is due: at the start, and when conditions have changed. */
void pipe_pump(struct pipe *p);
/* From now on what comes is read and forgotten. */
void pipe_deafen(struct pipe *p);
void pipe_clear(struct pipe *p);

#endif
