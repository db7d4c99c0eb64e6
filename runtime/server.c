/* server: the life: start, loop, reload, close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "object.h"
#include "guard.h"
#include "handler.h"
#include "json.h"
#include "listen.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "server.h"
#include "status.h"
#include "thread.h"
#include "timer.h"
#include "trace.h"
#include "watch.h"

enum { OPEN = -1, FORCED = 252, HUNG = 253, BY_EXCEPT = 254, FAILED = 255 };
enum { PAUSE_FIRST_MS = 10, PAUSE_LAST_MS = 1000 };
#define MILLI    INT64_C(1000000)
#define PID_FILE "run/" SVR_PROJECT ".pid"

static int folder;
static struct conf *conf;
static void *conf_values;  /* the user's struct svr_conf */
static struct conf *first; /* of the start, for what waits for a restart */
static _Atomic double close_delay = 10;

static void *state; /* never moves: state_room bytes are its */
static size_t state_room;

static int64_t run_at, turns, ticks, late_ticks;
static atomic_int closing = OPEN; /* the exit status, once it is wanted */
static atomic_bool figures_wanted;

/* A new generation that waits for the loop to take it. */
static struct handler candidate;
static char candidate_path[48], candidate_warning[WHY_SIZE];
static atomic_bool candidate_ready;
static unsigned copies;

/* What the last svr_fail said, and what failed last. */
static struct {
    char message[1024], file[64], place[128], backtrace[512];
    const char *function;
    int line;
    void *frames[TRACE_DEPTH];
    int depth;
    int64_t repeats, told_at, pause;
} failure;

static const struct svr_handler *
hooks(void) {
    return handler_live()->table;
}

/* Calls a hook, if there is one, under the eyes of the watchdog. */
static int
call(const char *name, int (*hook)(void)) {
    if (!hook)
        return 0;
    watch_do(name);
    int result = hook();
    watch_do(NULL);
    return result;
}

void *
svr_state(void) {
    return hooks()->state_size ? state : NULL;
}

const struct svr_conf *
svr_conf(void) {
    return conf_values;
}

/* ---- Close ------------------------------------------------------------ */

/* Begins the close; the bound first, then what could fail. */
static void
begin_close(int exit_code) {
    int open = OPEN;
    if (!atomic_compare_exchange_strong(&closing, &open, exit_code)) {
        svr_info("close: closing already, exit_code = %d", open);
        return;
    }
    guard_arm(close_delay, exit_code == HUNG ? HUNG : FORCED);
    status_state("closing");
    svr_info("close: delay = %g, exit_code = %d", close_delay, exit_code);
    loop_wake();
}

int
svr_close(int exit_code) {
    if (exit_code < 0 || exit_code > 125)
        return -1;
    begin_close(exit_code);
    return 0;
}

/* ---- Errors ----------------------------------------------------------- */

int
svr_fail_at(const char *file, int line, const char *function,
            const char *format, ...) {
    const char *slash = strrchr(file, '/');
    va_list args;
    va_start(args, format);
    vsnprintf(failure.message, sizeof failure.message, format, args);
    va_end(args);
    snprintf(failure.file, sizeof failure.file, "%s", slash ? slash + 1 : file);
    failure.line = line;
    failure.function = function;
    failure.depth = trace_take(failure.frames);
    return SVR_FAILED;
}

/* Writes "WHERE: MESSAGE (FILE:LINE)" for a failure, which is then over. */
static void
describe(const char *where, int result, char text[WHY_SIZE]) {
    if (*failure.message == '\0')
        svr_fail_at("", 0, "", "returned %d without svr_fail", result);
    snprintf(failure.place, sizeof failure.place, "%s:%d", failure.file,
             failure.line);
    why(text, "%.60s: %.300s (%s)", where, failure.message, failure.place);
}

/* Lets on_except decide about a failure. The same failure again is counted, and
 * told once a second. */
