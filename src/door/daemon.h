/*
 * secure-epmd, the daemon, on libuv. One thread, one loop; nothing in it blocks after the
 * start but the reading of its configuration, and of what the host's nodes revoked.
 *
 *     main.c        options and start
 *     life.c        signals, the passing of time, the end
 *     settings.c    the configuration in force, and what changes when it is read again
 *     public.c      strangers on the public port, until they are passed on
 *     listen.c      where that is; interfaces.c for the addresses of interfaces
 *     local.c       the Unix socket, for nodes and commands; socket_file.c for its file
 *     nodes.c       the nodes that are registered there
 *     directory.c   those who want the door itself: its names
 *     pass.c        connections on their way to a node
 *     epmd.c        legacy epmd on loopback
 *     metrics.c     counters for Prometheus; report.c for `tacit show`
 *     rights.c      who of the host may register what, and whose keys it has revoked
 *     stream.c      what local, epmd and metrics connections have in common; stream.h
 *     system.c      the manager's side: notification, sockets that it opened, the user
 *     helper.c      a second process, for what the confined one must not do; confine.h
 *     shortage.c    too few descriptors, too little memory
 *     log.c         one line an event
 *     state.c       what there is one of, and its clocks
 *
 * Calls channel, policy, gate, files and socket, and the pure parts beside it
 * (protocol.h, registry.h, legacy.h). It holds no node's key and sees no node's data.
 */
#ifndef TACIT_DOOR_DAEMON_H
#define TACIT_DOOR_DAEMON_H

#include "door/confine.h"
#include "door/legacy.h"
#include "door/protocol.h"
#include "door/stream.h"
#include "gate/admission.h"
#include "gate/pending.h"
#include "policy/policy.h"
#include "socket/socket.h"

enum {
    ACCEPT_BATCH = 32,      /* sockets accepted in one callback */
    LOCAL_NEW_MAX = 256,    /* on the Unix socket, before they said what they are */
    LOCAL_NEW_MS = 10000,   /* and how long they have for it */
    EPMD_MAX = 1024,        /* legacy connections that are not a node's */
    EPMD_NODES_MAX = 4096,  /* and of nodes; at most a quarter of all descriptors */
    EPMD_IDLE_MS = 60000,   /* as OTP's epmd has it */
    REQUESTERS_MAX = 64,    /* of the directory, at once */
    ANSWERS_MAX = 16 << 20, /* bytes of answers that wait for their readers */
    METRICS_MAX = 32,
    METRICS_MS = 10000,
    /* Connections that wait for one slow node; the last quarter from known sources only.
     */
    PASS_QUEUE_MAX = 128,
    LISTS_MAX = 32 << 20, /* bytes of legacy answers that wait for their readers */
    DRAIN_MS = 3000,      /* what the end waits for handshakes that have begun */
    RETRY_MS = 1000,      /* an address that could not be listened on, or 4369 */
    LOOK_MS = 5000,       /* how often the files of signed policies are looked at */
};

/* --- listen.c, interfaces.c ------------------------------------------------------- */

/*
 * Listens where the policy says, and nowhere else. At the start a failure is one for
 * good. At a reload one of the file's own addresses is an error, and the caller goes back
 * to the policy before. An interface's, and all later on, are tried again: no error.
 */
enum listen_when {
    LISTEN_START,
    LISTEN_RELOAD,
    LISTEN_LATER,
};
int listen_apply(enum listen_when when, struct tacit_fault *fault);
/* The same, LISTEN_LATER. */
void listen_again(void);
/* Who takes in those who come; before all others. */
void listen_give(void (*accept)(struct listening *l));
/* The addresses listened on, as text; how many. */
size_t listen_addresses(char (*ret_texts)[TACIT_ADDRESS_TEXT], size_t max);
void listen_stop(void);
void listen_close(void);

/*
 * The addresses of the policy and of its interfaces, with their ports: at most *count, as
 * many as it then says; the first *ret_own are the policy's. TACIT_ESYSTEM: those of the
 * interfaces cannot be had now, and are not among them.
 */
int interfaces_addresses(struct tacit_address *ret, size_t *count, size_t *ret_own,
                         struct tacit_fault *fault);
/* The interfaces that have no address now. */
size_t interfaces_absent(const struct tacit_interface **ret_interfaces);
/* Calls that whenever an interface's addresses change. */
void interfaces_watch(void (*when_changed)(void));
void interfaces_stop(void);

/* --- public.c, directory.c -------------------------------------------------------- */

