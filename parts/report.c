/* report: logs where a server was when it hung or crashed: a backtrace of the
 * loop, with the names of functions. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frames.h"
#include "log.h"
#include "part.h"
#include "report.h"
#include "trace.h"
#include "watchdog.h"

enum { STACK_SIZE = 1 << 16, PATIENCE_S = 1, CRASH_LIMIT_S = 3, LOOK_MS = 200 };
enum { DEPTH = 24 };

/* Sent only to the loop thread; nothing else uses it. */
#define ASK SIGURG

static const int crashes[] = {SIGSEGV, SIGBUS,  SIGFPE,
                              SIGILL,  SIGABRT, SIGTRAP};
static pthread_t loop;
static pid_t loop_task;
static void *frames[DEPTH];
static int depth;
static sem_t taken;

void
svr_backtrace(char *text, size_t size) {
    void *own[DEPTH];
    trace_text(own, frames_take(own, DEPTH), 1, text, size);
}

/* The loop's answer. */
static void
answer_for_loop(int signal) {
    int saved = errno;
    (void)signal;
    depth = frames_take(frames, DEPTH);
    sem_post(&taken);
    errno = saved;
}

/* The CPU time that the loop has used, in milliseconds. */
static int64_t
loop_cpu(void) {
    clockid_t clock;
    struct timespec used = {0, 0};
    if (pthread_getcpuclockid(loop, &clock) == 0)
        clock_gettime(clock, &used);
    return used.tv_sec * INT64_C(1000) + used.tv_nsec / 1000000;
}

/* The state letter of the loop's thread, as in ps(1). */
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

/* Observes for a moment whether the loop spins, waits, or gets no CPU. */
static void
look_at_loop(void) {
    int64_t before = loop_cpu(), begin = svr_now();
    poll(NULL, 0, LOOK_MS);
    int64_t used = loop_cpu() - before, spent = svr_now() - begin;
    svr_err("report: %s: %jd ms of CPU in the last %jd ms",
            used > spent / 2      ? "spinning"
            : task_state() == 'R' ? "starved of CPU"
                                  : "blocked",
            (intmax_t)used, (intmax_t)spent);
}

/* Asks the stuck loop for its backtrace; in a call that cannot be interrupted
 * it does not answer. */
static void
ask_loop(void) {
    struct timespec end;
    char text[1024];
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    pthread_kill(loop, ASK);
    bool answered = sem_timedwait(&taken, &end) == 0;
    trace_text(frames, answered ? depth : 0, 2, text, sizeof text);
    svr_err("report: backtrace: %s",
            answered ? text : "none: the call cannot be interrupted");
}

/* Logs a crash, then lets the process die of its signal. An alarm ends it if
 * the crash happened inside something that the report needs. */
static void
crash(int number) {
    char name[64], text[1024];
    struct sigaction fatal = {.sa_handler = SIG_DFL};
    sigset_t open;
    sigaction(number, &fatal, NULL);
    sigaction(SIGALRM, &fatal, NULL);
    sigemptyset(&open);
    sigaddset(&open, SIGALRM);
    sigaddset(&open, number);
    pthread_sigmask(SIG_UNBLOCK, &open, NULL);
    alarm(CRASH_LIMIT_S);
    void *own[DEPTH];
    trace_text(own, frames_take(own, DEPTH), 2, text, sizeof text);
    watchdog_doing(name);
    svr_err("report: crash: signal %d (%s)%s%s, backtrace: %s", number,
            strsignal(number), *name ? " in " : "", name, text);
    log_drain();
    alarm(0);
    raise(number);
}

/* Installs a handler if the signal has none; a sanitizer's stays. */
static void
take_signal(int number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, now;
    sigaction(number, NULL, &now);
    if (now.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
}

static int
report_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf, (void)text;
    if (event == PART_START) {
        static char stack[STACK_SIZE];
        loop = pthread_self();
        loop_task = gettid();
        sem_init(&taken, 0, 0);
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
        take_signal(ASK, answer_for_loop, SA_RESTART);
        for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
            take_signal(crashes[i], crash, SA_ONSTACK);
    }
    return 0;
}

static void
report_hung(void) {
    look_at_loop();
    ask_loop();
}

const struct part part_report = {
    .name = "report", .event = report_event, .hung = report_hung};
