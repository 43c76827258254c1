/*
 * A configuration that is read while the node runs. Reading and parsing thousands of
 * peers takes a while: a thread of the emulator's own does it, no scheduler waits.
 */
#include <string.h>

#include "carrier.h"

struct job {
    int error;
    struct policy_ref *read;
    struct tacit_fault fault;
    size_t newest, len; /* a signed policy, behind the path; how long it is */
    char path[];
};

/* On the emulator's thread. */
static void read_it(void *data)
{
    struct job *job = data;
    job->error = shared_read(job->path, job->path + job->newest, job->len, &job->read,
                             &job->fault);
}

/* The port is gone before the job was done. */
static void discard(void *data)
{
    struct job *job = data;
    policy_release(job->read);
    driver_free(job);
}

int reload_start(struct carrier_port *p, const char *path, const void *newest, size_t len)
{
    size_t size = strlen(path) + 1;
    struct job *job = driver_alloc(sizeof *job + size + len);
    if (job == NULL)
        return TACIT_ENOMEM;
    memset(job, 0, sizeof *job);
    memcpy(job->path, path, size);
    job->newest = size;
    job->len = len;
    if (len > 0)
        memcpy(job->path + size, newest, len);
    p->reloader = driver_caller(p->port);
    if (driver_async(p->port, NULL, read_it, job, discard) >= 0)
        return TACIT_OK;
    driver_free(job);
    return TACIT_ENOMEM;
}

void reload_done(struct carrier_port *p, void *data)
{
    struct job *job = data;
    struct term t = {0};
    if (!job->error) {
        shared_offer(job->read);
        job->read = NULL;
    }
    term_atom(&t, "tacit_loaded");
    term_port(&t, p->port);
    term_binary(&t, job->error ? job->fault.text : "");
    term_tuple(&t, 3);
    term_send(&t, p->port, p->reloader);
    discard(job);
}
