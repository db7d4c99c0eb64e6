#!/usr/bin/env bats
# The watchdog and the crash report: acceptance E1 to E3.

load helper

# hang HOOKS…: a server with T = 3 that runs what stdin says.
hang() {
    hooks
    set_key svr.timer.run_status_check_time_span "${1:-3}"
    set_key svr.timer.run_status_check_by "${2:-loop}"
    set_key svr.timer.min_span 0.1
    set_key svr.close.force_close_delay "${3:-1}"
    set_key log.syslog false
    set_key log.console.format '"%(asctime)s %(message)s"'
    build
    run_server
}

# Seconds between two log lines, by their time.
between() {
    python3 - "$1" "$2" <<'END'
import re, sys, datetime
def when(pattern):
    for line in open("log.txt"):
        if re.search(pattern, line):
            return datetime.datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f")
print((when(sys.argv[2]) - when(sys.argv[1])).total_seconds())
END
}

at_least() {
    python3 -c "import sys; sys.exit(not $1 >= $2)"
}

@test "E1 a run that hangs in a call: a warning after T/2, the end after T, 253, with a backtrace" {
    hang <<'END'
static __attribute__((noinline)) void stuck_here(void) { for (;;) pause(); }
static int run(void) { svr_info("run begins"); stuck_here(); return 0; }
SVR_HANDLER(.run = run);
END
    [ "$(exit_status)" -eq 253 ]
    has_line 'run_states_check: not receive report in 1.5 s, in run since [0-9:]*$'
    has_line 'run_states_check: not receive report in 3 s, start auto-exit!$'
    has_line 'run_states_check: in run since [0-9:]*$'
    has_line 'report: blocked: [0-9]* ms of CPU in the last [0-9]* ms'
    has_line 'report: backtrace: .*pause.* < stuck_here+0x[0-9a-f]* < run+0x[0-9a-f]* < .*server_run'
    has_line 'close: forced after 1 s, stuck in run, exit_code = 253'
    at_least "$(between 'run begins' 'start auto-exit')" 2.9
    [ ! -e run/demo.pid ]
}

@test "E1 an endless loop in a timer's callback is distinguished from a blocked call" {
    hang <<'END'
static int spin(void *arg) { volatile long n = 0; (void)arg; svr_info("spin begins"); for (;;) n++; return 0; }
static int on_start(void) { return svr_add_timer("spinner", spin, NULL, (struct svr_when){.every = 0.2}); }
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(spin)));
END
    [ "$(exit_status)" -eq 253 ]
    has_line 'run_states_check: in spinner since [0-9:]*$'
    has_line 'report: \(spinning\|starved of CPU\): [0-9]* ms of CPU'
    has_line 'report: backtrace: spin+0x'
}

@test "E1 a hung server answers status, which reports the hang" {
    hang <<'END'
static int run(void) { for (;;) pause(); return 0; }
SVR_HANDLER(.run = run);
END
    wait_until 3 eval '[ "$(json stale 2>/dev/null)" = True ]'
    sed -i 's/x/x/' svr_conf
    wait_line 5 'start auto-exit'
    [ "$(exit_status)" -eq 253 ]
}

@test "a hung loop that recovers closes safely, and the status is still 253" {
    hang <<'END'
static int on_close(void) { svr_info("on_close"); return 0; }
static int run(void) { svr_info("run begins"); for (int i = 0; i < 34; i++) usleep(100000); return 10; }
SVR_HANDLER(.run = run, .on_close = on_close);
END
    [ "$(exit_status)" -eq 253 ]
    has_line 'on_close$'
    [ "$(count_lines 'forced')" -eq 0 ]
}

@test "E2 report mode: without a report since the start it is ended after T; with T = 0 never" {
    hang 2 report <<'END'
static int run(void) { return 50; }
SVR_HANDLER(.run = run);
END
    [ "$(exit_status)" -eq 253 ]
    has_line 'not receive report in 2 s, start auto-exit!'
    rm -f status.txt server.pid
    set_key svr.timer.run_status_check_time_span 0
    run_server
    wait_until 5 eval '[ "$(json turns)" -gt 60 ]'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    [ "$(count_lines run_states_check)" -eq 0 ]
}

