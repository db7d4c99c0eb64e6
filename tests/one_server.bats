#!/usr/bin/env bats
# One server per folder, and svr.sh reaches that one and no other.

bats_require_minimum_version 1.5.0
load helper

need_root() {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
}

# A second start is refused, and the first server is the one that answers.
one_server() {
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"already running"* ]] || { echo "$output"; return 1; }
    [ "$(json pid)" = "$server" ]
}

@test "of several starts at once one wins, and its console file is untouched" {
    for round in 1 2 3 4 5; do
        for nth in 1 2 3; do
            ./svr.sh start >"start.$nth" 2>&1 3>&- &
        done
        wait
        [ "$(cat start.? | grep -c ': started, pid')" -eq 1 ]
        [ "$(cat start.? | grep -c 'already running')" -eq 2 ]
        server=$(cat run/demo.pid)
        [ "$(readlink "/proc/$server/fd/2")" = "$PWD/log/demo.console" ]
        bounded ./svr.sh close
    done
}

@test "a hook that opens and closes run/lock does not drop the lock" {
    hooks <<'END'
static int run(void) {
    FILE *lock = fopen("run/lock", "re");
    if (lock)
        fclose(lock);
    return 10;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_until 5 eval '[ "$(json turns 2>/dev/null || echo 0)" -gt 2 ]'
    one_server
    bounded ./svr.sh close
}

@test "if run/ is removed while the server runs, it is restored; a second start is refused" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1$'
    rm -rf run || true # the server may be faster
    wait_line 5 'run/ was removed under the server; it is restored'
    wait_until 5 test -S run/control
    one_server
    [ "$(cat run/demo.pid)" = "$server" ]
    mv run gone
    wait_until 5 test -S run/control
    one_server
    bounded ./svr.sh reload
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a server in another pid namespace is found and queried, and not started twice" {
    need_root
    unshare --pid --fork --mount-proc true 2>/dev/null || skip "no pid namespaces"
    (exec unshare --pid --fork --kill-child --mount-proc ./svr.sh run >log.txt 2>&1 3>&-) &
    helpers+=("$!")
    wait_line 10 on_start
    run bounded unshare --pid --fork --mount-proc ./svr.sh status
    [ "$status" -eq 0 ]
    run bounded unshare --pid --fork --mount-proc ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"already running"* ]]
    run bounded ./svr.sh close
    [ "$status" -eq 0 ]
}

@test "another user cannot keep the server from starting, nor read its lock" {
    need_root
    bounded ./svr.sh start
    bounded ./svr.sh close
    chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" 2>/dev/null || true
    [ "$(stat -c %a run/lock)" = 600 ]
    run setpriv --reuid=daemon --regid=daemon --clear-groups cat run/lock
    [ "$status" -ne 0 ]
    bounded ./svr.sh start
    # svr.sh of a user without the rights reports that; it is not "not running"
    run setpriv --reuid=daemon --regid=daemon --clear-groups build/demo running
    [ "$status" -eq 1 ]
    [[ $output == *"Permission denied"* ]]
    bounded ./svr.sh close
}

@test "root does not start a server if run/ belongs to another user, and prints the command to use" {
    need_root
    mkdir -p run log
    chown daemon run log
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: run/ belongs to the user daemon; type: setpriv --reuid=daemon "*" ./svr.sh start"* ]]
    [ ! -e run/lock ]
}

@test "a program that cannot be run is reported as such, never as \"not running\"" {
    run_server
    wait_until 5 test -S run/control
    mv build/demo kept
    for bad in 'echo "echo not a program"' 'head -c 5000 kept'; do
        eval "$bad" >build/demo
        chmod +x build/demo
        for command in status close reload start; do
            run bounded ./svr.sh $command
            [ "$status" -eq 1 ] || { echo "$command: $status $output"; return 1; }
            [[ $output == *"run make"* && $output != *"not running"* ]]
        done
    done
    mv kept build/demo
    bounded ./svr.sh close
}

@test "standard descriptors that are closed at the start are opened on /dev/null" {
    bounded ./svr.sh start <&- >&- 2>&-
    server=$(cat run/demo.pid)
    [ "$(readlink "/proc/$server/fd/0")" = /dev/null ]
    [ "$(readlink "/proc/$server/fd/2")" = "$PWD/log/demo.console" ]
    bounded ./svr.sh close
    (exec ./svr.sh run 3>&- <&- >&- 2>&-) &
    helpers+=("$!")
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    server=$(cat run/demo.pid)
    for fd in 0 1 2; do
        [ "$(readlink "/proc/$server/fd/$fd")" = /dev/null ]
    done
    bounded ./svr.sh close
}

@test "a failed start always gives its reason: a pid file that cannot be replaced" {
    mkdir -p run/demo.pid
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: run/demo.pid: "* ]]
}

@test "a stopped server: status prints the last known state; no command waits without a limit" {
    set_key svr.reload.wait 1
    set_key svr.close.force_close_delay 1
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    wait_until 5 grep -q '"state": "running"' run/status--json
    kill -STOP "$server"
    within() { # SECONDS EXIT-STATUS COMMAND…: a machine may stall
        local seconds=$(($1 * SLACK)) wanted=$2
        shift 2
        run timeout -k 1 "$seconds" "$@"
        [ "$status" -eq "$wanted" ] || { echo "$*: $status $output"; return 1; }
    }
    within 3 0 ./svr.sh status
    [[ $output == *"demo: running, pid $server"*"last known"* ]]
    within 3 0 ./svr.sh status --json
    [ "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["stale"])' <<<"$output")" = True ]
    export SVR_BUILD=0
    within 3 4 ./svr.sh reload
    [[ $output == "pending: the server (pid $server) does not answer"* ]]
    within 3 4 ./svr.sh rollback
    within 5 1 ./svr.sh close
    [[ $output == *"kill -KILL $server"* ]]
    within 3 1 ./svr.sh restart
    within 5 0 ./svr.sh check
    kill -CONT "$server"
    # the close was asked for, and comes now
    [ "$(exit_status)" -eq 0 ]
    [ ! -e run/status ]
    [ ! -e run/status--json ]
}

@test "control answers while a hook has taken every descriptor, and does not spin" {
    hooks <<'END'
#include <fcntl.h>
static int run(void) {
    while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) { }
    return 50;
}
SVR_HANDLER(.run = run);
END
    build
    ulimit -n 64
    run_server
    ulimit -n 1024 2>/dev/null || true
    wait_until 5 eval '[ "$(json turns 2>/dev/null || echo 0)" -gt 3 ]'
    for _ in 1 2 3 4 5; do
        run bounded ./svr.sh status
        [ "$status" -eq 0 ]
        [[ $output != *"last known"* ]]
    done
    ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }
    before=$(ticks) turns=$(json turns)
    wait_until 10 eval '[ "$(json turns)" -gt $((turns + 20)) ]' # a second
    [ $(($(ticks) - before)) -lt 80 ]
    run bounded ./svr.sh close
    [ "$status" -eq 0 ]
}
