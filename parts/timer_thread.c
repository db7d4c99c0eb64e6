/* timer_thread: timers on their own thread, which tick even while `run` blocks.
 * The thread holds the lock while a callback runs; a reload and the close hold
 * it too. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <string.h>

#include "handler.h"
#include "loop.h"
#include "part.h"
#include "signals.h"
#include "timer_thread.h"

enum { NANO = 1000000000, THREAD_TIMERS = 32 };

/* A timer; a free place has no key. */
static struct task {
    char key[48], name[64]; /* key, and name of the callback */
    void *arg;
    int64_t every, due;
} tasks[THREAD_TIMERS], saved[THREAD_TIMERS];

static pthread_mutex_t lock;   /* recursive */
static pthread_cond_t changed; /* uses the monotonic clock */
static pthread_t thread;       /* 0 = not started */
static atomic_bool wanted;     /* the loop wants the lock, and gets it next */

static struct task *
find_thread_timer(const char *key) {
    for (int i = 0; i < THREAD_TIMERS; i++)
        if (strcmp(tasks[i].key, key) == 0)
            return &tasks[i];
    return NULL;
}

static void *
run_thread_timers(void *unused) {
    signals_unblock();
    pthread_mutex_lock(&lock);
    for (;;) {
        while (wanted)
            pthread_cond_wait(&changed, &lock);
        int64_t next = INT64_MAX;
        for (struct task *task = tasks; task < tasks + THREAD_TIMERS; task++) {
            int64_t late = loop_now() - task->due;
            if (*task->key && late >= 0 && !wanted) {
                task->due += late / task->every * task->every + task->every;
                int result = handler_call(task->name, task->arg);
                if (result == HANDLER_GONE)
                    *task->key = '\0';
                else if (result < 0)
                    svr_err("timer %s failed", task->key);
            }
            if (*task->key && task->due < next)
                next = task->due;
        }
        struct timespec until = {next / NANO, next % NANO};
        pthread_cond_timedwait(&changed, &lock, &until);
    }
    return unused;
}

int
svr_add_thread_timer(const char *key, svr_call *call, void *arg, double every) {
    const char *name = handler_name(call);
    pthread_mutex_lock(&lock);
    struct task *task = find_thread_timer("");
    bool good =
        task && name && strlen(name) < sizeof task->name && *key &&
        strlen(key) < sizeof task->key && !find_thread_timer(key) &&
        every >= 1e-3 && every < 1e9 &&
        (thread || signals_thread(&thread, run_thread_timers, NULL) == 0);
    if (good) {
        int64_t span = (int64_t)(every * NANO);
        *task = (struct task){"", "", arg, span, loop_now() + span};
        memcpy(task->name, name, strlen(name));
        memcpy(task->key, key, strlen(key));
        pthread_cond_signal(&changed);
    } else {
        svr_warn("timer %.47s refused (rules: parts/timer_thread.h)", key);
    }
    pthread_mutex_unlock(&lock);
    return good ? 0 : -1;
}

int
svr_remove_thread_timer(const char *key) {
    pthread_mutex_lock(&lock);
    struct task *task = *key ? find_thread_timer(key) : NULL;
    if (task)
        *task->key = '\0';
    pthread_mutex_unlock(&lock);
    return task ? 0 : -1;
}

static void
make_lock(void) {
    pthread_mutexattr_t recursive;
    pthread_condattr_t monotonic;
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &recursive);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &monotonic);
}

static int
timer_thread_event(enum part_event event, const struct conf *conf,
                   const char *text) {
    (void)conf;
    if (event == PART_START) {
        make_lock();
    } else if (event == PART_RELOAD || event == PART_CLOSE) {
        wanted = true;
        pthread_mutex_lock(&lock);
        memcpy(saved, tasks, sizeof tasks);
    } else if (event == PART_RELOADED) {
        if (text)
            memcpy(tasks, saved, sizeof tasks);
        wanted = false;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return 0;
}

const struct part part_timer_thread = {.name = "timer_thread",
                                       .event = timer_thread_event};
