#!/usr/bin/env bats
# Rights: root, the service's user `daemon`, and another user,
# `nobody`.

bats_require_minimum_version 1.5.0
load helper

setup() {
    [ "$(id -u)" -eq 0 ] || skip "only root can be three users"
    setup_project
    chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    set_key log.syslog false
    opt=$BATS_TEST_TMPDIR/opt/demo
    make -s install prefix="$opt" user=daemon
}

teardown() {
    started+=("$(cat "${opt:-}/run/demo.pid" 2>/dev/null)")
    end_all
}

as() {
    local user=$1
    shift
    setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups "$@"
}

start_as() {
    as "$1" timeout 60 "$opt/svr.sh" start
    pid=$(cat "$opt/run/demo.pid")
    started+=("$pid")
}

owner() {
    stat -c %U "$1"
}

@test "root never runs what the service's user left in run/" {
    for name in server handler.1.so good.so trial.so; do
        printf '#!/bin/sh\nid -un >"%s"\n' "$opt/log/ran" >"$opt/run/$name"
        chmod 755 "$opt/run/$name"
        chown daemon "$opt/run/$name"
    done
    for command in status close reload restart rollback check running start run; do
        run bounded "$opt/svr.sh" "$command"
        [ ! -e "$opt/log/ran" ]
    done
}

@test "root controls a server of the service's user, and leaves no file that blocks it" {
    start_as daemon
    [ "$(owner "/proc/$pid")" = daemon ]
    bounded "$opt/svr.sh" status
    bounded "$opt/svr.sh" reload
    bounded "$opt/svr.sh" restart
    [ "$(owner "/proc/$pid")" = daemon ]
    bounded "$opt/svr.sh" check
    bounded "$opt/svr.sh" close
    run find "$opt/run" "$opt/log" ! -user daemon
    [ "$output" = "" ]
    start_as daemon
    bounded "$opt/svr.sh" close
}

# run_script KIND: starts service/KIND/run as a supervisor of root's does.
run_script() {
    (cd "$opt/service/$1" && exec ./run >"$BATS_TEST_TMPDIR/$1.txt" 2>&1 3>&-) &
    pid=$!
    helpers+=("$pid")
    wait_until 5 grep -qx "$pid" "$opt/run/demo.pid"
}

@test "the scripts for supervise, runit and s6 drop root to the owner of run/" {
    for kind in supervise runit s6; do
        run_script "$kind"
        [ "$(owner "/proc/$pid")" = daemon ]
        grep -q "^Gid:.*$(id -g daemon).*$(id -g daemon)" "/proc/$pid/status"
        bounded "$opt/svr.sh" close
        wait_until 5 gone "$pid"
    done
    chown 12345 "$opt/run" "$opt/log" # no user of a name
    rm -rf "$opt"/run/* "$opt"/log/*
    run_script runit
    [ "$(stat -c %u "/proc/$pid")" = 12345 ]
    kill -TERM "$pid"
    wait_until 5 gone "$pid"
}

@test "another user can neither query nor close a server" {
    start_as daemon
    for command in close status reload; do
        run as nobody timeout 60 "$opt/svr.sh" "$command"
        [ "$status" -ne 0 ]
    done
    alive "$pid"
    bounded "$opt/svr.sh" close
}

@test "root cannot start a server if run/ is another user's; the printed command works" {
    cd "$opt"
    for command in start run restart; do
        run bounded ./svr.sh "$command"
        [ "$status" -eq 1 ]
        [[ $output == *"run/ belongs to the user daemon; type: setpriv "*" ./svr.sh start"* ]]
    done
    [ -z "$(find run log -mindepth 1)" ]
    bounded sh -c "${output#*type: }"
    started+=("$(cat run/demo.pid)")
    [ "$(owner "/proc/$(cat run/demo.pid)")" = daemon ]
    bounded ./svr.sh close
}

# try_link OWNER NAME TARGET: daemon's server starts, or not, where OWNER left a
# link at NAME; it is closed again.
try_link() {
    ln -s "$3" "$opt/$2"
    chown -h "$1" "$opt/$2"
    if as daemon timeout 60 "$opt/svr.sh" start; then
        as daemon timeout 60 "$opt/svr.sh" close
    fi
    rm -rf "$opt"/run/* "$opt"/log/*
}

@test "a link that another user left in run/ or log/ is never followed" {
    set_key log.file_log.level INFO
    cp svr_conf "$opt/svr_conf"
    other=$BATS_TEST_TMPDIR/other
    mkdir "$other"
    chown daemon "$other"
    for name in run/lock run/demo.pid run/handler.1.so log/demo.log log/demo.console; do
        for content in "" precious; do # a file that is there, and a new one
            rm -f "$other/file"
            [ -z "$content" ] || as daemon sh -c "echo $content >$other/file"
            try_link nobody "$name" "$other/file"
            [ "$(cat "$other/file" 2>/dev/null)" = "$content" ] ||
                { echo "$name was followed"; return 1; }
        done
    done
    for user in daemon root; do
        rm -f "$other/file"
        try_link "$user" log/demo.log "$other/file"
        grep -q 'close: delay' "$other/file"
    done
}

@test "root's check opens nothing through a link of the service's user" {
    echo precious >"$BATS_TEST_TMPDIR/file"
    ln -s "$BATS_TEST_TMPDIR/file" "$opt/log/demo.log"
    chown -h daemon "$opt/log/demo.log"
    run bounded "$opt/svr.sh" check
    [ "$status" -eq 1 ]
    [[ $output == "rejected: svr_conf:"*"log/demo.log: Operation not permitted" ]]
}

@test "no other user can lock run/lock, even one of an older version" {
    : >"$opt/run/lock"
    chown daemon "$opt/run/lock"
    chmod 644 "$opt/run/lock"
    start_as daemon
    [ "$(stat -c %a "$opt/run/lock")" = 600 ]
    run as nobody cat "$opt/run/lock"
    [ "$status" -ne 0 ]
    bounded "$opt/svr.sh" close
    start_as daemon
    bounded "$opt/svr.sh" close
}
