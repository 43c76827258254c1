/* The driver's entry: every callback of the emulator, sent to the listener or the link.
 */
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "carrier.h"

static int on_init(void)
{
    if (sodium_init() < 0 || shared_init() != TACIT_OK)
        return -1;
    if (due_init() == TACIT_OK) {
        if (reload_init() == TACIT_OK)
            return 0;
        due_finish();
    }
    shared_finish();
    return -1;
}

static void on_finish(void)
{
    reload_finish();
    due_finish();
    shared_finish();
}

static atomic_bool locked;

static ErlDrvData on_start(ErlDrvPort port, char *command)
{
    struct carrier_port *p = driver_alloc(sizeof *p);
    if (p == NULL)
        return ERL_DRV_ERROR_GENERAL;
    /* Stay, no matter who loaded us: an unloaded driver takes every link with it. */
    if (!atomic_exchange(&locked, true))
        driver_lock_driver(port);
    *p = (struct carrier_port){.port = port};
    return (ErlDrvData)p;
}

static void on_stop(ErlDrvData data)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->listener != NULL)
        listener_stop(p->listener);
    if (p->link != NULL)
        link_stop(p->link);
    driver_free(p);
}

static void on_ready_input(ErlDrvData data, ErlDrvEvent event)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->listener != NULL)
        listener_ready(p->listener, (int)(intptr_t)event);
    else if (p->link != NULL)
        link_ready_read(p->link);
}

static void on_ready_output(ErlDrvData data, ErlDrvEvent event)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->listener != NULL)
        listener_ready(p->listener, (int)(intptr_t)event);
    else if (p->link != NULL)
        link_ready_write(p->link);
}

static void on_timeout(ErlDrvData data)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->listener != NULL)
        listener_timeout(p->listener);
    else if (p->link != NULL)
        link_timeout(p->link);
}

static void on_outputv(ErlDrvData data, ErlIOVec *message)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->link != NULL)
        link_output(p->link, message);
}

static void on_flush(ErlDrvData data)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->link != NULL)
        link_flush(p->link);
}

/*
 * The emulator is about to write a crash dump, which may take minutes: peers should not
 * wait, nor should the next node of that name. Other threads may still be in any
 * callback: nothing is followed or changed here, and no descriptor's number becomes free.
 */
static void on_emergency_close(ErlDrvData data)
{
    const struct carrier_port *p = (const struct carrier_port *)data;
    if (p->listener != NULL)
        listener_emergency_close(p->listener);
    if (p->link != NULL)
        link_emergency_close(p->link);
}

static ErlDrvSSizeT on_control(ErlDrvData data, unsigned int command, char *buf,
                               ErlDrvSizeT len, char **rbuf, ErlDrvSizeT rlen)
{
    return carrier_control((struct carrier_port *)data, command, (const uint8_t *)buf,
                           len, rbuf, rlen);
}

static ErlDrvSSizeT on_call(ErlDrvData data, unsigned int command, char *buf,
                            ErlDrvSizeT len, char **rbuf, ErlDrvSizeT rlen,
                            unsigned int *flags)
{
    return carrier_call((struct carrier_port *)data, command, buf, len, rbuf, rlen);
}

static void on_process_exit(ErlDrvData data, ErlDrvMonitor *monitor)
{
    struct carrier_port *p = (struct carrier_port *)data;
    if (p->listener != NULL)
        listener_process_exit(p->listener, monitor);
}

/* The only place where a selected descriptor is closed: nobody polls it any more. */
static void on_stop_select(ErlDrvEvent event, void *reserved)
{
    close((int)(intptr_t)event);
}

static char driver_name[] = "tacit_drv";

static ErlDrvEntry entry = {
    .init = on_init,
    .start = on_start,
    .stop = on_stop,
    .ready_input = on_ready_input,
    .ready_output = on_ready_output,
    .driver_name = driver_name,
    .finish = on_finish,
    .control = on_control,
    .timeout = on_timeout,
    .outputv = on_outputv,
    .flush = on_flush,
    .call = on_call,
    .extended_marker = (int)ERL_DRV_EXTENDED_MARKER,
    .major_version = ERL_DRV_EXTENDED_MAJOR_VERSION,
    .minor_version = ERL_DRV_EXTENDED_MINOR_VERSION,
    .driver_flags = ERL_DRV_FLAG_USE_PORT_LOCKING | ERL_DRV_FLAG_SOFT_BUSY,
    .process_exit = on_process_exit,
    .stop_select = on_stop_select,
    .emergency_close = on_emergency_close,
};

DRIVER_INIT(tacit_drv)
{
    return &entry;
}
