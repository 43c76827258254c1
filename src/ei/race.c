#include "ei/race.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ei/resolve.h"
#include "ei/wire.h"
#include "socket/socket.h"

enum {
    STAGGER_US = 250000,         /* "Connection Attempt Delay" */
    RESOLUTION_DELAY_US = 50000, /* that IPv4's addresses wait for IPv6's */
    FAMILY_MAX = 16,             /* addresses of a family that are tried */
    TRYING_MAX = WIRE_FAMILIES * FAMILY_MAX,
    WHY_MAX = 512,
};

/* Addresses that were not tried yet. */
struct queue {
    size_t count;
    struct tacit_address at[FAMILY_MAX];
};

struct wire_race {
    const struct tacit_policy *policy;
    int64_t deadline;
    uint16_t port;
    struct wire_question *question; /* NULL: the host is an address */
    bool asked[WIRE_FAMILIES];      /* and not answered yet */
    struct queue queues[WIRE_FAMILIES];
    enum wire_family last; /* that was tried */
    int64_t hold;          /* no IPv4 before this */
    int64_t next_at;       /* no other beside those tried before this */
    size_t count;
    struct wire_connection trying[TRYING_MAX];
    bool has_address;
    int fault; /* the last address's: errno */
    char why[WHY_MAX];
};

static void push(struct wire_race *r, const struct tacit_address *address)
{
    struct queue *q = &r->queues[address->family == 4 ? WIRE_IPV4 : WIRE_IPV6];
    if (q->count < FAMILY_MAX)
        q->at[q->count++] = *address;
    r->has_address = true;
}

struct wire_race *wire_race_new(const struct tacit_policy *policy,
                                const struct tacit_endpoint *endpoint, int64_t deadline)
{
    struct tacit_address literal[FAMILY_MAX];
    struct wire_race *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->policy = policy;
    r->deadline = deadline;
    r->port = endpoint->port;
    r->last = WIRE_IPV4;
    size_t count = wire_literal(endpoint->host, endpoint->port, literal, FAMILY_MAX);
    for (size_t i = 0; i < count; i++)
        push(r, &literal[i]);
    if (count > 0)
        return r;
    r->question = wire_ask(endpoint->host);
    if (r->question == NULL) {
        free(r);
        return NULL;
    }
    r->asked[WIRE_IPV6] = r->asked[WIRE_IPV4] = true;
    return r;
}

/* --- resolving ---------------------------------------------------------------------- */

static void take_answer(struct wire_race *r, enum wire_family family)
{
    struct tacit_address found[FAMILY_MAX];
    const char *why;
    size_t count;
    if (!r->asked[family] ||
        !wire_answer(r->question, family, r->port, found, FAMILY_MAX, &count, &why))
        return;
    r->asked[family] = false;
    for (size_t i = 0; i < count; i++)
        push(r, &found[i]);
    if (!r->has_address)
        snprintf(r->why, sizeof r->why, "%s", why);
    else if (count > 0 && r->fault == 0)
        r->why[0] = '\0';
    r->hold = r->asked[WIRE_IPV6] ? wire_now_us() + RESOLUTION_DELAY_US : 0;
}

static void take_answers(struct wire_race *r)
{
    char bytes[WIRE_FAMILIES];
    if (r->question == NULL)
        return;
    ssize_t n = read(wire_question_fd(r->question), bytes, sizeof bytes);
    (void)n; /* it only wakes us */
    take_answer(r, WIRE_IPV6);
    take_answer(r, WIRE_IPV4);
}

/* --- connecting --------------------------------------------------------------------- */

static void note(struct wire_race *r, const struct tacit_address *address, int fault)
{
    char shown[TACIT_ADDRESS_TEXT];
    size_t len = strlen(r->why);
    tacit_address_to_text(address, shown);
    snprintf(r->why + len, sizeof r->why - len, "%s%s: %s", len > 0 ? ", " : "", shown,
             fault == ETIMEDOUT ? "no answer" : strerror(fault));
    r->fault = fault;
    r->next_at = 0;
}

/* When the next address is to be tried. */
static int64_t due(const struct wire_race *r)
{
    int64_t at = r->count == 0 ? 0 : r->next_at;
    if (r->queues[WIRE_IPV6].count > 0)
        return at;
    if (r->queues[WIRE_IPV4].count > 0)
        return at < r->hold ? r->hold : at;
    return WIRE_NEVER;
}

