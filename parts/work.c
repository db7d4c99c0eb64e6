/* work: runs blocking calls on a few threads, while the loop continues. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "callback.h"
#include "failure.h"
#include "handler.h"
#include "loop.h"
#include "part.h"
#include "signals.h"
#include "work.h"

#define SECOND 1e9
enum { PIN_AGE = HANDLER_KEPT - 4, PAUSE_MS = 10 };

struct job {
    TAILQ_ENTRY(job) entry;
    const char *name, *done;       /* names of the handler's callbacks */
    svr_call *own_call, *own_done; /* or functions of a part; or NULL */
    svr_call *call;                /* the function that runs */
    struct handler *code; /* the code that it runs in; NULL = already kept */
    int reloads;          /* since it began, rejected ones included */
    bool taken, warned;   /* by a thread; reported as slow */
    int64_t since;        /* when it began, monotonic */
    char reason[FAILURE_SIZE]; /* "" = it did not fail */
    void *arg;
};
static TAILQ_HEAD(jobs, job) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int64_t waits, most_waiting, patience;
static uint64_t done_count, failed_count;
static const char *present_reason;

/* Shared with the threads. */
static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobs_changed = PTHREAD_COND_INITIALIZER;
static struct jobs begun = TAILQ_HEAD_INITIALIZER(begun);
static int running, threads, most_threads;

static int finish_job(void *arg);

/* ---- The threads ------------------------------------------------------ */

/* Takes a job that has begun, or returns NULL if there are too many threads. */
static struct job *
take_job(void) {
    for (;;) {
        struct job *job;
        TAILQ_FOREACH (job, &begun, entry)
            if (!job->taken)
                break;
        if (job || threads > most_threads)
            return job;
        pthread_cond_wait(&jobs_changed, &jobs_lock);
    }
}

static void *
work_thread(void *unused) {
    struct job *job;
    signals_unblock();
    pthread_mutex_lock(&jobs_lock);
    while ((job = take_job())) {
        job->taken = true;
        pthread_mutex_unlock(&jobs_lock);
        failure_clear();
        int result = job->call(job->arg);
        const char *reason = failure_reason();
        if (result < 0)
            snprintf(job->reason, sizeof job->reason, "%s",
                     *reason ? reason : "it failed without svr_fail");
        while (loop_post(job->done ? job->done : job->name, finish_job, job) <
               0)
            poll(NULL, 0, PAUSE_MS); /* memory is short for the moment */
        pthread_mutex_lock(&jobs_lock);
    }
    threads--;
    pthread_mutex_unlock(&jobs_lock);
    return unused;
}

/* ---- The loop --------------------------------------------------------- */

/* Starts a thread if there are fewer than jobs. */
static int
need_thread(void) {
    int error = 0;
    if (threads < most_threads && threads <= running)
        error = signals_thread(NULL, work_thread, NULL);
    else
        return 0;
    threads += error == 0;
    return error && threads == 0 ? svr_fail("work: %s", strerror(error)) : 0;
}

/* Reports jobs that take long; with `all`, also those reported before. */
static void
report_jobs(bool all) {
    struct job *job;
    pthread_mutex_lock(&jobs_lock);
    TAILQ_FOREACH (job, &begun, entry) {
        int64_t age = loop_now() - job->since;
        if (!all && (job->warned || age < patience))
            continue;
        job->warned = true;
        svr_warn("work: %s has been running for %.1f s", job->name,
                 (double)age / SECOND);
    }
    pthread_mutex_unlock(&jobs_lock);
}

/* Called periodically as long as jobs run. */
static int
look_at_jobs(void *unused) {
    report_jobs(false);
    if (running == 0)
        callback_timer((struct timer){.key = "svr.work"});
    return unused != NULL;
}

/* Runs instead of a callback that the new code lacks. */
static int
missing_call(void *unused) {
    (void)unused;
    return svr_fail("the new code has no such callback");
}

/* Begins the next jobs, as many as there are threads for. */
static void
begin_jobs(void) {
    struct job *job;
    pthread_mutex_lock(&jobs_lock);
    while (running < most_threads && (job = TAILQ_FIRST(&waiting)) &&
           need_thread() == 0) {
        TAILQ_REMOVE(&waiting, job, entry);
        waits--;
        int index = job->own_call ? -1 : handler_index(job->name);
        job->call = index >= 0      ? handler_hooks()->callbacks[index].call
                    : job->own_call ? job->own_call
                                    : missing_call;
        job->code = job->own_call ? NULL : handler_live();
        job->since = loop_now();
        TAILQ_INSERT_TAIL(&begun, job, entry);
        running++;
    }
    pthread_cond_broadcast(&jobs_changed);
    pthread_mutex_unlock(&jobs_lock);
    if (running > 0 && patience > 0)
        callback_timer((struct timer){
            .key = "svr.work", .own = look_at_jobs, .every = patience / 2});
}

