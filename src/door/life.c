/* The door as a whole: signals, what it does as time goes by, its end. */
#include <signal.h>
#include <stdio.h>

#include "door/daemon.h"

enum {
    TICK_MS = 250,
};

static uv_timer_t tick;
static uv_signal_t signals[3];
static int64_t ends_at;
static uint64_t strangers_told;
static int64_t strangers_told_at;

/* Where there are more: a crowd at one port costs the few at the other nothing. */
static bool evict(void)
{
    if (epmd_pending() > door.pending.count && epmd_evict())
        return true;
    return public_evict() || epmd_evict();
}

/* --- the end ---------------------------------------------------------------------- */

static void close_all(void)
{
    listen_close();
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

static void end(const char *why)
{
    char text[TACIT_FAULT_MAX];
    if (door.ending)
        return;
    door.ending = true;
    ends_at = now_ms() + DRAIN_MS;
    system_notify("STOPPING=1");
    log_event("ending", "text=%s", log_quote(text, why));
    listen_stop();
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

static void tell_clock(void)
{
    (void)door_now();
    if (door.clock_step != 0)
        log_event("clock_set", "seconds=%+jd", (intmax_t)door.clock_step);
    door.clock_step = 0;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
    if (!door_rests())
        listening_wake_all();
    tell_clock();
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
        end(number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%jd",
             (intmax_t)now_ms() * 1000);
    system_notify(state);
    settings_reload(&fault);
    system_notify("READY=1");
}

void door_live(void)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        uv_signal_init(&door.loop, &signals[i]);
        uv_signal_start(&signals[i], on_signal, numbers[i]);
    }
    door.evict = evict;
    door.reload = settings_reload;
    door.end = end;
    listen_give(public_accept);
    strangers_told_at = now_ms() - 60000;
    uv_timer_init(&door.loop, &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
}
