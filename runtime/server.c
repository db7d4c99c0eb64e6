/* server: the life: start, loop, reload, close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "fault.h"
#include "folder.h"
#include "guard.h"
#include "handler.h"
#include "json.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "server.h"
#include "status.h"
#include "timer.h"
#include "watch.h"
#include "world.h"

enum { TIMERS_TOLD = 100 };
enum { OPEN = -1, RESTART = -2, LAST_CODE = 125, FORCED = 252, HUNG = 253 };
#define MILLI    INT64_C(1000000)
#define PID_FILE "run/" SVR_PROJECT ".pid"

static int folder;
static _Atomic double close_delay = 10;

static bool begun;    /* on_start has succeeded */
static int waits_for; /* parts that have the server wait */
static int64_t run_at, run_pause;
static struct loop_post *posts; /* those that wait */
static int64_t post_at, post_pause;
static atomic_int closing = OPEN; /* the exit status, once it is wanted */
static atomic_bool figures_wanted;

static const struct svr_handler *
hooks(void) {
    return handler_live()->table;
}

/* ---- Close ------------------------------------------------------------ */

/* Begins the close; the bound first, then what could fail. */
static void
begin_close(int exit_code) {
    int open = OPEN, restart = RESTART;
    if (!atomic_compare_exchange_strong(&closing, &open, exit_code)) {
        atomic_compare_exchange_strong(&closing, &restart, exit_code);
        svr_info("close: closing already, exit_code = %d", closing);
        return;
    }
    guard_arm(close_delay, exit_code == HUNG ? HUNG : FORCED);
    status_state("closing");
    svr_info("close: delay = %g, exit_code = %d%s", close_delay,
             exit_code < 0 ? 0 : exit_code,
             exit_code == RESTART ? ", then a restart" : "");
    loop_wake();
}

void
server_restart(void) {
    begin_close(RESTART);
}

/* Tells parts of the close, or of the end, and what follows. */
static int
tell_close(enum part_event event, char reason[WHY_SIZE]) {
    return part_tell(event, world_conf(), closing == RESTART ? "restart" : NULL,
                     reason);
}

int
svr_close(int exit_code) {
    if (exit_code < 0 || exit_code > LAST_CODE)
        return -1;
    begin_close(exit_code);
    return 0;
}

/* How long what failed waits until the next try; `before`: the last time. */
static int64_t
pause_after(int64_t before) {
    int64_t first = 10 * MILLI, last = 1000 * MILLI;
    return before == 0 ? first : before < last / 2 ? before * 2 : last;
}

/* Lets on_except decide about a failure. */
static void
handle(const char *where, int result) {
    int status = fault_handle(where, result);
    if (status)
        begin_close(status);
}

/* ---- Timers and posts ------------------------------------------------- */

int
svr_post(svr_call *call, void *arg) {
    const char *name = handler_name(call);
    return name ? loop_post(name, NULL, arg) : -1;
}

/* A callback's place in the live table, or -1. */
static int
index_of(svr_call *call) {
    const char *name = handler_name(call);
    return name ? handler_index(hooks(), name) : -1;
}

static struct timers_now
now(void) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct timers_now){loop_now(),
                               wall.tv_sec * 1000 * MILLI + wall.tv_nsec};
}

/* Logs a refusal, and records it: `return SVR_FAILED;` may follow. */
static int
refuse(const char *what, const char *name, const char *reason) {
    svr_warn("%s %.47s refused: %s", what, name, reason);
    return svr_fail("%s %.47s refused: %s", what, name, reason);
}

