#!/usr/bin/env bats
# A real systemd as process 1: what its operator does to a server of ours.
# The tests share one boot; each begins with the unit enabled and running.

bats_require_minimum_version 1.5.0
load helper

# Why a Debian cannot be booted here, if so.
obstacle() {
    [ "$(id -u)" -eq 0 ] || { echo "needs root"; return; }
    command -v debootstrap >/dev/null || { echo "no debootstrap"; return; }
    grep -q ' cgroup2 ' /proc/mounts || { echo "no cgroup2 is mounted"; return; }
    unshare --fork --pid --mount --uts --ipc --net --cgroup true 2>/dev/null ||
        echo "no namespaces here"
}

setup_file() {
    OBSTACLE=$(obstacle)
    export OBSTACLE
    [ -z "$OBSTACLE" ] || return 0
    make_base --template tcp
    export ROOT=$BATS_FILE_TMPDIR/root
    # shellcheck source=/dev/null
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
    if ! timeout 600 debootstrap --variant=minbase --include=systemd,dbus \
        "$suite" "$ROOT" >"$BATS_FILE_TMPDIR/debootstrap.log" 2>&1; then
        tail -n 3 "$BATS_FILE_TMPDIR/debootstrap.log" >&2
        [ -z "${CI:-}" ] || return 1 # CI always has a Debian to boot
        OBSTACLE="debootstrap failed"
        return 0
    fi
    cd "$BATS_FILE_TMPDIR/base/demo" || return 1
    set_key tcp.listen '"run/kv"'
    make -s install DESTDIR="$ROOT" prefix=/opt/demo user=daemon
    chroot "$ROOT" chown daemon /opt/demo/run /opt/demo/log
    boot
}

# Boots ROOT and waits until its systemd is up.
boot() {
    "$TINY_SRC/tests/systemd-boot" "$ROOT" 3>&- >"$BATS_FILE_TMPDIR/boot.log" 2>&1 &
    echo $! >"$BATS_FILE_TMPDIR/boot.pid"
    wait_until 10 test -s "$ROOT.pid"
    INIT=$(cat "$ROOT.pid")
    export INIT
    wait_until 20 eval 'inside systemctl is-system-running 2>/dev/null | grep -qE "running|degraded"' || {
        tail "$ROOT.log" "$BATS_FILE_TMPDIR/boot.log" >&2
        return 1
    }
}

teardown_file() {
    [ -s "$BATS_FILE_TMPDIR/boot.pid" ] || return 0
    kill "$(cat "$BATS_FILE_TMPDIR/boot.pid")" 2>/dev/null || true
    wait_until 10 eval '! [ -e "/proc/$(cat "$BATS_FILE_TMPDIR/boot.pid")" ]'
    rm -rf "$ROOT"
}

setup() {
    [ -z "$OBSTACLE" ] || skip "$OBSTACLE"
    conf=$ROOT/opt/demo/svr_conf
    unit=/opt/demo/service/demo.service
    cp "$BATS_FILE_TMPDIR/base/demo/svr_conf" "$conf"
    inside systemctl enable --quiet "$unit"
    inside systemctl restart demo
    old=$(main_pid)
}

teardown() {
    [ -z "$OBSTACLE" ] || return 0
    [ -n "$BATS_TEST_COMPLETED" ] || inside journalctl -u demo -n 30 --no-pager || true
    inside rm -rf /run/systemd/system/demo.service.d
    inside systemctl daemon-reload
    inside systemctl reset-failed demo 2>/dev/null || true
}

# Runs a command in the booted system.
inside() {
    bounded nsenter --target "$INIT" --mount --uts --ipc --net --pid --cgroup \
        --root --wd env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# show PROPERTY: a property of the unit.
show() {
    inside systemctl show demo --property="$1" --value
}

main_pid() {
    show MainPID
}

# Its status, by the same control script that the operator has.
status() {
    inside runuser -u daemon -- /opt/demo/svr.sh status "$@"
}

generation() {
    status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["generation"])'
}

# journal PATTERN: how many lines of the unit's journal match.
journal() {
    inside journalctl --sync
    inside journalctl -u demo --no-pager -o cat | grep -c -- "$1" || true
}

# Python on the booted system's loopback; it has none of its own.
# The unit runs, as another process than the one at the beginning.
runs_again() {
    local pid
    pid=$(main_pid)
    [ "$pid" != 0 ] && [ "$pid" != "$old" ] && [ "$(show ActiveState)" = active ]
}

# A limit or a command for the unit, for this test.
drop_in() {
    inside mkdir -p /run/systemd/system/demo.service.d
    printf '[Service]\n%s\n' "$@" | inside tee /run/systemd/system/demo.service.d/test.conf >/dev/null
    inside systemctl daemon-reload
}

