#!/usr/bin/env bats
# The part task: work in child processes, with a limit of time and retries.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,task,restart
}

# tasking: hooks whose on_start is $1; `done` logs each result. $2: more code.
tasking() {
    hooks <<END
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include "task.h"
static int done(void *arg) {
    const struct svr_result *r = arg;
    svr_info("done %s: status %d, reason '%s', tries %d, output %zu%s '%.60s'", r->key, r->status, r->reason,
             r->tries, r->size, r->cut ? " cut" : "", r->output);
    return 0;
}
static int good(void *arg) { printf("hello %s", (const char *)arg); return 0; }
static int seven(void *arg) { (void)arg; return 7; }
static int fails(void *arg) { (void)arg; return svr_fail("no luck"); }
static int hangs(void *arg) { (void)arg; signal(SIGTERM, SIG_IGN); for (;;) pause(); return 0; }
static int crashes(void *arg) { (void)arg; return raise(SIGSEGV); }
static int floods(void *arg) {
    char bytes[1 << 16];
    (void)arg;
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 160; i++)
        if (write(1, bytes, sizeof bytes) < 0) return 1;
    return 0;
}
static int forks(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++)
        if (fork() == 0) {
            dprintf(open("grand", O_WRONLY | O_CREAT | O_APPEND, 0600), "%d\n", (int)getpid());
            for (;;) pause();
        }
    usleep(200000);
    return 0;
}
static int second(void *arg) { return access(arg, F_OK) == 0 ? 0 : (close(open(arg, O_CREAT, 0600)), 1); }
static int waits(void *arg) {
    while (access(arg, F_OK) < 0) usleep(10000);
    printf("saw %s", (const char *)arg);
    return 0;
}
static int leaves(void *arg) {
    if (fork() == 0) {
        dprintf(open("left", O_WRONLY | O_CREAT, 0600), "%d\n", (int)getpid());
        for (;;) pause();
    }
    return waits(arg);
}
static int late(void *arg) { svr_info("late: %s", (const char *)arg); return 0; }
${2:-}
static int on_start(void) { $1
    return 0;
}
SVR_HANDLER(.on_start = on_start, ${3:-}
    .callbacks = SVR_CALLBACKS(SVR_CALL(done), SVR_CALL(good), SVR_CALL(seven), SVR_CALL(fails), SVR_CALL(hangs),
        SVR_CALL(crashes), SVR_CALL(floods), SVR_CALL(forks), SVR_CALL(second), SVR_CALL(waits), SVR_CALL(leaves),
        SVR_CALL(late)${4:-}));
END
    set_key svr.timer.min_span 0.1
    build
}

# Nothing that the server started is left.
no_children() {
    [ -z "$(pgrep -P "$server")" ]
}

