/*
 * noise-vectors FILE...: checks Noise test vectors against src/noise.
 *
 * A file is blocks of key=value lines with a blank line between them; a line with # is a
 * comment. Values are hex, but for `handshake`, the protocol's name. A block has:
 *
 *     handshake=NAME                          first
 *     prologue=HEX                            optional
 *     preshared_key=HEX                       one for every psk token, or one each, in
 * order init_static, resp_static=HEX            private keys, where the pattern has them
 *     gen_init_ephemeral, gen_resp_ephemeral  private keys
 *     msg_N_payload, msg_N_ciphertext=HEX     from 0 on; behind the handshake's messages
 *                                             come transport messages, initiator first
 *     handshake_hash=HEX                      optional: h after Split()
 *
 * Both sides are played: each message is written by one and read by the other. Exit 0
 * when nothing failed and every file could be read.
 */
#include <ctype.h>
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "noise/noise.h"

enum {
    MESSAGES_MAX = 64,
    PSKS_MAX = NOISE_MESSAGES_MAX + 1,
};

struct bytes {
    uint8_t *at; /* NULL: not given */
    size_t size;
};

struct message {
    struct bytes payload, ciphertext;
};

struct block {
    const char *file;
    unsigned line; /* of handshake= */
    bool open;
    struct noise_protocol protocol;
    struct bytes prologue, psks[PSKS_MAX], hash;
    struct bytes statics[2], ephemerals[2]; /* by role */
    unsigned psk_count, message_count;
    struct message messages[MESSAGES_MAX];
};

/* One side of a handshake, and of the transport behind it. */
struct side {
    struct noise_keypair s, e;
    struct noise_handshake hs;
    struct noise_cipher send, receive;
};

static unsigned passed, failed, skipped;

__attribute__((format(printf, 3, 4))) static bool
complain(const char *file, unsigned line, const char *format, ...)
{
    va_list arguments;
    fflush(stdout);
    if (line > 0)
        fprintf(stderr, "%s:%u: ", file, line);
    else
        fprintf(stderr, "%s: ", file);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return false;
}

static void clear_block(struct block *b)
{
    struct bytes *single[] = {&b->prologue,   &b->hash,          &b->statics[0],
                              &b->statics[1], &b->ephemerals[0], &b->ephemerals[1]};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        free(single[i]->at);
    for (unsigned i = 0; i < b->psk_count; i++)
        free(b->psks[i].at);
    for (unsigned i = 0; i < MESSAGES_MAX; i++) {
        free(b->messages[i].payload.at);
        free(b->messages[i].ciphertext.at);
    }
    *b = (struct block){.file = b->file};
}

/* ---- Reading a file ---------------------------------------------------------------- */

/* Takes a hex value; size 0 stands for any. */
static bool take_hex(const struct block *b, unsigned line, const char *key,
                     const char *text, size_t size, struct bytes *ret)
{
    size_t len = strlen(text);
    if (ret->at != NULL)
        return complain(b->file, line, "%s is given twice", key);
    struct bytes value = {malloc(len / 2 + 1), 0};
    if (value.at == NULL)
        return complain(b->file, line, "%s", strerror(errno));
    if (sodium_hex2bin(value.at, len / 2 + 1, text, len, NULL, &value.size, NULL) != 0 ||
        value.size * 2 != len) {
        free(value.at);
        return complain(b->file, line, "%s: expected pairs of hex digits", key);
    }
    if (size != 0 && value.size != size) {
        free(value.at);
        return complain(b->file, line, "%s: expected %zu bytes, found %zu", key, size,
                        value.size);
    }
    *ret = value;
    return true;
}

static bool take_handshake(struct block *b, unsigned line, const char *name)
{
    if (b->open)
        return complain(b->file, line, "expected a blank line before the next handshake");
    if (noise_protocol_parse(name, &b->protocol) != 0)
        return complain(b->file, line,
                        "expected a protocol name such as "
                        "Noise_XX_25519_ChaChaPoly_BLAKE2b, found \"%s\"",
                        name);
    b->open = true;
    b->line = line;
    return true;
}

/* One line for every token, or one for all. */
static bool take_psk(struct block *b, unsigned line, const char *value)
{
    if (b->psk_count == PSKS_MAX)
        return complain(b->file, line, "expected at most %d preshared_key lines",
                        PSKS_MAX);
    if (!take_hex(b, line, "preshared_key", value, 32, &b->psks[b->psk_count]))
        return false;
    b->psk_count++;
    return true;
}

/* msg_N_payload or msg_N_ciphertext. */
static bool take_message(struct block *b, unsigned line, const char *key,
                         const char *value)
{
    unsigned n;
    int end = 0;
    if (!isdigit((unsigned char)key[4]) || sscanf(key, "msg_%2u%n", &n, &end) != 1 ||
        (strcmp(key + end, "_payload") != 0 && strcmp(key + end, "_ciphertext") != 0))
        return complain(b->file, line, "expected msg_N_payload or msg_N_ciphertext");
    if (n >= MESSAGES_MAX || n > b->message_count)
        return complain(b->file, line, "expected messages in order, next msg_%u",
                        b->message_count);
    struct message *message = &b->messages[n];
    struct bytes *to = key[end + 1] == 'p' ? &message->payload : &message->ciphertext;
    if (!take_hex(b, line, key, value, 0, to))
        return false;
    if (message->payload.at != NULL && message->ciphertext.at != NULL)
        b->message_count = n + 1;
    return true;
}