static void
handle(const char *where, int result) {
    char text[WHY_SIZE];
    static char last[WHY_SIZE];
    int64_t now = loop_now();
    describe(where, result, text);
    status_note(STATUS_ERROR, text);
    bool again = strcmp(text, last) == 0;
    failure.repeats += again;
    if (!again)
        trace_text(failure.frames, failure.depth, 1, failure.backtrace,
                   sizeof failure.backtrace);
    if (!again || now - failure.told_at > 1000 * MILLI) {
        if (again)
            svr_err("%s (%jd times more)", text, (intmax_t)failure.repeats);
        else
            svr_err("%s, backtrace: %s", text, failure.backtrace);
        failure.repeats = 0;
        failure.told_at = now;
        memcpy(last, text, sizeof last);
    }
    struct svr_error error = {
        where,        failure.message,  failure.file,
        failure.line, failure.function, failure.backtrace};
    watch_do("on_except");
    int verdict = hooks()->on_except ? hooks()->on_except(&error) : SVR_GO_ON;
    watch_do(NULL);
    *failure.message = '\0';
    if (verdict < 0)
        begin_close(FAILED);
    else if (verdict == SVR_CLOSE)
        begin_close(BY_EXCEPT);
}

/* ---- Timers and posts ------------------------------------------------- */

int
svr_post(svr_call *call, void *arg) {
    const char *name = handler_name(call);
    return name ? loop_post(name, arg) : -1;
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
        svr_warn("timer %.47s refused: %s", key, reason);
    else if (timer.next != TIMER_NO_NEXT)
        ask_next(key, timer.next, arg);
    return reason ? -1 : 0;
}

int
svr_remove_timer(const char *key) {
    return strncmp(key, "svr.", 4) == 0 ? -1 : timers_remove(key);
}

/* ---- Descriptors ------------------------------------------------------ */

static int ready; /* what the present one is ready for */

int
svr_watch(int fd, int events, svr_call *call, void *arg) {
    struct loop_watch watch = {events, index_of(call), arg, 0};
    const char *reason = NULL;
    if (watch.call < 0)
        reason = "its function is not among the handler's callbacks";
    else if (events < SVR_READ || events > (SVR_READ | SVR_WRITE) || fd < 0)
        reason = "it needs SVR_READ, SVR_WRITE or both, and an open descriptor";
    else if (loop_watch(fd, watch) < 0)
        reason = strerror(errno);
    if (reason)
        svr_warn("watch of descriptor %d refused: %s", fd, reason);
    return reason ? -1 : 0;
}

int
svr_unwatch(int fd) {
    return loop_unwatch(fd);
}

int
svr_ready(void) {
    return ready;
}

int
svr_listen(const char *address) {
    char reason[WHY_SIZE];
    int fd = listen_open(folder, address, reason);
    return fd < 0 ? svr_fail("%s", reason) : fd;
}

static void
run_watches(void) {
    const struct loop_watch *watch;
    while (closing == OPEN && (watch = loop_ready(&ready))) {
        const struct svr_callback *callback = &hooks()->callbacks[watch->call];
        watch_do(callback->name);
        int result = callback->call(watch->arg);
        if (result < 0)
            handle(callback->name, result);
        watch_do(NULL);
    }
}

/* ---- Timers ----------------------------------------------------------- */

static void summarize(void);

static void
run_timers(void) {
    struct timer tick;
    struct timers_now start = now();
    while (closing == OPEN && timers_due(start, &tick)) {
        ticks++;
        late_ticks += tick.skipped > 0;
        if (tick.skipped)
            svr_warn("timer %s: %jd ticks skipped, the loop was busy", tick.key,
                     (intmax_t)tick.skipped);
        if (tick.call == TIMER_SUMMARY) {
            summarize();
            continue;
        }
        watch_do(tick.key);
        int result = hooks()->callbacks[tick.call].call(tick.arg);
        if (result < 0)
            handle(tick.key, result);
        if (tick.next != TIMER_NO_NEXT)
            ask_next(tick.key, tick.next, tick.arg);
        watch_do(NULL);
    }
}

