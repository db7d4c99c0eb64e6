/* watchdog: is the loop alive? The loop reports what it does, the control
 * thread judges. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "loop.h"
#include "svr.h"
#include "watchdog.h"

#define NANO INT64_C(1000000000)

/* A control thread that wakes later than this was itself kept from running. */
enum { LATE_NS = 100000000 };

/* A wait of this share of the span is idle time. */
enum { IDLE_SHARE = 4 };

/* What the loop reports. Only `work_began` is judged: when the work began
 * that no report has ended, 0: there is none. A loop that waits has none. */
static const struct watchdog_duty *_Atomic duty;
static _Atomic int64_t work_began, span, wait_began; /* 0: it does not wait */
static atomic_bool by_report, asleep;
static _Atomic int64_t loop_began,
    idle; /* since when, and how long it waited */
static struct {
    pthread_mutex_t lock;
    char name[64], longest_name[64];
    int64_t since, longest;
} doing = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What the control thread remembers from one look to the next. */
static int64_t planned = INT64_MAX, warned_for;
static bool hung;

/* Work begins: wakes the control thread if it had nothing to judge. */
static void
begin_work(int64_t now) {
    work_began = now;
    if (atomic_exchange(&asleep, false))
        duty->wake();
}

void
watchdog_start(const struct watchdog_duty *its_duty) {
    duty = its_duty;
    loop_began = loop_now();
    begin_work(loop_began);
    duty->wake();
}

void
watchdog_limits(double seconds, bool report) {
    int64_t former = atomic_exchange(&span, (int64_t)(seconds * (double)NANO));
    by_report = report;
    if (duty && former != span)
        duty->wake();
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
    if (!work_began && duty)
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
    hung = true;
    describe(where, sizeof where);
    svr_err("run_states_check: not receive report in %g s, start auto-exit!",
            (double)span / (double)NANO);
    snprintf(text, sizeof text, "run_states_check: %s", where);
    svr_err("%s", text);
    duty->hung(text);
}

/* Warns at half the span, once. */
static void
warn_half(int64_t work, int64_t now) {
    char where[128];
    if (warned_for == work)
        return;
    describe(where, sizeof where);
    svr_warn("run_states_check: not receive report in %.1f s, %s",
             (double)(now - work) / (double)NANO, where);
    warned_for = work;
}

/* Returns when the work to be judged began; 0 = there is none. A wait of a
 * quarter of the span is no work, even where only the user's reports count. */
static int64_t
work_to_judge(int64_t now, int64_t late) {
    int64_t work = work_began, began = wait_began;
    if (work && began && now - began >= span / IDLE_SHARE)
        return atomic_compare_exchange_strong(&work_began, &work, 0) ? 0 : work;
    if (work && late > LATE_NS) { /* a stopped process, a suspended machine */
        int64_t later = work + late;
        bool warned = warned_for == work;
        if (atomic_compare_exchange_strong(&work_began, &work, later))
            work = later;
        if (warned && work == later)
            warned_for = later;
    }
    return work;
}

/* Reports that the work of which it warned has ended. */
static void
all_clear(int64_t work) {
    if (!warned_for || warned_for == work)
        return;
    svr_info("run_states_check: the loop runs again");
    warned_for = 0;
}

int64_t
watchdog_judge(void) {
    int64_t now = loop_now();
    if (!duty || span == 0 || hung)
        return INT64_MAX;
    asleep = true; /* work that begins from here on wakes this thread */
    int64_t work = work_to_judge(now, now - planned);
    all_clear(work);
    planned = INT64_MAX;
    if (!work)
        return INT64_MAX;
    asleep = false;
    if (now - work >= span && warned_for == work) {
        report_hang();
        return INT64_MAX;
    }
    if (now - work < span / 2)
        return planned = work + span / 2;
    warn_half(work, now);
    planned = now + span / 8;
    if (planned > work + span && now < work + span)
        planned = work + span;
    return planned;
}