/* Takes in those who came to a public address. */
void public_accept(struct listening *l);
void public_tick(void);
/* Strangers that have shown nothing go. */
void public_stop(void);
void public_close(void);
/* Ends the pending connection that the design says must go; false: there is none. */
bool public_evict(void);

/* Answers a first message that wants the door itself. Takes fd in any case. */
void directory_take(int fd, const struct tacit_address *peer,
                    const uint8_t first[TACIT_DOOR_FIRST]);
void directory_tick(void);
/* Ends all of them: their keys are the policy's. */
void directory_close(void);

/* --- nodes.c, local.c, pass.c ----------------------------------------------------- */

/* A connection that waits for a slow node. */
struct passing {
    struct passing *next;
    int fd;
    int64_t accepted;
    size_t len, sent; /* of bytes */
    uint8_t bytes[];
};

/* A registered node: one connection on the Unix socket. */
struct node {
    struct stream stream;
    struct tacit_registry_entry entry; /* name NULL: not registered */
    struct tacit_door_input *input;    /* NULL: it may say nothing more */
    uid_t uid;
    pid_t pid;
    uint32_t creation;
    uint8_t version; /* of PROTOCOL.md, agreed */
    char *release, *conf;
    uint64_t since; /* seconds since 1970 */
    uint64_t passed;
    struct passing *first, *last; /* waiting */
    size_t waiting;
};

/*
 * Gives a connection, and the first message that was read of it, to the node. Takes fd.
 * known: its source is.
 */
void pass(struct node *n, int fd, const struct tacit_door_pass *pass, bool known);
/* Tells the node the mesh keys that the door opens; it is let go where it has no room. */
void pass_keys(struct node *n);
/* Goes on where a slow node has room again. */
void pass_writable(struct node *n);
void pass_drop_all(struct node *n);

/* The socket at the policy's path; the one before is closed. */
int local_apply(struct tacit_fault *fault);
void local_tick(void);
void local_close(void);
/* --- socket_file.c */

/* Makes the folder of the socket at path where it is missing, and the folder's lock. */
int socket_file_prepare(const char *path, struct tacit_fault *fault);
/* A socket that listens at path: the service manager's, or a new one. -1: *fault why. */
int socket_file_open(const char *path, struct tacit_fault *fault);
/* Whether the one that was opened last is there, at path. */
bool socket_file_stands(const char *path);
/* Removes it, if it is still there and not the manager's. */
void socket_file_remove(void);

/* The node that is registered under name, or NULL; the one that an entry is part of. */
struct node *nodes_find(const char *name);
/* Whether a name is of this host: one of the same host part was registered here. */
bool nodes_of_host(const char *name);
struct node *nodes_of(struct tacit_registry_entry *e);
/* Registers it, or refuses to. */
void nodes_enroll(struct node *n, const struct tacit_door_register *reg);
/* Says why not, and closes: of any connection to the Unix socket. */
void nodes_refuse(struct node *n, enum tacit_door_reason reason, const char *name,
                  const char *text);
/* Its name is free at once for the next; nothing where it had none. */
void nodes_leave(struct node *n);
/* Ends registrations that the policy no longer allows. */
void nodes_recheck(void);
/* All of them hear that the door opens other mesh keys now. */
void nodes_tell_keys(void);
/* Whether connections to nodes are still on their way. */
bool nodes_busy(void);

/* --- epmd.c, metrics.c, report.c -------------------------------------------------- */

/*
 * Listens, or no more, as the policy says. Where another program has the port: an error
 * at the reload that asks for it; else it is told of, and tried again.
 */
int epmd_apply(enum listen_when when, struct tacit_fault *fault);
/* Connections that are no node's. */
size_t epmd_pending(void);
/* Ends the oldest connection that is no node's; false: there is none. */
bool epmd_evict(void);
void epmd_tick(void);
void epmd_close(void);

/* address: "ADDR:PORT", where the counters are served over HTTP. */
int metrics_start(const char *address, struct tacit_fault *fault);
void metrics_tick(void);
void metrics_close(void);

/* The text of `tacit show`, or of Prometheus. NULL: no memory; the caller frees it. */
char *report_show(void);
char *report_metrics(void);

/* --- log.c ------------------------------------------------------------------------ */

/* "event=EVENT " and what format says: KEY=VALUE, separated by blanks. */
__attribute__((format(printf, 2, 3))) void log_event(const char *event,
                                                     const char *format, ...);
/* The same for what strangers cause: a bounded number of lines. */
__attribute__((format(printf, 2, 3))) void log_stranger(const char *event,
                                                        const char *format, ...);
/* Free text as a value: in quotes, without any. */
const char *log_quote(char out[TACIT_FAULT_MAX], const char *text);