/* The summary is a timer like any other; a reload may change its kind. */
static void
plan_summary(char kind) {
    static char planned;
    struct timer timer = {.key = "svr.summary",
                          .call = TIMER_SUMMARY,
                          .next = TIMER_NO_NEXT,
                          .at = kind};
    if (kind == planned)
        return;
    timers_remove(timer.key);
    timers_add(&timer, now());
    planned = kind;
}

static void
run_posts(void) {
    struct loop_post *post = loop_posted(), *next;
    for (; post; post = next) {
        watch_do(post->name);
        int result = handler_call(post->name, post->arg);
        if (result < 0 && result != HANDLER_GONE)
            handle(post->name, result);
        watch_do(NULL);
        next = post->next;
        free(post);
    }
}

/* ---- Configuration ---------------------------------------------------- */

/* Tells all values in force, but no secret. */
static void
log_conf(void) {
    if (!conf_number(conf, "svr.log_conf_on_reload"))
        return;
    for (size_t i = 0; i < conf->count; i++)
        svr_info("svr_conf: %s = %s", conf->entries[i].key,
                 conf_secret(conf->entries[i].key) ? "***"
                                                   : conf->entries[i].text);
}

/* Puts the configuration's spans in force. */
static void
apply_conf(void) {
    timers_span(conf_number(conf, "svr.timer.min_span"));
    close_delay = conf_number(conf, "svr.close.force_close_delay");
    guard_limits(conf_number(conf, "svr.reload.wait"));
    watch_limits(conf_number(conf, "svr.timer.run_status_check_time_span"),
                 *conf_text(conf, "svr.timer.run_status_check_by") == 'r');
}

/* ---- Reload ----------------------------------------------------------- */

/* All that the new generation brings. */
struct world {
    struct conf *conf;
    void *conf_values;
    struct log *log;
};

static void
reject(const char *reason) {
    char text[WHY_SIZE * 2];
    snprintf(text, sizeof text, "rejected: %s; generation %u goes on", reason,
             handler_live()->generation);
    svr_warn("%s", text);
    status_reload(1, text);
    guard_verdict(1, text);
}

/* Does what takes time, beside the loop: copy and check. */
static void *
prepare(void *unused) {
    char reason[WHY_SIZE];
    struct check_state now = {.running = true,
                              .size = hooks()->state_size,
                              .version = hooks()->state_version};
    (void)unused;
    candidate = (struct handler){.generation = handler_live()->generation + 1,
                                 .copy = ++copies};
    if (handler_copy(folder, &candidate, candidate_path, reason) < 0 ||
        check_run(folder, candidate_path, now, reason) < 0) {
        handler_drop(folder, &candidate);
        reject(reason);
        return NULL;
    }
    memcpy(candidate_warning, reason, sizeof reason);
    candidate_ready = true;
    loop_wake();
    return NULL;
}

static void
begin_reload(void) {
    int error = closing == OPEN ? thread_start(NULL, prepare) : ECANCELED;
    if (error)
        reject(error == ECANCELED ? "the server is closing" : strerror(error));
}

/* Loads the candidate, its configuration and its log sinks; nothing that is in
 * use is touched. */
static int
load(struct world *new, char reason[WHY_SIZE]) {
    *new = (struct world){NULL, NULL, NULL};
    if (handler_load(folder, candidate_path, &candidate, reason) < 0)
        return -1;
    new->conf = part_conf(folder, candidate.table->keys, reason);
    if (!new->conf)
        return -1;
    new->conf_values = calloc(1, candidate.table->conf_size + 1);
    if (!new->conf_values)
        return why(reason, "svr_conf: no memory");
    conf_fill(new->conf, candidate.table->keys, new->conf_values);
    new->log = log_open(folder, new->conf, false, reason);
    return new->log ? 0 : -1;
}

static void
unload(struct world *world) {
    log_close(world->log);
    free(world->conf_values);
    conf_free(world->conf);
}

/* Puts a world in use and takes the former one. */
static void
swap(struct world *world) {
    struct world former = {conf, conf_values, NULL};
    conf = world->conf;
    conf_values = world->conf_values;
    former.log = log_use(world->log);
    *world = former;
    apply_conf();
}

