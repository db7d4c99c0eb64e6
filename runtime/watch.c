/* watch: does the loop live? The loop tells what it does, the guard judges. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"
#include "svr.h"
#include "watch.h"

#define NANO INT64_C(1000000000)

/* A guard that wakes later than this was itself kept from running. */
enum { LATE_NS = 100000000 };

/* What the loop tells. */
static const struct watch_duty *_Atomic duty;
static pthread_t loop;
static pid_t loop_task;
static _Atomic int64_t reported, span;
static atomic_bool by_report, waiting, asleep;
static atomic_uint calls;
static int64_t call_ended;
static struct {
    pthread_mutex_t lock;
    char name[64];
    int64_t since;
} doing = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What the guard remembers from one look to the next. */
static int64_t planned = INT64_MAX, warned_at, cpu_then;
static bool hung, passed_by;
static unsigned calls_then; /* when it found the loop waiting */

static int64_t
loop_cpu(void) {
    clockid_t clock;
    struct timespec used = {0, 0};
    if (pthread_getcpuclockid(loop, &clock) == 0)
        clock_gettime(clock, &used);
    return used.tv_sec * NANO + used.tv_nsec;
}

void
watch_start(const struct watch_duty *its_duty) {
    loop = pthread_self();
    loop_task = gettid();
    reported = loop_now();
    duty = its_duty;
    duty->wake();
}

void
watch_limits(double seconds, bool report) {
    int64_t former = atomic_exchange(&span, (int64_t)(seconds * (double)NANO));
    by_report = report;
    if (duty && former != span)
        duty->wake();
}

void
svr_running_report(void) {
    reported = loop_now();
}

void
watch_wait(bool begins) {
    waiting = begins;
    if (begins)
        return;
    if (!by_report)
        reported = loop_now();
    if (atomic_exchange(&asleep, false))
        duty->wake();
}

void
watch_do(const char *name) {
    int64_t now = loop_now();
    pthread_mutex_lock(&doing.lock);
    snprintf(doing.name, sizeof doing.name, "%s", name ? name : "");
    doing.since = now;
    pthread_mutex_unlock(&doing.lock);
    if (!name) {
        call_ended = now;
        return;
    }
    if (now - call_ended >= span)
        reported = now; /* it had nothing to do for so long */
    calls++;
}

int
watch_call(const char *name, int (*hook)(void)) {
    if (!hook)
        return 0;
    watch_do(name);
    int result = hook();
    watch_do(NULL);
    return result;
}

void
watch_doing(char name[64]) {
    pthread_mutex_lock(&doing.lock);
    memcpy(name, doing.name, sizeof doing.name);
    pthread_mutex_unlock(&doing.lock);
}

/* ---- The guard's side ------------------------------------------------- */

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

/* The state letter of the loop's thread, as ps(1) has it. */
static char
task_state(void) {
    char path[48], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)loop_task);
    FILE *file = fopen(path, "re");
    size_t got = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[got] = '\0';
    char *end = strrchr(text, ')');
    return end && end[1] ? end[2] : '?';
}

static void
tell_hung(int64_t now) {
    char where[128], text[320];
    int64_t used = loop_cpu() - cpu_then, spent = now - warned_at;
    const char *kind = used > spent / 2      ? "spinning"
                       : task_state() == 'R' ? "starved of CPU"
                                             : "blocked";
    hung = true;
    describe(where, sizeof where);
    svr_err("run_states_check: not receive report in %g s, start auto-exit!",
            (double)span / (double)NANO);
    snprintf(text, sizeof text,
             "run_states_check: %s, %s: %.1f s of CPU in the last %.1f s",
             where, kind, (double)used / (double)NANO,
             (double)spent / (double)NANO);
    svr_err("%s", text);
    duty->hung(text);
}

/* Tells whether the loop waits for events, so that there is nothing to judge
 * until it goes on; it will wake the guard then. */
static bool
leave_waiting(void) {
    asleep = true;
    if (waiting && !(passed_by && calls != calls_then)) {
        passed_by = true;
        calls_then = calls;
        return true;
    }
    asleep = false;
    passed_by = false;
    return false;
}

int64_t
watch_judge(void) {
    int64_t now = loop_now(), late = now - planned;
    if (!duty || span == 0 || hung)
        return INT64_MAX;
    if (late > LATE_NS)
        reported += late; /* a stopped process, a suspended machine */
    planned = INT64_MAX;
    int64_t quiet = now - reported;
    if (quiet < span / 2) {
        if (warned_at)
            svr_info("run_states_check: the loop goes on");
        warned_at = 0;
        planned = reported + span / 2;
    } else if (leave_waiting()) {
        return INT64_MAX;
    } else if (quiet >= span) {
        tell_hung(now);
    } else {
        char where[128];
        if (!warned_at) {
            describe(where, sizeof where);
            svr_warn("run_states_check: not receive report in %.1f s, %s",
                     (double)quiet / (double)NANO, where);
            warned_at = now;
            cpu_then = loop_cpu();
        }
        planned = now + span / 8;
        if (planned > reported + span)
            planned = reported + span;
    }
    return planned;
}
