/* tacit names HOST: asks the door of a host which nodes are there. */
#include "cli/cli.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "channel/directory.h"
#include "channel/handshake.h"
#include "socket/socket.h"

enum {
    DEADLINE_MS = 5000, /* for all of it, at each address */
};

/* One question at one address. The channel wants 16 bytes of alignment. */
struct ask {
    struct tacit_channel channel;
    struct tacit_handshake handshake;
    struct tacit_directory_asker asker;
    const struct tacit_peer *door;
    const char *host;
    int fd;
    int64_t deadline;
    uint8_t record[TACIT_RECORD_MAX];
};

static int64_t now_ms(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits until the socket can be read or written; TACIT_ETIMEOUT: the deadline came. */
static int wait_for(const struct ask *a, short events)
{
    struct pollfd p = {.fd = a->fd, .events = events};
    for (;;) {
        int64_t left = a->deadline - now_ms();
        int n = poll(&p, 1, left < 0 ? 0 : (int)left);
        if (n > 0)
            return TACIT_OK;
        if (n == 0)
            return TACIT_ETIMEOUT;
        if (errno != EINTR)
            return TACIT_ESYSTEM;
    }
}

static int send_all(struct ask *a, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        int error = wait_for(a, POLLOUT);
        if (error)
            return error;
        ssize_t n = send(a->fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

static int receive_all(struct ask *a, uint8_t *bytes, size_t len)
{
    while (len > 0) {
        int error = wait_for(a, POLLIN);
        if (error)
            return error;
        ssize_t n = recv(a->fd, bytes, len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return TACIT_ECUT;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return TACIT_OK;
}

/* --- the channel -------------------------------------------------------------------- */

static int rule_first(void *context, const struct tacit_first *first,
                      const uint8_t ephemeral[NOISE_DHLEN])
{
    (void)context, (void)first, (void)ephemeral;
    return TACIT_EREFUSED; /* nobody asks us */
}

static void rule_pair_key(void *context, const uint8_t public_key[NOISE_DHLEN],
                          struct tacit_secret *ret_key)
{
    (void)context, (void)public_key;
    memset(ret_key, 0, sizeof *ret_key);
}

static int rule_decide(void *context, const struct tacit_claim *claim,
                       const uint8_t public_key[NOISE_DHLEN])
{
    const struct ask *a = context;
    (void)claim;
    return memcmp(a->door->door_key, public_key, NOISE_DHLEN) == 0 ? TACIT_OK
                                                                   : TACIT_EREFUSED;
}

static const struct tacit_channel_rules rules = {
    .first = rule_first, .pair_key = rule_pair_key, .decide = rule_decide};

static int shake_hands(struct ask *a, const struct tacit_policy *policy)
{
    struct tacit_channel_config config = {
        .role = NOISE_INITIATOR,
        .identity = tacit_policy_identity(policy),
        .suites = tacit_policy_suites(policy),
        .own_name = "",
        .wanted = "",
        .now = (uint64_t)time(NULL),
        .rules = &rules,
        .context = a,
    };
    uint8_t bytes[TACIT_MESSAGE_HEADER + TACIT_MESSAGE_2];
    config.mesh_key_count = tacit_policy_mesh_keys(policy, &config.mesh_keys);
    int error = tacit_handshake_init(&a->handshake, &config);
    while (!error) {
        const uint8_t *out;
        size_t used, len = tacit_handshake_output(&a->handshake, &out);
        error = send_all(a, out, len);
        tacit_handshake_sent(&a->handshake, len);
        if (error || a->handshake.state == TACIT_HANDSHAKE_DONE)
            break;
        size_t wants = tacit_handshake_wants(&a->handshake);
        error = receive_all(a, bytes, wants);
        if (!error)
            error = tacit_handshake_feed(&a->handshake, bytes, wants, &used);
    }
    return error ? error : tacit_handshake_finish(&a->handshake, &a->channel);
}

/* Prints the names as they come; TACIT_ECLOSED with the reason in text: it said no. */
static int exchange(struct ask *a, char text[TACIT_CLOSE_TEXT_MAX + 1])
{
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
    char name[TACIT_CLAIM_NAME_MAX + 1];
    enum tacit_close reason;
    size_t len;
    int error = tacit_directory_ask(&a->channel, question, &len);
    if (!error)
        error = send_all(a, question, len);
    while (!error && !a->asker.complete) {
        error = receive_all(a, a->record, TACIT_RECORD_HEADER);
        len = error ? 0 : tacit_record_size(a->record, TACIT_RECORD_HEADER);
        if (!error)
            error = receive_all(a, a->record + TACIT_RECORD_HEADER,
                                len - TACIT_RECORD_HEADER);
        if (!error)
            error = tacit_directory_take(&a->asker, &a->channel, a->record, len, &reason,
                                         text);
        while (!error && tacit_directory_next(&a->asker, name))
            puts(name);
    }
    return error;
}

/* --- addresses ---------------------------------------------------------------------- */

static int explain(const struct ask *a, const char *address, int error, const char *text)
{
    if (error == TACIT_ECLOSED)
        return cli_fail("%s at %s: it refuses: %s", a->host, address, text);
    if (error == TACIT_EREFUSED)
        return cli_fail("%s at %s: it shows another key than its door-key", a->host,
                        address);
    if (error == TACIT_ETIMEOUT || error == TACIT_ECUT)
        return cli_fail("%s at %s: no answer: another mesh key, a wrong clock, a door "
                        "without door-identity, or no Tacit there",
                        a->host, address);
    return cli_fail("%s at %s: %s", a->host, address,
                    error == TACIT_ESYSTEM ? strerror(errno) : tacit_error_text(error));
}

static int ask_at(struct ask *a, const struct tacit_policy *policy,
                  const struct tacit_address *address)
{
    char text[TACIT_CLOSE_TEXT_MAX + 1] = "", shown[TACIT_ADDRESS_TEXT];
    tacit_address_to_text(address, shown);
    a->deadline = now_ms() + DEADLINE_MS;
    a->fd = socket_connect(address, tacit_policy_source(policy, address->family));
    int error = a->fd < 0 ? TACIT_ESYSTEM : wait_for(a, POLLOUT);
    if (!error && (errno = socket_error(a->fd)) != 0)
        error = TACIT_ESYSTEM;
    if (!error)
        error = shake_hands(a, policy);
    if (!error)
        error = exchange(a, text);
    int status = error ? explain(a, shown, error, text) : CLI_OK;
    if (a->fd >= 0)
        close(a->fd);
    tacit_handshake_wipe(&a->handshake);
    tacit_channel_wipe(&a->channel);
    return status;
}

/* The first of the host's addresses that answers. */
static int ask_host(struct ask *a, const struct tacit_policy *policy)
{
    struct tacit_endpoint endpoint;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    a->door = tacit_policy_door_of(policy, a->host);
    if (tacit_policy_door_endpoint(policy, a->host, &endpoint) != TACIT_OK)
        return cli_fail("%s: no [peer] of %s has a door-key for that host, expected one "
                        "such as [peer *@%.200s]",
                        a->host, tacit_policy_path(policy), a->host);
    int error = getaddrinfo(endpoint.host, NULL, &hints, &found);
    if (error != 0)
        return cli_fail("%s: %s", endpoint.host, gai_strerror(error));
    int status = CLI_FAILED;
    for (struct addrinfo *i = found; i != NULL && status != CLI_OK; i = i->ai_next) {
        struct tacit_address address;
        socket_address(i->ai_addr, &address);
        address.port = endpoint.port;
        if (address.family != 0)
            status = ask_at(a, policy, &address);
    }
    freeaddrinfo(found);
    return status;
}

int cli_names(int argc, char **argv)
{
    static const struct option options[] = {{"conf", required_argument, NULL, 0},
                                            {NULL, 0, NULL, 0}};
    const char *values[1] = {NULL};
    struct tacit_policy *policy;
    if (cli_options(argc, argv, options, values, 1) != 0)
        return CLI_USAGE;
    if (cli_load(values[0], &policy) != CLI_OK)
        return CLI_FAILED;
    struct ask *a = sodium_malloc(sizeof *a + 16); /* locked: it holds keys */
    int status = CLI_FAILED;
    if (a == NULL) {
        cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    } else {
        struct ask *aligned = (struct ask *)(((uintptr_t)a + 15) & ~(uintptr_t)15);
        memset(aligned, 0, sizeof *aligned);
        aligned->host = argv[optind];
        status = ask_host(aligned, policy);
    }
    sodium_free(a);
    tacit_policy_free(policy);
    return status;
}
