/* thread: a thread that takes no signals, as all but the guard's do. */
#ifndef THREAD_H
#define THREAD_H

#include <pthread.h>

/* thread_start begins `work(NULL)` in a thread with all signals blocked;
 * `thread` NULL: nobody will join it. Returns 0 or the error. */
int thread_start(pthread_t *thread, void *(*work)(void *unused));

#endif