/* The families in turn. */
static struct tacit_address pick(struct wire_race *r)
{
    bool other = r->queues[r->last == WIRE_IPV4 ? WIRE_IPV6 : WIRE_IPV4].count > 0;
    if (other)
        r->last = r->last == WIRE_IPV4 ? WIRE_IPV6 : WIRE_IPV4;
    struct queue *q = &r->queues[r->last];
    struct tacit_address address = q->at[0];
    memmove(q->at, q->at + 1, --q->count * sizeof q->at[0]);
    return address;
}

static void begin(struct wire_race *r, int64_t now)
{
    struct tacit_address address = pick(r);
    int fd = socket_connect(&address, tacit_policy_source(r->policy, address.family));
    if (fd < 0) {
        note(r, &address, errno);
        return;
    }
    r->trying[r->count++] = (struct wire_connection){fd, address, now};
    r->next_at = now + STAGGER_US;
}

/* Waits for what comes first: an answer, a connection or the end of one, the time. */
static void await(struct wire_race *r, struct pollfd polled[1 + TRYING_MAX])
{
    int64_t wake = due(r) < r->deadline ? due(r) : r->deadline;
    bool asked = r->asked[WIRE_IPV6] || r->asked[WIRE_IPV4];
    polled[0] = (struct pollfd){.fd = asked ? wire_question_fd(r->question) : -1,
                                .events = POLLIN};
    for (size_t i = 0; i < r->count; i++)
        polled[1 + i] = (struct pollfd){.fd = r->trying[i].fd, .events = POLLOUT};
    if (poll(polled, 1 + (nfds_t)r->count, wire_poll_ms(wake)) < 0)
        for (size_t i = 0; i <= r->count; i++)
            polled[i].revents = 0; /* a signal */
}

/* The first that is connected; those that failed are taken out. -1: none. */
static int look(struct wire_race *r, const struct pollfd polled[1 + TRYING_MAX])
{
    size_t kept = 0;
    int won = -1;
    for (size_t i = 0; i < r->count; i++) {
        struct wire_connection *c = &r->trying[i];
        int fault = polled[1 + i].revents == 0 ? 0 : socket_error(c->fd);
        if (fault != 0) {
            note(r, &c->address, fault);
            close(c->fd);
            continue;
        }
        if (polled[1 + i].revents != 0 && won < 0)
            won = (int)kept;
        r->trying[kept++] = *c;
    }
    r->count = kept;
    return won;
}

/* The others are left, and come after it should nobody be there who knows us. */
static void win(struct wire_race *r, int won, struct wire_connection *ret)
{
    *ret = r->trying[won];
    for (size_t i = 0; i < r->count; i++)
        if ((int)i != won) {
            close(r->trying[i].fd);
            push(r, &r->trying[i].address);
        }
    r->count = 0;
}

static int out_of_time(struct wire_race *r)
{
    if (!r->has_address)
        snprintf(r->why, sizeof r->why, "no answer from the resolver");
    for (size_t i = 0; i < r->count; i++) {
        note(r, &r->trying[i].address, ETIMEDOUT);
        close(r->trying[i].fd);
    }
    r->count = 0;
    errno = ETIMEDOUT;
    return TACIT_ETIMEOUT;
}

int wire_race_next(struct wire_race *r, struct wire_connection *ret)
{
    struct pollfd polled[1 + TRYING_MAX];
    for (;;) {
        take_answers(r);
        int64_t now = wire_now_us();
        if (r->count == 0 && wire_race_is_over(r)) {
            errno = r->fault;
            return !r->has_address         ? TACIT_ENAME
                   : r->fault == ETIMEDOUT ? TACIT_ETIMEOUT
                                           : TACIT_ESYSTEM;
        }
        if (now >= r->deadline)
            return out_of_time(r);
        if (due(r) <= now) {
            begin(r, now);
            continue;
        }
        await(r, polled);
        int won = look(r, polled);
        if (won >= 0) {
            win(r, won, ret);
            return TACIT_OK;
        }
    }
}

bool wire_race_is_over(const struct wire_race *r)
{
    return !r->asked[WIRE_IPV6] && !r->asked[WIRE_IPV4] &&
           r->queues[WIRE_IPV6].count == 0 && r->queues[WIRE_IPV4].count == 0;
}

bool wire_race_has_address(const struct wire_race *r)
{
    return r->has_address;
}

const char *wire_race_why(const struct wire_race *r)
{
    return r->why;
}

void wire_race_free(struct wire_race *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->count; i++)
        close(r->trying[i].fd);
    wire_forget(r->question);
    free(r);
}
