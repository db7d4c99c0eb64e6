/* signals: what signals mean to the server, and what its threads and children
 * inherit. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <pthread.h>

/* signals_reset gives each signal that the caller had ignored its default, as a
 * child of ours must find it; an ignored SIGCHLD also hides how children end.
 */
void signals_reset(void);

/* signals_run calls `life(arg)` in a thread with no signal blocked, and exits
 * with what it returns. SIGTERM, SIGINT, SIGHUP and SIGUSR1 are taken by the
 * main thread, so that they neither end the process nor interrupt a hook;
 * SIGPIPE and SIGXFSZ make the write fail. Returns the error, if it fails. */
int signals_run(int (*life)(int arg), int arg);

/* signals_fd is readable when a signal came. */
int signals_fd(void);

/* signals_take returns a signal that came, or 0. */
int signals_take(void);

/* signals_hold keeps the signals pending from now on, those too that nobody has
 * taken, for the program that this process executes next. */
void signals_hold(void);

/* signals_thread begins `work(arg)` in a thread with all signals blocked;
 * `thread` NULL: nobody will join it. Returns 0 or the error. */
int signals_thread(pthread_t *thread, void *(*work)(void *arg), void *arg);

/* signals_unblock makes the calling thread one that may run the user's code: it
 * blocks no signal, and so do the children that it starts. */
void signals_unblock(void);

#endif