/* What is not as the configuration says, though the door goes on. */
enum trouble {
    TROUBLE_RELOAD,
    TROUBLE_LISTEN,
    TROUBLE_EPMD,
    TROUBLE_HELPER,
    TROUBLE_REVOKED,
    TROUBLES,
};

/* --- system.c --------------------------------------------------------------------- */

/* Tells the service manager, if there is one: "READY=1". */
void system_notify(const char *state);
/* Becomes that user, for good. */
int system_become(const char *user, struct tacit_fault *fault);
void system_harden(void);
/*
 * From now on text is so; NULL: no more. The manager, and `tacit show`, are told. Whether
 * it is news.
 */
bool door_trouble(enum trouble which, const char *text);
/* How many descriptors this process may have. */
size_t system_descriptors(void);
/* Looks at the sockets that a service manager has opened (LISTEN_FDS). */
void system_take_sockets(void);
/* The one of them that is bound there, or -1; it is then the caller's. */
int system_socket(const struct tacit_address *address, const char *path);
/* Closes those that nobody wanted. */
void system_close_sockets(void);
/* Closes all of them, without a word: another process has them. */
void system_forget_sockets(void);

/* --- helper.c --------------------------------------------------------------------- */

enum helper_answer {
    HELPER_YES,
    HELPER_NO,
    HELPER_SILENT, /* it is slow, or gone */
};

/* Starts it: before any key is in memory, and before any thread. */
int helper_start(struct tacit_fault *fault);
/* The number of a user of this host. Waits for it, a bounded time. */
enum helper_answer helper_user(const char *name, uid_t *ret_uid);
/* Whether somebody listens on the Unix socket at path; true also where nobody can say. */
bool helper_somebody_at(const char *path);

/* --- settings.c, rights.c ---------------------------------------------------------- */

/* Loads the configuration and applies it, at the start. */
int settings_load(struct tacit_fault *fault);
/* Loads it again and applies the difference; what changed goes to the log. */
int settings_reload(struct tacit_fault *fault);
/* Does so where a signed policy's file has changed; called now and then. */
void settings_look(void);

/* Looks the users of [host] door-users up. */
void rights_know_users(const struct tacit_policy *policy);
/* Whether this user may register that name. */
bool rights_allow(uid_t uid, const char *name);
/* Reads the keys that nodes of this host have revoked; on an error those read last hold.
 */
int rights_read_revoked(struct tacit_fault *fault);
/* Whether a key is among them, read now; where they cannot be, that is logged. */
bool rights_revoked(const uint8_t public_key[TACIT_KEY_BYTES]);

/* --- state.c, shortage.c, life.c --------------------------------------------------- */

struct counters {
    uint64_t accepted, strangers, evicted, garbage, replays, clocks, unknown, passed,
        exchanges, limited, late, slow, starved, no_memory, registrations,
        refused[TACIT_DOOR_REASON_LAST + 1], directory, directory_refused, epmd_requests,
        epmd_bad, reloads, reload_failures;
};

/* There is one door a process. */
struct door {
    uv_loop_t loop;
    const char *conf;
    struct tacit_policy *policy;
    struct tacit_admission admission;
    struct tacit_clock clock;
    int64_t clock_step; /* of the wall clock, in seconds, not logged yet */
    struct counters counters;
    struct tacit_pending pending;
    struct tacit_registry nodes;
    struct tacit_legacy legacy;
    struct tacit_fault troubles[TROUBLES]; /* "": none */
    struct confine confine;                /* being made, until the start is over */
    uint16_t epmd_port;
    bool epmd_relaxed; /* KILL and STOP are obeyed */
    int64_t started;   /* by now_ms() */
    bool ending;
    /* What parts ask of the whole, which is above them; life.c gives it. */
    bool (*evict)(void);                      /* false: there is no stranger */
    int (*reload)(struct tacit_fault *fault); /* settings_reload */
    void (*end)(const char *why); /* stops listening, lets what has begun end, leaves */
};
extern struct door door;

/* Signals and the passing of time are seen to from now on. */
void door_live(void);
int64_t now_ms(void); /* CLOCK_MONOTONIC, as in the frames */
/* What time it is: gate/clock.h. */
struct tacit_now door_now(void);
uint64_t wall_clock(void);
/* Out of descriptors or memory: strangers go, and accepting rests for a moment. */
void door_starved(void);
/* Zeroed memory for a new connection. NULL: there is none, and strangers have to go. */
void *door_allocate(size_t size);
/* Whether accepting rests now. */
bool door_rests(void);

#endif