static bool take_line(struct block *b, unsigned line, char *text)
{
    char *value = strchr(text, '=');
    if (value == NULL)
        return complain(b->file, line, "expected key=value");
    *value++ = '\0';
    if (strcmp(text, "handshake") == 0)
        return take_handshake(b, line, value);
    if (!b->open)
        return complain(b->file, line, "expected handshake=NAME first, found %s", text);
    if (strcmp(text, "preshared_key") == 0)
        return take_psk(b, line, value);
    if (strncmp(text, "msg_", 4) == 0)
        return take_message(b, line, text, value);

    const struct {
        const char *key;
        size_t size;
        struct bytes *to;
    } keys[] = {
        {"prologue", 0, &b->prologue},
        {"init_static", 32, &b->statics[NOISE_INITIATOR]},
        {"resp_static", 32, &b->statics[NOISE_RESPONDER]},
        {"gen_init_ephemeral", 32, &b->ephemerals[NOISE_INITIATOR]},
        {"gen_resp_ephemeral", 32, &b->ephemerals[NOISE_RESPONDER]},
        {"handshake_hash", NOISE_HASHLEN, &b->hash},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(text, keys[i].key) == 0)
            return take_hex(b, line, text, value, keys[i].size, keys[i].to);
    }
    return complain(b->file, line, "unknown key \"%s\"", text);
}

/* ---- Playing a block --------------------------------------------------------------- */

static int give_psk(void *context, const struct noise_handshake *hs, unsigned index,
                    struct tacit_secret *ret_psk)
{
    const struct block *b = context;
    const struct bytes *psk = &b->psks[b->psk_count == 1 ? 0 : index];
    memcpy(ret_psk->bytes, psk->at, sizeof ret_psk->bytes);
    return 0;
}

/* Whether the block has all that its protocol needs. */
static bool check_block(const struct block *b)
{
    const struct noise_protocol *p = &b->protocol;
    if (p->psk_count == 0 ? b->psk_count != 0
                          : b->psk_count != 1 && b->psk_count != p->psk_count)
        return complain(b->file, b->line, "expected %s%u preshared_key lines, found %u",
                        p->psk_count > 1 ? "1 or " : "", p->psk_count, b->psk_count);
    for (unsigned role = 0; role < 2; role++) {
        if (b->ephemerals[role].at == NULL)
            return complain(b->file, b->line, "expected gen_%s_ephemeral",
                            role == NOISE_INITIATOR ? "init" : "resp");
    }
    if (b->message_count < p->message_count)
        return complain(b->file, b->line, "expected at least %u messages, found %u",
                        p->message_count, b->message_count);
    const struct message *next = &b->messages[b->message_count % MESSAGES_MAX];
    if (b->message_count < MESSAGES_MAX &&
        (next->payload.at != NULL || next->ciphertext.at != NULL))
        return complain(b->file, b->line, "expected both lines of msg_%u",
                        b->message_count);
    return true;
}

static void load_pair(const struct bytes *from, struct noise_keypair *ret_pair)
{
    struct tacit_secret key;
    if (from->at == NULL)
        return;
    memcpy(key.bytes, from->at, sizeof key.bytes);
    if (noise_keypair_from_private(&key, ret_pair) != 0)
        abort(); /* every 32 bytes are a private key */
}

static bool start_sides(const struct block *b, struct side sides[2])
{
    const struct noise_protocol *p = &b->protocol;
    const bool known[2] = {p->initiator_static_known, p->responder_static_known};
    for (unsigned role = 0; role < 2; role++) {
        load_pair(&b->statics[role], &sides[role].s);
        load_pair(&b->ephemerals[role], &sides[role].e);
    }
    for (unsigned role = 0; role < 2; role++) {
        struct side *side = &sides[role];
        int error = noise_handshake_init(&side->hs, p, (enum noise_role)role,
                                         b->prologue.at, b->prologue.size,
                                         b->statics[role].at != NULL ? &side->s : NULL,
                                         known[!role] ? sides[!role].s.public_key : NULL,
                                         give_psk, (void *)(uintptr_t)b);
        if (error != 0)
            return complain(b->file, b->line,
                            "%s: expected init_static and resp_static where the pattern "
                            "has them, and only there: %s",
                            p->name, tacit_error_text(error));
        noise_handshake_set_ephemeral(&side->hs, &side->e);
    }
    return true;
}

