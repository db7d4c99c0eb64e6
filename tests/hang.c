/* hang: the judgement of the watchdog, by a clock of the test's own. TAP. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "../runtime/watchdog.c"

#define SECOND INT64_C(1000000000)
enum { LATE_NS = 50000000 }; /* a look comes at most this late */

static int64_t now = 1000 * SECOND, due;
static int alarms, warnings, wakes, test;
enum svr_level svr_log_lowest = SVR_DEBUG;

int64_t
loop_now(void) {
    return now;
}

void
svr_log(enum svr_level level, const char *file, int line, const char *function,
        const char *format, ...) {
    (void)file, (void)line, (void)function, (void)format;
    warnings += level == SVR_WARN;
}

void
signals_wake(void) {
    wakes++;
    due = now;
}

static void
count_alarm(const char *found) {
    (void)found;
    alarms++;
}

/* Begins again, with a span of 4 s. */
static void
begin(bool report) {
    memset(&seen, 0, sizeof seen);
    work_began = wait_began = 0;
    alarms = warnings = wakes = 0;
    watchdog_limits(4, report);
    watchdog_start(count_alarm);
}

/* Lets the time pass; the control thread looks when it said it would, or when
 * it was woken, as much late as a machine may be. */
static void
pass(double seconds) {
    int64_t end = now + (int64_t)(seconds * 1e9);
    while (due < end) {
        now = due > now ? due : now;
        now += random() % LATE_NS;
        now = now > end ? end : now;
        int64_t next = watchdog_judge();
        due = next > now ? next : now + 1;
    }
    now = end;
}

static void
ok(bool good, const char *what) {
    printf("%sok %d - %s\n", good ? "" : "not ", ++test, what);
}

/* Turns of a wait and some work each. */
static void
turns(int count, double waits, double works) {
    while (count-- > 0) {
        watchdog_wait(true);
        pass(waits);
        watchdog_wait(false);
        watchdog_enter("run");
        pass(works);
        watchdog_leave();
    }
}

int
main(void) {
    printf("1..9\n");
    begin(false);
    watchdog_wait(true);
    pass(1e6);
    ok(!alarms && !warnings, "a loop that waits without end has no alarm");

    begin(false);
    for (int i = 0; i < 100000; i++)
        turns(1, (double)(random() % 9000) / 1000, 0.001);
    ok(!alarms && !warnings, "waits of any length, and short work: no alarm");

    begin(false);
    turns(100000, 0.001, 0.001);
    ok(wakes < 1000, "a busy loop does not wake the judge at each turn");

    begin(false);
    turns(100, 0.01, 3.5);
    ok(!alarms && warnings == 100, "work of nearly the span: a warning each");

    begin(false);
    watchdog_wait(true);
    pass(100);
    watchdog_wait(false);
    watchdog_enter("run");
    pass(3.9);
    bool early = alarms > 0;
    pass(0.6);
    ok(!early && alarms == 1, "work of more than the span: one alarm, in time");

    begin(false);
    watchdog_wait(false);
    watchdog_enter("run");
    pass(1);
    due = now;
    pass(0.001);
    now += 3600 * SECOND; /* the process was stopped */
    due = now;
    pass(0.5);
    ok(!alarms, "a process that was stopped is forgiven");

    begin(true);
    for (int i = 0; i < 1000; i++) {
        turns(1, 0.5, 0.5);
        svr_running_report();
    }
    ok(!alarms, "by report: reports in time");

    begin(true);
    for (int i = 0; i < 200 && !alarms; i++)
        turns(1, 0.05, 0.001);
    ok(alarms == 1, "by report: work and no report is an alarm");

    begin(true);
    for (int i = 0; i < 100; i++)
        turns(1, 16, 0.001);
    ok(!alarms && !warnings, "by report: a server that waits needs none");
    return 0;
}
