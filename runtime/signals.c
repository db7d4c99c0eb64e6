/* signals: how signals reach the control thread, and what threads and children
 * inherit.
 *
 * A child inherits the mask of the thread that starts it, and the signals that
 * are ignored. So the thread of the hooks blocks nothing, and no signal is
 * ignored: each has its default or a handler, which exec resets. The main
 * thread waits for the signals, and the kernel prefers it; a blocked signal is
 * not lost while system(3) ignores it. Only a signal that finds the main thread
 * busy with another one, or comes right after one, interrupts a hook, by a
 * handler that does the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "signals.h"

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
enum { TAKEN = sizeof taken / sizeof *taken };

static int (*live)(void);
static pthread_t life; /* the thread that runs it */
static int bell = -1;
static pid_t server;
static atomic_uint noted; /* a bit for each signal that came */
static atomic_bool held;

void
signals_wake(void) {
    eventfd_write(bell, 1);
}

/* Notes a signal; also as its handler. In a child that was just born the signal
 * has its default. */
static void
note_signal(int number) {
    int saved = errno;
    if (getpid() != server) {
        signal(number, SIG_DFL);
        raise(number);
    } else {
        noted |= 1U << number;
        if (held)
            pthread_kill(life, number);
        else
            signals_wake();
    }
    errno = saved;
}

static void
pass_signal(int number) {
    (void)number;
}

static void
set_handlers(void (*note)(int), void (*pass)(int)) {
    struct sigaction action = {.sa_handler = pass, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
    action.sa_handler = note;
    for (int i = 0; i < TAKEN; i++)
        sigaction(taken[i], &action, NULL);
}

/* Runs in a child of fork(2), which may live on without an exec. */
static void
free_child(void) {
    set_handlers(SIG_DFL, SIG_DFL);
}

void
signals_reset(void) {
    struct sigaction action;
    for (int i = 1; i <= SIGRTMAX; i++)
        if (sigaction(i, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            signal(i, SIG_DFL);
}

void
signals_unblock(void) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

int
signals_thread(pthread_t *thread, void *(*work)(void *arg), void *arg) {
    sigset_t every, before;
    pthread_t detached;
    pthread_attr_t attributes;
    sigfillset(&every);
    pthread_attr_init(&attributes);
    if (!thread)
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* the thread inherits it */
    int error =
        pthread_create(thread ? thread : &detached, &attributes, work, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

static void *
live_life(void *unused) {
    life = pthread_self();
    signals_unblock();
    exit(live());
    return unused;
}

int
signals_run(int (*its_live)(void)) {
    sigset_t set, every;
    live = its_live;
    server = getpid();
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        return errno;
    sigemptyset(&set);
    for (int i = 0; i < TAKEN; i++)
        sigaddset(&set, taken[i]);
    sigfillset(&every); /* what the user handles is for the hooks' thread */
    pthread_sigmask(SIG_SETMASK, &every, NULL);
    set_handlers(note_signal, pass_signal);
    int error = pthread_atfork(NULL, NULL, free_child);
    if (error == 0)
        error = signals_thread(NULL, live_life, NULL);
    if (error)
        return error;
    for (;;) {
        int number = sigwaitinfo(&set, NULL);
        if (number > 0)
            note_signal(number);
    }
}

int
signals_fd(void) {
    return bell;
}

int
signals_take(void) {
    eventfd_t rung;
    eventfd_read(bell, &rung);
    for (int i = 0; i < TAKEN; i++)
        if (atomic_fetch_and(&noted, ~(1U << taken[i])) & 1U << taken[i])
            return taken[i];
    return 0;
}

void
signals_hold(void) {
    sigset_t every;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, NULL);
    held = true;
    for (int number = signals_take(); number; number = signals_take())
        raise(number);
}
