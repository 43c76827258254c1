/*
 * For tests: a wall clock that can be put forward and back, for one process and what it
 * starts. LD_PRELOAD has it loaded; the file named by TACIT_CLOCK_STEP has the seconds by
 * which its clock is off, and then those by which it is later than it is by both clocks,
 * as if the machine had slept; or is not there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct off {
    long set, slept;
};

static struct off off(void)
{
    struct off off = {0};
    const char *path = getenv("TACIT_CLOCK_STEP");
    char text[64] = "", *end;
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return off;
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len > 0) {
        off.set = strtol(text, &end, 10);
        off.slept = strtol(end, NULL, 10);
    }
    return off;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int error = (int)syscall(SYS_clock_gettime, clock, ret);
    if (error != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME))
        return error;
    struct off now = off();
    ret->tv_sec += now.slept + (clock == CLOCK_REALTIME ? now.set : 0);
    return 0;
}

time_t time(time_t *ret)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}
