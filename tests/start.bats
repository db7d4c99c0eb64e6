#!/usr/bin/env bats
# Start and files: acceptance A1 to A8, detaching, users and folders.

bats_require_minimum_version 1.5.0
load helper

@test "A1 an untouched project starts, and works only in its own folder" {
    run bounded ./svr.sh start
    [ "$status" -eq 0 ]
    [[ $output == *"started, pid "* ]]
    wait_until 5 test -s log/demo.out
    run bounded ./svr.sh status
    [ "$status" -eq 0 ]
    [[ $output == "demo: running, pid "* ]]
    pid=$(cat run/demo.pid)
    run bash -c "readlink /proc/$pid/fd/* | grep -v -e '^$P' -e anon_inode -e '^socket:' -e '^/dev/null'"
    [ "$output" = "" ]
    bounded ./svr.sh close
}

@test "A2 the pid file names the server; on_start is called once, before run" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 2'
    [ "$(cat run/demo.pid; echo x)" = "$server"$'\nx' ]
    [ "$(count_lines '>> on_start$')" -eq 1 ]
    run grep -e '>> on_' -e 'turn 1$' log.txt
    [[ ${lines[0]} == *on_start ]]
    [[ ${lines[1]} == *"turn 1" ]]
    [ "${#lines[@]}" -eq 2 ]
}

@test "A3 a log file in a folder that does not exist: one line, no pid file" {
    set_key log.file_log '"absent/x.log"'
    run bounded ./svr.sh run
    [ "$status" -ne 0 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *absent/x.log* ]]
    [ ! -e run/demo.pid ]
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *absent/x.log* ]]
    [ ! -e run/demo.pid ]
}

@test "A5 a second start is refused; close ends the first" {
    bounded ./svr.sh start
    pid=$(cat run/demo.pid)
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"already running"* ]]
    run bounded ./svr.sh run
    [ "$status" -eq 1 ]
    [[ $output == *"already running (pid $pid)"* ]]
    [ "$(cat run/demo.pid)" = "$pid" ]
    bounded ./svr.sh close
    gone "$pid"
}

@test "A6 a pid file that names another process is ignored" {
    sleep 600 3>&- &
    other=$!
    mkdir -p run
    echo "$other" >run/demo.pid
    for command in close reload status; do
        run bounded ./svr.sh "$command"
        [ "$status" -eq 3 ]
        [[ $output == *"not running"* ]]
    done
    kill -0 "$other"
    bounded ./svr.sh start
    [ "$(cat run/demo.pid)" != "$other" ]
    bounded ./svr.sh close
    kill "$other"
}

@test "A7 svr.sh works with an absolute path, from another folder and through a symlink" {
    mkdir ../elsewhere
    ln -s ../demo/svr.sh ../elsewhere/control
    cd /
    bounded "$P/svr.sh" start
    bounded "$P/../elsewhere/control" status
    cd "$P/../elsewhere"
    bounded ./control reload
    bounded ./control close
    run bounded "$P/svr.sh" status
    [ "$status" -eq 3 ]
}

@test "A8 unknown commands show the usage; without a server all commands report that" {
    for words in "" "begin" "status --xml" "start now" "close now please"; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr bounded ./svr.sh $words
        [ "$status" -eq 2 ]
        [ "$output" = "" ]
        [[ $stderr == *usage:* ]]
    done
    for command in close reload status "status --json"; do
        # shellcheck disable=SC2086 # words
        run bounded ./svr.sh $command
        [ "$status" -eq 3 ]
        [[ $output == *"not running"* ]]
    done
}

@test "start detaches: no descriptor of the caller stays open, and it has its own session" {
    run bash -c 'exec 7</dev/null 8>held; timeout 60 ./svr.sh start'
    [ "$status" -eq 0 ]
    pid=$(cat run/demo.pid)
    run bash -c "readlink /proc/$pid/fd/* | grep -c held"
    [ "$output" = 0 ]
    [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
    bounded ./svr.sh close
}

@test "a failing on_start: the reason on stderr, 1, nothing left behind" {
    hooks <<'END'
static int on_start(void) { return svr_fail("no luck with %s", "42"); }
SVR_HANDLER(.on_start = on_start);
END
    build
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *"on_start: no luck with 42 (my_server.c:"* ]]
    [ ! -e run/demo.pid ]
    run bounded ./svr.sh run
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq "$(grep -c . <<<"$output")" ]
    run bounded ./svr.sh status
    [ "$status" -eq 3 ]
}

@test "a start that crashes reports the signal" {
    hooks <<'END'
static int on_start(void) { abort(); return 0; }
SVR_HANDLER(.on_start = on_start);
END
    build
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"died of signal 6"* ]]
}