/* Binds the timers to new code by name; one whose function is gone stays
 * unbound until the reload is certain. */
static void
bind_timers(const struct svr_handler *old, const struct svr_handler *new) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i)); i++) {
        if (timer->call >= 0)
            timer->call = handler_index(new, old->callbacks[timer->call].name);
        if (timer->next == TIMER_NO_NEXT)
            continue;
        timer->next = handler_index(new, old->callbacks[timer->next].name);
        if (timer->next == TIMER_NO_NEXT)
            timer->call = TIMER_UNBOUND;
    }
}

/* Binds the watches to new code by name. */
static int
bind_watches(const struct svr_handler *old, const struct svr_handler *new,
             char reason[WHY_SIZE]) {
    struct loop_watch *watch;
    for (int fd = 0; (watch = loop_watch_at(fd)); fd++) {
        if (watch->events == 0)
            continue;
        const char *name = old->callbacks[watch->call].name;
        watch->call = handler_index(new, name);
        if (watch->call < 0)
            return why(reason,
                       "descriptor %d is watched by %.64s, which the "
                       "new code does not have",
                       fd, name);
    }
    return 0;
}

static void
drop_unbound_timers(void) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i));) {
        if (timer->call != TIMER_UNBOUND) {
            i++;
            continue;
        }
        svr_warn("timer %s dropped: its function is gone", timer->key);
        char key[TIMER_KEY_SIZE];
        memcpy(key, timer->key, sizeof key);
        timers_remove(key);
    }
}

/* Makes the state what new code wants. */
static int
migrate(const struct svr_handler *old, const struct svr_handler *new,
        const void *copy, char reason[WHY_SIZE]) {
    size_t larger =
        old->state_size > new->state_size ? old->state_size : new->state_size;
    if (old->state_size == new->state_size &&
        old->state_version == new->state_version)
        return 0;
    if (handler_fits(new, old->state_size, old->state_version, reason) < 0)
        return -1;
    if (new->state_size > state_room)
        return why(reason,
                   "state: %zu bytes are more than was kept free at "
                   "the start (%zu): restart",
                   new->state_size, state_room);
    memset(state, 0, larger);
    int result = new->migrate(old->state_version, copy, state);
    if (result < 0)
        describe("migrate", result, reason);
    return result;
}

/* Runs the new code's side of a reload; what it changed is put back when it
 * fails. */
static int
enter(const struct svr_handler *old, const struct svr_handler *new,
      char reason[WHY_SIZE]) {
    void *copy = malloc(old->state_size + 1);
    struct timers *saved = timers_save();
    struct loop_watch *watches = loop_save();
    if (!copy || !saved || !watches) {
        free(copy);
        free(watches);
        timers_drop(saved);
        return why(reason, "no memory for a copy of the state");
    }
    memcpy(copy, state, old->state_size);
    bind_timers(old, new);
    watch_do("on_reload");
    int result = bind_watches(old, new, reason);
    if (result == 0)
        result = migrate(old, new, copy, reason);
    if (result == 0 && (result = call("on_reload", new->on_reload)) < 0)
        describe("on_reload", result, reason);
    watch_do(NULL);
    if (result < 0) {
        memcpy(state, copy, old->state_size);
        timers_restore(saved);
        loop_restore(watches);
    } else {
        timers_drop(saved);
        free(watches);
    }
    *failure.message = '\0';
    free(copy);
    return result;
}

/* Tells how a reload went: to the log, the status and who asked. */
static void
announce(const struct conf *former, int64_t pause) {
    char names[WHY_SIZE], text[WHY_SIZE * 4], pending[WHY_SIZE];
    int changed = conf_changes(conf, former, false, names);
    int waits = conf_changes(conf, first, true, pending);
    int64_t tenths = (pause + MILLI / 20) / (MILLI / 10);
    snprintf(text, sizeof text,
             "reloaded: generation %u, %d key%s changed%s%s%s, pause %d.%d ms"
             "%s%s%s%s",
             candidate.generation, changed, changed == 1 ? "" : "s",
             changed ? " (" : "", names, changed ? ")" : "", (int)(tenths / 10),
             (int)(tenths % 10), waits ? ", waits for a restart: " : "",
             pending, *candidate_warning ? ", " : "", candidate_warning);
    status_generation(candidate.generation, candidate.build_id, pending);
    status_reload(0, text);
    svr_info("%s (build %s)", text, candidate.build_id);
    log_conf();
    guard_verdict(0, text);
}

