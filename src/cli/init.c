/* tacit init: from nothing to a host of a mesh. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILES = 3
};

static const char *const names[FILES] = {"mesh.key", "identity.key", "tacit.conf"};

/* Bytes only, so that it may stand anywhere in locked memory. */
struct init_secrets {
    struct noise_keypair identity;
    struct tacit_secret mesh[TACIT_MESH_KEYS_MAX];
    char identity_text[CLI_KEY_FILE];
    char mesh_text[CLI_KEY_FILE];
};

struct init {
    const char *dir, *listen, *mesh_key, *name;
    struct tacit_address first; /* of listen */
    struct init_secrets *secrets;
    size_t mesh_len, identity_len; /* of their texts */
    char conf[2048];
    char paths[FILES][PATH_MAX];
    struct cli_overlay overlay; /* what will be written */
    bool made_dir;
};

static const char conf_format[] =
    "; Tacit's configuration. 'tacit check --conf FILE' tells whether it is right.\n"
    "\n"
    "[mesh]\n"
    "; The mesh key, the same on every host. Carry it there over a safe way.\n"
    "key-file = mesh.key\n"
    "\n"
    "[host]\n"
    "; This host's private key. It never leaves this host.\n"
    "identity = identity.key\n"
    "; Where nodes of other hosts connect to: one TCP port for everything.\n"
    "listen = %s\n"
    "\n"
    "; Who may connect: a section for each host or node. What none allows is denied.\n"
    "; 'tacit add-peer --conf FILE NAME PUBLIC-KEY' appends one such as this:\n"
    ";\n"
    "; [peer app@db2.example.net]\n"
    "; public-key = KEY\n"
    "; endpoint = db2.example.net:4370\n";

/* Where the names of this host's nodes are known: they and 'tacit call' come from here.
 */
static const char own_format[] = "\n"
                                 "; This host itself: its own nodes, and 'tacit call'.\n"
                                 "[peer *@%s]\n"
                                 "public-key = %s\n"
                                 "endpoint = %s\n";