/* Whether a step of message n gave the bytes that it should. */
static bool compare(const struct block *b, unsigned n, const char *step, int error,
                    const uint8_t *got, size_t got_len, const struct bytes *expected)
{
    size_t at = 0;
    if (error != 0)
        return complain(b->file, b->line, "%s: msg_%u: %s: %s", b->protocol.name, n, step,
                        tacit_error_text(error));
    while (at < got_len && at < expected->size && got[at] == expected->at[at])
        at++;
    if (at == got_len && at == expected->size)
        return true;
    return complain(
        b->file, b->line,
        "%s: msg_%u: %s: expected %zu bytes, got %zu that differ from byte %zu",
        b->protocol.name, n, step, expected->size, got_len, at);
}

static bool play_message(const struct block *b, unsigned n, struct side *writer,
                         struct side *reader)
{
    static uint8_t wire[NOISE_MESSAGE_MAX], plain[NOISE_MESSAGE_MAX];
    const struct message *m = &b->messages[n];
    size_t len = 0;
    if (!noise_handshake_must_write(&writer->hs))
        return complain(b->file, b->line, "msg_%u: not this side's turn", n);
    int error = noise_handshake_write(&writer->hs, m->payload.at, m->payload.size, wire,
                                      sizeof wire, &len);
    if (!compare(b, n, "written", error, wire, len, &m->ciphertext))
        return false;
    error = noise_handshake_read(&reader->hs, m->ciphertext.at, m->ciphertext.size, plain,
                                 sizeof plain, &len);
    return compare(b, n, "read", error, plain, len, &m->payload);
}

static bool play_transport(const struct block *b, unsigned n, struct side *writer,
                           struct side *reader)
{
    static uint8_t wire[NOISE_MESSAGE_MAX + NOISE_TAGLEN], plain[NOISE_MESSAGE_MAX];
    const struct message *m = &b->messages[n];
    if (m->payload.size + NOISE_TAGLEN > NOISE_MESSAGE_MAX ||
        m->ciphertext.size != m->payload.size + NOISE_TAGLEN)
        return complain(b->file, b->line,
                        "msg_%u: expected a ciphertext of %zu bytes, found %zu", n,
                        m->payload.size + NOISE_TAGLEN, m->ciphertext.size);
    int error = noise_cipher_encrypt(&writer->send, NULL, 0, m->payload.at,
                                     m->payload.size, wire);
    if (!compare(b, n, "sealed", error, wire, m->ciphertext.size, &m->ciphertext))
        return false;
    error = noise_cipher_decrypt(&reader->receive, NULL, 0, m->ciphertext.at,
                                 m->ciphertext.size, plain);
    return compare(b, n, "opened", error, plain, m->payload.size, &m->payload);
}

static bool play_split(const struct block *b, struct side sides[2])
{
    for (unsigned role = 0; role < 2; role++) {
        struct side *side = &sides[role];
        if (!noise_handshake_done(&side->hs) ||
            noise_handshake_split(&side->hs, &side->send, &side->receive) != 0)
            return complain(b->file, b->line, "%s: the handshake does not end in Split()",
                            b->protocol.name);
        if (b->hash.at != NULL && memcmp(b->hash.at, side->hs.h, NOISE_HASHLEN) != 0)
            return complain(b->file, b->line, "%s: handshake_hash differs",
                            b->protocol.name);
    }
    return true;
}

static bool play(const struct block *b, struct side sides[2])
{
    unsigned n = 0;
    for (; n < b->protocol.message_count; n++) {
        if (!play_message(b, n, &sides[n % 2], &sides[(n + 1) % 2]))
            return false;
    }
    if (!play_split(b, sides))
        return false;
    /* The initiator sends the first transport message, whichever ended the handshake. */
    for (unsigned turn = 0; n < b->message_count; n++, turn = !turn) {
        if (!play_transport(b, n, &sides[turn], &sides[!turn]))
            return false;
    }
    return true;
}

/* Counts a block; false: it is not a vector that can be played. */
static bool end_block(struct block *b)
{
    struct side sides[2] = {{.hs = {.message = 0}}};
    bool good = !b->open || check_block(b);
    if (b->open && good) {
        if (!noise_cipher_available(b->protocol.cipher))
            skipped++;
        else if (!start_sides(b, sides))
            good = false;
        else if (play(b, sides))
            passed++;
        else
            failed++;
    }
    clear_block(b);
    return good;
}

/* False: it could not be read to its end. */
static bool check_file(const char *path)
{
    struct block b = {.file = path};
    char *text = NULL;
    size_t cap = 0;
    unsigned line = 0, before = passed + failed + skipped;
    bool good = true;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return complain(path, 0, "%s", strerror(errno));
    while (good && getline(&text, &cap, file) >= 0) {
        line++;
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0')
            good = end_block(&b);
        else if (text[0] != '#')
            good = take_line(&b, line, text);
    }
    good = good && end_block(&b);
    if (good && ferror(file))
        good = complain(path, line, "%s", strerror(errno));
    if (good && passed + failed + skipped == before)
        good = complain(path, line, "expected at least one handshake=NAME block");
    clear_block(&b);
    free(text);
    fclose(file);
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    if (argc < 2 || sodium_init() < 0) {
        fprintf(stderr, "usage: noise-vectors FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++)
        good = check_file(argv[i]) && good;
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return good && failed == 0 ? 0 : 1;
}