/* Adds a timer, or says why not. */
static const char *
add_timer(const char *key, struct timer *timer, const struct svr_when *when) {
    int kinds = (when->every != 0) + (when->at != 0) + (when->next != NULL);
    size_t length = strlen(key);
    if (timer->call == TIMER_UNBOUND ||
        (when->next && timer->next == TIMER_NO_NEXT))
        return "its function is not among the handler's callbacks";
    if (length == 0 || length >= TIMER_KEY_SIZE)
        return "a key has 1 to 47 bytes";
    if (kinds != 1 || when->runs < 0 ||
        (when->every != 0 && !(when->every >= 1e-6 && when->every < 1e9)) ||
        (when->at && !strchr("DHM", when->at)))
        return "it needs one of every (seconds), at (D, H, M) and next, and "
               "runs not below 0";
    memcpy(timer->key, key, length);
    return timers_add(timer, now()) < 0 ? "the key exists, or memory is short"
                                        : NULL;
}

/* Asks a timer's own rule when it is due. */
static void
ask_next(const char *key, int next, void *arg) {
    int millis = hooks()->callbacks[next].call(arg);
    if (millis >= 0) {
        timers_delay(key, loop_now() + millis * MILLI);
        return;
    }
    handle(key, millis);
    timers_remove(key);
}

int
svr_add_timer(const char *key, svr_call *call, void *arg,
              struct svr_when when) {
    struct timer timer = {.call = index_of(call),
                          .next =
                              when.next ? index_of(when.next) : TIMER_NO_NEXT,
                          .at = when.at,
                          .arg = arg,
                          .every = (int64_t)(when.every * 1e9),
                          .runs = when.runs,
                          .due = INT64_MAX / 2};
    const char *reason = strncmp(key, "svr.", 4) == 0
                             ? "keys that begin with \"svr.\" are the server's"
                             : add_timer(key, &timer, &when);
    if (reason)
        return refuse("timer", key, reason);
    if (timer.next != TIMER_NO_NEXT)
        ask_next(key, timer.next, arg);
    return 0;
}

int
svr_remove_timer(const char *key) {
    return strncmp(key, "svr.", 4) == 0 || timers_remove(key) < 0
               ? svr_fail("there is no timer %.47s to remove", key)
               : 0;
}

/* ---- Descriptors ------------------------------------------------------ */

static int ready; /* what the present one is ready for */

int
svr_watch(int fd, int events, svr_call *call, void *arg) {
    struct loop_watch watch = {
        .events = events, .call = index_of(call), .arg = arg};
    const char *reason = NULL;
    if (watch.call < 0)
        reason = "its function is not among the handler's callbacks";
    else if (events < SVR_READ || events > (SVR_READ | SVR_WRITE) || fd < 0)
        reason = "it needs SVR_READ, SVR_WRITE or both, and an open descriptor";
    else if (loop_watch(fd, watch) < 0)
        reason = strerror(errno);
    char number[16];
    snprintf(number, sizeof number, "%d", fd);
    return reason ? refuse("watch of descriptor", number, reason) : 0;
}

int
svr_unwatch(int fd) {
    return loop_unwatch(fd) == 0 ? 0
                                 : svr_fail("descriptor %d is not watched", fd);
}

int
svr_ready(void) {
    return ready;
}

static void
run_watches(void) {
    const struct loop_watch *watch;
    while (closing == OPEN && (watch = loop_ready(&ready))) {
        const struct svr_callback own = {"part", watch->own};
        const struct svr_callback *callback =
            watch->own ? &own : &hooks()->callbacks[watch->call];
        watch_do(callback->name);
        uint32_t age = watch->age;
        int fd = (int)(watch - loop_watch_at(0));
        int64_t pause = watch->pause;
        int result = callback->call(watch->arg);
        if (result < 0)
            handle(callback->name, result);
        if (result < 0 || pause)
            loop_pause(fd, age, result < 0 ? pause_after(pause) : 0);
        watch_do(NULL);
    }
}

/* ---- Timers ----------------------------------------------------------- */

static int summarize(void *unused);