static int
finish_job(void *arg) {
    struct job *job = arg;
    pthread_mutex_lock(&jobs_lock);
    TAILQ_REMOVE(&begun, job, entry);
    running--;
    pthread_mutex_unlock(&jobs_lock);
    *(*job->reason ? &failed_count : &done_count) += 1;
    begin_jobs();
    present_reason = *job->reason ? job->reason : NULL;
    int result = job->own_done ? job->own_done(job->arg)
                               : handler_call(job->done, job->arg);
    present_reason = NULL;
    free(job);
    return result == HANDLER_GONE ? 0 : result;
}

static int
queue_job(struct job new) {
    if (waits >= most_waiting)
        return svr_fail("work: %jd calls wait already: raise work.queue, or "
                        "ask again later",
                        (intmax_t)waits);
    pthread_mutex_lock(&jobs_lock);
    int result = need_thread();
    pthread_mutex_unlock(&jobs_lock);
    if (result < 0)
        return result;
    struct job *job = malloc(sizeof *job);
    if (!job)
        return svr_fail("work: no memory");
    *job = new;
    TAILQ_INSERT_TAIL(&waiting, job, entry);
    waits++;
    begin_jobs();
    return 0;
}

int
svr_work(svr_call *call, void *arg, svr_call *done) {
    struct job job = {
        .name = handler_name(call), .done = handler_name(done), .arg = arg};
    if (!job.name || !job.done)
        return svr_fail("svr_work: the %s function is not among the handler's "
                        "callbacks: add it to SVR_CALLBACKS",
                        job.name ? "second" : "first");
    return queue_job(job);
}

int
work_start(const char *name, svr_call *call, void *arg, svr_call *done) {
    return queue_job((struct job){
        .name = name, .own_call = call, .own_done = done, .arg = arg});
}

const char *
svr_work_reason(void) {
    return present_reason;
}

int
svr_work_cancel(const void *arg) {
    int count = 0;
    struct job *job, *next;
    for (job = TAILQ_FIRST(&waiting); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->arg != arg)
            continue;
        TAILQ_REMOVE(&waiting, job, entry);
        waits--;
        free(job);
        count++;
    }
    return count;
}

/* ---- Events of the part ----------------------------------------------- */

/* Keeps the code that a thread runs in mapped, before it becomes the oldest. */
static void
keep_code(void) {
    struct job *job;
    TAILQ_FOREACH (job, &begun, entry)
        if (job->code && ++job->reloads >= PIN_AGE) {
            job->code->pinned = true;
            job->code = NULL;
        }
}

/* Waits for all calls, for at most half the time limit of a close. */
static void
finish_work(const struct conf *conf) {
    double limit = conf_number(conf, "svr.close.force_close_delay") / 2;
    int64_t until = loop_now() + (int64_t)(limit * SECOND);
    while (running > 0 && loop_now() < until) {
        poll(NULL, 0, PAUSE_MS);
        callback_posts(true);
    }
    if (running > 0)
        svr_err("work: %d calls still run and %jd wait at the close: they are "
                "lost",
                running, (intmax_t)waits);
    report_jobs(true);
}

static int
work_event(enum part_event event, const struct conf *conf, const char *text) {
    if (event == PART_START || (event == PART_RELOADED && !text)) {
        pthread_mutex_lock(&jobs_lock);
        most_threads = (int)conf_number(conf, "work.threads");
        pthread_cond_broadcast(&jobs_changed);
        pthread_mutex_unlock(&jobs_lock);
        most_waiting = (int64_t)conf_number(conf, "work.queue");
        patience = (int64_t)(conf_number(
                                 conf, "svr.timer.run_status_check_time_span") *
                             SECOND);
        begin_jobs();
    }
    if (event == PART_RELOAD)
        keep_code();
    if (event == PART_CLOSE)
        finish_work(conf);
    return 0;
}

static void
report_all_jobs(void) {
    report_jobs(true);
}

static void
work_figures(struct figures *figures) {
    figure_number(figures, "running", FIGURE_GAUGE, running, "Calls that run.");
    figure_number(figures, "waiting", FIGURE_GAUGE, (double)waits,
                  "Calls that wait for a thread.");
    figure_number(figures, "done", FIGURE_COUNTER, (double)done_count,
                  "Calls that succeeded.");
    figure_number(figures, "failed", FIGURE_COUNTER, (double)failed_count,
                  "Calls that failed.");
}

static const struct svr_key keys[] = {
    {"work.threads", SVR_INT, .value = "4", .min = 1, .max = 256},
    {"work.queue", SVR_INT, .value = "1000", .min = 1, .max = 1000000},
    {.key = NULL},
};

const struct part part_work = {.name = "work",
                               .keys = keys,
                               .event = work_event,
                               .hung = report_all_jobs,
                               .figures = work_figures};
