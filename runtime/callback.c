/* callback: the user's timers, descriptors and posts: which callback is called
 * when, and what happens after a failure. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "callback.h"
#include "failure.h"
#include "handler.h"
#include "log.h"
#include "loop.h"
#include "status.h"
#include "trace.h"
#include "watchdog.h"

enum {
    BY_EXCEPT = 254,    /* exit status: closed by on_except */
    EXCEPT_FAILED = 255 /* exit status: on_except itself failed */
};
#define SECOND INT64_C(1000000000)

/* How long what failed rests: twice as long after each failure in a row. */
#define SHORTEST_REST (SECOND / 100)
#define LONGEST_REST  SECOND

static void (*close_server)(int status);
static atomic_bool stopped;     /* the server closes: only posts are called */
static struct loop_post *posts; /* those that were not called yet */
static unsigned char post_fails;
static bool posts_rest; /* the user's posts wait after a failure */
static int ready;       /* what the present descriptor is ready for */

void
callback_open(void (*close)(int status)) {
    close_server = close;
}

void
callback_stop(void) {
    stopped = true;
}

/* ---- Failures --------------------------------------------------------- */

/* Reports whether a failure must be logged, and how often it was repeated since
 * it was logged last: 0 = it is a new one. */
static bool
is_news(const char *text, int64_t *times) {
    static char last[FAILURE_SIZE];
    static int64_t repeats, logged_at;
    int64_t now = loop_now();
    bool again = strcmp(text, last) == 0;
    repeats += again;
    if (again && now - logged_at <= SECOND)
        return false;
    *times = repeats;
    repeats = 0;
    logged_at = now;
    memcpy(last, text, sizeof last);
    return true;
}

/* Asks on_except. Returns 0 to continue, otherwise the exit status to close
 * with. */
static int
ask_except(struct svr_error error) {
    int (*on_except)(const struct svr_error *error) =
        handler_hooks()->on_except;
    if (!on_except)
        return 0;
    watchdog_enter("on_except");
    int verdict = on_except(&error);
    watchdog_leave();
    return verdict < 0 ? EXCEPT_FAILED : verdict == SVR_CLOSE ? BY_EXCEPT : 0;
}

void
callback_failed(const char *name, int result) {
    static char backtrace[512];
    char text[FAILURE_SIZE];
    int64_t times = 0;
    failure_describe(name, result, text);
    status_note(STATUS_ERROR, text);
    if (is_news(text, &times) && times == 0) {
        void *const *frames;
        int depth = failure_frames(&frames);
        trace_text(frames, depth, 1, backtrace, sizeof backtrace);
        svr_err("%s, backtrace: %s", text, backtrace);
    } else if (times > 0) {
        svr_err("%s (%jd times more)", text, (intmax_t)times);
    }
    struct svr_error error = failure_last(name);
    error.backtrace = backtrace;
    int status = ask_except(error);
    failure_clear();
    if (status)
        close_server(status);
}

int64_t
callback_pause(unsigned char *fails, int result) {
    int64_t pause = SHORTEST_REST << *fails;
    if (result >= 0)
        return *fails = 0;
    *fails += pause < LONGEST_REST;
    return pause < LONGEST_REST ? pause : LONGEST_REST;
}

int
callback_hook(const char *name, int (*hook)(void)) {
    if (!hook)
        return 0;
    failure_clear();
    watchdog_enter(name);
    int result = hook();
    watchdog_leave();
    return result;
}

/* Calls a part's own function, or the live code's callback of that name. */
static int
call_name(const char *label, svr_call *own, const char *name, void *arg) {
    failure_clear();
    watchdog_enter(label);
    int result = own ? own(arg) : handler_call(name, arg);
    watchdog_leave();
    if (result < 0 && result != HANDLER_GONE)
        callback_failed(label, result);
    return result;
}

/* Logs a refusal and records it as a failure. Returns SVR_FAILED. */
static int
refuse_callback(const char *what, const char *name, const char *reason) {
    svr_warn("%s %.47s refused: %s", what, name, reason);
    return svr_fail("%s %.47s refused: %s", what, name, reason);
}

static const char no_callback[] =
    "its function is not among the handler's callbacks";

int64_t
svr_now(void) {
    return loop_now() / (SECOND / 1000);
}