static void
run_timers(void) {
    struct timer tick;
    struct timers_now start = now();
    while (closing == OPEN && timers_due(start, &tick)) {
        status_loop.ticks++;
        status_loop.late += tick.skipped > 0;
        if (tick.skipped)
            svr_warn("timer %s: %jd ticks skipped, the loop was busy", tick.key,
                     (intmax_t)tick.skipped);
        watch_do(tick.key);
        svr_call *call =
            tick.own ? tick.own : hooks()->callbacks[tick.call].call;
        int result = call(tick.arg);
        if (result < 0)
            handle(tick.key, result);
        if (tick.next != TIMER_NO_NEXT)
            ask_next(tick.key, tick.next, tick.arg);
        if (result < 0 || tick.pause)
            timers_pause(tick.key, result < 0 ? pause_after(tick.pause) : 0,
                         loop_now());
        watch_do(NULL);
    }
}

int
server_timer(struct timer timer) {
    const struct timer *old = timers_find(timer.key);
    if (old && !timer.runs && old->every == timer.every && old->at == timer.at)
        return 0; /* it keeps its phase */
    timer.next = TIMER_NO_NEXT;
    timers_remove(timer.key);
    if ((!timer.every && !timer.at) || timers_add(&timer, now()) == 0)
        return 0;
    svr_err("timer %s: no memory", timer.key);
    return -1;
}

/* The summary is a timer like any other; a reload may change its kind. */
static void
plan_summary(char kind) {
    server_timer(
        (struct timer){.key = "svr.summary", .own = summarize, .at = kind});
}

/* Calls what was posted. After a failure the handler's posts wait for a while,
 * in their order; the server's and the parts' do not. */
static void
run_posts(void) {
    struct loop_post **place = &posts;
    while (*place)
        place = &(*place)->next;
    *place = loop_posted();
    for (place = &posts; *place;) {
        struct loop_post *post = *place;
        if (!post->own && loop_now() < post_at) {
            place = &post->next;
            continue;
        }
        watch_do(post->name);
        int result = post->own ? post->own(post->arg)
                               : handler_call(post->name, post->arg);
        bool failed = result < 0 && result != HANDLER_GONE;
        if (failed)
            handle(post->name, result);
        if (!post->own) {
            post_pause = failed ? pause_after(post_pause) : 0;
            post_at = failed ? loop_now() + post_pause : 0;
        }
        watch_do(NULL);
        *place = post->next;
        free(post);
    }
}

/* Leaves its bounds to clients that get no answer. */
static void
note_limits(void) {
    lock_note((int64_t)(close_delay * 1000), (int64_t)(guard_limit() * 1000));
}

/* Puts a configuration's spans in force. */
static void
apply_conf(const struct conf *conf) {
    timers_span(conf_number(conf, "svr.timer.min_span"));
    close_delay = conf_number(conf, "svr.close.force_close_delay");
    guard_limits(conf_number(conf, "svr.reload.wait"));
    note_limits();
    watch_limits(conf_number(conf, "svr.timer.run_status_check_time_span"),
                 *conf_text(conf, "svr.timer.run_status_check_by") == 'r');
    plan_summary(*conf_text(conf, "svr.timer.summary_output_time_point"));
}

static void
reload(void) {
    bool ran = hooks()->run != NULL;
    tzset();
    if (world_take(begun) && !ran)
        run_at = 0; /* new code may have a `run` where the old had none */
    timers_set_clock(now()); /* the zone may be another one */
}

static void
begin_reload(void) {
    if (closing == OPEN)
        world_prepare();
    else
        world_reject("the server is closing");
}

/* ---- The loop --------------------------------------------------------- */

