/*
 * A node's driver, whole, at a door that says anything: frames as they should be, bytes
 * of the input's, with descriptors of every kind at every place. Whatever comes, the node
 * loses no descriptor and stays in order; and what it says of sources is what a door of
 * that version takes.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../memory/fault.h"
#include "../memory/world.h"
#include "base/cursor.h"
#include "carrier/carrier.h"
#include "carrier/control.h"
#include "door/protocol.h"

enum {
    SENT_MAX = 3, /* descriptors with one piece */
};

static char dir[] = "/tmp/tacit-fuzz.XXXXXX", path[64];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

bool fault_now(void)
{
    return false; /* world.c asks; here memory does not run out */
}

/* --- a node's configuration, once -----------------------------------------------------
 */

static void write_file(const char *name, const char *text)
{
    char file[128];
    snprintf(file, sizeof file, "%s/%s", dir, name);
    int fd = open(file, O_WRONLY | O_CREAT, 0600);
    MUST(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void remove_all(void)
{
    static const char *const names[] = {"key", "identity", "tacit.conf", "door"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[128];
        snprintf(file, sizeof file, "%s/%s", dir, names[i]);
        unlink(file);
    }
    rmdir(dir);
}

static void begin(void)
{
    char conf[512];
    signal(SIGPIPE, SIG_IGN);
    MUST(mkdtemp(dir) != NULL && atexit(remove_all) == 0);
    write_file("key", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n");
    write_file("identity", "AAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n");
    snprintf(conf, sizeof conf,
             "[mesh]\nkey-file = %s/key\n[host]\nidentity = %s/identity\n"
             "listen = 127.0.0.1:4370\ndoor = %s/door\n",
             dir, dir, dir);
    write_file("tacit.conf", conf);
    snprintf(path, sizeof path, "%s/tacit.conf", dir);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/door", dir);
    MUST(world_start());
    struct port *p = world_open(); /* the configuration outlives it */
    MUST(p != NULL && world_configure(p, NULL, path) == 0);
    world_close(p);
}

/* --- the door -------------------------------------------------------------------------
 */

static int open_door(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(address.sun_path);
    MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    MUST(listen(fd, 1) == 0);
    return fd;
}

/* Something to send along. */
static int some_descriptor(uint8_t kind)
{
    switch (kind % 4) {
    case 0:
        return socket(AF_INET, SOCK_STREAM, 0);
    case 1:
        return socket(AF_UNIX, SOCK_STREAM, 0);
    case 2:
        return socket(AF_INET6, SOCK_DGRAM, 0);
    default:
        return open("/dev/null", O_RDONLY);
    }
}

static void say(int fd, const void *bytes, size_t len, uint8_t kinds)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(SENT_MAX * sizeof(int))];
    } control = {{0}};
    int sent[SENT_MAX];
    size_t count = kinds & 3;
    struct iovec iov = {(void *)(uintptr_t)bytes, len};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    for (size_t i = 0; i < count; i++)
        sent[i] = some_descriptor((uint8_t)(kinds >> (2 + 2 * i)));
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), sent, count * sizeof(int));
    }
    if (len > 0)
        (void)!sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (size_t i = 0; i < count; i++)
        close(sent[i]);
}

static void say_frame(int fd, struct tacit_reader *in, uint8_t kinds)
{
    struct tacit_door_frame frame = {
        .type = (enum tacit_door_type)(tacit_get_u8(in) % TACIT_DOOR_SOURCES + 1)};
    uint8_t bytes[TACIT_DOOR_FRAME_MAX];
    size_t len;
    if (frame.type == TACIT_DOOR_REGISTERED)
        frame.registered = (struct tacit_door_registered){.version = 1 + (kinds >> 2) % 4,
                                                          .creation = 5};
    else if (frame.type == TACIT_DOOR_REFUSED)
        frame.refused.reason = tacit_get_u8(in);
    else if (frame.type == TACIT_DOOR_PASS)
        frame.pass = (struct tacit_door_pass){.peer = {.family = 4}, .first = {1, 128}};
    else if (frame.type == TACIT_DOOR_KEYS)
        frame.keys.count = 1;
    else if (frame.type == TACIT_DOOR_SOURCES)
        frame.sources = (struct tacit_admission_news){.count = 1, .sources = {1}};
    if (tacit_door_write(&frame, bytes, &len) == TACIT_OK)
        say(fd, bytes, len, kinds);
}

static void say_bytes(int fd, struct tacit_reader *in, uint8_t kinds)
{
    size_t len = tacit_get_u8(in);
    len = len < tacit_left(in) ? len : tacit_left(in);
    say(fd, tacit_get_bytes(in, len), len, kinds);
}

/* Peers that come from there, or are refused: as many as that. */
static void meet(struct tacit_reader *in, uint8_t kinds)
{
    struct tacit_address peer = {.family = kinds & 1 ? 4 : 6};
    unsigned count = tacit_get_u8(in);
    for (unsigned i = 0; i < count; i++) {
        peer.bytes[3] = (uint8_t)i;
        gate_known(&peer, kinds & 2);
    }
}

/* All that the node has said: its registration, and then nothing but sources. */
static void hear(int fd)
{
    struct tacit_door_frame frame;
    struct tacit_door_input in = {0};
    unsigned frames = 0;
    size_t wants;
    bool bad;
    while ((wants = tacit_door_wants(&in, &bad)) > 0) {
        ssize_t n = recv(fd, in.bytes + in.len, wants, MSG_DONTWAIT);
        if (n <= 0)
            break;
        in.len += (size_t)n;
        if (tacit_door_wants(&in, &bad) > 0)
            continue;
        MUST(!bad && tacit_door_read(in.bytes, in.len, &frame) == TACIT_OK);
        MUST(frame.type == (frames++ == 0 ? TACIT_DOOR_REGISTER : TACIT_DOOR_SOURCES));
        in.len = 0;
    }
    MUST(frames > 0 && in.len == 0);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 128; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static bool begun;
    struct tacit_reader in = tacit_reader(bytes, len);
    if (!begun)
        begin();
    begun = true;
    unsigned before = open_descriptors();
    int door = -1;
    int listening = open_door();
    struct port *p = world_open();
    MUST(p != NULL);
    if (world_control(p, COMMAND_LISTEN, "a@one.example", 13) == 0)
        door = accept(listening, NULL, NULL);
    MUST(door >= 0);
    for (unsigned n = 0; n < 40 && tacit_left(&in) > 0; n++) {
        uint8_t what = tacit_get_u8(&in), kinds = tacit_get_u8(&in);
        if (what % 8 == 0)
            world_control(p, COMMAND_ACCEPT, "", 0);
        else if (what % 8 < 5)
            say_frame(door, &in, kinds);
        else if (what % 8 == 5)
            meet(&in, kinds);
        else
            say_bytes(door, &in, kinds);
        if (what & 128)
            world_turn(0);
    }
    world_turn(0);
    world_close(p);
    hear(door);
    close(door);
    close(listening);
    MUST(open_descriptors() == before);
    return 0;
}
