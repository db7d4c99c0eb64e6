#!/usr/bin/env bats
# Under supervisors: acceptance F1 to F3, with daemontools, runit and s6.

load helper

setup() {
    setup_project
    set_key log.syslog false
    set_key svr.close.force_close_delay 2
}

pid_now() {
    local pid
    pid=$(cat run/demo.pid 2>/dev/null) && [ -n "$pid" ] && alive "$pid" && echo "$pid"
}

running() {
    pid_now >/dev/null
}

# new_pid OLD: another server runs, and the pid file follows.
new_pid() {
    local now
    now=$(pid_now) && [ "$now" != "$1" ] && [ "$(json pid 2>/dev/null)" = "$now" ]
}

# supervisor KIND: starts one over service/KIND, its output in `super.txt`.
supervisor() {
    kind=$1
    case $kind in
    supervise) command -v supervise >/dev/null || skip "no daemontools" ;;
    runit) command -v runsv >/dev/null || skip "no runit" ;;
    s6) command -v s6-supervise >/dev/null || skip "no s6" ;;
    esac
    case $kind in
    supervise) set -- supervise service/supervise ;;
    runit) set -- runsv service/runit ;;
    s6) set -- s6-supervise service/s6 ;;
    esac
    (exec "$@" >super.txt 2>&1 3>&-) &
    super=$!
    helpers+=("$super")
    wait_until 5 running
}

# control UP|DOWN|HUP|USR1|EXIT
control() {
    case $kind:$1 in
    supervise:UP) svc -u service/supervise ;;
    supervise:DOWN) svc -d service/supervise ;;
    supervise:EXIT) svc -dx service/supervise ;;
    supervise:*) svc -h service/supervise ;;
    runit:UP) sv up "$P/service/runit" ;;
    runit:DOWN) sv down "$P/service/runit" ;;
    runit:EXIT) sv -w 20 force-shutdown "$P/service/runit" ;;
    runit:HUP) sv hup "$P/service/runit" ;;
    runit:USR1) sv 1 "$P/service/runit" ;;
    s6:UP) s6-svc -u service/s6 ;;
    s6:DOWN) s6-svc -d service/s6 ;;
    s6:EXIT) s6-svc -dx service/s6 ;;
    s6:HUP) s6-svc -h service/s6 ;;
    s6:USR1) s6-svc -1 service/s6 ;;
    esac >/dev/null
}

finish() {
    control EXIT
    wait_until 10 gone "$super"
    [ ! -e run/demo.pid ]
}

all_of() {
    supervisor "$1"
    # F1 closed, killed, hung: a new pid within 2 s (and the slack)
    pid=$(pid_now)
    wait_until 5 new_pid 0
    bounded ./svr.sh close
    wait_until 2 new_pid "$pid"
    pid=$(pid_now)
    kill -9 "$pid"
    wait_until 2 new_pid "$pid"
    # HUP and USR1 reload
    pid=$(pid_now)
    for signal in HUP USR1; do
        before=$(json generation)
        control "$signal"
        wait_until 5 eval '[ "$(json generation)" -eq $((before + 1)) ]'
    done
    [ "$(pid_now)" = "$pid" ]
    # F2 down: a clean close, and it stays down; up: it starts again
    control DOWN
    wait_until 10 gone "$pid"
    [ ! -e run/demo.pid ]
    grep -q 'close: delay = 2, exit_code = 0' super.txt
    sleep 1.2 # longer than any supervisor's pause
    [ ! -e run/demo.pid ]
    control UP
    wait_until 5 running
    finish
}

@test "F1 F2 daemontools: restarts, closes, stays down, reloads" {
    all_of supervise
}

@test "F1 F2 runit: restarts, closes, stays down, reloads" {
    all_of runit
}

@test "F1 F2 s6: restarts, closes, stays down, reloads" {
    all_of s6
}

@test "F1 a hung server is ended and a new one started" {
    hooks <<'END'
static int run(void) {
    if (access("hang", F_OK) == 0 && remove("hang") == 0) for (;;) pause();
    return 50;
}
SVR_HANDLER(.run = run);
END
    set_key svr.timer.run_status_check_time_span 1
    set_key svr.close.force_close_delay 0.5
    build
    supervisor supervise
    pid=$(pid_now)
    touch hang
    wait_until 5 new_pid "$pid"
    grep -q 'not receive report in 1 s, start auto-exit!' super.txt
    finish
}

@test "F3 a failing start: one line for each try" {
    hooks <<'END'
static int on_start(void) { return svr_fail("not today"); }
SVR_HANDLER(.on_start = on_start);
END
    set_key log.console.level WARN
    build
    command -v supervise >/dev/null || skip "no daemontools"
    (exec supervise service/supervise >super.txt 2>&1 3>&-) &
    super=$!
    kind=supervise
    helpers+=("$super")
    wait_until 10 eval '[ "$(grep -c . super.txt)" -ge 3 ]'
    run grep -vc 'start failed: on_start: not today' super.txt
    [ "$output" -eq 0 ]
    finish
}

@test "a mistake in svr_conf takes the service down, logged once; corrected, it comes up" {
    for kind in supervise runit s6; do
        set_key log.console.level WARM
        rm -f super.txt
        case $kind in
        supervise) command -v supervise >/dev/null || skip "no daemontools"; set -- supervise service/supervise ;;
        runit) command -v runsv >/dev/null || skip "no runit"; set -- runsv service/runit ;;
        s6) command -v s6-supervise >/dev/null || skip "no s6"; set -- s6-supervise service/s6 ;;
        esac
        (exec "$@" >super.txt 2>&1 3>&-) &
        super=$!
        helpers+=("$super")
        wait_until 5 grep -q 'until it is mended' super.txt
        lines=$(grep -c 'unknown level "WARM"' super.txt)
        [ "$lines" -eq 1 ]
        sleep 2.2 # twice a supervisor's pause
        [ "$(grep -c 'unknown level "WARM"' super.txt)" -eq 1 ]
        set_key log.console.level INFO
        control UP
        wait_until 5 running
        finish
    done
}