/* Makes the loop's own figures for the status. */
static void
tell_figures(void) {
    struct buffer members;
    struct timer *first[TIMERS_TOLD];
    uint32_t total;
    int count = timers_first(first, TIMERS_TOLD, &total);
    FILE *out = buffer_open(&members);
    if (!out)
        return;
    time_t wall = time(NULL);
    fputs(", \"timers\": [", out);
    for (int i = 0; i < count; i++) {
        int64_t left = (first[i]->due - loop_now()) / (1000 * MILLI);
        fputs(i ? ", {\"name\": " : "{\"name\": ", out);
        json_print(out, first[i]->key);
        fprintf(out, ", \"next\": %jd}", (intmax_t)(wall + left));
    }
    fprintf(out, "], \"timers_total\": %" PRIu32, total);
    part_status(out);
    if (buffer_close(&members, out) == 0) /* else the last ones stay */
        status_figures(members.text);
    figures_wanted = false;
    guard_tell(GUARD_FIGURES);
}

static void
ask_figures(void) {
    figures_wanted = true;
    loop_wake();
}

static void
run(void) {
    if (!begun || !hooks()->run) {
        run_at = INT64_MAX;
        return;
    }
    int millis = watch_call("run", hooks()->run);
    if (millis >= 0) {
        run_at = loop_now() + millis * MILLI;
        run_pause = 0;
        return;
    }
    handle("run", millis);
    run_pause = pause_after(run_pause);
    run_at = loop_now() + run_pause;
}

static int
summarize(void *unused) {
    char text[768] = "", counts[256], reason[WHY_SIZE];
    watch_do("get_summary");
    int result = begun && hooks()->get_summary
                     ? hooks()->get_summary(text, sizeof text)
                     : 0;
    watch_do(NULL);
    if (result < 0) {
        handle("get_summary", result);
        *text = '\0';
    }
    status_counts(counts, sizeof counts);
    text[sizeof text - 1] = '\0';
    char line[1100];
    size_t used = text_line(line, sizeof text, text);
    snprintf(line + used, sizeof line - used, "%s%s", used ? "; " : "", counts);
    status_note(STATUS_SUMMARY, line);
    svr_info("<SUMMARY> %s", line);
    part_tell(PART_SUMMARY, world_conf(), line, reason);
    (void)unused;
    return 0;
}

/* The safe close: no hook's failure stands between it and the end. */
static void
end(void) {
    char reason[WHY_SIZE];
    status_state("closing");
    watch_limits(0, false); /* from here the close has its own bound */
    if (world_waits())
        world_reject("the server is closing");
    post_at = 0;
    run_posts();
    tell_close(PART_CLOSE, reason);
    summarize(NULL);
    int result = watch_call("on_close", begun ? hooks()->on_close : NULL);
    if (result < 0)
        handle("on_close", result);
}

/* Waits until something is due. */
static void
wait_for_events(void) {
    int64_t next = timers_next();
    next = run_at < next ? run_at : next;
    next = posts && post_at < next ? post_at : next;
    watch_wait(true);
    int64_t step = loop_wait(next);
    watch_wait(false);
    if (step != 0) {
        svr_info("the clock was set by %+jd s",
                 (intmax_t)(step / 1000 / MILLI));
        timers_set_clock(now());
    }
}

/* The guard found that the loop hangs. The loop may still close safely, for as
 * long as a close may take. */
static void
hung(const char *found) {
    char reason[WHY_SIZE];
    status_note(STATUS_ERROR, found);
    part_tell(PART_HUNG, world_conf(), found, reason);
    begin_close(HUNG);
    status_state("hung");
}

static const struct watch_duty watch_duty = {.wake = guard_wake, .hung = hung};

int
server_run(void) {
    watch_start(&watch_duty);
    while (closing == OPEN) {
        status_loop.turns++;
        if (world_waits())
            reload();
        run_posts();
        run_timers();
        run_watches();
        if (closing == OPEN && loop_now() >= run_at)
            run();
        if (figures_wanted)
            tell_figures();
        if (closing == OPEN)
            wait_for_events();
    }
    end();
    return closing;
}

/* ---- Start ------------------------------------------------------------ */

