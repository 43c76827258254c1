/*
 * A configuration that is read, at the start and while the node runs. Files may keep who
 * reads them waiting, for ever where they are far away, and so may the emulator's own
 * threads, which also write to its standard output: so a thread of the driver's own
 * reads, one configuration at a time, and nobody has to wait for it.
 */
#include <string.h>

#include "carrier.h"

struct job {
    uint64_t number;
    ErlDrvTermData port, caller;
    ErlDrvTime since;   /* ms */
    bool given_up;      /* under the reader's lock */
    size_t newest, len; /* a signed policy, behind the path; how long it is */
    char path[];
};

static struct {
    ErlDrvMutex *lock;
    struct job *job; /* that is being read; NULL: none */
    uint64_t last;   /* number that was given */
    ErlDrvTid thread;
    bool started; /* the thread: to be joined once its job is done */
} reader;

int reload_init(void)
{
    char name[] = "tacit_reader";
    reader.lock = erl_drv_mutex_create(name);
    return reader.lock == NULL ? TACIT_ENOMEM : TACIT_OK;
}

void reload_finish(void)
{
    if (reader.started)
        erl_drv_thread_join(reader.thread, NULL);
    reader.started = false;
    erl_drv_mutex_destroy(reader.lock);
}

/* {tacit_loaded, Number, Text}. On any thread. */
static void tell_loaded(const struct job *job, const char *text)
{
    struct term t = {0};
    term_atom(&t, "tacit_loaded");
    term_unsigned(&t, job->number);
    term_binary(&t, text);
    term_tuple(&t, 3);
    erl_drv_send_term(job->port, job->caller, t.data, (int)t.size);
}

/* On the reader's thread. */
static void *read_it(void *data)
{
    struct job *job = data;
    struct policy_ref *read = NULL;
    struct tacit_fault fault = {""};
    int error = shared_read(job->path, job->path + job->newest, job->len, &read, &fault);
    if (error && fault.text[0] == '\0')
        snprintf(fault.text, sizeof fault.text, "%.*s: %s", TACIT_FAULT_MAX / 2,
                 job->path, tacit_error_text(error));
    erl_drv_mutex_lock(reader.lock);
    reader.job = NULL;
    if (!job->given_up && read != NULL) {
        shared_offer(read, job->number);
        read = NULL;
    }
    bool wanted = !job->given_up;
    erl_drv_mutex_unlock(reader.lock);
    policy_release(read);
    if (wanted)
        tell_loaded(job, error ? fault.text : ""); /* what was passed over is no fault */
    driver_free(job);
    return NULL;
}

static struct job *job_new(ErlDrvPort port, const char *path, const void *newest,
                           size_t len)
{
    size_t size = strlen(path) + 1;
    struct job *job = driver_alloc(sizeof *job + size + len);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof *job);
    memcpy(job->path, path, size);
    job->newest = size;
    job->len = len;
    if (len > 0)
        memcpy(job->path + size, newest, len);
    job->port = driver_mk_port(port);
    job->caller = driver_caller(port);
    job->since = monotonic_ms();
    return job;
}

/* Under the lock. */
static int start_thread(struct job *job, char text[TACIT_FAULT_MAX])
{
    char name[] = "tacit_reader";
    if (reader.started)
        erl_drv_thread_join(reader.thread, NULL); /* it has no more to do */
    reader.job = job;
    reader.started = erl_drv_thread_create(name, &reader.thread, read_it, job, NULL) == 0;
    if (reader.started)
        return TACIT_OK;
    reader.job = NULL;
    snprintf(text, TACIT_FAULT_MAX, "%.*s: no thread can be made to read it",
             TACIT_FAULT_MAX / 2, job->path);
    return TACIT_ESYSTEM;
}

static int start(struct job *job, uint64_t *ret_number, char text[TACIT_FAULT_MAX])
{
    const struct job *busy = reader.job;
    if (busy != NULL) {
        snprintf(text, TACIT_FAULT_MAX,
                 "%.*s: the reading that began %ju s ago has not come to its end: a file "
                 "that it names keeps it waiting",
                 TACIT_FAULT_MAX / 2, busy->path,
                 (uintmax_t)(monotonic_ms() - busy->since) / 1000);
        return TACIT_ESTATE;
    }
    *ret_number = job->number = ++reader.last;
    return start_thread(job, text);
}

int reload_start(ErlDrvPort port, const char *path, const void *newest, size_t len,
                 uint64_t *ret_number, char text[TACIT_FAULT_MAX])
{
    struct job *job = job_new(port, path, newest, len);
    if (job == NULL) {
        snprintf(text, TACIT_FAULT_MAX, "memory ran out");
        return TACIT_ENOMEM;
    }
    erl_drv_mutex_lock(reader.lock);
    int error = start(job, ret_number, text);
    erl_drv_mutex_unlock(reader.lock);
    if (error)
        driver_free(job);
    return error;
}

void reload_give_up(uint64_t number)
{
    erl_drv_mutex_lock(reader.lock);
    if (reader.job != NULL && reader.job->number == number)
        reader.job->given_up = true;
    erl_drv_mutex_unlock(reader.lock);
    shared_withdraw(number);
}
