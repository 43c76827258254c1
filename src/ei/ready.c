#include "ei/ready.h"

#include <fcntl.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/epoll.h>

int cnode_ready_new(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

int cnode_ready_add(int ready, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(ready, EPOLL_CTL_ADD, fd, &event);
}

void cnode_ready_remove(int ready, int fd)
{
    (void)epoll_ctl(ready, EPOLL_CTL_DEL, fd, &(struct epoll_event){0});
}

#else

int cnode_ready_new(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    close(ends[1]);
    return ends[0];
}

int cnode_ready_add(int ready, int fd)
{
    (void)ready, (void)fd;
    return 0;
}

void cnode_ready_remove(int ready, int fd)
{
    (void)ready, (void)fd;
}

#endif
