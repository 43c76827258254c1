/* Where the public port listens, as the policy and the interfaces say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door/daemon.h"

static struct listening *listeners;
static void (*accept_from)(struct listening *l);

void listen_give(void (*accept)(struct listening *l))
{
    accept_from = accept;
}

static struct listening *find(const struct tacit_address *address)
{
    struct listening *l = listeners;
    while (l != NULL && !tacit_address_equal(&l->address, address))
        l = l->next;
    return l;
}

static int open_one(const struct tacit_address *address, struct tacit_fault *fault)
{
    char text[TACIT_ADDRESS_TEXT];
    int fd = system_socket(address, NULL);
    if (fd < 0)
        fd = socket_listen(address);
    struct listening *l = fd < 0 ? NULL : listening_new(fd, accept_from);
    int error = errno;
    tacit_address_to_text(address, text);
    if (l == NULL) {
        snprintf(fault->text, sizeof fault->text, "%s: [host] listen = %s: %s",
                 tacit_policy_path(door.policy), text, strerror(error));
        errno = error;
        return TACIT_ESYSTEM;
    }
    l->address = *address;
    l->next = listeners;
    listeners = l;
    l->wanted = true;
    log_event("listening", "address=%s", text);
    return TACIT_OK;
}

static void close_unwanted(void)
{
    for (struct listening **at = &listeners; *at != NULL;) {
        struct listening *l = *at;
        char text[TACIT_ADDRESS_TEXT];
        if (l->wanted) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        tacit_address_to_text(&l->address, text);
        log_event("not_listening", "address=%s", text);
        listening_free(l);
    }
}

static bool all_open(const struct tacit_address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find(&addresses[i]) == NULL)
            return false;
    return true;
}

/* Each address that could not be listened on is tried again, and told of once. */
static uv_timer_t retry;
static bool retry_made, retry_told;

void listen_again(void)
{
    struct tacit_fault fault;
    (void)listen_apply(LISTEN_LATER, &fault);
}

static void on_retry(uv_timer_t *timer)
{
    (void)timer;
    listen_again();
}

static void retry_later(const struct tacit_fault *fault)
{
    char text[TACIT_FAULT_MAX];
    if (!retry_made)
        uv_timer_init(&door.loop, &retry);
    retry_made = true;
    if (!retry_told)
        log_event("listen_failed", "text=%s", log_quote(text, fault->text));
    retry_told = true;
    door_trouble(TROUBLE_LISTEN, fault->text);
    uv_timer_start(&retry, on_retry, RETRY_MS, 0);
}

/*
 * Opens what is missing. An address that one which is no longer wanted stands in the way
 * of, as 0.0.0.0 does of all others, is tried again without that. Of the first `strict`
 * none may fail.
 */
static int open_missing(const struct tacit_address *addresses, size_t count,
                        size_t strict, struct tacit_fault *fault)
{
    int error = TACIT_OK;
    for (size_t i = 0; i < count; i++) {
        if (find(&addresses[i]) != NULL)
            continue;
        int failed = open_one(&addresses[i], fault);
        if (failed != TACIT_OK && errno == EADDRINUSE) {
            close_unwanted();
            failed = open_one(&addresses[i], fault);
        }
        if (failed != TACIT_OK && i < strict)
            return failed;
        error = failed != TACIT_OK ? failed : error;
    }
    return error;
}

int listen_apply(enum listen_when when, struct tacit_fault *fault)
{
    struct tacit_address addresses[256];
    size_t own, count = 256;
    for (struct listening *l = listeners; l != NULL; l = l->next)
        l->wanted = false;
    int error = interfaces_addresses(addresses, &count, &own, fault);
    for (size_t i = 0; i < count; i++) {
        struct listening *l = find(&addresses[i]);
        if (l != NULL)
            l->wanted = true;
    }
    if (error == TACIT_OK) {
        size_t strict = when == LISTEN_RELOAD ? own : 0;
        error = open_missing(addresses, count, strict, fault);
        /* What could not be opened then is not the file's, but an interface's. */
        if (error != TACIT_OK && when == LISTEN_RELOAD && !all_open(addresses, own))
            return error;
        close_unwanted();
    }
    if (error != TACIT_OK && when != LISTEN_START)
        retry_later(fault);
    else {
        retry_told = false;
        door_trouble(TROUBLE_LISTEN, NULL);
    }
    return when == LISTEN_START ? error : TACIT_OK;
}

size_t listen_addresses(char (*ret_texts)[TACIT_ADDRESS_TEXT], size_t max)
{
    size_t count = 0;
    for (struct listening *l = listeners; l != NULL && count < max; l = l->next)
        tacit_address_to_text(&l->address, ret_texts[count++]);
    return count;
}

void listen_stop(void)
{
    if (retry_made)
        uv_timer_stop(&retry);
    for (struct listening *l = listeners; l != NULL; l = l->next)
        l->wanted = false;
    close_unwanted();
}

void listen_close(void)
{
    listen_stop();
    if (retry_made)
        uv_close((uv_handle_t *)&retry, NULL);
}
