/* tacit names HOST: asks the door of a host which nodes are there. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channel/directory.h"
#include "cli/client.h"
#include "ei/race.h"

enum {
    DEADLINE_MS =
        5000, /* for a handshake and the answer; twice that to find who answers */
};

/* One question. */
struct ask {
    struct client *client;
    struct tacit_directory_requester requester;
    const char *host;
};

/* Prints the names as they come; TACIT_ECLOSED with the reason in text: it said no. */
static int exchange(struct ask *a)
{
    struct client *c = a->client;
    uint8_t question[TACIT_DIRECTORY_QUESTION_MAX];
    char name[TACIT_CLAIM_NAME_MAX + 1];
    size_t len;
    int error = tacit_directory_ask(&c->channel, question, &len);
    if (!error)
        error = client_send(c, question, len);
    while (!error && !a->requester.complete) {
        error = client_receive(c, &len);
        if (!error)
            error = tacit_directory_take(&a->requester, &c->channel, c->record, len,
                                         &c->reason, c->text);
        while (!error && tacit_directory_next(&a->requester, name))
            puts(name);
    }
    c->open = false; /* the door has the last word */
    return error;
}

/* --- addresses ---------------------------------------------------------------------- */

static int explain(const struct ask *a, const char *address, int error)
{
    if (error == TACIT_ECLOSED)
        return cli_fail("%s at %s: it refuses: %s", a->host, address, a->client->text);
    if (error == TACIT_EREFUSED)
        return cli_fail("%s at %s: %s", a->host, address, a->client->session.ruling.text);
    if (error == TACIT_ETIMEOUT || error == TACIT_ETRUNCATED)
        return cli_fail("%s at %s: no answer: another mesh key, a wrong clock, a door "
                        "without door-identity, or no Tacit there",
                        a->host, address);
    return cli_fail("%s at %s: %s", a->host, address,
                    error == TACIT_ESYSTEM ? strerror(errno) : tacit_error_text(error));
}

static int ask_at(struct ask *a, const struct tacit_policy *policy,
                  const struct wire_connection *connection)
{
    char shown[TACIT_ADDRESS_TEXT], door[TACIT_NAME_MAX + 1];
    const uint8_t *key = a->client->session.handshake.peer_key;
    tacit_address_to_text(&connection->address, shown);
    snprintf(door, sizeof door, "@%s", a->host);
    a->requester = (struct tacit_directory_requester){0};
    client_take(a->client, connection->fd, DEADLINE_MS);
    int error = client_handshake(a->client, policy, "", door);
    if (!error)
        error =
            client_proceed(a->client, &connection->address, cli_is_revoked(policy, key));
    if (!error)
        error = exchange(a);
    int status = error ? explain(a, shown, error) : CLI_OK;
    client_close(a->client);
    return status;
}

/* The first of the host's addresses that answers, and then knows us. */
static int ask_race(struct ask *a, const struct tacit_policy *policy,
                    struct wire_race *race)
{
    struct wire_connection connection;
    int status = CLI_FAILED;
    do {
        if (wire_race_next(race, &connection) != TACIT_OK)
            return cli_fail("%s%s%s", a->host,
                            wire_race_has_address(race) ? " at " : ": ",
                            wire_race_why(race));
        status = ask_at(a, policy, &connection);
    } while (status != CLI_OK && !wire_race_is_over(race));
    return status;
}

static int ask_host(struct ask *a, const struct tacit_policy *policy)
{
    struct tacit_endpoint endpoint;
    if (tacit_policy_door_endpoint(policy, a->host, &endpoint) != TACIT_OK)
        return cli_fail("%s: no [peer] of %s has a door-key for that host, expected one "
                        "such as [peer *@%.200s]",
                        a->host, tacit_policy_path(policy), a->host);
    struct wire_race *race =
        wire_race_new(policy, &endpoint, wire_deadline(2 * DEADLINE_MS));
    if (race == NULL)
        return cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    int status = ask_race(a, policy, race);
    wire_race_free(race);
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
    struct ask a = {.client = client_new(), .host = argv[optind]};
    int status = a.client != NULL ? ask_host(&a, policy)
                                  : cli_fail("%s", tacit_error_text(TACIT_ENOMEM));
    client_free(a.client);
    tacit_policy_free(policy);
    return status;
}
