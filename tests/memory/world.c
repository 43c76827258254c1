#include "world.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/cursor.h"
#include "carrier/carrier.h"
#include "carrier/control.h"
#include "fault.h"

enum {
    EVENTS_MAX = 32,
};

struct event {
    int fd, mode;
    struct port *port;
};

static struct port *ports; /* PORTS_MAX of them */
static struct event events[EVENTS_MAX];
static size_t event_count;

static ErlDrvPort handle(struct port *p)
{
    return (ErlDrvPort)(void *)p;
}

/* --- ports ----------------------------------------------------------------------------
 */

/* One that was closed is not used again as long as there are others. */
static struct port *new_port(void)
{
    static size_t last;
    for (size_t i = 1; i <= PORTS_MAX; i++) {
        struct port *p = &ports[(last + i) % PORTS_MAX];
        if (p->open)
            continue;
        last = (size_t)(p - ports);
        memset(p, 0, offsetof(struct port, queue));
        p->open = true;
        p->timer = -1;
        return p;
    }
    fputs("world: too many ports\n", stderr);
    abort();
}

bool world_start(void)
{
    if (ports == NULL)
        ports = mmap(NULL, PORTS_MAX * sizeof *ports, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    while (world_accepted() != NULL)
        ;
    return driver_init()->init() == 0;
}

struct port *world_open(void)
{
    struct port *p = new_port();
    char command[] = "tacit_drv";
    p->data = driver_init()->start(handle(p), command);
    if ((intptr_t)p->data < 0) { /* ERL_DRV_ERROR_GENERAL */
        p->open = false;
        return NULL;
    }
    return p;
}

void world_close(struct port *p)
{
    if (p == NULL || !p->open)
        return;
    driver_init()->stop(p->data);
    p->open = false;
}

void world_end(void)
{
    for (size_t i = 0; i < PORTS_MAX; i++)
        world_close(&ports[i]);
    driver_init()->finish();
    if (event_count > 0) {
        fputs("world: a descriptor is still selected\n", stderr);
        abort();
    }
}

static uint8_t number[8]; /* what the last reply began with */

int world_control(struct port *p, unsigned command, const void *bytes, size_t len)
{
    static char copies[4096];
    char space[64], *reply = space;
    char *copy = copies + sizeof copies - len; /* so that a byte too far is found */
    if (len > sizeof copies || !p->open)
        return -1;
    memcpy(copy, bytes, len);
    ErlDrvSSizeT size =
        driver_init()->control(p->data, command, copy, len, &reply, sizeof space);
    int status = size > 0 ? reply[0] : -1;
    if (size > (ErlDrvSSizeT)sizeof number)
        memcpy(number, reply + 1, sizeof number);
    if (reply != space)
        driver_free(reply);
    return status;
}

int world_configure(struct port *p, struct port *listener, const char *path)
{
    char bytes[256];
    size_t len = strlen(path);
    bytes[0] = (char)(len >> 8);
    bytes[1] = (char)len;
    memcpy(bytes + 2, path, len);
    int status = world_control(p, COMMAND_RELOAD, bytes, 2 + len);
    uint8_t reload[sizeof number];
    memcpy(reload, number, sizeof reload);
    if (status == 0 && listener != NULL)
        status = world_control(listener, COMMAND_LISTEN_TRY, reload, sizeof reload);
    if (status == 0)
        status = world_control(p, COMMAND_ADOPT, reload, sizeof reload);
    if (listener != NULL)
        world_control(listener, COMMAND_LISTEN_SETTLE, "", 0);
    return status;
}

bool world_call(struct port *p, unsigned command)
{
    char space[64], *reply = space, none[1] = {0};
    unsigned flags = 0;
    if (!p->open)
        return false;
    ErlDrvSSizeT size =
        driver_init()->call(p->data, command, none, 0, &reply, sizeof space, &flags);
    if (reply != space)
        driver_free(reply);
    return size > 0;
}

void world_send(struct port *p, const char *bytes, size_t len)
{
    SysIOVec iov[2] = {{NULL, 0}, {(char *)(uintptr_t)bytes, len}};
    ErlIOVec message = {.vsize = 2, .size = len, .iov = iov};
    if (p->open)
        driver_init()->outputv(p->data, &message);
}

ErlDrvPort driver_create_port(ErlDrvPort port, ErlDrvTermData owner, char *name,
                              ErlDrvData data)
{
    if (fault_now())
        return (ErlDrvPort)(intptr_t)-1;
    struct port *p = new_port();
    p->data = data;
    return handle(p);
}

int driver_exit(ErlDrvPort port, int error)
{
    world_close(port_of(port));
    return 0;
}

void world_show(void)
{
    for (size_t i = 0; i < PORTS_MAX; i++)
        if (ports[i].open)
            fprintf(stderr, "port %zu: told %s, %zu bytes delivered, %zu queued\n", i,
                    ports[i].told, ports[i].delivered,
                    ports[i].queue_end - ports[i].queue_start);
}

/* --- descriptors and timers -----------------------------------------------------------
 */

static ErlDrvTime now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ErlDrvTime)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

