/* thread: a thread that takes no signals, as all but the guard's do. */
#define _GNU_SOURCE
#include <signal.h>

#include "thread.h"

int
thread_start(pthread_t *thread, void *(*work)(void *unused)) {
    sigset_t every, former;
    pthread_t own;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &former);
    int error = pthread_create(&own, NULL, work, NULL);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error == 0 && thread)
        *thread = own;
    else if (error == 0)
        pthread_detach(own);
    return error;
}
