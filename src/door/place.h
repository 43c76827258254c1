/*
 * A node's place at its host's door, as a state machine that carrier and C nodes share:
 * it registers there, and then gets the sockets of those who asked for it (PROTOCOL.md).
 * A door that ends is asked again, at growing intervals, under the same creation; live
 * links never notice. What sources the node knows it tells the door, now and then.
 *
 * place.c does no I/O: it is told what came, and says what is to be done. Times are
 * milliseconds of a clock that only goes forward.
 */
#ifndef TACIT_DOOR_PLACE_H
#define TACIT_DOOR_PLACE_H

#include "door/protocol.h"

enum {
    TACIT_PLACE_START_MS = 5000,  /* how long a node that starts waits for its door */
    TACIT_PLACE_TAKEN_MS = 1500,  /* and for its own name, which it may just have left */
    TACIT_PLACE_ANSWER_MS = 5000, /* what the door may take to answer */
    TACIT_PLACE_RETRY_MS = 100,   /* then twice that, and so on */
    TACIT_PLACE_RETRY_MAX_MS = 2000,
    TACIT_PLACE_TELL_MS = 5000, /* at the latest the door hears what was not told yet */
    TACIT_PLACE_TEXT = 512,     /* of a fault, with its zero */
};

enum tacit_place_state {
    TACIT_PLACE_NONE,    /* the node has no door */
    TACIT_PLACE_WAITING, /* for the next attempt */
    TACIT_PLACE_ASKED,
    TACIT_PLACE_DONE,   /* it is registered */
    TACIT_PLACE_FAILED, /* the node does not start */
};

/* What its owner is to do, or to know. */
enum tacit_place_event {
    TACIT_PLACE_NOTHING,
    TACIT_PLACE_CONNECT, /* connect to path, then tacit_place_ask or tacit_place_fail */
    TACIT_PLACE_REGISTERED, /* for the first time, or again */
    TACIT_PLACE_PASSED,     /* frame.pass is a link, and `passed` its socket: take both */
    TACIT_PLACE_STARVED,    /* one came, but for want of descriptors without its socket */
    TACIT_PLACE_KEYS,       /* frame.keys are the mesh keys that the door opens */
    TACIT_PLACE_TELL,       /* tacit_place_tell: there may be something to tell */
    TACIT_PLACE_LOST, /* close the connection, and `passed`; error and fault say why */
};

struct tacit_place {
    enum tacit_place_state state;
    char path[TACIT_DOOR_PATH_MAX + 1];
    char name[TACIT_NAME_MAX + 1]; /* the node's */
    bool started;  /* it was registered once: from now on it only tries again */
    bool keys_due; /* the door will tell, at once, what it opens */
    int64_t since; /* when it first tried */
    int64_t at; /* WAITING: of the next attempt; ASKED: when time is up; DONE: to tell */
    int64_t wait; /* before the attempt after that */
    struct tacit_door_input in;
    bool hears; /* the door does, of sources, */
    struct tacit_admission_told told;
    uint8_t out[TACIT_DOOR_FRAME_MAX]; /* in a frame that is on its way: */
    size_t out_len, out_at;
    int passed;   /* the descriptor that came with the frame that is coming in, or -1 */
    bool starved; /* it came without one, for which this process is to blame */
    int error;    /* TACIT_EREFUSED: the door refused; ETIMEOUT, ETRUNCATED */
    bool is_news; /* the fault is another than the one before */
    char fault[TACIT_PLACE_TEXT]; /* its path, and why there is no place there */
};

/* Begins; path NULL: there is no door. `started` stays as it is. */
void tacit_place_start(struct tacit_place *p, const char *path, const char *name,
                       int64_t now);

/* How long until tacit_place_timeout has something to do, ms; -1: nothing. */
int64_t tacit_place_wait(const struct tacit_place *p, int64_t now);

/* CONNECT, TELL, LOST or NOTHING. */
enum tacit_place_event tacit_place_timeout(struct tacit_place *p, int64_t now);

/* It is connected: the frame to send. Of `who` name and versions are filled in. */
int tacit_place_ask(struct tacit_place *p, const struct tacit_door_register *who,
                    int64_t now, uint8_t out[TACIT_DOOR_FRAME_MAX], size_t *ret_len);

/*
 * There is no connection, or no more: LOST. TACIT_EREFUSED says that to try at once again
 * is of no use: a node that starts does not.
 */
enum tacit_place_event tacit_place_fail(struct tacit_place *p, int error,
                                        const char *fault, int64_t now);

/* Where to read to, and how much at most. */
uint8_t *tacit_place_room(struct tacit_place *p, size_t *ret_len);

/*
 * What reading gave: n bytes (0: its end), with the descriptor fd or -1, which may come
 * with a frame's first bytes only; starved: one was sent that is not there.
 */
enum tacit_place_event tacit_place_read(struct tacit_place *p, size_t n, int fd,
                                        bool starved, int64_t now,
                                        struct tacit_door_frame *ret_frame);

/* Whether the door takes words about sources, and none is on its way. */
bool tacit_place_hears(const struct tacit_place *p);
/* The next one, into `out`; what of that is sent is told by tacit_place_sent. */
void tacit_place_say(struct tacit_place *p, const struct tacit_admission_news *news);
void tacit_place_sent(struct tacit_place *p, size_t n);

/* --- place_socket.c: its I/O, where nothing waits */

/*
 * Connects, and registers `who`, as above. NOTHING: the connection is *ret_fd, which is
 * to be closed when it is LOST; LOST: there is none, *ret_fd is -1.
 */
enum tacit_place_event tacit_place_connect(struct tacit_place *p,
                                           const struct tacit_door_register *who,
                                           int64_t now, int *ret_fd);

/* Reads once from the connection; *ret_more: there may be more. */
enum tacit_place_event tacit_place_receive(struct tacit_place *p, int fd, int64_t now,
                                           struct tacit_door_frame *ret_frame,
                                           bool *ret_more);

/*
 * Tells the door what is new of sources, as `news` has it from the owner's admission
 * (under its lock: tacit_admission_news). What does not go now goes another time; that
 * there is no connection any more is for who reads from it to find.
 */
void tacit_place_tell(struct tacit_place *p, int fd,
                      bool (*news)(void *owner, struct tacit_admission_told *told,
                                   struct tacit_admission_news *ret_news),
                      void *owner);

#endif