/* ---- Timers ----------------------------------------------------------- */

struct timers_now
callback_clock(void) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct timers_now){loop_now(), wall.tv_sec * SECOND + wall.tv_nsec};
}

/* Asks the user's function of a timer when it is due next. */
static void
ask_next(const char *key, const char *next, void *arg) {
    int millis = call_name(key, NULL, next, arg);
    if (millis >= 0)
        timers_delay(key, loop_now() + millis * (SECOND / 1000));
    else
        timers_remove(key, false);
}

/* Reads "HH:MM". Returns the seconds, or -1. */
static int
time_of_day(const char *text) {
    int hour, minute, length = 0;
    bool good = strspn(text, "0123456789") == 2 &&
                sscanf(text, "%2d:%2d%n", &hour, &minute, &length) == 2 &&
                length == 5 && text[5] == '\0' && hour < 24 && minute < 60;
    return good ? (hour * 60 + minute) * 60 : -1;
}

/* Returns why a timer is refused, or NULL. */
static const char *
check_timer(size_t length, const struct timer *timer,
            const struct svr_when *when) {
    int kinds = (when->every != 0) + (when->at != 0) + (when->next != NULL) +
                (when->daily != NULL);
    if (memcmp(timer->key, "svr.", 4) == 0)
        return "keys that begin with \"svr.\" are the server's";
    if (!timer->call || (when->next && !timer->next))
        return no_callback;
    if (length == 0 || length == TIMER_KEY_SIZE)
        return "a key has 1 to 47 bytes";
    if (kinds != 1 || when->runs < 0 || timer->second < 0 ||
        (when->every != 0 && !(when->every >= 1e-6 && when->every < 1e9)) ||
        (when->at && !strchr("DHM", when->at)))
        return "it needs one of every (seconds), at (D, H, M), daily "
               "(\"HH:MM\") and next; runs must not be below 0";
    return NULL;
}

/* Adds a timer by `add`: timers_add or timers_set. */
static int
put_timer(const char *key, svr_call *function, void *arg, struct svr_when when,
          int (*add)(const struct timer *timer, struct timers_now now)) {
    struct timer timer = {.call = handler_live_name(function),
                          .next =
                              when.next ? handler_live_name(when.next) : NULL,
                          .at = when.daily ? 'D' : when.at,
                          .second = when.daily ? time_of_day(when.daily) : 0,
                          .arg = arg,
                          .every = (int64_t)(when.every * 1e9),
                          .runs = when.runs,
                          .due = INT64_MAX / 2};
    size_t length = strnlen(key, TIMER_KEY_SIZE);
    memcpy(timer.key, key, length);
    const char *reason = check_timer(length, &timer, &when);
    if (!reason) {
        struct timers_now now = {.mono = loop_now()};
        if (add(&timer, timer.at ? callback_clock() : now) < 0)
            reason = "the key exists already, or memory is short";
    }
    if (reason)
        return refuse_callback("timer", key, reason);
    if (timer.next)
        ask_next(key, timer.next, arg);
    return 0;
}

int
svr_add_timer(const char *key, svr_call *function, void *arg,
              struct svr_when when) {
    return put_timer(key, function, arg, when, timers_add);
}

int
svr_set_timer(const char *key, svr_call *function, void *arg,
              struct svr_when when) {
    return put_timer(key, function, arg, when, timers_set);
}

int
svr_remove_timer(const char *key) {
    return timers_remove(key, false) == 0
               ? 0
               : svr_fail("there is no timer %.47s to remove", key);
}

void
callback_timers(void) {
    struct timer tick;
    struct timers_now start = callback_clock();
    int64_t missed;
    while (!stopped && (missed = timers_due(start, &tick)) >= 0) {
        status_loop.ticks++;
        status_loop.late += missed > 0;
        if (missed)
            svr_warn("timer %s: %jd ticks skipped, the loop was busy", tick.key,
                     (intmax_t)missed);
        unsigned char fails = tick.fails;
        int result = call_name(tick.key, tick.own, tick.call, tick.arg);
        if (tick.next)
            ask_next(tick.key, tick.next, tick.arg);
        int64_t pause = callback_pause(&fails, result);
        if (fails != tick.fails || pause)
            timers_pause(tick.key, fails, pause ? loop_now() + pause : 0);
    }
}

