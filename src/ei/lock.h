/* A mutex that is waited for no longer than a deadline. */
#ifndef TACIT_EI_LOCK_H
#define TACIT_EI_LOCK_H

#include <pthread.h>
#include <stdint.h>

/* Takes the mutex. TACIT_ETIMEOUT. */
int cnode_lock(pthread_mutex_t *mutex, int64_t deadline);

#endif
