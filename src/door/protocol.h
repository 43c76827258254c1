/*
 * door: one door a host. secure-epmd (the daemon) and what nodes share with it.
 *
 * This header: the frames on the Unix socket `[host] door`, between the daemon and the
 * nodes and commands of its host. PROTOCOL.md in this folder describes them. Bytes in,
 * frames out: no I/O, so that daemon, carrier, command and fuzzers share it. Calls base
 * and channel; the words about sources are gate's.
 */
#ifndef TACIT_DOOR_PROTOCOL_H
#define TACIT_DOOR_PROTOCOL_H

#include "base/address.h"
#include "base/name.h"
#include "channel/payload.h"
#include "gate/admission.h"

enum {
    TACIT_DOOR_VERSION = 3,         /* the highest of this code, which knows all before */
    TACIT_DOOR_VERSION_KEYS = 2,    /* from which on a node is told the door's keys */
    TACIT_DOOR_VERSION_SOURCES = 3, /* and the door what sources the node knows */
    TACIT_DOOR_HEADER = 2,          /* a frame's length, which counts type and body */
    TACIT_DOOR_FRAME_MAX = 1024,    /* a whole frame, its header included */
    TACIT_DOOR_TEXT_MAX = 255,
    TACIT_DOOR_REPORT_MAX = TACIT_DOOR_FRAME_MAX - TACIT_DOOR_HEADER - 1,
    TACIT_DOOR_FIRST = TACIT_MESSAGE_HEADER + TACIT_MESSAGE_1, /* message 1 as it came */
};

enum tacit_door_type {
    TACIT_DOOR_REGISTER = 1,   /* node -> door: the connection's first frame */
    TACIT_DOOR_REGISTERED = 2, /* door -> node */
    TACIT_DOOR_REFUSED = 3,    /* door -> anybody; the door closes */
    TACIT_DOOR_PASS = 4,       /* door -> node, with one descriptor */
    TACIT_DOOR_SHOW = 5,       /* command -> door */
    TACIT_DOOR_RELOAD = 6,     /* command -> door */
    TACIT_DOOR_REPORT = 7,     /* door -> command: some bytes of the answer */
    TACIT_DOOR_END = 8,        /* door -> command: the answer is complete */
    TACIT_DOOR_KEYS = 9,       /* door -> node: the mesh keys that the door opens */
    TACIT_DOOR_SOURCES = 10,   /* node -> door: who was let in, and who no longer is */
};

/* Why the door refuses: numbers on the wire. */
enum tacit_door_reason {
    TACIT_DOOR_NAME_TAKEN = 1,  /* a live node has that name */
    TACIT_DOOR_NOT_ALLOWED = 2, /* the user may not do that */
    TACIT_DOOR_BAD_NAME = 3,    /* not a node's name */
    TACIT_DOOR_BAD_VERSION = 4, /* no version in common */
    TACIT_DOOR_LIMIT = 5,       /* the door is full */
    TACIT_DOOR_BAD_FRAME = 6,   /* a frame that this page does not allow here */
    TACIT_DOOR_BAD_CONF = 7,    /* the configuration does not load: the old one stays */
    TACIT_DOOR_REASON_LAST = TACIT_DOOR_BAD_CONF
};

/* "I am this node": from now on its links come down this connection. */
struct tacit_door_register {
    uint8_t version_min, version_max;
    uint32_t creation; /* of the node; 0: the door is to choose one */
    char name[TACIT_NAME_MAX + 1];
    char release[TACIT_DOOR_TEXT_MAX + 1]; /* the node's Tacit, for people: "0.1.0" */
    char conf[TACIT_DOOR_TEXT_MAX + 1];    /* of its configuration; "": it does not say */
};

struct tacit_door_registered {
    uint8_t version;
    uint32_t creation;                     /* the node's own, or the one chosen */
    char release[TACIT_DOOR_TEXT_MAX + 1]; /* the door's Tacit, for people */
};

struct tacit_door_refused {
    uint8_t reason; /* enum tacit_door_reason; a later version may know more */
    char text[TACIT_DOOR_TEXT_MAX + 1]; /* for people, one line */
};

/* A link's connection; its descriptor comes with the frame's first byte. */
struct tacit_door_pass {
    uint64_t accepted; /* milliseconds of CLOCK_MONOTONIC: one deadline counts from it */
    struct tacit_address peer;
    uint8_t
        first[TACIT_DOOR_FIRST]; /* all that was read of it: message 1 and its length */
};

/* Some bytes of an answer: lines of text, cut anywhere. */
struct tacit_door_report {
    size_t len;
    char bytes[TACIT_DOOR_REPORT_MAX];
};

struct tacit_door_frame {
    enum tacit_door_type type;
    union {
        struct tacit_door_register reg;
        struct tacit_door_registered registered;
        struct tacit_door_refused refused;
        struct tacit_door_pass pass;
        struct tacit_door_report report;
        struct tacit_key_ids keys;
        struct tacit_admission_news sources;
    };
};

/*
 * Writes the whole frame, header included. TACIT_EINVAL: a text too long, or not one that
 * tacit_door_read would take.
 */
int tacit_door_write(const struct tacit_door_frame *frame,
                     uint8_t out[TACIT_DOOR_FRAME_MAX], size_t *ret_len);

/*
 * Reads one whole frame, header included. TACIT_EFORMAT: not exactly what PROTOCOL.md
 * describes. A name in it is printable, nothing more: policy decides it.
 */
int tacit_door_read(const uint8_t *bytes, size_t len, struct tacit_door_frame *ret_frame);

/*
 * A path, or whatever else people gave a name, as a text of this protocol: what is not
 * printable ASCII is a '?', and what is beyond its length is cut.
 */
void tacit_door_printable(const char *text, char ret_text[TACIT_DOOR_TEXT_MAX + 1]);

/* The name of a reason for logs and for an Erlang atom: "name_taken". Never NULL. */
const char *tacit_door_reason_name(uint8_t reason);

/*
 * A frame while it comes in. Zero it to start, and to start the next one. Who reads
 * takes no more than tacit_door_wants() bytes at once: so no read crosses two frames, and
 * a descriptor belongs to the frame whose first bytes it came with.
 */
struct tacit_door_input {
    size_t len;
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
};

/*
 * How many bytes may be read next, to in->bytes + in->len; 0: the frame is whole, pass
 * it to tacit_door_read. *ret_bad is set where its length is one that no frame has.
 */
size_t tacit_door_wants(const struct tacit_door_input *in, bool *ret_bad);

#endif