int
callback_timer(struct timer timer) {
    if (!timer.every && !timer.at) {
        timers_remove(timer.key, true);
        return 0;
    }
    if (timers_set(&timer, callback_clock()) == 0)
        return 0;
    svr_err("timer %s: no memory", timer.key);
    return -1;
}

/* Has `end` called after a pause, to end a rest. False: memory is short. */
static bool
begin_rest(const char *what, int number, svr_call *end, int64_t pause) {
    struct timer timer = {
        .own = end, .arg = (void *)(intptr_t)number, .every = pause, .runs = 1};
    snprintf(timer.key, sizeof timer.key, "svr.rest %s %d", what, number);
    return callback_timer(timer) == 0;
}

void
callback_drop(void) {
    struct timer *timer;
    for (uint32_t i = 0; (timer = timers_at(i));) {
        if (timer->own || (handler_index(timer->call) >= 0 &&
                           (!timer->next || handler_index(timer->next) >= 0))) {
            i++;
            continue;
        }
        svr_warn("timer %s dropped: its function is gone", timer->key);
        timers_remove(timer->key, false);
    }
}

/* ---- Descriptors ------------------------------------------------------ */

int
svr_watch(int fd, int events, svr_call *function, void *arg) {
    struct loop_watch watch = {
        .events = events, .call = handler_live_name(function), .arg = arg};
    char number[16];
    const char *reason = NULL;
    if (!watch.call)
        reason = no_callback;
    else if (events < SVR_READ || events > (SVR_READ | SVR_WRITE) || fd < 0)
        reason = "it needs SVR_READ, SVR_WRITE or both, and an open descriptor";
    else if (loop_watch(fd, watch) < 0)
        reason = strerror(errno);
    snprintf(number, sizeof number, "%d", fd);
    return reason ? refuse_callback("watch of descriptor", number, reason) : 0;
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

static int
end_watch_rest(void *fd) {
    loop_rest(loop_watch_at((int)(intptr_t)fd), false);
    return 0;
}

void
callback_watches(void) {
    struct loop_watch *watch;
    while (!stopped && (watch = loop_ready(&ready))) {
        int fd = (int)(watch - loop_watch_at(0));
        uint32_t age = watch->age;
        int result = call_name(watch->call ? watch->call : "part", watch->own,
                               watch->call, watch->arg);
        watch = loop_watch_at(fd); /* the table may have moved */
        if (!watch->events || watch->age != age)
            continue;
        int64_t pause = callback_pause(&watch->fails, result);
        if (pause && begin_rest("watch", fd, end_watch_rest, pause))
            loop_rest(watch, true);
    }
}

int
callback_check(void) {
    struct loop_watch *watch;
    for (int fd = 0; (watch = loop_watch_at(fd)); fd++)
        if (watch->events && watch->call && handler_index(watch->call) < 0)
            return svr_fail("descriptor %d is watched by %.64s, which the new "
                            "code does not have",
                            fd, watch->call);
    return 0;
}

/* ---- Posts ------------------------------------------------------------ */

int
svr_post(svr_call *function, void *arg) {
    const char *name = handler_name(function);
    if (!name)
        return svr_fail("post refused: %s", no_callback);
    return loop_post(name, NULL, arg) == 0
               ? 0
               : svr_fail("post refused: memory is short");
}

static int
end_posts_rest(void *unused) {
    posts_rest = false;
    (void)unused;
    return 0;
}

/* Calls a post. After a failure the user's posts rest, in their order; the
 * server's and the parts' do not. */
static void
call_post(const struct loop_post *post) {
    int result = call_name(post->name, post->own, post->name, post->arg);
    if (post->own)
        return;
    int64_t pause =
        callback_pause(&post_fails, result == HANDLER_GONE ? 0 : result);
    posts_rest = pause && begin_rest("post", 0, end_posts_rest, pause);
}

void
callback_posts(bool all) {
    struct loop_post **place = &posts;
    while (*place)
        place = &(*place)->next;
    *place = loop_posted();
    for (place = &posts; *place;) {
        struct loop_post *post = *place;
        if (posts_rest && !post->own && !all) {
            place = &post->next;
            continue;
        }
        call_post(post);
        *place = post->next;
        free(post);
    }
}
