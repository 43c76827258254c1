/* The door as a whole: its clock, its room, what it does as time goes by, its end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "door/daemon.h"

enum {
    TICK_MS = 250,
    STARVED_EVICTS = 8,
};

struct door door;

static uv_timer_t tick;
static uv_signal_t signals[3];
static int64_t rests_until, ends_at;
static uint64_t strangers_told;
static int64_t strangers_told_at;

int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t wall_clock(void)
{
    return tacit_wall_clock();
}

struct tacit_now door_now(void)
{
    int64_t step;
    struct tacit_now now =
        tacit_clock_look(&door.clock, wall_clock(), tacit_unset_ms(), &step);
    if (step != 0)
        log_event("clock_set", "seconds=%+jd", (intmax_t)step);
    return now;
}

/* --- descriptors ------------------------------------------------------------------ */

/* Where there are more: a crowd at one port costs the few at the other nothing. */
static bool evict(void)
{
    if (epmd_pending() > door.pending.count && epmd_evict())
        return true;
    return public_evict() || epmd_evict();
}

void door_starved(void)
{
    int64_t now = now_ms();
    if (!door_rests()) {
        door.counters.starved++;
        log_stranger("starved", "pending=%zu nodes=%zu", door.pending.count,
                     door.nodes.count);
    }
    /* Several at once, so that the next one to be accepted is not only a stranger. */
    for (int i = 0; i < STARVED_EVICTS; i++)
        if (!evict())
            break;
    tacit_pending_starve(&door.pending, now);
    rests_until = now + TACIT_PENDING_PAUSE_MS;
}

void *door_allocate(size_t size)
{
    void *room = calloc(1, size);
    if (room == NULL) {
        door.counters.no_memory++;
        door_starved();
    }
    return room;
}

bool door_rests(void)
{
    return now_ms() < rests_until;
}

void door_trouble(enum trouble which, const char *text)
{
    char state[sizeof "STATUS=" + TACIT_FAULT_MAX];
    struct tacit_fault *own = &door.troubles[which];
    if (text != NULL && strcmp(text, own->text) == 0)
        return;
    if (text == NULL && *own->text == '\0')
        return;
    snprintf(own->text, sizeof own->text, "%s", text == NULL ? "" : text);
    const char *first = "";
    for (size_t i = TROUBLES; i > 0; i--)
        if (*door.troubles[i - 1].text != '\0')
            first = door.troubles[i - 1].text;
    snprintf(state, sizeof state, "STATUS=%s", first);
    system_notify(state);
}

/* --- the end ---------------------------------------------------------------------- */

static void close_all(void)
{
    public_close();
    directory_close();
    interfaces_stop();
    epmd_close();
    metrics_close();
    local_close();
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    uv_close((uv_handle_t *)&tick, NULL);
}

void door_end(const char *why)
{
    char text[TACIT_FAULT_MAX];
    if (door.ending)
        return;
    door.ending = true;
    ends_at = now_ms() + DRAIN_MS;
    system_notify("STOPPING=1");
    log_event("ending", "text=%s", log_quote(text, why));
    public_stop();
    interfaces_stop();
}

/* --- as time goes by -------------------------------------------------------------- */

/* Strangers in their thousands make one line a minute. */
static void tell_strangers(void)
{
    int64_t now = now_ms();
    uint64_t met = door.counters.strangers;
    if (met == strangers_told || now < strangers_told_at + 60000)
        return;
    log_event("strangers", "met=%ju evicted=%ju pending=%zu",
              (uintmax_t)(met - strangers_told), (uintmax_t)door.counters.evicted,
              door.pending.count);
    strangers_told = met;
    strangers_told_at = now;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    if (!door_rests())
        listening_wake_all();
    (void)door_now();
    public_tick();
    local_tick();
    directory_tick();
    epmd_tick();
    metrics_tick();
    settings_look();
    tell_strangers();
    if (door.ending &&
        ((door.pending.count == 0 && !nodes_busy()) || now_ms() >= ends_at))
        close_all();
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct tacit_fault fault;
    char state[64];
    (void)handle;
    if (number != SIGHUP) {
        door_end(number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%jd",
             (intmax_t)now_ms() * 1000);
    system_notify(state);
    settings_load(false, &fault);
    system_notify("READY=1");
}

void door_live(void)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&door.loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    strangers_told_at = now_ms() - 60000;
    uv_timer_init(&door.loop, &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
}
