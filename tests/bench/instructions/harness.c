/*
 * harness SUITE SIZE TOGETHER COUNT: sends COUNT messages of SIZE bytes from one link to
 * another, TOGETHER of them in a turn, through the carrier's own framing and the
 * channel's records. tests/bench/instructions/run counts what that takes. With TOGETHER 0
 * the messages are only sealed and opened: the channel alone.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emulator.h"

enum {
    HEADER = 40, /* of a distribution message, before what it carries */
};

static _Alignas(16) struct tacit_channel channels[2];
static struct link sender, receiver;

static int fail(const char *what)
{
    fprintf(stderr, "harness: %s\n", what);
    exit(1);
}

static void open_channels(enum tacit_suite suite)
{
    struct tacit_secret split[2];
    uint8_t h[NOISE_HASHLEN] = {3};
    memset(split, 1, sizeof split);
    tacit_channel_init(&channels[0], NOISE_INITIATOR, suite, split, h);
    tacit_channel_init(&channels[1], NOISE_RESPONDER, suite, split, h);
}

static void open_links(void)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        fail("no socketpair");
    for (int i = 0; i < 2; i++) {
        int size = 1 << 20;
        struct link *l = i == 0 ? &sender : &receiver;
        *l = (struct link){.fd = fds[i], .state = LINK_ACTIVE, .channel = &channels[i]};
        l->max_message = SIZE_MAX;
        l->keys.limits = (struct tacit_rekey_limits){UINT64_MAX, UINT64_MAX, UINT64_MAX};
        (void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
}

/* A message as the emulator has it: an empty slot, a header, and what it carries. */
static void send_message(size_t size)
{
    static char header[HEADER], payload[1 << 20];
    SysIOVec iov[3] = {{.iov_base = NULL, .iov_len = 0},
                       {.iov_base = header, .iov_len = sizeof header},
                       {.iov_base = payload, .iov_len = size}};
    ErlIOVec message = {.vsize = 3, .size = sizeof header + size, .iov = iov};
    link_output(&sender, &message);
}

static void carry(size_t size, size_t together, size_t count)
{
    open_links();
    for (size_t i = 0; i < count; i++) {
        emulator_us += together == 1 ? 1000 : 1;
        send_message(size);
        if ((i + 1) % together > 0 && i + 1 < count)
            continue;
        if (together > 1)
            link_turn(&sender);
        if (link_read(&receiver) == LINK_GONE)
            fail("the link is gone");
    }
    if (emulator_delivered != count ||
        emulator_delivered_bytes != count * (size + HEADER))
        fail("not all of it arrived");
}

static void seal_and_open(size_t size, size_t count)
{
    static uint8_t data[TACIT_RECORD_MAX], record[TACIT_RECORD_MAX];
    for (size_t i = 0; i < count; i++) {
        struct iovec iov = {.iov_base = data, .iov_len = size};
        enum tacit_record_type type;
        size_t len, got;
        if (tacit_channel_seal(&channels[0], TACIT_RECORD_DATA, &iov, 1, record,
                               sizeof record, &len) ||
            tacit_channel_open(&channels[1], record, len, data, &got, &type))
            fail("a record does not open");
    }
}

int main(int argc, char **argv)
{
    if (argc != 5 || sodium_init() < 0)
        return 2;
    int suite = atoi(argv[1]);
    size_t size = strtoul(argv[2], NULL, 10), together = strtoul(argv[3], NULL, 10),
           count = strtoul(argv[4], NULL, 10);
    if (!(tacit_suites_available() & 1u << suite))
        fail("this machine does not have the suite");
    open_channels((enum tacit_suite)suite);
    if (together == 0)
        seal_and_open(size, count);
    else
        carry(size, together, count);
    return 0;
}