/* Checks --listen by itself, for a message that names the option and no file. */
static int check_listen(struct init *in)
{
    static const uint8_t any[16];
    const char *at = in->listen;
    for (unsigned count = 0; at != NULL; count++) {
        char item[TACIT_ADDRESS_TEXT] = "";
        struct tacit_address address;
        at += strspn(at, " ");
        size_t len = strcspn(at, ",");
        snprintf(item, sizeof item, "%.*s", (int)len, at);
        if (len >= sizeof item || tacit_address_from_text(item, &address) != 0)
            return cli_fail("--listen: got '%.*s', expected an address such as "
                            "192.0.2.10:4370 or [2001:db8::10]:4370",
                            (int)(len < 200 ? len : 200), at);
        if (memcmp(address.bytes, any, sizeof any) == 0)
            return cli_fail("--listen: got '%s', expected this host's own address", item);
        if (count == 0)
            in->first = address;
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return CLI_OK;
}

/* Nothing is touched where anything is in the way. */
static int check_paths(struct init *in)
{
    struct stat st;
    for (unsigned i = 0; i < FILES; i++) {
        int n = snprintf(in->paths[i], PATH_MAX, "%s/%s", in->dir, names[i]);
        if (n >= PATH_MAX)
            return cli_fail("--dir: a path of %d bytes, expected at most %d", n,
                            PATH_MAX - 1);
        if (lstat(in->paths[i], &st) == 0)
            return cli_fail("%s: exists already, expected a directory without mesh.key, "
                            "identity.key and tacit.conf",
                            in->paths[i]);
    }
    return CLI_OK;
}

static int make_keys(struct init *in)
{
    struct init_secrets *s = in->secrets;
    struct tacit_files files = cli_files();
    struct tacit_fault fault = {""};
    size_t count = 1;
    noise_keypair_generate(&s->identity);
    randombytes_buf(&s->mesh[0], sizeof s->mesh[0]);
    if (in->mesh_key != NULL) {
        int error = tacit_key_file_read(in->mesh_key, &files, TACIT_KEY_MESH,
                                        TACIT_MESH_KEYS_MAX, s->mesh, &count, &fault);
        if (error != 0)
            return cli_fail("%s",
                            *fault.text != '\0' ? fault.text : tacit_error_text(error));
    }
    in->mesh_len = cli_key_text(TACIT_KEY_MESH, s->mesh, count, s->mesh_text);
    in->identity_len =
        cli_key_text(TACIT_KEY_PRIVATE, &s->identity.private_key, 1, s->identity_text);
    return CLI_OK;
}

/* Appends the [peer] of this host itself to the text, len bytes so far: its length. */
static int compose_own(struct init *in, int len)
{
    const char *at = in->name != NULL ? strchr(in->name, '@') : NULL;
    char key[TACIT_KEY_TEXT], endpoint[TACIT_ADDRESS_TEXT];
    if (at == NULL || strchr(at, '*') != NULL || len >= (int)sizeof in->conf)
        return len;
    tacit_key_to_text(in->secrets->identity.public_key, key);
    tacit_address_to_text(&in->first, endpoint);
    return len + snprintf(in->conf + len, sizeof in->conf - (size_t)len, own_format,
                          at + 1, key, endpoint);
}

/* Puts together what will be written, and loads it before it is. */
static int compose(struct init *in)
{
    struct tacit_fault fault;
    struct tacit_policy *policy;
    int n = snprintf(in->conf, sizeof in->conf, conf_format, in->listen);
    if (make_keys(in) != 0)
        return CLI_FAILED;
    n = compose_own(in, n);
    if (n >= (int)sizeof in->conf)
        return cli_fail("--listen: %zu bytes, expected fewer addresses",
                        strlen(in->listen));
    in->overlay = (struct cli_overlay){
        .texts = {{in->paths[0], in->secrets->mesh_text, in->mesh_len},
                  {in->paths[1], in->secrets->identity_text, in->identity_len},
                  {in->paths[2], in->conf, (size_t)n}},
        .count = FILES,
        .below = cli_files()};
    struct tacit_files files = cli_overlay_files(&in->overlay);
    if (tacit_policy_load(in->paths[2], &files, tacit_suites_available(), &policy,
                          &fault) != 0)
        return cli_fail("%s", fault.text);
    tacit_policy_free(policy);
    return CLI_OK;
}

static void undo(const struct init *in, unsigned written)
{
    while (written > 0)
        unlink(in->paths[--written]);
    if (in->made_dir)
        rmdir(in->dir);
}

static int write_files(struct init *in)
{
    struct tacit_fault fault;
    /* The door's own user comes in for what nodes write for it; the keys are closed. */
    mode_t mask = umask(066);
    in->made_dir = mkdir(in->dir, 0711) == 0;
    umask(mask);
    if (!in->made_dir && errno != EEXIST)
        return cli_fail("%s: cannot be made: %s", in->dir, strerror(errno));
    /* Where it would not be read afterwards nothing is made. */
    if (tacit_file_way(in->paths[0], &fault) != 0) {
        undo(in, 0);
        return cli_fail("%s", fault.text);
    }
    for (unsigned i = 0; i < FILES; i++) {
        const struct cli_text *text = &in->overlay.texts[i];
        if (tacit_file_create(text->path, 0600, text->bytes, text->size, &fault) != 0) {
            undo(in, i);
            return cli_fail("%s", fault.text);
        }
    }
    return CLI_OK;
}

static void print_peer(const struct init *in)
{
    char key[TACIT_KEY_TEXT], endpoint[TACIT_ADDRESS_TEXT], host[TACIT_ADDRESS_TEXT];
    struct tacit_address address = in->first;
    tacit_key_to_text(in->secrets->identity.public_key, key);
    tacit_address_to_text(&address, endpoint);
    address.port = 0;
    tacit_address_to_text(&address, host);
    puts("; for tacit.conf on the other hosts:");
    if (in->name != NULL)
        printf("[peer %s]\n", in->name);
    else
        printf("[peer *@%s]\n", host);
    printf("public-key = %s\nendpoint = %s\n", key, endpoint);
}

static int run(struct init *in)
{
    if (in->name != NULL && !tacit_glob_ok(in->name))
        return cli_fail("--name: got '%s', expected a node name such as "
                        "app@db1.example.net or *@db1.example.net",
                        in->name);
    int status = check_listen(in);
    if (status == CLI_OK)
        status = check_paths(in);
    if (status == CLI_OK)
        status = compose(in);
    if (status == CLI_OK)
        status = write_files(in);
    if (status == CLI_OK)
        print_peer(in);
    return status;
}

int cli_init(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 0},
                                            {"listen", required_argument, NULL, 1},
                                            {"mesh-key", required_argument, NULL, 2},
                                            {"name", required_argument, NULL, 3},
                                            {NULL, 0, NULL, 0}};
    const char *values[4] = {NULL};
    static struct init in;
    if (cli_options(argc, argv, options, values, 0) != 0)
        return CLI_USAGE;
    in.dir = values[0];
    in.listen = values[1];
    in.mesh_key = values[2];
    in.name = values[3];
    if (in.dir == NULL || in.listen == NULL)
        return cli_misused("init: expected --dir and --listen");
    in.secrets = tacit_secret_alloc(sizeof *in.secrets);
    if (in.secrets == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int status = run(&in);
    tacit_secret_free(in.secrets); /* wipes */
    return status;
}