/* Takes the candidate: all that can fail, then the swap. */
static int
take(char reason[WHY_SIZE]) {
    struct world world;
    int64_t begin = loop_now();
    const struct svr_handler *old = hooks();
    if (load(&world, reason) < 0) {
        unload(&world);
        handler_drop(folder, &candidate);
        return -1;
    }
    struct handler *former = handler_use(&candidate);
    swap(&world);
    int result = enter(old, candidate.table, reason);
    if (result == 0) {
        drop_unbound_timers();
        plan_summary(*conf_text(conf, "svr.timer.summary_output_time_point"));
        run_at = old->run ? run_at : 0;
        announce(world.conf, loop_now() - begin);
    } else {
        swap(&world);
        handler_back(former);
    }
    unload(&world);
    return result;
}

static void
reload(void) {
    char reason[WHY_SIZE];
    candidate_ready = false;
    part_tell(PART_RELOAD, conf, NULL, reason);
    handler_make_room(folder);
    bool taken = take(reason) == 0;
    if (!taken)
        reject(reason);
    part_tell(PART_RELOADED, conf, taken ? NULL : reason, reason);
}

/* ---- The loop --------------------------------------------------------- */

/* Makes the loop's own figures for the status. */
static void
tell_figures(void) {
    struct status_loop figures = {turns, ticks, late_ticks, NULL};
    size_t size;
    struct timer *timer;
    FILE *out = open_memstream(&figures.members, &size);
    if (!out)
        return;
    time_t wall = time(NULL);
    fputs(", \"timers\": [", out);
    for (uint32_t i = 0; (timer = timers_at(i)); i++) {
        fputs(i ? ", {\"name\": " : "{\"name\": ", out);
        json_print(out, timer->key);
        fprintf(out, ", \"next\": %jd}",
                (intmax_t)(wall + (timer->due - loop_now()) / (1000 * MILLI)));
    }
    fputs("]", out);
    part_status(out);
    fclose(out);
    status_figures(figures);
    figures_wanted = false;
    guard_figures();
}

static void
ask_figures(void) {
    figures_wanted = true;
    loop_wake();
}

static void
run(void) {
    if (!hooks()->run) {
        run_at = INT64_MAX;
        return;
    }
    int millis = call("run", hooks()->run);
    if (millis >= 0) {
        run_at = loop_now() + millis * MILLI;
        failure.pause = 0;
        return;
    }
    handle("run", millis);
    failure.pause = failure.pause ? failure.pause * 2 : PAUSE_FIRST_MS;
    if (failure.pause > PAUSE_LAST_MS)
        failure.pause = PAUSE_LAST_MS;
    run_at = loop_now() + failure.pause * MILLI;
}

static void
summarize(void) {
    char text[768] = "", counts[256], reason[WHY_SIZE];
    watch_do("get_summary");
    int result =
        hooks()->get_summary ? hooks()->get_summary(text, sizeof text) : 0;
    watch_do(NULL);
    if (result < 0) {
        handle("get_summary", result);
        *text = '\0';
    }
    status_counts((struct status_loop){turns, ticks, late_ticks, NULL}, counts,
                  sizeof counts);
    size_t used = strnlen(text, sizeof text - 1);
    text[used] = '\0';
    char line[1100];
    snprintf(line, sizeof line, "%s%s%s", text, used ? "; " : "", counts);
    status_note(STATUS_SUMMARY, line);
    svr_info("<SUMMARY> %s", line);
    part_tell(PART_SUMMARY, conf, line, reason);
}

