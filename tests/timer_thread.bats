#!/usr/bin/env bats
# The part timer_thread: acceptance C10 with a thread of its own.

load helper

setup_file() {
    make_base --with none,timer_thread
}

thread_hooks() {
    hooks <<END
#include "timer_thread.h"
static int tick(void *arg) {
    svr_info("${1:-old} tick begins");
    usleep(${2:-20} * 1000);
    svr_info("${1:-old} tick ends");
    return *(int *)arg;
}
static int zero;
static int stranger(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    svr_info("add %d", svr_add_thread_timer("t", tick, &zero, 0.1));
    svr_info("again %d", svr_add_thread_timer("t", tick, &zero, 0.1));
    svr_info("stranger %d", svr_add_thread_timer("s", stranger, &zero, 0.1));
    svr_info("never %d", svr_add_thread_timer("n", tick, &zero, 0));
    svr_info("unknown %d", svr_remove_thread_timer("u"));
    svr_pin();
    return 0;
}
static int on_reload(void) { svr_info("on_reload ${1:-old}"); return ${3:-0}; }
static int on_close(void) { svr_info("on_close"); return 0; }
static int run(void) {
    svr_info("run begins");
    for (int i = 0; i < 10; i++) usleep(100000);
    svr_info("run ends");
    return 10;
}
SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .on_close = on_close, .run = run,
            .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
}

@test "timers tick while run blocks; invalid ones are refused; none ticks after on_close" {
    thread_hooks
    build
    run_server
    wait_line 5 'run ends'
    [ "$(sed -n '/run begins/,/run ends/p' log.txt | grep -c 'tick ends')" -ge 2 ]
    for line in 'add 0' 'again -1' 'stranger -1' 'never -1' 'unknown -1'; do has_line ">> $line$"; done
    bounded ./svr.sh close
    [ "$(sed -n '/on_close$/,$p' log.txt | grep -c tick)" -eq 0 ]
}

@test "C10 a callback of the thread and a reload never overlap; the new code continues" {
    thread_hooks old 3000
    build
    run_server
    wait_line 5 'old tick begins'
    thread_hooks new 20
    bounded ./svr.sh reload
    wait_line 5 'new tick ends'
    bounded ./svr.sh close
    [ "$(grep -o 'old tick [a-z]*\|on_reload new' log.txt | tail -n 2 | tr '\n' ' ')" = 'old tick ends on_reload new ' ]
    [ "$(sed -n '/on_reload new/,$p' log.txt | grep -c 'old tick')" -eq 0 ]
}

@test "a timer whose function is gone ends with a warning; a rejected reload changes nothing" {
    thread_hooks
    build
    run_server
    wait_line 5 'old tick ends'
    thread_hooks worse 20 'svr_add_thread_timer("more", tick, \&zero, 0.1) - 1'
    sed -i 's/\\&/\&/' my_server.c
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    before=$(count_lines 'old tick ends')
    wait_until 5 eval '[ "$(count_lines "old tick ends")" -gt $((before + 3)) ]'
    [ "$(count_lines 'worse tick')" -eq 0 ]
    hooks <<'END'
SVR_HANDLER(.run = NULL);
END
    bounded ./svr.sh reload
    wait_line 5 'tick is not called: the new code has no such callback'
    after=$(count_lines 'not called')
    wait_until 3 eval '[ "$(json turns)" -gt 0 ]'
    [ "$(count_lines 'not called')" -eq "$after" ]
    bounded ./svr.sh close
}
