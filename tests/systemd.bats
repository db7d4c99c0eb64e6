#!/usr/bin/env bats
# Under systemd: the unit, the words of sd_notify(3), sockets that it opened.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --template tcp
}

# A socket as systemd has one; each message is a line of notify.txt, so that a
# newline within it is a "|".
notify_socket() {
    python3 - <<'END' 3>&- &
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("notify.socket")
with open("notify.txt", "ab", 0) as out:
    while True:
        out.write(s.recv(4096).replace(b"\n", b"|") + b"\n")
END
    helpers+=("$!")
    wait_until 5 test -S notify.socket
}

sent() {
    grep -c -- "$1" notify.txt || true
}

@test "systemd-analyze finds no fault in the unit, and rates it 2.0 or better" {
    command -v systemd-analyze >/dev/null || skip "no systemd-analyze"
    chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    opt="$BATS_TEST_TMPDIR/opt/demo"
    make -s install prefix="$opt" user=daemon
    unit=$opt/service/demo.service
    grep -qx "ExecStart=$opt/svr.sh run" "$unit"
    grep -qx "ExecReload=$opt/svr.sh reload" "$unit"
    grep -qx 'Type=notify' "$unit"
    grep -qx 'User=daemon' "$unit"
    run ! grep -n '@[A-Z]*@' "$unit"
    run systemd-analyze verify "$unit"
    [ "$status" -eq 0 ]
    [ "$output" = "" ]
    run systemd-analyze security --offline=true --threshold=20 "$unit"
    echo "${lines[-1]}"
    [ "$status" -eq 0 ]
    [[ ${lines[-1]} == *"Overall exposure level"*" 1."* || ${lines[-1]} == *" 2.0 "* ]]
    # what is installed runs there, without sources, as its user
    cd "$opt"
    set_key log.syslog false
    set_key tcp.listen '"run/kv"'
    as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=daemon --regid=daemon --clear-groups)
    bounded "${as[@]}" ./svr.sh start
    bounded "${as[@]}" ./svr.sh status
    bounded "${as[@]}" ./svr.sh close
}

@test "the watchdog time in the unit is longer than the server's own" {
    bite=$(sed -n 's/^WatchdogSec=//p' service/demo.service.in)
    own=$(sed -n 's/^svr.timer.run_status_check_time_span = //p' svr_conf)
    [ "$bite" -gt "$own" ]
    stop=$(sed -n 's/^TimeoutStopSec=//p' service/demo.service.in)
    [ "$stop" -gt "$(sed -n 's/^svr.close.force_close_delay = //p' svr_conf)" ]
    "$TINY_NEW" -q --with none,report plain
    grep -qx 'Type=simple' plain/service/plain.service.in
    run ! grep Watchdog plain/service/plain.service.in
}

@test "READY, RELOADING, READY, WATCHDOG, STATUS and STOPPING are sent in order" {
    notify_socket
    set_key tcp.listen '"run/kv"'
    set_key svr.timer.min_span 0.1
    within='env NOTIFY_SOCKET=notify.socket WATCHDOG_USEC=1000000' run_server
    wait_until 5 eval '[ "$(sent WATCHDOG=1)" -ge 2 ]'
    grep -qx "READY=1|MAINPID=$server|" notify.txt
    has_line 'WatchdogSec= is not above'
    bounded ./svr.sh reload
    wait_until 5 grep -q 'RELOADING=1|MONOTONIC_USEC=[0-9]*|' notify.txt
    wait_until 5 grep -qx 'READY=1|' notify.txt
    [ "$(json notify.messages)" -ge 5 ]
    set_key log.console.level WRAN
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 1 ] # nothing began: systemd is not notified
    set_key log.console.level INFO
    bounded ./svr.sh restart # the same process: a long reload
    wait_until 5 eval '[ "$(sent "READY=1|MAINPID=$server|")" -eq 2 ]'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    wait_until 5 grep -q '^STATUS=clients 0' notify.txt
    # STATUS comes from the summary, the rest in this order
    run grep -vE '^(STATUS|WATCHDOG)' notify.txt
    [ "$(cut -d'|' -f1 <<<"$output" | tr '\n' ' ')" = "READY=1 RELOADING=1 READY=1 RELOADING=1 READY=1 STOPPING=1 " ]
}

