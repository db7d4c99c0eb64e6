/* signals: how signals reach the control thread, and what threads and children
 * inherit. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <pthread.h>

/* signals_reset gives each signal that is ignored its default again, since
 * children must find it so; an ignored SIGCHLD also hides how children end. */
void signals_reset(void);

/* signals_run calls `live` in a thread with no signal blocked, and exits
 * with what it returns. The main thread takes SIGTERM, SIGINT, SIGHUP and
 * SIGUSR1, so that they neither end the process nor interrupt a hook; SIGPIPE
 * and SIGXFSZ only make a write fail. Returns an error number if the thread
 * cannot be started. */
int signals_run(int (*live)(void));

/* signals_fd returns a descriptor that is readable after a signal or
 * signals_wake. signals_wake is for any thread. */
int signals_fd(void);
void signals_wake(void);

/* signals_take returns a signal that came, or 0 = no more; then signals_fd is
 * no longer readable. One thread's. */
int signals_take(void);

/* signals_hold keeps all signals pending from now on, also those that have come
 * and were not taken, for the program that this process executes next. */
void signals_hold(void);

/* signals_thread starts a thread that runs `work(arg)` with all signals
 * blocked. `thread` NULL: nobody will join it. Returns 0 or an error number. */
int signals_thread(pthread_t *thread, void *(*work)(void *arg), void *arg);

/* signals_unblock makes the calling thread one that may run the user's code: it
 * blocks no signal, and so do the children that it starts. */
void signals_unblock(void);

#endif
