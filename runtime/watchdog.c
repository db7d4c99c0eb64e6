/* watchdog: is the loop alive? The loop reports what it does, the control
 * thread judges. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "loop.h"
#include "signals.h"
#include "svr.h"
#include "watchdog.h"

#define NANO INT64_C(1000000000)

/* The control thread looks at work LOOKS times within the span. A wait of
 * IDLE_LOOKS looks is idle time. */
enum { LOOKS = 8, IDLE_LOOKS = 2 };

static void (*_Atomic on_hang)(const char *found); /* NULL: not started */
static _Atomic int64_t span;
static atomic_bool by_report;

/* What the loop reports. Only `work_began` is judged: when the work began that
 * no report has ended yet; 0 = there is none. */
static _Atomic int64_t work_began, wait_began; /* 0: it does not wait */
static _Atomic int64_t loop_began, idle;       /* the sum of its waits */
static struct {
    pthread_mutex_t lock;
    char name[64], longest_name[64];
    int64_t since, longest;
} doing = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What the control thread has seen of the present work: when it began, the last
 * look, and how long it has lasted as far as the looks were in time. */
static struct {
    int64_t work, until, spent;
    bool warned, hung;
} seen;
static atomic_bool asleep = true; /* it saw no work: new work wakes it */

/* Work begins: wakes the control thread if it saw none. */
static void
begin_work(int64_t now) {
    work_began = now;
    if (atomic_exchange(&asleep, false))
        signals_wake();
}

void
watchdog_start(void (*hung)(const char *found)) {
    on_hang = hung;
    loop_began = loop_now();
    begin_work(loop_began);
}

void
watchdog_limits(double seconds, bool report) {
    span = (int64_t)(seconds * (double)NANO);
    by_report = report;
    signals_wake();
}

void
svr_running_report(void) {
    if (work_began)
        work_began = loop_now();
}

void
watchdog_wait(bool begins) {
    int64_t now = loop_now();
    if (!begins)
        idle = idle + now - wait_began;
    wait_began = begins ? now : 0;
    if (by_report)
        return;
    if (begins)
        work_began = 0;
    else
        begin_work(now);
}

/* Notes the call that the loop is in; "": none. */
static void
note_call(const char *name, int64_t now) {
    pthread_mutex_lock(&doing.lock);
    if (*doing.name && now - doing.since > doing.longest) {
        doing.longest = now - doing.since;
        memcpy(doing.longest_name, doing.name, sizeof doing.name);
    }
    snprintf(doing.name, sizeof doing.name, "%s", name);
    doing.since = now;
    pthread_mutex_unlock(&doing.lock);
}

void
watchdog_enter(const char *name) {
    int64_t now = loop_now();
    note_call(name, now);
    if (!work_began && on_hang)
        begin_work(now);
}

void
watchdog_leave(void) {
    note_call("", loop_now());
}

void
watchdog_doing(char name[64]) {
    pthread_mutex_lock(&doing.lock);
    memcpy(name, doing.name, sizeof doing.name);
    pthread_mutex_unlock(&doing.lock);
}

void
watchdog_figures(struct watchdog_figures *figures) {
    int64_t now = loop_now(), waited = idle, wait = wait_began;
    *figures = (struct watchdog_figures){.busy = 0};
    if (wait)
        waited += now - wait;
    if (loop_began && now - loop_began > waited)
        figures->busy = (double)(now - loop_began - waited) / (double)NANO;
    pthread_mutex_lock(&doing.lock);
    figures->longest = (double)doing.longest / (double)NANO;
    figures->doing_for =
        *doing.name ? (double)(now - doing.since) / (double)NANO : 0;
    memcpy(figures->longest_name, doing.longest_name, sizeof doing.name);
    memcpy(figures->doing, doing.name, sizeof doing.name);
    pthread_mutex_unlock(&doing.lock);
}

/* ---- The control thread's side ---------------------------------------- */

/* Writes what the loop is in, and since when. */
static void
describe(char *text, size_t size) {
    char clock[16];
    struct tm local;
    pthread_mutex_lock(&doing.lock);
    int64_t spent = loop_now() - doing.since;
    time_t since = time(NULL) - (time_t)(spent / NANO);
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&since, &local));
    if (*doing.name)
        snprintf(text, size, "in %s since %s", doing.name, clock);
    else
        snprintf(text, size, "between two calls");
    pthread_mutex_unlock(&doing.lock);
}

static void
report_hang(void) {
    char where[128], text[160];
    seen.hung = true;
    describe(where, sizeof where);
    svr_err("run_states_check: not receive report in %g s, start auto-exit!",
            (double)span / (double)NANO);
    snprintf(text, sizeof text, "run_states_check: %s", where);
    svr_err("%s", text);
    on_hang(text);
}

/* Warns at half the span, once. */
static void
warn_half(void) {
    char where[128];
    if (seen.warned)
        return;
    seen.warned = true;
    describe(where, sizeof where);
    svr_warn("run_states_check: not receive report in %.1f s, %s",
             (double)seen.spent / (double)NANO, where);
}

/* Returns when the work to be judged began; 0 = there is none. A long wait ends
 * the work also where only the user's reports count. */
static int64_t
work_to_judge(int64_t now, int64_t step) {
    int64_t work = work_began, began = wait_began;
    bool idles = began && now - began >= IDLE_LOOKS * step;
    return idles && atomic_compare_exchange_strong(&work_began, &work, 0)
               ? 0
               : work;
}

/* Begins to judge other work; 0 = there is none. */
static void
see_work(int64_t work) {
    if (seen.warned)
        svr_info("run_states_check: the loop runs again");
    seen.work = seen.until = work;
    seen.spent = 0;
    seen.warned = false;
}

/* Each look counts at most the time for which it was planned, since a process
 * that was stopped, or a machine that was suspended, does not hang. */
int64_t
watchdog_judge(void) {
    int64_t now = loop_now(), step = span / LOOKS;
    if (!on_hang || step == 0 || seen.hung)
        return INT64_MAX;
    asleep = true; /* work that begins from here on wakes this thread */
    int64_t work = work_to_judge(now, step);
    if (work != seen.work)
        see_work(work);
    if (!work)
        return INT64_MAX;
    asleep = false;
    seen.spent += now - seen.until < step ? now - seen.until : step;
    seen.until = now;
    if (seen.spent >= LOOKS * step) {
        report_hang();
        return INT64_MAX;
    }
    if (seen.spent >= LOOKS / 2 * step)
        warn_half();
    return now + step;
}