@test "when enabled, it starts at boot as its own user and is ready" {
    [ "$(inside systemctl is-enabled demo)" = enabled ]
    [ "$(show ActiveState)" = active ]
    [ "$(show Type)" = notify ]
    [ "$(inside stat -c %U "/proc/$old")" = daemon ]
    [ "$(inside stat -c %U /opt/demo/svr.sh)" = root ]
    status | grep -q running
    inside systemctl stop demo
    [ "$(show Result)" = success ]
    inside systemctl start demo
    status | grep -q running
}

@test "systemctl reload applies; the process and the unit stay" {
    sed -i 's/^log.console.level = .*/log.console.level = DEBUG/' "$conf"
    inside systemctl reload demo
    [ "$(generation)" -eq 2 ]
    [ "$(main_pid)" = "$old" ]
    [ "$(show ActiveState)" = active ]
    [ "$(journal 'reloaded: generation 2, 1 keys\? changed (log.console.level)')" -ge 1 ]
}

@test "a refused reload fails systemctl's job with the reason, and the server keeps running" {
    sed -i 's/^log.console.level = .*/log.console.level = WRAN/' "$conf"
    run inside systemctl reload demo
    [ "$status" -ne 0 ]
    [ "$(generation)" -eq 1 ]
    [ "$(main_pid)" = "$old" ]
    [ "$(show ActiveState)" = active ]
    [ "$(journal 'unknown level "WRAN" (did you mean "WARN"?)')" -ge 1 ]
}

@test "svr.sh restart keeps the process; to systemd it is a long reload" {
    inside runuser -u daemon -- /opt/demo/svr.sh restart
    [ "$(main_pid)" = "$old" ]
    wait_until 5 eval '[ "$(show ActiveState)" = active ]'
    [ "$(show NRestarts)" -eq 0 ]
    status | grep -q running
    inside systemctl reload demo
    [ "$(generation)" -eq 2 ]
}

@test "after kill -9 it runs again" {
    inside sh -c "kill -9 $old"
    wait_until 10 runs_again
    [ "$(show NRestarts)" -ge 1 ]
    status | grep -q running
}

@test "a mistake in svr_conf ends the start with 78, and systemd does not try again" {
    sed -i 's/^log.console.level = .*/log.console.level = WRAN/' "$conf"
    run inside systemctl restart demo
    [ "$status" -ne 0 ]
    wait_until 5 eval '[ "$(show ActiveState)" = failed ]'
    [ "$(show ExecMainStatus)" -eq 78 ]
    [ "$(show NRestarts)" -eq 0 ]
    [ "$(journal 'unknown level "WRAN"')" -ge 1 ]
}

@test "a frozen server is ended by systemd's watchdog and runs again" {
    drop_in WatchdogSec=3 TimeoutAbortSec=1
    inside systemctl restart demo
    old=$(main_pid)
    inside sh -c "kill -STOP $old"
    wait_until 15 runs_again
    [ "$(journal 'demo.service: Watchdog timeout')" -ge 1 ]
    status | grep -q running
}

@test "a socket unit's socket keeps serving across a reload, a restart and kill -9" {
    inside systemctl stop demo
    net="bounded nsenter --target $INIT --net" # for free_port and ask
    port=$(free_port)
    printf '[Socket]\nListenStream=127.0.0.1:%s\n[Install]\nWantedBy=sockets.target\n' "$port" |
        inside tee /run/systemd/system/demo.socket >/dev/null
    sed -i 's/^tcp.listen = .*/tcp.listen = "127.0.0.1:'"$port"'"/' "$conf"
    inside systemctl daemon-reload
    inside systemctl start demo.socket
    [ "$(ask 'SET k v')" = OK ] # the first client starts the server
    [ "$(show ActiveState)" = active ]
    old=$(main_pid)
    inside systemctl reload demo
    [ "$(ask 'GET k')" = v ]
    inside runuser -u daemon -- /opt/demo/svr.sh restart
    [ "$(ask COUNT)" = 0 ]
    [ "$(main_pid)" = "$old" ]
    inside sh -c "kill -9 $old"
    [ "$(ask COUNT)" = 0 ] # the socket waited for the next server
    wait_until 10 runs_again
    inside systemctl stop demo.socket demo
    inside rm /run/systemd/system/demo.socket
}

@test "a line reaches the journal once, with its priority" {
    grep -q '^log.syslog = true' "$conf"
    sed -i 's/^log.console.level = .*/log.console.level = WRAN/' "$conf"
    inside systemctl reload demo || true
    # the refusal is an error line of the server: on the console and for syslog
    wait_until 5 eval '[ "$(journal "rejected: svr_conf:.*WRAN")" -ge 1 ]'
    inside journalctl --sync
    inside journalctl -k -n 1 --no-pager >/dev/null # where docs/operating.md looks too
    lines=$(inside journalctl --no-pager -o json _PID="$old" | python3 -c '
import json, sys
found = [json.loads(l) for l in sys.stdin]
found = [l for l in found if "rejected: svr_conf" in str(l["MESSAGE"])]
print(len(found), *{l["PRIORITY"] for l in found})')
    echo "lines and priorities: $lines"
    [[ $lines =~ ^1\ [34]$ ]]
}
