/* Where the public port listens, as the policy and the interfaces say. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "door/daemon.h"

static struct listening *listeners;

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
    struct listening *l = fd < 0 ? NULL : listening_new(fd, public_accept);
    tacit_address_to_text(address, text);
    if (l == NULL) {
        snprintf(fault->text, sizeof fault->text, "%s: [host] listen = %s: %s",
                 tacit_policy_path(door.policy), text, strerror(errno));
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

/* Each address that could not be listened on is tried again, and told of once. */
static uv_timer_t retry;
static bool retry_made, retry_told;

static void on_retry(uv_timer_t *timer)
{
    struct tacit_fault fault;
    (void)timer;
    listen_apply(false, &fault);
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
    uv_timer_start(&retry, on_retry, RETRY_MS, 0);
}

int listen_apply(bool first, struct tacit_fault *fault)
{
    struct tacit_address addresses[256];
    size_t count = interfaces_addresses(addresses, 256);
    int error = TACIT_OK;
    for (struct listening *l = listeners; l != NULL; l = l->next)
        l->wanted = false;
    for (size_t i = 0; i < count; i++) {
        struct listening *l = find(&addresses[i]);
        if (l != NULL)
            l->wanted = true;
        else if (open_one(&addresses[i], fault) != TACIT_OK)
            error = TACIT_ESYSTEM;
    }
    close_unwanted();
    if (error && !first)
        retry_later(fault);
    else
        retry_told = false;
    return error;
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
