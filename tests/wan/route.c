/* Routes, and the connections over them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "wan.h"

/* Small, so that who sends soon sees what the line cannot take. */
enum {
    BACKLOG = 512,
    SOCKET_BUFFER = 64 * 1024
};

static struct route *routes;

/* --- connections -------------------------------------------------------------------- */

void connection_log(const struct connection *c, const char *what, const char *more)
{
    printf("event %u %" PRIu64 " %s %s\n", c->route->number, c->number, what, more);
}

/* Every handle's data is one of the connection's pipes. */
static void on_closed(uv_handle_t *handle)
{
    struct connection *c = ((struct pipe *)handle->data)->connection;
    if (--c->open_handles > 0)
        return;
    *c->here = c->next;
    if (c->next != NULL)
        c->next->here = c->here;
    pipe_clear(&c->pipes[THERE]);
    pipe_clear(&c->pipes[BACK]);
    free(c);
}

static void close_end(uv_tcp_t *end, bool reset)
{
    uv_handle_t *handle = (uv_handle_t *)end;
    uv_os_fd_t fd;
    if (uv_is_closing(handle))
        return;
    if (reset && uv_fileno(handle, &fd) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                   sizeof(struct linger));
    uv_close(handle, on_closed);
}

void connection_close(struct connection *c, bool reset)
{
    char more[80];
    if (c->closing)
        return;
    c->closing = true;
    c->route->closed++;
    snprintf(more, sizeof more, "%s there=%" PRIu64 " back=%" PRIu64,
             reset ? "reset" : "end", c->pipes[THERE].passed, c->pipes[BACK].passed);
    connection_log(c, "closed", more);
    for (int i = 0; i < 2; i++) {
        close_end(&c->ends[i], reset);
        uv_close((uv_handle_t *)&c->pipes[i].timer, on_closed);
    }
}

/* Whom the bytes of the fault's way go to is gone; who sends them is never told. */
static void half_open(struct connection *c)
{
    struct pipe *way = &c->pipes[c->conditions.way], *other = &c->pipes[!way->way];
    other->reading = false;
    other->ended = true;
    uv_timer_stop(&other->timer);
    close_end(way->to, true);
    pipe_deafen(way);
}

void connection_fault(struct connection *c)
{
    c->fault_done = true;
    c->route->faults++;
    connection_log(c, "fault", fault_name(c->conditions.fault));
    switch (c->conditions.fault) {
    case FAULT_STALL:
        c->stalled = true;
        pipe_pump(&c->pipes[THERE]);
        pipe_pump(&c->pipes[BACK]);
        break;
    case FAULT_HALF:
        half_open(c);
        break;
    case FAULT_RESET:
    case FAULT_CUT:
        connection_close(c, c->conditions.fault == FAULT_RESET);
        break;
    default:
        pipe_pump(&c->pipes[c->conditions.way]);
        break;
    }
}

static void hold(struct connection *c, const struct conditions *conditions)
{
    c->conditions = *conditions;
    c->fault_done = c->stalled = false;
    c->pipes[THERE].counted = c->pipes[BACK].counted = 0;
}

static void on_connect(uv_connect_t *request, int status)
{
    struct connection *c = request->data;
    if (c->closing)
        return;
    if (status < 0) {
        connection_close(c, true);
        return;
    }
    uv_tcp_nodelay(&c->ends[BACK], 1);
    pipe_pump(&c->pipes[THERE]);
    pipe_pump(&c->pipes[BACK]);
}

/* A handle whose socket is made before it connects can have small buffers. */
static void small_buffers(uv_tcp_t *end)
{
    int size = SOCKET_BUFFER;
    uv_recv_buffer_size((uv_handle_t *)end, &size);
    size = SOCKET_BUFFER;
    uv_send_buffer_size((uv_handle_t *)end, &size);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct route *route = listener->data;
    struct connection *c = status < 0 ? NULL : calloc(1, sizeof *c);
    struct conditions conditions = route->conditions;
    char text[CONDITIONS_TEXT];
    if (c == NULL)
        return;
    c->route = route;
    c->number = ++route->accepted;
    c->random = route->seed + c->number;
    if (route->seeded)
        conditions_draw(&conditions, route->seed, c->number);
    uv_tcp_init(listener->loop, &c->ends[THERE]);
    uv_tcp_init_ex(listener->loop, &c->ends[BACK], route->to.ss_family);
    pipe_init(&c->pipes[THERE], c, THERE);
    pipe_init(&c->pipes[BACK], c, BACK);
    c->open_handles = 4;
    c->next = route->connections;
    c->here = &route->connections;
    if (c->next != NULL)
        c->next->here = &c->next;
    route->connections = c;
    hold(c, &conditions);
    conditions_write(&conditions, text);
    connection_log(c, "open", text);
    c->connect.data = c;
    small_buffers(&c->ends[BACK]);
    if (uv_accept(listener, (uv_stream_t *)&c->ends[THERE]) != 0 ||
        uv_tcp_nodelay(&c->ends[THERE], 1) != 0 ||
        uv_tcp_connect(&c->connect, &c->ends[BACK], (struct sockaddr *)&route->to,
                       on_connect) != 0)
        connection_close(c, true);
}

/* --- routes ------------------------------------------------------------------------- */

static int parse_address(const char *ip, int port, struct sockaddr_storage *ret_address)
{
    int error = uv_ip4_addr(ip, port, (struct sockaddr_in *)ret_address);
    return error == 0 ? 0 : uv_ip6_addr(ip, port, (struct sockaddr_in6 *)ret_address);
}

static int start_listening(struct route *route, uv_loop_t *loop, const char *ip,
                           int *ret_port)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    int error = parse_address(ip, 0, &address);
    if (error != 0)
        return error;
    uv_tcp_init(loop, &route->listener);
    route->listener.data = route;
    error = uv_tcp_bind(&route->listener, (struct sockaddr *)&address, 0);
    if (error != 0)
        return error;
    small_buffers(&route->listener);
    error = uv_listen((uv_stream_t *)&route->listener, BACKLOG, on_connection);
    if (error == 0)
        error = uv_tcp_getsockname(&route->listener, (struct sockaddr *)&address, &size);
    *ret_port =
        ntohs(((struct sockaddr_in *)&address)->sin_port); /* as in sockaddr_in6 */
    return error;
}

struct route *route_open(uv_loop_t *loop, const char *ip, const char *to_ip, int to_port,
                         int *ret_port, int *ret_error)
{
    struct route *route = calloc(1, sizeof *route);
    if (route == NULL)
        abort();
    *ret_error = parse_address(to_ip, to_port, &route->to);
    if (*ret_error == 0)
        *ret_error = start_listening(route, loop, ip, ret_port);
    if (*ret_error != 0)
        return NULL; /* with its handle: the program is about to end */
    route->number = routes == NULL ? 1 : routes->number + 1;
    route->next = routes;
    routes = route;
    return route;
}

struct route *route_find(unsigned number)
{
    struct route *route = routes;
    while (route != NULL && route->number != number)
        route = route->next;
    return route;
}

void route_set(struct route *route, const struct conditions *conditions)
{
    struct connection *next;
    route->seeded = false;
    route->conditions = *conditions;
    for (struct connection *c = route->connections; c != NULL; c = next) {
        next = c->next;
        if (c->closing)
            continue;
        hold(c, conditions);
        pipe_pump(&c->pipes[THERE]);
        pipe_pump(&c->pipes[BACK]);
    }
}

void route_seed(struct route *route, uint64_t seed)
{
    route->seeded = true;
    route->seed = seed;
    route->accepted = 0;
}