ErlDrvTime erl_drv_monotonic_time(ErlDrvTimeUnit unit)
{
    return unit == ERL_DRV_USEC ? now_us() : now_us() / 1000;
}

static void forget(struct event *e)
{
    *e = events[--event_count];
}

int driver_select(ErlDrvPort port, ErlDrvEvent event, int mode, int on)
{
    int fd = (int)(intptr_t)event;
    struct event *e = NULL;
    for (size_t i = 0; i < event_count; i++)
        if (events[i].fd == fd)
            e = &events[i];
    if (e == NULL && on) {
        if (event_count == EVENTS_MAX)
            abort();
        e = &events[event_count++];
        *e = (struct event){.fd = fd};
    }
    if (on) {
        e->port = port_of(port);
        e->mode |= mode & (ERL_DRV_READ | ERL_DRV_WRITE);
        return 0;
    }
    if (e != NULL)
        e->mode &= ~mode;
    if (e != NULL && (e->mode & (ERL_DRV_READ | ERL_DRV_WRITE)) == 0)
        forget(e);
    if (mode & ERL_DRV_USE)
        driver_init()->stop_select(event, NULL);
    return 0;
}

int driver_set_timer(ErlDrvPort port, unsigned long ms)
{
    port_of(port)->timer = now_us() / 1000 + (ErlDrvTime)ms;
    return 0;
}

int driver_cancel_timer(ErlDrvPort port)
{
    port_of(port)->timer = -1;
    return 0;
}

/* Whether the event is still there after what other callbacks did. */
static struct port *wants(int fd, int mode)
{
    for (size_t i = 0; i < event_count; i++)
        if (events[i].fd == fd && events[i].mode & mode)
            return events[i].port;
    return NULL;
}

void world_turn(int ms)
{
    struct pollfd fds[EVENTS_MAX];
    size_t count = event_count;
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){
            .fd = events[i].fd,
            .events = (short)((events[i].mode & ERL_DRV_READ ? POLLIN : 0) |
                              (events[i].mode & ERL_DRV_WRITE ? POLLOUT : 0))};
    for (size_t i = 0; i < PORTS_MAX; i++) {
        ErlDrvTime wait = ports[i].timer - now_us() / 1000;
        if (ports[i].open && ports[i].timer >= 0 && wait < ms)
            ms = wait < 0 ? 0 : (int)wait;
    }
    poll(fds, count, ms);
    for (size_t i = 0; i < count; i++) {
        ErlDrvEvent event = (ErlDrvEvent)(intptr_t)fds[i].fd;
        struct port *p;
        if (fds[i].revents & ~POLLOUT && (p = wants(fds[i].fd, ERL_DRV_READ)) != NULL)
            driver_init()->ready_input(p->data, event);
        if (fds[i].revents & ~POLLIN && (p = wants(fds[i].fd, ERL_DRV_WRITE)) != NULL)
            driver_init()->ready_output(p->data, event);
    }
    for (size_t i = 0; i < PORTS_MAX; i++)
        if (ports[i].open && ports[i].timer >= 0 && ports[i].timer <= now_us() / 1000) {
            ports[i].timer = -1;
            driver_init()->timeout(ports[i].data);
        }
}
