#!/usr/bin/env bats
# The process: what it inherits, what its children inherit, and the signals that
# it gets at any moment.

bats_require_minimum_version 1.5.0
load helper

# ignoring PIPE,CHLD COMMAND…: runs it with these signals ignored.
setup_file() {
    make_base --with none,restart,task,timer_thread
    cat >"$BATS_FILE_TMPDIR/ignoring" <<'END'
#!/usr/bin/env python3
import os, signal, sys
for name in sys.argv[1].split(","):
    signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
os.execvp(sys.argv[2], sys.argv[2:])
END
    chmod +x "$BATS_FILE_TMPDIR/ignoring"
    export PATH=$BATS_FILE_TMPDIR:$PATH
}

# clean KEY FILE: no signal is set there; 32 and 33 are the C library's own.
clean() {
    local set
    set=$(awk -v key="$1:" '$1 == key { print $2 }' "$2")
    [ $((16#$set & ~(3 << 31))) -eq 0 ] || {
        grep "$1" "$2" >&2
        return 1
    }
}

@test "under a caller that ignores SIGCHLD tasks end normally, and a verdict names the signal" {
    hooks <<'END'
#include "task.h"
static int good(void *arg) { (void)arg; return 0; }
static int bad(void *arg) { (void)arg; return 3; }
static int done(void *result) {
    const struct svr_result *r = result;
    svr_info("task %s: status %d, reason <%s>", r->key, r->status, r->reason);
    return 0;
}
static int on_start(void) {
    svr_task("good", good, NULL, (struct svr_task){.done = done, .limit = 60});
    svr_task("bad", bad, NULL, (struct svr_task){.done = done, .limit = 60});
    return 0;
}
SVR_HANDLER(.on_start = on_start,
            .callbacks = SVR_CALLBACKS(SVR_CALL(good), SVR_CALL(bad), SVR_CALL(done)));
END
    build
    for shell in sh bash; do
        rm -f log/demo.console
        bounded ignoring CHLD $shell ./svr.sh start
        wait_until 5 grep -q 'task good: status 0, reason <>' log/demo.console
        wait_until 5 grep -q 'task bad: status 3, reason <it returned 3>' log/demo.console
        cp my_server.c whole.c
        echo '__attribute__((constructor)) static void die(void) { abort(); }' >>my_server.c
        run bounded ignoring CHLD $shell ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *"died of signal 6"* ]]
        cp whole.c my_server.c
        build
        bounded ./svr.sh close
    done
}

@test "a failed start is reported even if the caller ignores SIGCHLD" {
    hooks <<'END'
static int on_start(void) { abort(); }
SVR_HANDLER(.on_start = on_start);
END
    build
    run bounded ignoring CHLD ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"died of signal 6"* ]]
}

@test "tiny-new creates a project even if the caller ignores SIGCHLD" {
    bounded ignoring CHLD "$TINY_NEW" -q --git "$BATS_TEST_TMPDIR/other"
    [ -e "$BATS_TEST_TMPDIR/other/my_server.c" ]
    [ -e "$BATS_TEST_TMPDIR/other/.git/HEAD" ]
}

