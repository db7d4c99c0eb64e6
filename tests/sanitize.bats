#!/usr/bin/env bats
# Every part under the address and undefined-behaviour sanitizers.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    echo '#include <curl/curl.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libcurl4-openssl-dev"
    echo 'int main(void) { return 0; }' >"$BATS_FILE_TMPDIR/probe.c"
    "${CC:-cc}" -fsanitize=address,undefined -o "$BATS_FILE_TMPDIR/probe" "$BATS_FILE_TMPDIR/probe.c" 2>/dev/null || skip "no sanitizers"
    mkdir "$BATS_FILE_TMPDIR/base"
    "$TINY_NEW" -q --with all "$BATS_FILE_TMPDIR/base/demo"
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$BATS_FILE_TMPDIR/base/demo" debug
}

@test "tasks, lines, checkpoints, mail, thread timers and standby over reloads, a restart and a close" {
    hooks <<'END'
#include "lines.h"
#include "task.h"
#include "timer_thread.h"
struct state { long turns; };
static int answer(void *arg) { struct svr_line *l = arg; snprintf(l->answer, l->size, "%s %s\n", l->why ? "ERR" : "OK", l->why ? l->why : l->text); return 0; }
static int good(void *arg) { printf("hello %s", (const char *)arg); return 0; }
static int bad(void *arg) { (void)arg; return svr_fail("no luck"); }
static int slow(void *arg) { (void)arg; pause(); return 0; }
static int done(void *arg) { const struct svr_result *r = arg; svr_err("done %s %s %.*s", r->key, r->reason, (int)r->size, r->output); return 0; }
static int tick(void *arg) { (void)arg; svr_running_report(); return 0; }
static int late(void *arg) { (void)arg; return svr_fail("late"); }
static int begin(void) {
    static const struct svr_task often = {.done = done, .tries = 3, .pause = 0.05};
    svr_task("good", good, "you", often);
    svr_task("bad", bad, NULL, often);
    svr_task_cancel("slow");
    svr_task("slow", slow, NULL, (struct svr_task){.done = done, .limit = 100});
    svr_deadline("late", late, NULL, 0.1);
    return svr_lines("run/kv", answer, 3, 1);
}
static int on_start(void) { svr_add_thread_timer("tick", tick, NULL, 0.01); return begin(); }
static int run(void) { struct state *state = svr_state(); state->turns++; return 10; }
SVR_HANDLER(.on_start = on_start, .on_reload = begin, .run = run, .state_size = sizeof(struct state), .state_version = 1,
    .callbacks = SVR_CALLBACKS(SVR_CALL(answer), SVR_CALL(good), SVR_CALL(bad), SVR_CALL(slow), SVR_CALL(done), SVR_CALL(tick), SVR_CALL(late)));
END
    set_key svr.timer.min_span 0.02
    set_key checkpoint.every 0.05
    set_key log.email true
    set_key log.email.to '"a@b"'
    set_key log.email.every 0.1
    set_key log.email.command '"cat >>mails"'
    set_key log.email.per_hour 60
    set_key log.syslog false
    build
    export ASAN_OPTIONS="log_path=$P/asan" UBSAN_OPTIONS="print_stacktrace=1:log_path=$P/ubsan"
    run_server
    wait_line 20 'done good'
    cat >talk.py <<'END'
import socket
some = []
for i in range(5):
    s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect("run/kv"); some.append(s)
    try:
        s.sendall(b"x" * (5000 if i == 0 else 10) + b"\n" * 3)
    except BrokenPipeError: # one too many
        pass
for s in some:
    try:
        assert s.recv(100)
    except ConnectionResetError:
        pass
END
    for i in 1 2 3 4 5 6; do
        python3 talk.py
        if [ "$i" = 3 ]; then SVR_BUILD=0 bounded ./svr.sh restart; else SVR_BUILD=0 bounded ./svr.sh reload; fi
        wait_until 20 eval '[ "$(count_lines "done bad")" -ge '"$i"' ]'
        bounded ./svr.sh status --json >/dev/null
        bounded ./svr.sh status --metrics >/dev/null
    done
    wait_until 20 test -s mails
    [ "$(json checkpoint.saved)" -gt 2 ]
    bounded ./svr.sh close
    [ "$(exit_status 20)" -eq 0 ]
    run cat asan.* ubsan.*
    [[ $output != *ERROR* && $output != *"runtime error"* ]] || { echo "$output" | head -60; return 1; }
}
