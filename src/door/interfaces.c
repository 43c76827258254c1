/* Which addresses to listen on: those of tacit.conf, and those that its interfaces have.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/rtnetlink.h>
#endif

#include "door/daemon.h"

enum {
    SETTLE_MS = 100, /* changes come in bursts */
    POLL_MS = 5000,  /* where the system does not tell of changes */
};

static uv_poll_t events;
static uv_timer_t timer;
static bool watching, has_events;
static int netlink_fd = -1;
static void (*changed)(void);

/* Adds the addresses that an interface has now. */
static size_t add_interface(const struct tacit_interface *interface,
                            const struct ifaddrs *all, struct tacit_address *ret,
                            size_t at, size_t max)
{
    for (const struct ifaddrs *i = all; i != NULL && at < max; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0 ||
            strcmp(i->ifa_name, interface->name) != 0)
            continue;
        socket_address(i->ifa_addr, &ret[at]);
        ret[at].port = interface->port;
        bool twice = false;
        for (size_t j = 0; j < at; j++)
            twice = twice || memcmp(&ret[j], &ret[at], sizeof ret[at]) == 0;
        if (ret[at].family != 0 && !twice)
            at++;
    }
    return at;
}

/* --- those that are not there ------------------------------------------------------ */

static struct tacit_interface absent[TACIT_LISTEN_MAX];
static size_t absent_count;

static bool is_among(const struct tacit_interface *interface,
                     const struct tacit_interface *of, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (of[i].port == interface->port && strcmp(of[i].name, interface->name) == 0)
            return true;
    return false;
}

/* Each is told once: it may come yet, as a tunnel's does, or be a slip of the pen. */
static void tell_absent(const struct tacit_interface *now, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_among(&now[i], absent, absent_count))
            log_event(
                "interface_absent",
                "interface=%s:%u text=\"no such interface, or it is down, or has no "
                "address: nothing listens there until it has one\"",
                now[i].name, now[i].port);
    memcpy(absent, now, count * sizeof *now);
    absent_count = count;
}

size_t interfaces_absent(const struct tacit_interface **ret_interfaces)
{
    *ret_interfaces = absent;
    return absent_count;
}

int interfaces_addresses(struct tacit_address *ret, size_t *count, size_t *ret_own,
                         struct tacit_fault *fault)
{
    const struct tacit_address *listen;
    const struct tacit_interface *interfaces;
    struct tacit_interface missing[TACIT_LISTEN_MAX];
    struct ifaddrs *all = NULL;
    size_t max = *count, at = tacit_policy_listen(door.policy, &listen), missed = 0;
    size_t names = tacit_policy_interfaces(door.policy, &interfaces);
    memset(ret, 0, max * sizeof *ret);
    at = at > max ? max : at;
    memcpy(ret, listen, at * sizeof *ret);
    *ret_own = *count = at;
    if (names > 0 && getifaddrs(&all) != 0) {
        snprintf(fault->text, sizeof fault->text, "%s: the interfaces' addresses: %s",
                 tacit_policy_path(door.policy), strerror(errno));
        return TACIT_ESYSTEM;
    }
    for (size_t i = 0; i < names; i++) {
        size_t before = at;
        at = add_interface(&interfaces[i], all, ret, at, max);
        if (at == before && missed < TACIT_LISTEN_MAX)
            missing[missed++] = interfaces[i];
    }
    if (all != NULL)
        freeifaddrs(all);
    tell_absent(missing, missed);
    *count = at;
    return TACIT_OK;
}

static void on_timer(uv_timer_t *t)
{
    (void)t;
    changed();
    if (!has_events)
        uv_timer_start(&timer, on_timer, POLL_MS, 0);
}

#ifdef __linux__
static void on_event(uv_poll_t *poll, int status, int mask)
{
    uint8_t waste[8192];
    (void)poll, (void)mask;
    while (status == 0 && recv(netlink_fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
        ; /* whatever it was: getifaddrs tells what there is now */
    uv_timer_start(&timer, on_timer, SETTLE_MS, 0);
}

static bool open_events(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
                                               RTMGRP_IPV6_IFADDR};
    netlink_fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (netlink_fd < 0)
        return false;
    if (bind(netlink_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        uv_poll_init(&door.loop, &events, netlink_fd) == 0) {
        uv_poll_start(&events, UV_READABLE, on_event);
        return true;
    }
    close(netlink_fd);
    return false;
}
#else
static bool open_events(void)
{
    return false;
}
#endif

void interfaces_watch(void (*when_changed)(void))
{
    const struct tacit_interface *interfaces;
    if (watching || tacit_policy_interfaces(door.policy, &interfaces) == 0)
        return;
    watching = true;
    changed = when_changed;
    uv_timer_init(&door.loop, &timer);
    has_events = open_events();
    uv_timer_start(&timer, on_timer, SETTLE_MS, 0);
}

void interfaces_stop(void)
{
    if (!watching)
        return;
    watching = false;
    uv_close((uv_handle_t *)&timer, NULL);
    if (has_events) {
        uv_poll_stop(&events);
        uv_close((uv_handle_t *)&events, NULL);
        close(netlink_fd);
    }
}