@test "a limit on file sizes does not end the server: lost lines are counted" {
    hooks <<'END'
static int run(void) {
    for (int i = 0; i < 40; i++) svr_warn("%0100d", i);
    return 20;
}
SVR_HANDLER(.run = run);
END
    build
    set_key log.console false
    set_key log.syslog false
    within='prlimit --fsize=65536' run_server
    wait_until 5 eval '[ "$(json log.file_log.lost 2>/dev/null || echo 0)" -gt 0 ]'
    alive "$server"
    [ "$(stat -c %s log/demo.log)" -le 65536 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "children start with an empty signal mask and no signal ignored, however they are started" {
    hooks <<'END'
#include <spawn.h>
#include "timer_thread.h"
extern char **environ;
static int zero;
static void copy(const char *to) {
    pid_t pid;
    char *argv[] = {"cp", "/proc/self/status", (char *)to, NULL};
    posix_spawnp(&pid, "cp", NULL, NULL, argv, environ);
}
static int tick(void *unused) {
    (void)unused;
    if (zero++ == 0) copy("thread.txt");
    return 0;
}
static int on_start(void) {
    pid_t pid = fork();
    if (pid == 0) {
        execlp("cp", "cp", "/proc/self/status", "fork.txt", (char *)NULL);
        _exit(1);
    }
    copy("spawn.txt");
    (void)!system("cp /proc/self/status system.txt");
    (void)!system("{ yes 2>&1 >&3 | cat >yes.err; } 3>&1 | head -n 1 >/dev/null");
    return svr_add_thread_timer("t", tick, NULL, 0.01);
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    build
    within='ignoring PIPE,HUP,INT,QUIT,CHLD,XFSZ' run_server
    for how in fork spawn system thread; do
        wait_until 5 test -s $how.txt
        wait_until 5 grep -q '^nonvoluntary' $how.txt
        clean SigBlk $how.txt
        clean SigIgn $how.txt
    done
    [ ! -s yes.err ]
    bounded ./svr.sh close
}

@test "a child of fork without exec dies of its signals, and the server is not affected" {
    hooks <<'END'
static int on_start(void) {
    pid_t pid = fork();
    if (pid == 0) for (;;) pause();
    svr_info("child %d", (int)pid);
    return 0;
}
static int run(void) { svr_info("run"); return 50; }
SVR_HANDLER(.on_start = on_start, .run = run);
END
    build
    for signal in TERM INT HUP USR1 PIPE XFSZ; do
        rm -f status.txt server.pid
        run_server
        wait_line 5 '>> run$'
        child=$(sed -n 's/.*>> child //p' log.txt)
        kill "-$signal" "$child"
        wait_until 5 gone "$child"
        [ "$(count_lines '>> signal')" -eq 0 ]
        kill -TERM "$server"
        [ "$(exit_status)" -eq 0 ]
    done
}

@test "a signal interrupts no hook while the main thread waits: no sleep, and no system(3)" {
    hooks <<'END'
#include <errno.h>
#include <time.h>
static int on_start(void) {
    struct timespec left, span = {2, 0};
    svr_info("sleeps");
    svr_info("slept %d", nanosleep(&span, &left));
    svr_info("system");
    svr_info("command %d", system("while [ ! -e go ]; do sleep 0.05; done"));
    return 0;
}
SVR_HANDLER(.on_start = on_start);
END
    build
    run_server
    wait_line 5 'sleeps'
    for signal in HUP USR1; do
        # All threads wait. The kernel wakes the hooks' thread for nothing when the main
        # thread takes a signal; on a busy machine it might take the next one then.
        wait_until 5 eval '[ -z "$(grep -L "^State:.S" "/proc/$server/task/"*/status)" ]'
        kill -"$signal" "$server"
        wait_line 5 "signal $(kill -l "$signal")"
    done
    wait_line 5 'slept 0'
    wait_line 5 '>> system'
    kill -INT "$server" # which system(3) ignores, for itself
    wait_line 5 'signal 2'
    touch go
    wait_line 5 'command 0'
    [ "$(exit_status)" -eq 0 ]
}

@test "signals at any moment of a restart neither end the server nor are lost" {
    hooks <<'END'
static int on_start(void) { svr_info("on_start"); return 0; }
SVR_HANDLER(.on_start = on_start);
END
    build
    run_server
    wait_line 5 '>> on_start'
    bash -c 'until [ -e enough ]; do kill -HUP "$1"; kill -USR1 "$1"; done' - "$server" 3>&- &
    helpers+=("$!")
    for _ in 1 2 3; do
        SVR_BUILD=0 bounded ./svr.sh restart
    done
    touch enough
    alive "$server"
    kill -TERM "$server"
    [ "$(exit_status)" -eq 0 ]
    has_line 'signal 15'
}

@test "HUP and USR1 reload a server that svr.sh started in the background, whichever descriptors are free" {
    bounded ./svr.sh start
    pid=$(cat run/demo.pid)
    for signal in HUP USR1; do
        before=$(json generation)
        kill -s "$signal" "$pid"
        wait_until 10 eval '[ "$(json generation)" -gt "$before" ]'
    done
    [ "$(json reloads_rejected)" -eq 0 ]
    bounded ./svr.sh close
}
