#!/usr/bin/env bats
# The part work: blocking calls on threads, their results in the loop.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,work,restart,report
}

# working START: hooks whose on_start is START; `run` counts turns.
working() {
    hooks <<END
#include <errno.h>
#include <poll.h>
#include "work.h"
struct state { long turns; };
static int number[200];
static int quick(void *arg) { ++*(int *)arg; return 0; }
static int fails(void *arg) { (void)arg; errno = ENOENT; return svr_fail("the disk: %m"); }
static int waits(void *arg) { while (access(arg, F_OK) < 0) poll(NULL, 0, 10); return 0; }
static int other(void *arg) { return waits(arg); }
static int done(void *arg) {
    const char *reason = svr_work_reason();
    svr_info("${DONE:-done} %d%s%s", *(int *)arg, reason ? ": " : "", reason ? reason : "");
    return 0;
}
static int waited(void *arg) { svr_info("${DONE:-done} %s", (char *)arg); return 0; }
static int run(void) { struct state *s = svr_state(); s->turns++; svr_info("turn %ld", s->turns); return 50; }
static int silent(void *arg) { (void)arg; return -1; }
static int no(void) { return svr_fail("no"); }
static int on_start(void) {
    (void)no, (void)number, (void)other; $1
    return 0;
}
SVR_HANDLER(.on_start = on_start, ${ON_RELOAD:-} .run = run, .state_size = sizeof(struct state),
    .callbacks = SVR_CALLBACKS(SVR_CALL(quick), SVR_CALL(fails), ${WAITS:-SVR_CALL(waits),} SVR_CALL(done),
        SVR_CALL(waited), SVR_CALL(silent)));
END
    set_key log.syslog false
    build
}

@test "calls run on threads; their results reach the loop, failures with their reason" {
    working 'for (int i = 0; i < 200; i++) {
            number[i] = i;
            if (svr_work(quick, &number[i], done) < 0) return SVR_FAILED;
        }
        svr_work(fails, &number[0], done); svr_work(silent, &number[1], done);'
    run_server
    wait_line 10 'done 200'
    for n in 1 57 199; do has_line "done $n\$"; done
    wait_line 5 'done 1: the disk: No such file or directory'
    wait_line 5 'done 2: it failed without svr_fail'
    [ "$(json work.done)" = 200 ]
    [ "$(json work.failed)" = 2 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "the loop continues while calls block; a full queue refuses calls; waiting ones can be cancelled" {
    set_key work.threads 2
    set_key work.queue 3
    working 'for (int i = 0; i < 5; i++) if (svr_work(waits, "go", waited) < 0) return SVR_FAILED;
        if (svr_work(waits, "go", waited) >= 0) return svr_fail("not refused");
        static char other[] = "other";
        if (svr_work_cancel("go") == 0 || svr_work(waits, other, waited) < 0 || svr_work_cancel(other) != 1)
            return svr_fail("cancel");'
    run_server
    wait_line 5 'turn 10'
    [ "$(json work.running)" = 2 ]
    [ "$(json work.waiting)" = 0 ]
    touch go
    wait_until 5 eval '[ "$(count_lines "done go")" -eq 2 ]'
    run ! has_line 'done other'
    bounded ./svr.sh close
}

@test "a refusal by the full queue gives the reason" {
    set_key work.threads 1
    set_key work.queue 1
    working 'svr_work(waits, "go", waited); svr_work(waits, "go", waited); return svr_work(waits, "go", waited);'
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"work: 1 calls wait already: raise work.queue, or ask again later"* ]]
}

@test "during a reload old code runs to its end, and the new code gets the result" {
    working 'return svr_work(waits, "go", waited);'
    run_server
    wait_line 5 'turn 2'
    DONE=new working 'return 0;'
    bounded ./svr.sh reload
    ON_RELOAD='.on_reload = no,' DONE=new working 'return 0;'
    for ((i = 0; i < 20; i++)); do # rejected ones take the places of old code too
        run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
    done
    DONE=new working 'return 0;'
    for ((i = 0; i < 20; i++)); do # more than there are generations kept
        run bounded ./svr.sh reload
        [ "$status" -eq 0 ]
    done
    touch go
    wait_line 5 'new go'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a waiting call whose function is gone fails with that reason" {
    set_key work.threads 1
    working 'svr_work(waits, "go", waited); number[0] = 7; return svr_work(waits, "go2", waited);'
    run_server
    wait_line 5 'turn 2'
    WAITS='SVR_CALL(other),' working 'return 0;'
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    touch go
    wait_line 5 'done go2'
    [ "$(json work.failed)" = 1 ]
    bounded ./svr.sh close
}

@test "a stuck call is named in time, in the watchdog's report, and at the close" {
    set_key svr.timer.run_status_check_time_span 1
    set_key svr.close.force_close_delay 1.0
    working 'return svr_work(waits, "go", waited);'
    run_server
    wait_line 20 'work: waits has been running for [12]'
    run bounded ./svr.sh close
    [ "$status" -eq 0 ]
    has_line 'work: 1 calls still run and 0 wait at the close: they are lost'
}

@test "a close waits for calls, and their results arrive before on_close" {
    working 'return svr_work(waits, "go", waited);'
    run_server
    wait_line 5 'turn 2'
    ./svr.sh close >/dev/null 3>&- &
    helpers+=("$!")
    wait_line 5 'close: delay'
    touch go
    wait_until 10 gone "$server"
    has_line 'done go'
    [ "$(exit_status)" -eq 0 ]
}