/* The safe close: no hook's failure stands between it and the end. */
static void
end(void) {
    char reason[WHY_SIZE];
    status_state("closing");
    watch_limits(0, false); /* from here the close has its own bound */
    if (candidate_ready)
        reject("the server is closing");
    run_posts();
    part_tell(PART_CLOSE, conf, NULL, reason);
    summarize();
    int result = call("on_close", hooks()->on_close);
    if (result < 0)
        handle("on_close", result);
}

/* Waits until something is due. */
static void
wait_for_events(void) {
    int64_t next = timers_next();
    watch_wait(true);
    int64_t step = loop_wait(run_at < next ? run_at : next);
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
    part_tell(PART_HUNG, conf, found, reason);
    begin_close(HUNG);
    status_state("hung");
}

static const struct watch_duty watch_duty = {.wake = guard_wake, .hung = hung};

int
server_run(void) {
    watch_start(&watch_duty);
    while (closing == OPEN) {
        turns++;
        if (candidate_ready)
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
tell_state(char *text, int size) {
    snprintf(text, (size_t)size, "%zu %d %lx", hooks()->state_size,
             hooks()->state_version, (unsigned long)SVR_ABI);
}

static void
close_by_request(void) {
    begin_close(0);
}

static const struct guard_duty duty = {.close = close_by_request,
                                       .reload = begin_reload,
                                       .forced = forced,
                                       .ask = ask_figures,
                                       .status = status_render,
                                       .state = tell_state};

/* Removes the copies that another run left behind. */
static void
clear_copies(void) {
    glob_t found;
    if (glob("run/handler.*.so", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            unlinkat(folder, found.gl_pathv[i], 0);
        globfree(&found);
    }
}

static int
write_pid(char reason[WHY_SIZE]) {
    char text[16];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    int fd = openat(folder, PID_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0644);
    ssize_t written = fd < 0 ? -1 : write(fd, text, (size_t)length);
    if (fd >= 0)
        close(fd);
    return written == length ? 0
                             : why(reason, PID_FILE ": %s", strerror(errno));
}

/* Loads the first generation, its configuration and its log. */
static int
load_first(char reason[WHY_SIZE]) {
    struct world world;
    char statics[WHY_SIZE];
    clear_copies();
    first = part_conf(folder, NULL, reason);
    if (!first)
        return SERVER_BAD_CONF;
    candidate = (struct handler){.generation = 1, .copy = ++copies};
    if (handler_copy(folder, &candidate, candidate_path, reason) < 0 ||
        object_check(folder, candidate_path, statics, reason) < 0)
        return SERVER_FAILED;
    if (load(&world, reason) < 0)
        return candidate.code ? SERVER_BAD_CONF : SERVER_FAILED;
    handler_use(&candidate);
    swap(&world);
    status_generation(1, candidate.build_id, "");
    return 0;
}

static int
make_state(char reason[WHY_SIZE]) {
    state_room = hooks()->state_size * 16 + (1 << 20);
    state = mmap(NULL, state_room, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return state == MAP_FAILED ? why(reason, "state: %s", strerror(errno)) : 0;
}

int
server_start(int dir, char reason[WHY_SIZE]) {
    folder = dir;
    int status = load_first(reason);
    if (status != 0)
        return status;
    if (make_state(reason) < 0 || write_pid(reason) < 0 || loop_open() < 0 ||
        guard_start(dir, &duty, reason) < 0)
        return SERVER_FAILED;
    status_state("starting");
    log_conf();
    if (part_tell(PART_START, conf, NULL, reason) < 0)
        return SERVER_FAILED;
    int result = call("on_start", hooks()->on_start);
    if (result < 0) {
        describe("on_start", result, reason);
        return SERVER_FAILED;
    }
    plan_summary(*conf_text(conf, "svr.timer.summary_output_time_point"));
    part_tell(PART_READY, conf, NULL, reason);
    if (closing == OPEN)
        status_state("running");
    return 0;
}

void
server_leave(int status) {
    char text[64];
    snprintf(text, sizeof text, "closed: exit code %d", status);
    guard_stop(text);
    unlinkat(folder, PID_FILE, 0);
    unlinkat(folder, "run/control", 0);
    log_drain();
}
