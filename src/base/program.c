#include "base/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool program_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* Opened for the other direction: reading it, or writing to it, still fails. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}

const char *program_next_option(char *const *argv)
{
    int at = optind;
    while (argv[at] != NULL && (argv[at][0] != '-' || argv[at][1] == '\0'))
        at++;
    return argv[at];
}

const char *program_option_fault(int answer, const char *argument,
                                 const struct option *options)
{
    if (answer == ':')
        return "needs a value";
    bool one_dash = argument[1] != '-';
    const char *name = argument + (one_dash ? 1 : 2);
    size_t len = strcspn(name, "="), starts = 0;
    for (const struct option *o = options; o->name != NULL; o++) {
        if (strncmp(o->name, name, len) != 0)
            continue;
        if (o->name[len] == '\0')
            return one_dash ? "expected two dashes" : "takes no value";
        starts++;
    }
    if (one_dash || starts == 0)
        return "unknown option";
    return starts == 1 ? "takes no value" : "the start of several options";
}
