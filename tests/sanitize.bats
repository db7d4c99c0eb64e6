#!/usr/bin/env bats
# Every part under sanitizers: of addresses and undefined behaviour, and of threads.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    echo '#include <curl/curl.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libcurl4-openssl-dev"
    echo 'int main(void) { return 0; }' >"$BATS_FILE_TMPDIR/probe.c"
    "${CC:-cc}" -fsanitize=address,undefined -o "$BATS_FILE_TMPDIR/probe" "$BATS_FILE_TMPDIR/probe.c" 2>/dev/null ||
        skip "no sanitizers"
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
static int answer(void *arg) {
    struct svr_line *l = arg;
    snprintf(l->answer, l->size, "%s %s\n", l->why ? "ERR" : "OK", l->why ? l->why : l->text);
    return 0;
}
static int good(void *arg) { printf("hello %s", (const char *)arg); return 0; }
static int bad(void *arg) { (void)arg; return svr_fail("no luck"); }
static int slow(void *arg) { (void)arg; pause(); return 0; }
static int done(void *arg) {
    const struct svr_result *r = arg;
    svr_err("done %s %s %.*s", r->key, r->reason, (int)r->size, r->output);
    return 0;
}
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
SVR_HANDLER(.on_start = on_start, .on_reload = begin, .run = run,
    .state_size = sizeof(struct state), .state_version = 1,
    .callbacks = SVR_CALLBACKS(SVR_CALL(answer), SVR_CALL(good), SVR_CALL(bad), SVR_CALL(slow), SVR_CALL(done),
                               SVR_CALL(tick), SVR_CALL(late)));
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

@test "no data race: threads that log and post, reloads, signals, requests, rotation, a hang, a close in the middle" {
    echo 'int main(void) { return 0; }' >probe.c
    "${CC:-cc}" -fsanitize=thread -o probe probe.c 2>/dev/null && ./probe || skip "no thread sanitizer"
    hooks <<'END'
#include <pthread.h>
#include <time.h>
#include "lines.h"
#include "task.h"
#include "timer_thread.h"
struct state { long turns; pthread_t threads[3]; volatile int ends; };
static int answer(void *arg) {
    struct svr_line *l = arg;
    svr_debug("%s", l->text);
    snprintf(l->answer, l->size, "OK\n");
    return 0;
}
static int job(void *arg) { printf("hello %s", (const char *)arg); return 0; }
static int done(void *arg) { const struct svr_result *r = arg; svr_info("done %s", r->key); return 0; }
static int tick(void *arg) { (void)arg; svr_info("tick"); svr_running_report(); return 0; }
static int posted(void *arg) { svr_info("posted %ld", (long)arg); return (long)arg % 50 == 0 ? svr_fail("fifty") : 0; }
static int beat(void *arg) { (void)arg; return 0; }
static int nap(void *arg) { struct timespec t = {0, 700000000}; (void)arg; nanosleep(&t, NULL); return 0; }
static int begin(void) {
    svr_task("job", job, "you", (struct svr_task){.done = done});
    return svr_lines("run/kv", answer, 100, 1);
}
/* The code of the first generation stays mapped for these. */
static void *work(void *arg) {
    struct state *state = arg;
    for (long i = 1; !__atomic_load_n(&state->ends, __ATOMIC_ACQUIRE); i++) {
        struct timespec t = {0, 2000000};
        svr_warn("thread %ld", i);
        svr_post(posted, (void *)i);
        svr_running_report();
        nanosleep(&t, NULL);
    }
    return NULL;
}
static int on_start(void) {
    struct state *state = svr_state();
    svr_pin();
    svr_add_thread_timer("tick", tick, NULL, 0.005);
    svr_add_timer("beat", beat, NULL, (struct svr_when){.every = 0.02});
    svr_add_timer("nap", nap, NULL, (struct svr_when){.every = 2});
    for (int i = 0; i < 3; i++) pthread_create(&state->threads[i], NULL, work, state);
    return begin();
}
static int on_close(void) {
    struct state *state = svr_state();
    __atomic_store_n(&state->ends, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 3; i++) pthread_join(state->threads[i], NULL);
    return 0;
}
static int run(void) { struct state *state = svr_state(); state->turns++; return 10; }
SVR_HANDLER(.on_start = on_start, .on_reload = begin, .on_close = on_close, .run = run,
    .state_size = sizeof(struct state), .state_version = 1,
    .callbacks = SVR_CALLBACKS(SVR_CALL(answer), SVR_CALL(job), SVR_CALL(done), SVR_CALL(tick), SVR_CALL(posted),
                               SVR_CALL(beat), SVR_CALL(nap)));
END
    sed -i 's/^CFLAGS = .*/CFLAGS = -O1 -g -fsanitize=thread/' Makefile
    echo release >build/.mode
    set_key svr.timer.min_span 0.02
    set_key svr.timer.run_status_check_time_span 1
    set_key svr.timer.summary_output_time_point M
    set_key checkpoint.every 0.05
    set_key log.file_log.level DEBUG
    set_key log.file_log.rotate_size 20k
    set_key log.email true
    set_key log.email.level INFO
    set_key log.email.to '"a@b"'
    set_key log.email.every 0.1
    set_key log.email.command '"cat >/dev/null"'
    set_key log.email.per_hour 60
    set_key log.syslog false
    build
    export TSAN_OPTIONS="log_path=$P/race exitcode=0"
    run_server
    wait_line 20 'thread 1'
    cat >storm.py <<'END'
import os, signal, socket, subprocess, sys, threading, time
pid, over = int(sys.argv[1]), threading.Event()
def ask(word):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect("run/control")
    s.sendall(word + b"\n")
    text = b""
    while part := s.recv(65536): text += part
    return text
def status():
    forms = [b"status --json", b"status", b"status --metrics", b"state"]
    for i in range(10 ** 9):
        if over.is_set(): break
        ask(forms[i % 4])
def clients():
    while not over.is_set():
        some = []
        for i in range(5):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60)
            s.connect("run/kv")
            some.append(s)
            s.sendall(b"a line\n" * 3)
        for s in some: s.recv(100)
def signals():
    while not over.is_set():
        os.kill(pid, signal.SIGHUP)
        time.sleep(0.2)
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.2)
work = [threading.Thread(target=f) for f in (status, status, clients, signals)]
for w in work: w.start()
conf = open("svr_conf").read()
begin, n = time.monotonic(), 0
while n < 12 or time.monotonic() - begin < 8:
    n += 1
    level = ["INFO", "WARN", "DEBUG", "NONSENSE"][n % 4]
    open("svr_conf", "w").write(conf.replace("log.console.level = INFO", "log.console.level = " + level))
    ask(b"reload")
open("svr_conf", "w").write(conf)
over.set()
for w in work: w.join()
# What comes in while it closes.
def late():
    try:
        while True: ask(b"status --json")
    except OSError: pass
work = [threading.Thread(target=late) for _ in range(4)]
for w in work: w.start()
ask(b"close")
for w in work: w.join()
END
    timeout 300 python3 storm.py "$server"
    [ "$(exit_status 20)" -eq 0 ]
    run compgen -G 'race.*'
    [ "$output" = "" ] || { sed -n "/^WARNING/,/^$/p;/^SUMMARY/p" race.* | head -n 60 >&2; return 1; }
}