@test "E3 with reports at each third of T it keeps running; so does a server that waits" {
    hang 2 report <<'END'
static int run(void) { svr_running_report(); return 600; }
SVR_HANDLER(.run = run);
END
    wait_until 20 eval '[ "$(json turns)" -gt 17 ]'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    [ "$(count_lines 'run_states_check')" -eq 0 ]
    rm -f status.txt server.pid
    hang 1 report <<'END'
static int tick(void *arg) { (void)arg; svr_info("tick"); return 0; }
static int on_start(void) { return svr_add_timer("t", tick, NULL, (struct svr_when){.every = 4}); }
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    wait_line 10 ' tick$'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "an idle server is never reported to hang, however short T is" {
    hooks <<'END'
static int tick(void *arg) { (void)arg; return 0; }
static int on_start(void) { return svr_add_timer("t", tick, NULL, (struct svr_when){.every = 0.7}); }
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key svr.timer.run_status_check_time_span 1
    set_key svr.timer.min_span 0.1
    build
    run_server
    for _ in 1 2 3 4 5 6 7 8; do
        ticks=$(json turns)
        wait_until 10 eval '[ "$(json turns)" -gt $((ticks + 2)) ]'
    done
    [ "$(count_lines run_states_check)" -eq 0 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "E3 a process that was stopped for 2 T is not ended" {
    hang 2 loop 10 <<'END'
static int run(void) { svr_info("turn"); usleep(1500000); return 0; }
SVR_HANDLER(.run = run);
END
    wait_line 5 ' turn$'
    kill -STOP "$server"
    sleep 4 # what is measured
    kill -CONT "$server"
    before=$(count_lines ' turn$')
    wait_until 10 eval '[ "$(count_lines " turn$")" -gt $((before + 1)) ]'
    [ "$(count_lines 'start auto-exit')" -eq 0 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "E3 it keeps running if the wall clock is moved by an hour, and under full load" {
    cat >shim.c <<'END'
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long moved(void) {
    long seconds = 0;
    FILE *file = fopen("moved", "r");
    if (file && fscanf(file, "%ld", &seconds) != 1) seconds = 0;
    if (file) fclose(file);
    return seconds;
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += moved();
    return result;
}
time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
END
    "${CC:-cc}" -shared -fPIC -O1 -o shim.so shim.c
    within="env LD_PRELOAD=$PWD/shim.so" hang 2 report <<'END'
static int run(void) { svr_running_report(); svr_info("turn"); return 600; }
SVR_HANDLER(.run = run);
END
    wait_until 5 eval '[ "$(json turns)" -gt 2 ]'
    for _ in $(seq $(($(nproc) * 2))); do
        timeout 60 sh -c 'while :; do :; done' 3>&- &
        helpers+=("$!")
    done
    for offset in 3600 -3600 0; do
        echo "$offset" >moved
        turns=$(json turns)
        wait_until 20 eval '[ "$(json turns)" -gt $((turns + 6)) ]'
    done
    kill "${helpers[@]}"
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    [ "$(count_lines 'auto-exit')" -eq 0 ]
    hour() { grep -o '^[0-9-]* [0-9]*' log.txt | sort -u | wc -l; }
    [ "$(hour)" -ge 3 ]
}

@test "a crash: the report names signal, hook and functions, and the process dies of the signal" {
    hang 60 <<'END'
static __attribute__((noinline)) void fall(volatile int *p) { *p = 1; }
static int run(void) { fall(NULL); return 0; }
SVR_HANDLER(.run = run);
END
    [ "$(exit_status)" -eq 139 ]
    has_line 'report: crash: signal 11 (Segmentation fault) in run, backtrace: .*\(fall\|run\)+0x'
    rm -f status.txt server.pid
    hang 60 <<'END'
static int run(void) { abort(); }
SVR_HANDLER(.run = run);
END
    [ "$(exit_status)" -eq 134 ]
    has_line 'report: crash: signal 6 (Aborted) in run, backtrace: .*run+0x'
}
