/* server: the life: start, loop, summary, close. server_start, server_run and
 * server_leave tell it; hung and begin_close also run on the control thread. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callback.h"
#include "control.h"
#include "failure.h"
#include "handler.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "reload.h"
#include "server.h"
#include "status.h"
#include "watchdog.h"

enum {
    OPEN = -1,
    RESTART = -2,
    LAST_CODE = 125, /* exit status 0 to 125: the code given to svr_close */
    FORCED = 252,    /* exit status: forced after svr.close.force_close_delay */
    HUNG = 253       /* exit status: it hung, and the watchdog ended it */
};
#define MILLI INT64_C(1000000)

static _Atomic double close_delay = 10;

static bool started;   /* on_start has succeeded */
static int waits_for;  /* parts that have the server wait */
static int64_t run_at; /* when `run` is due */
static unsigned char run_fails;
static atomic_int closing = OPEN; /* the exit status, once it is known */

/* Calls a hook, and handles its failure. */
static int
call_hook(const char *name, int (*hook)(void)) {
    int result = callback_hook(name, hook);
    if (result < 0)
        callback_failed(name, result);
    return result;
}

/* ---- Close ------------------------------------------------------------ */

/* Begins the close: sets the time limit before anything that can fail. */
static void
begin_close(int exit_code) {
    int open = OPEN, restart = RESTART;
    if (!atomic_compare_exchange_strong(&closing, &open, exit_code)) {
        atomic_compare_exchange_strong(&closing, &restart, exit_code);
        svr_info("close: closing already, exit_code = %d", closing);
        return;
    }
    control_arm(close_delay, exit_code == HUNG ? HUNG : FORCED);
    callback_stop();
    reload_stop();
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

int
svr_close(int exit_code) {
    if (exit_code < 0 || exit_code > LAST_CODE)
        return -1;
    begin_close(exit_code);
    return 0;
}

/* ---- Summary ---------------------------------------------------------- */

static int
summarize(void *unused) {
    char text[768] = "", counts[1024] = "", line[1800];
    int (*get_summary)(char *text, size_t size) = handler_hooks()->get_summary;
    if (started && get_summary) {
        failure_clear();
        watchdog_enter("get_summary");
        int result = get_summary(text, sizeof text);
        watchdog_leave();
        if (result < 0) {
            callback_failed("get_summary", result);
            *text = '\0';
        }
    }
    status_refresh();
    status_counts(counts, sizeof counts);
    text[sizeof text - 1] = '\0';
    size_t used = text_line(line, sizeof text, text);
    snprintf(line + used, sizeof line - used, "%s%s", used ? "; " : "", counts);
    status_note(STATUS_SUMMARY, line);
    svr_info("<SUMMARY> %s", line);
    part_send(PART_SUMMARY, reload_conf(), line);
    (void)unused;
    return 0;
}

/* ---- Reload ----------------------------------------------------------- */

/* Puts a configuration's spans in force. */
static void
apply_conf(const struct conf *conf) {
    timers_span(conf_number(conf, "svr.timer.min_span"));
    double wait = conf_number(conf, "svr.reload.wait");
    close_delay = conf_number(conf, "svr.close.force_close_delay");
    control_limits(wait);
    lock_note((int64_t)(close_delay * 1000), (int64_t)(wait * 1000));
    watchdog_limits(conf_number(conf, "svr.timer.run_status_check_time_span"),
                    *conf_text(conf, "svr.timer.run_status_check_by") == 'r');
    callback_timer((struct timer){
        .key = "svr.summary",
        .own = summarize,
        .at = *conf_text(conf, "svr.timer.summary_output_time_point")});
}

/* ---- The loop --------------------------------------------------------- */

static void
run(void) {
    int millis = call_hook("run", handler_hooks()->run);
    int64_t pause = callback_pause(&run_fails, millis);
    run_at = loop_now() + (millis < 0 ? pause : millis * MILLI);
}

/* When `run` is due, if there is one; one that comes with new code is due at
 * once. */
static int64_t
next_run(void) {
    if (started && handler_hooks()->run)
        return run_at;
    run_at = 0;
    return INT64_MAX;
}

/* Waits until something is due. */
static void
wait_for_events(void) {
    int64_t next = timers_next(), next_of_run = next_run();
    watchdog_wait(true);
    int64_t step = loop_wait(next_of_run < next ? next_of_run : next);
    watchdog_wait(false);
    if (step != 0) {
        svr_info("the clock was set by %+jd s",
                 (intmax_t)(step / 1000 / MILLI));
        timers_set_clock(callback_clock());
    }
}

/* The safe close. It continues to its end whatever hook fails. */
static void
end(void) {
    status_state("closing");
    watchdog_limits(0, false); /* from here the close has its own bound */
    reload_take(started);
    callback_posts(true);
    part_send(PART_CLOSE, reload_conf(), closing == RESTART ? "restart" : NULL);
    summarize(NULL);
    call_hook("on_close", started ? handler_hooks()->on_close : NULL);
}

/* The control thread found that the loop hangs. The loop may still close
 * safely, for as long as a close may take. */
static void
hung(const char *found) {
    status_note(STATUS_ERROR, found);
    part_hung();
    begin_close(HUNG);
    status_state("hung");
}

int
server_run(void) {
    watchdog_start(hung);
    while (closing == OPEN) {
        status_loop.turns++;
        reload_take(started);
        callback_timers();
        callback_posts(false);
        callback_watches();
        if (closing == OPEN && loop_now() >= next_run())
            run();
        control_turn();
        if (closing == OPEN)
            wait_for_events();
    }
    end();
    return closing;
}

/* ---- Start ------------------------------------------------------------ */

/* Calls on_start, and begins the first run. */
static int
begin_hooks(void) {
    if (part_send(PART_BEGIN, reload_conf(), NULL) < 0)
        return SERVER_FAILED;
    int result = callback_hook("on_start", handler_hooks()->on_start);
    if (result < 0) {
        failure_in("on_start", result);
        return SERVER_FAILED;
    }
    started = true;
    part_send(PART_READY, reload_conf(), NULL);
    if (closing == OPEN)
        status_state("running");
    return 0;
}

int
server_begin(void *unused) {
    if (--waits_for == 0 && closing == OPEN && begin_hooks() != 0) {
        svr_err("start failed: %s", failure_reason());
        begin_close(SERVER_FAILED);
    }
    (void)unused;
    return 0;
}

int
server_start(int dir) {
    part_folder = dir;
    callback_open(begin_close);
    if (timers_open() < 0) {
        svr_fail("timers: no memory");
        return SERVER_FAILED;
    }
    int opened = reload_open(dir, apply_conf);
    if (opened < 0)
        return opened == RELOAD_BAD_CONF ? SERVER_BAD_CONF : SERVER_FAILED;
    if (loop_open() < 0) {
        svr_fail("event loop: %s", strerror(errno));
        return SERVER_FAILED;
    }
    status_state("starting");
    if (control_open(dir, begin_close) < 0)
        return SERVER_FAILED;
    reload_log_conf(NULL);
    waits_for = part_send(PART_START, reload_conf(), NULL);
    if (waits_for <= 0)
        return waits_for < 0 ? SERVER_FAILED : begin_hooks();
    status_state("standby");
    part_send(PART_WAIT, reload_conf(), NULL);
    return 0;
}

/* ---- The end ---------------------------------------------------------- */

/* Ends the parts; the program of a restart takes over here. Returns "", or the
 * reason of a failure, which changes the exit status too. */
static const char *
end_parts(int *status) {
    if (part_send(PART_END, reload_conf(),
                  closing == RESTART ? "restart" : NULL) == 0)
        return "";
    svr_err("%s", failure_reason());
    *status = SERVER_FAILED;
    return failure_reason();
}

int
server_leave(int status) {
    char text[FAILURE_SIZE + 64];
    bool restarts = status == RESTART;
    const char *failed = restarts ? "" : end_parts(&status);
    snprintf(text, sizeof text, "closed: exit code %d%s%s",
             restarts ? 0 : status, *failed ? ": " : "", failed);
    control_stop(*failed || status > LAST_CODE, text);
    if (restarts)
        status = closing; /* a close may have come in between */
    log_drain();
    if (restarts)
        end_parts(&status);
    status_remove();
    control_remove();
    return status;
}
