/*
 * cli: the `tacit` command. main.c is a table; each subcommand is a file of its own.
 * Calls policy, channel, files, socket, noise and ei. Answers go to stdout,
 * faults to stderr behind "tacit: ". No private, mesh or pair key is ever printed.
 */
#ifndef TACIT_CLI_H
#define TACIT_CLI_H

#include <getopt.h>
#include <stddef.h>

#include "channel/suite.h"
#include "files/files.h"
#include "policy/policy.h"

/* Exit codes. */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_EXCEPTION = 3, /* call, eval: what was called failed */
    CLI_NO_LINK = 4, /* call, eval: there is no connection to the node, or it was lost */
};

/* A subcommand: argv[0] is its name. CLI_USAGE makes main print how it is called. */
typedef int cli_run_fn(int argc, char **argv);
cli_run_fn cli_add_peer, cli_authority, cli_call, cli_cert, cli_check, cli_doctor,
    cli_eval, cli_explain, cli_init, cli_keygen, cli_mesh_key, cli_names, cli_ping,
    cli_policy, cli_psk, cli_pubkey, cli_reload, cli_show;

/* Prints "tacit: ..." to stderr and returns CLI_FAILED. */
__attribute__((format(printf, 1, 2))) int cli_fail(const char *format, ...);

/* The same for a command that is called in a wrong way: CLI_USAGE. */
__attribute__((format(printf, 1, 2))) int cli_misused(const char *format, ...);

enum {
    CLI_ANY = -1,
};

/*
 * Takes the long options: an option's val is the index of its value in values, which must
 * be NULL before; of one without an argument it is "". None may be given twice. Exactly
 * args arguments must be left, or CLI_ANY number of them; they start at argv[optind]. 0,
 * or CLI_USAGE with the reason printed.
 */
int cli_options(int argc, char **argv, const struct option *options, const char **values,
                int args);

/* A command of several: "tacit cert sign". The list ends with a NULL. */
struct cli_verb {
    const char *name;
    cli_run_fn *run;
};
int cli_run_verb(int argc, char **argv, const struct cli_verb *verbs);

/* The files of the one configuration that the command is about, no matter whose. */
struct tacit_files cli_files(void);

/* Loads the configuration that is meant, and looks at what this host has revoked; prints
 * what is wrong with either. */
int cli_load(const char *option, struct tacit_policy **ret_policy);

/* Whether this host has revoked the key by itself (or cannot say). */
bool cli_is_revoked(const struct tacit_policy *policy,
                    const uint8_t public_key[TACIT_KEY_BYTES]);

/* By which a node that starts now decides: not before its certificate was signed. */
uint64_t cli_now(const struct tacit_policy *policy);

/* An authority's secret; wipe it. A certificate whose signature holds. */
int cli_read_authority(const char *path, struct tacit_secret *ret_seed);
int cli_read_certificate(const char *path, char text[TACIT_CERTIFICATE_MAX],
                         size_t *ret_len, struct tacit_certificate *ret_certificate);

/* "365d", counted from a time on, or a time; option is for the message. */
int cli_take_end(const char *option, const char *text, uint64_t from, uint64_t *ret_time);

/* Which tacit.conf is meant: the option's value, else $TACIT_CONF, else the usual one. */
const char *cli_conf_path(const char *option);

/* Whether both are there, and the same: by any name. */
bool cli_is_one_file(const char *one, const char *two);

/*
 * Has the door and every node of the configuration read it again, and prints what each
 * did. CLI_FAILED: not all of them did, and those are named.
 */
int cli_reload_all(const struct tacit_policy *policy);

/* A key file's text: its title, then a key a line. Room for what it takes; its length. */
enum {
    CLI_KEY_FILE = TACIT_KEY_TITLE + TACIT_MESH_KEYS_MAX * TACIT_KEY_TEXT,
};
size_t cli_key_text(enum tacit_key_kind kind, const struct tacit_secret *keys,
                    size_t count, char ret_text[CLI_KEY_FILE]);

/* A new key file with mode 0600. */
int cli_write_key(const char *path, enum tacit_key_kind kind,
                  const struct tacit_secret *key);

/* A public key as an argument: what says for the message which. */
int cli_take_public_key(const char *what, const char *text,
                        uint8_t ret_key[TACIT_KEY_BYTES]);

/* Files as they would be, for a load that tries a change before it is made. */
struct cli_text {
    const char *path;
    const void *bytes;
    size_t size;
};

struct cli_overlay {
    struct cli_text texts[3];
    size_t count;
    struct tacit_files below; /* for all other paths */
};

/* The overlay must outlive what it returns. */
struct tacit_files cli_overlay_files(struct cli_overlay *overlay);

#endif