@test "the watchdog is fed whatever svr.timer.min_span is, also during many reloads" {
    notify_socket
    set_key tcp.listen '"run/kv"'
    set_key svr.timer.min_span 3600
    within='env NOTIFY_SOCKET=notify.socket WATCHDOG_USEC=1000000' run_server
    wait_until 5 eval '[ "$(sent WATCHDOG=1)" -ge 3 ]'
    fed=$(sent WATCHDOG=1)
    export SVR_BUILD=0
    reload_and_look() {
        bounded ./svr.sh reload >/dev/null
        [ "$(sent WATCHDOG=1)" -ge $((fed + 3)) ]
    }
    wait_until 10 reload_and_look
    bounded ./svr.sh close
}

@test "a loop that hangs feeds no watchdog; one for another pid is not fed" {
    hooks <<'END'
static int run(void) { while (access("hang", F_OK) == 0) usleep(1000); return 20; }
SVR_HANDLER(.run = run);
END
    set_key svr.timer.min_span 0.1
    build
    notify_socket
    within='env NOTIFY_SOCKET=notify.socket WATCHDOG_USEC=400000' run_server
    wait_until 5 eval '[ "$(sent WATCHDOG=1)" -ge 3 ]'
    touch hang
    wait_until 5 eval '[ "$(json stale 2>/dev/null)" = True ]'
    fed=$(sent WATCHDOG=1)
    for _ in 1 2 3 4; do # each takes 0.3 s: thrice its span in all
        [ "$(json stale)" = True ]
        [ "$(sent WATCHDOG=1)" -eq "$fed" ]
    done
    rm hang
    wait_until 5 eval '[ "$(sent WATCHDOG=1)" -gt "$fed" ]'
    bounded ./svr.sh close
    exit_status
    rm server.pid status.txt
    : >notify.txt
    within='env NOTIFY_SOCKET=notify.socket WATCHDOG_USEC=400000 WATCHDOG_PID=1' run_server
    wait_until 5 grep -q READY=1 notify.txt
    wait_until 5 eval '[ "$(json turns)" -gt 60 ]' # 20 ms each, thrice its span
    [ "$(sent WATCHDOG=1)" -eq 0 ]
    bounded ./svr.sh close
}

@test "a socket opened by systemd-socket-activate is used, and kept across a reload and a restart" {
    command -v systemd-socket-activate >/dev/null || skip "no systemd-socket-activate"
    port=$(free_port)
    set_key tcp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    (exec systemd-socket-activate -l "127.0.0.1:$port" ./svr.sh run >out.txt 2>log.txt 3>&-) &
    activator=$!
    helpers+=("$activator")
    wait_until 5 has_line 'Listening on'
    [ "$(ask 'SET k v')" = OK ] # the first client starts the server
    server=$(cat run/demo.pid)
    [ "$server" = "$activator" ]
    inode() { readlink "/proc/$server/fd/"* | grep -c "socket:\[$1\]"; }
    listens=$(awk -v port="$(printf ':%04X' "$port")" '$2 ~ port && $4 == "0A" { print $10 }' /proc/net/tcp)
    [ "$(inode "$listens")" -ge 1 ]
    bounded ./svr.sh reload
    [ "$(ask 'GET k')" = v ]
    bounded ./svr.sh restart
    [ "$(ask COUNT)" = 0 ]
    [ "$(awk -v port="$(printf ':%04X' "$port")" '$2 ~ port && $4 == "0A" { print $10 }' /proc/net/tcp)" = "$listens" ]
    bounded ./svr.sh close
    wait_until 10 gone "$server"
}