@test "bad configuration at the start: status 78, line and key" {
    set_key svr.timer.min_span 0
    line=$(grep -n '^svr.timer.min_span' svr_conf | cut -d: -f1)
    run bounded ./svr.sh run
    [ "$status" -eq 78 ]
    [[ $output == *"svr_conf:$line: svr.timer.min_span: out of range"* ]]
    rm svr_conf
    run bounded ./svr.sh run
    [ "$status" -eq 78 ]
    [[ $output == *"svr_conf:1: file: No such file"* ]]
}

@test "run/ cannot be written: status 1, and it is named" {
    mkdir -p run
    chmod 500 run
    # Root may write anywhere, unless it gives that right away.
    as=()
    [ "$(id -u)" -ne 0 ] || as=(setpriv --bounding-set=-dac_override)
    run bounded "${as[@]}" ./svr.sh run
    [ "$status" -eq 1 ]
    [[ $output == *run/lock* ]]
}

@test "a start removes what a killed server left in run/" {
    build
    mkdir -p run
    touch run/kept.new run/other.new run/handler.7.so run/mine
    bounded ./svr.sh start
    [ ! -e run/kept.new ]
    [ ! -e run/other.new ]
    [ ! -e run/handler.7.so ]
    [ -e run/mine ]
    bounded ./svr.sh close
}

@test "run/ is a file: status 1, one line" {
    rm -rf run
    echo x >run
    run bounded ./svr.sh run
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ $output == *run/lock* ]]
}

@test "a deep folder with spaces, and a folder that moves while it runs" {
    deep=$BATS_TEST_TMPDIR/$(printf 'long name %.0s' 1 2 3 4 5 6 7 8 9 10 11 12)/p
    mkdir -p "$(dirname "$deep")"
    cp -a "$P" "$deep"
    cd "$deep"
    counting_hooks
    build
    run_server
    wait_line 5 'turn 2'
    mv "$deep" "$deep moved"
    cd "$deep moved"
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "the control socket: clients that send nonsense, half a line, too much, or nothing" {
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    [ "$(stat -c %a run/control)" = 600 ]
    run timeout 60 python3 - <<'END'
import socket, time
def dial():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect("run/control")
    return s
s = dial(); s.sendall(b"nonsense\n"); assert s.recv(100).startswith(b"2"), "nonsense"
s = dial(); s.sendall(b"\0\xff\n"); assert s.recv(100).startswith(b"2"), "bytes"
big = dial()
try:
    big.sendall(b"x" * 1000000)
except OSError:
    pass
half = [dial() for _ in range(10)]
for h in half:
    h.sendall(b"relo")
silent = [dial() for _ in range(10)]
never = dial(); never.sendall(b"status --json\n")
s = dial(); s.sendall(b"stat"); s.sendall(b"us\n"); assert b"running" in s.recv(4096), "pieces"
begin = time.time()
for h in half + silent:
    assert h.recv(100) == b"", "a half request is dropped"
END
    echo "$output"
    [ "$status" -eq 0 ]
    before=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt "$((before + 2))" ]'
    bounded ./svr.sh close
}

@test "a command without its part: status 2, and the part is named; its keys are unknown" {
    "$TINY_NEW" -q --with none ../bare
    cd ../bare
    sed -i 's/^log.syslog = true/log.syslog = false/' svr_conf
    make -s >/dev/null
    bounded ./svr.sh start
    for command in restart rollback 'status --metrics'; do
        part=${command#status --}
        # shellcheck disable=SC2086 # two words
        run bounded ./svr.sh $command
        [ "$status" -eq 2 ]
        needs="bare: that needs the part $part, which this server does not have"
        [ "$output" = "$needs: tiny-new --update --with $part . adds it" ]
    done
    for key in 'svr.reload.probation = 3' 'log.file_log.rotate = D' 'log.file_log.keep = 3' \
        'log.file_log.rotate_size = 0' 'notify.status = true'; do
        cp svr_conf saved
        echo "$key" >>svr_conf
        SVR_BUILD=0 run bounded ./svr.sh reload
        [ "$status" -eq 1 ]
        [[ $output == *": ${key% = *}: unknown key"* ]] || { echo "$output"; return 1; }
        cp saved svr_conf
    done
    bounded ./svr.sh close
    run bounded ./svr.sh nonsense
    [ "$status" -eq 2 ]
    [[ $output == *'unknown command "nonsense"'* ]]
    cd "$P"
}

@test "a handler.so that is cut off, without a table of sections too: the start fails with the reason" {
    python3 - <<'END'
code = bytearray(open("build/handler.so", "rb").read())
wide = code[4] == 2  # ELF of 64 bits
at, size, counts = (40, 8, 58) if wide else (32, 4, 46)
code[at:at + size] = bytes(size)
code[counts:counts + 6] = bytes(6)
open("cut.so", "wb").write(code[:len(code) // 4])
END
    mv cut.so build/handler.so
    run -1 bounded ./svr.sh start
    [[ $output == *"start failed: run/handler.1.so: no whole shared object"* ]]
}