/* Last words of a close that the guard ends. */
static void
forced(void) {
    char name[64];
    watch_doing(name);
    svr_warn("close: forced after %g s%s%s, exit_code = %d", close_delay,
             *name ? ", stuck in " : "", name, closing == HUNG ? HUNG : FORCED);
    unlinkat(folder, PID_FILE, 0);
    unlinkat(folder, "run/control", 0);
    log_drain();
}

static void
close_by_request(void) {
    begin_close(0);
}

static int
write_pid(char reason[WHY_SIZE]) {
    char text[16];
    size_t length = (size_t)sprintf(text, "%d\n", (int)getpid());
    return folder_replace(folder, PID_FILE, text, length, 0644) < 0
               ? why(reason, PID_FILE ": %s", strerror(errno))
               : 0;
}

/* run/ was removed, and is there again. */
static void
restored(void) {
    char reason[WHY_SIZE];
    note_limits();
    if (write_pid(reason) < 0)
        svr_err("%s", reason);
}

static const struct guard_duty duty = {.close = close_by_request,
                                       .reload = begin_reload,
                                       .forced = forced,
                                       .ask = ask_figures,
                                       .state = world_state,
                                       .restored = restored};

/* Lets the hooks begin. */
static int
begin(char reason[WHY_SIZE]) {
    if (part_tell(PART_BEGIN, world_conf(), NULL, reason) < 0)
        return SERVER_FAILED;
    int result = watch_call("on_start", hooks()->on_start);
    if (result < 0) {
        fault_describe("on_start", result, reason);
        return SERVER_FAILED;
    }
    begun = true;
    part_tell(PART_READY, world_conf(), NULL, reason);
    if (closing == OPEN)
        status_state("running");
    return 0;
}

int
server_begin(void *unused) {
    char reason[WHY_SIZE];
    if (--waits_for == 0 && closing == OPEN && begin(reason) != 0) {
        svr_err("start failed: %s", reason);
        begin_close(SERVER_FAILED);
    }
    run_at = 0;
    (void)unused;
    return 0;
}

int
server_start(int dir, char reason[WHY_SIZE]) {
    folder = part_folder = dir;
    if (timers_open() < 0) {
        why(reason, "timers: no memory");
        return SERVER_FAILED;
    }
    int opened = world_open(dir, apply_conf, reason);
    if (opened < 0)
        return opened == WORLD_BAD_CONF ? SERVER_BAD_CONF : SERVER_FAILED;
    if (write_pid(reason) < 0)
        return SERVER_FAILED;
    if (loop_open() < 0) {
        why(reason, "event loop: %s", strerror(errno));
        return SERVER_FAILED;
    }
    if (guard_start(dir, &duty, reason) < 0)
        return SERVER_FAILED;
    status_state("starting");
    world_log_conf();
    waits_for = part_tell(PART_START, world_conf(), NULL, reason);
    if (waits_for <= 0)
        return waits_for < 0 ? SERVER_FAILED : begin(reason);
    status_state("standby");
    part_tell(PART_WAIT, world_conf(), NULL, reason);
    return 0;
}

/* Ends the parts; the program of a restart takes over here. Returns "", or why
 * it failed, which is in the exit status too. */
static const char *
end_parts(int *status) {
    static char reason[WHY_SIZE];
    if (tell_close(PART_END, reason) == 0)
        return "";
    svr_err("%s", reason);
    *status = SERVER_FAILED;
    return reason;
}

int
server_leave(int status) {
    char text[WHY_SIZE + 64];
    bool restarts = status == RESTART;
    const char *failed = restarts ? "" : end_parts(&status);
    snprintf(text, sizeof text, "closed: exit code %d%s%s",
             restarts ? 0 : status, *failed ? ": " : "", failed);
    guard_stop(*failed || status > LAST_CODE, text);
    if (restarts)
        status = closing; /* a close may have come in between */
    log_drain();
    if (restarts)
        end_parts(&status);
    status_remove();
    unlinkat(folder, PID_FILE, 0);
    unlinkat(folder, "run/control", 0);
    return status;
}