@test "result, output and reason are returned: for good, bad, failing, crashing and flooding tasks" {
    tasking '
        struct svr_task once = {.done = done};
        svr_task("good", good, "you", once);
        svr_task("seven", seven, NULL, once);
        svr_task("fails", fails, NULL, once);
        svr_task("crashes", crashes, NULL, once);
        svr_task("floods", floods, NULL, once);'
    run_server
    wait_line 5 "done good: status 0, reason '', tries 1, output 9 'hello you'"
    wait_line 5 "done seven: status 7, reason 'it returned 7', tries 1"
    wait_line 5 "done fails: status 255, reason 'it returned 255', tries 1, output [0-9]* 'task: no luck (my_server.c:"
    wait_line 5 "done crashes: status -1, reason 'it died of signal 11"
    wait_line 5 "done floods: status 0, reason '', tries 1, output 16384 cut 'xxxx"
    wait_until 5 no_children
    [ "$(json task.done)" -eq 2 ]
    [ "$(json task.failed)" -eq 3 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a task that hangs and ignores TERM is killed at its limit, with all that it forked; the loop keeps running" {
    tasking '
        svr_task("hangs", hangs, NULL, (struct svr_task){.done = done, .limit = 0.5});
        svr_task("forks", forks, NULL, (struct svr_task){.done = done});'
    run_server
    [ "$(json state)" = running ]
    wait_line 5 "done hangs: status -1, reason 'it took longer than 0.5 s'"
    wait_line 5 "done forks: status 0"
    [ "$(wc -l <grand)" -eq 3 ]
    while read -r pid; do
        wait_until 5 gone "$pid"
    done <grand
    wait_until 5 no_children
    bounded ./svr.sh close
}

@test "retries with a pause: the second try succeeds; the last one gives up; the pause is random and grows" {
    tasking '
        svr_task("second", second, "flag", (struct svr_task){.done = done, .tries = 5, .pause = 0.2});
        svr_task("never", seven, NULL, (struct svr_task){.done = done, .tries = 4, .pause = 0.1, .pause_most = 0.2});'
    run_server
    wait_line 5 "done second: status 0, reason '', tries 2"
    wait_line 5 "done never: status 7, reason 'it returned 7', tries 4"
    [ "$(json task.retried)" -eq 4 ]
    bounded ./svr.sh close
}

@test "a thousand tasks, four at once: each runs once, none is left" {
    tasking '
        static char keys[1000][16];
        for (int i = 0; i < 1000; i++) {
            snprintf(keys[i], sizeof keys[i], "task %d", i);
            svr_task(keys[i], good, keys[i], (struct svr_task){.done = done, .limit = 60});
        }
        if (svr_task("task 5", good, NULL, (struct svr_task){.done = done}) == 0) return svr_fail("a key twice");
        if (svr_task("x", on_start_of_none, NULL, (struct svr_task){.done = done}) == 0)
            return svr_fail("not in the table");' \
        'static int on_start_of_none(void *arg) { (void)arg; return 0; }'
    run_server
    for _ in $(seq 20); do
        [ "$(json task.running)" -le 4 ]
    done
    wait_until 60 eval '[ "$(json task.done)" -eq 1000 ]'
    [ "$(count_lines "done task [0-9]*: status 0, reason '', tries 1, output [0-9]* 'hello task")" -eq 1000 ]
    [ "$(grep -o 'done task [0-9]*:' log.txt | sort -u | wc -l)" -eq 1000 ]
    [ "$(json task.waiting)" -eq 0 ]
    wait_until 5 no_children
    [ "$(find "/proc/$server/fd" -mindepth 1 | wc -l)" -lt 20 ]
    bounded ./svr.sh close
}

@test "a reload in the middle: the task continues, and the new code gets its result; a cancelled one gives none" {
    body='
        svr_task("waits", waits, "go", (struct svr_task){.done = done, .limit = 60});
        svr_task("cancelled", hangs, NULL, (struct svr_task){.done = done, .limit = 60});'
    tasking "$body" 'static int on_reload(void) {
        return svr_task_cancel("cancelled") == 0 && svr_task_cancel("nothing") < 0 ? 0 : svr_fail("cancel");
    }' '.on_reload = on_reload,'
    run_server
    wait_until 5 eval '[ "$(json task.running)" -eq 2 ]'
    sed -i 's/svr_info("done %s/svr_info("new done %s/' my_server.c
    bounded ./svr.sh reload
    [ "$(json task.running)" -eq 1 ]
    touch go
    wait_line 5 "new done waits: status 0, reason '', tries 1, output 6 'saw go'"
    [ "$(count_lines 'done cancelled')" -eq 0 ]
    wait_until 5 no_children
    bounded ./svr.sh close
}

@test "a close in the middle leaves no child; nor does a crash of the server" {
    tasking '
        svr_task("one", hangs, NULL, (struct svr_task){.done = done, .limit = 600});
        svr_task("two", forks, NULL, (struct svr_task){.done = done, .limit = 600});'
    run_server
    wait_until 5 eval '[ "$(json task.running)" -ge 1 ]'
    wait_until 5 eval '[ "$(wc -l <grand 2>/dev/null)" = 3 ]'
    children=$(pgrep -P "$server")
    [ -n "$children" ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    for pid in $children $(cat grand); do
        wait_until 5 gone "$pid"
    done
    rm -f server.pid status.txt grand
    run_server
    wait_until 5 eval '[ "$(json task.running)" -ge 1 ]'
    wait_until 5 eval '[ "$(wc -l <grand 2>/dev/null)" = 3 ]'
    children=$(pgrep -P "$server")
    kill -9 "$server"
    for pid in $children; do
        wait_until 5 gone "$pid"
    done
    while read -r pid; do
        wait_until 5 gone "$pid"
    done <grand
}

@test "processes that the work leaves behind end with it, even if the server cannot kill them" {
    tasking 'svr_task("leaves", leaves, "go", (struct svr_task){.done = done, .limit = 600});'
    run_server
    wait_until 5 test -s left
    kill -STOP "$server"
    touch go
    wait_until 5 gone "$(cat left)"
    # and its result is still the work's
    kill -CONT "$server"
    wait_line 5 "done leaves: status 0, reason '', tries 1, output 6 'saw go'"
    bounded ./svr.sh close
}

@test "a deadline that is met, and one that is not" {
    tasking '
        svr_deadline("answer", late, "answer", 0.3);
        svr_deadline("other", late, "other", 0.1);
        if (svr_deadline("other", late, "other", 1) == 0) return svr_fail("twice");
        if (svr_deadline_met("answer") < 0 || svr_deadline_met("answer") == 0) return svr_fail("met");'
    run_server
    wait_line 5 'late: other'
    bounded ./svr.sh close
    [ "$(count_lines 'late:')" -eq 1 ]
}
