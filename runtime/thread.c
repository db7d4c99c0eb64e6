/* thread: a thread that takes no signals, as all but the guard's do. */
#define _GNU_SOURCE
#include <signal.h>

#include "thread.h"

int
thread_start(pthread_t *thread, void *(*work)(void *unused)) {
    sigset_t every, former;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &former);
    int error = pthread_create(thread, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return error;
}
