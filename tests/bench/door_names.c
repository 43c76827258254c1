/*
 * How many registrations and look-ups a second an epmd does. Arguments: its port and
 * process, how many names to register, how many look-ups. Each is a connection of its
 * own, one at a time, as nodes do it; the registered names are looked up in an order that
 * knows no favourites. Prints "NAMES REGISTRATIONS/S LOOKUPS/S" and what a registration
 * and a look-up cost the epmd's processor, in microseconds: that is what tells on a
 * machine that does other things, too.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint16_t port;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The processor time that the process has had, seconds: it has one thread that works. */
static double used_by(const char *process)
{
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%.20s/schedstat", process);
    FILE *file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu", &ns) != 1)
        die(path);
    fclose(file);
    return (double)ns / 1e9;
}

/* Sends a request; the answer's first bytes. Returns the connection. */
static int ask(const uint8_t *request, size_t len, uint8_t *answer, size_t want)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("send");
    for (size_t got = 0; got < want;) {
        ssize_t n = recv(fd, answer + got, want - got, 0);
        if (n <= 0)
            die("recv");
        got += (size_t)n;
    }
    return fd;
}

static void register_name(unsigned i)
{
    char name[16];
    uint8_t request[64] = {0}, answer[6];
    int len = snprintf(name, sizeof name, "node%u", i);
    static const uint8_t head[] = {'x', 0x11, 0x11, 'M', 0, 0, 6, 0, 5, 0};
    request[1] = (uint8_t)(13 + len);
    memcpy(request + 2, head, sizeof head);
    request[12] = (uint8_t)len;
    memcpy(request + 13, name, (size_t)len);
    ask(request, (size_t)(15 + len), answer, sizeof answer); /* it stays */
    if (answer[1] != 0)
        die("refused");
}

static void look_up(unsigned i)
{
    uint8_t request[64], answer[14];
    int len = snprintf((char *)request + 3, sizeof request - 3, "node%u", i);
    request[0] = 0;
    request[1] = (uint8_t)(1 + len);
    request[2] = 'z';
    int fd = ask(request, (size_t)(3 + len), answer, sizeof answer);
    if (answer[1] != 0)
        die("unknown");
    close(fd);
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (argc != 5)
        return 2;
    port = (uint16_t)atoi(argv[1]);
    unsigned names = (unsigned)atoi(argv[3]), lookups = (unsigned)atoi(argv[4]);
    if (names == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 2;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    double start = seconds(), start_used = used_by(argv[2]);
    for (unsigned i = 0; i < names; i++)
        register_name(i);
    double registered = seconds(), registered_used = used_by(argv[2]);
    for (unsigned i = 0; i < lookups; i++)
        look_up(i * 2654435761u % names);
    double done = seconds(), done_used = used_by(argv[2]);
    printf("%8u %16.0f %12.0f %16.1f %12.1f\n", names, names / (registered - start),
           lookups / (done - registered), 1e6 * (registered_used - start_used) / names,
           1e6 * (done_used - registered_used) / lookups);
    return 0;
}
