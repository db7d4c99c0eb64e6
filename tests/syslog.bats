#!/usr/bin/env bats
# Syslog: acceptance A4, B3, B4, B8, against a daemon and a plain socket, in a
# mount namespace with a /dev of its own.

load helper

# A server that logs when its file `say` asks: "LEVEL COUNT".
talking_hooks() {
    hooks <<'END'
static int run(void) {
    char level[16] = ""; int count = 0;
    FILE *file = fopen("say", "re");
    if (!file) return 20;
    if (fscanf(file, "%15s %d", level, &count) != 2) { fclose(file); return 20; }
    fclose(file); remove("say");
    for (int i = 1; i <= count; i++) {
        if (*level == 'i') svr_info("line %d", i);
        if (*level == 'w') svr_warn("line %d", i);
        if (*level == 'e') svr_err("line %d", i);
    }
    svr_info("said %d", count);
    return 0;
}
SVR_HANDLER(.run = run);
END
    build
}

# say LEVEL COUNT: and waits until it is said.
say() {
    local before
    before=$(count_lines '>> said')
    echo "$1 $2" >say.new
    mv say.new say
    wait_until 5 eval '[ "$(count_lines ">> said")" -gt '"$before"' ]'
}

# A datagram socket at /dev/log that writes each datagram to `got`, one a line.
# With `stalled` it reads only when the file `read` is there.
listener() {
    cat >listener.py <<'END'
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if os.path.exists("/dev/log"):
    os.unlink("/dev/log")
s.bind("/dev/log")
open("listening", "w").write("yes")
while len(sys.argv) > 1 and not os.path.exists("read"):
    time.sleep(0.02)
out = open("got", "ab", buffering=0)
while True:
    out.write(s.recv(9000).replace(b"\n", b"\\n") + b"\n")
END
    rm -f listening
    start_in_dev python3 listener.py "$@"
    wait_until 5 test -s listening
}

got_lines() {
    [ -e got ] && [ "$(grep -c -- "$1" got)" -ge "$2" ]
}

@test "A4 without /dev/log it runs, and warns once" {
    own_dev
    talking_hooks
    within=in_dev run_server
    wait_line 5 'log.syslog: lines are lost: /dev/log: No such file or directory'
    say warn 5
    [ "$(count_lines 'lines are lost')" -eq 1 ]
    wait_until 5 eval '[ "$(json log.syslog.lost)" -eq 5 ]'
    bounded ./svr.sh close
}

@test "B3 one datagram for each line: warn has priority 156, err 155, info is not sent" {
    own_dev
    listener
    talking_hooks
    within=in_dev run_server
    say info 1
    say warn 1
    say err 1
    wait_until 5 got_lines 'line 1' 2
    [ "$(grep -c . got)" -eq 2 ]
    grep -Eq '^<156>.* demo: <WARNING: demo\([0-9]+\)> \[my_server.c: [0-9]+\] >> line 1' got
    grep -Eq '^<155>.* demo: <ERROR: demo' got
    bounded ./svr.sh close
}

@test "a real syslog daemon gets a burst completely and in order" {
    command -v busybox >/dev/null && busybox --list | grep -qx syslogd || skip "no busybox syslogd"
    own_dev
    start_in_dev busybox syslogd -n -O "$P/messages"
    wait_until 5 in_dev test -S /dev/log
    talking_hooks
    within=in_dev run_server
    say warn 3000
    wait_until 10 eval '[ "$(grep -c ">> line" messages)" -eq 3000 ]'
    grep -o 'line [0-9]*' messages | grep -o '[0-9]*' | sort -nc
    [ "$(json log.syslog.lost)" -eq 0 ]
    grep -q 'local3.warn demo: ' messages
    bounded ./svr.sh close
}

@test "B4 the daemon stops and returns: one warning, and the number of lost lines" {
    own_dev
    listener
    talking_hooks
    within=in_dev run_server
    say warn 2
    wait_until 5 got_lines 'line' 2
    kill -9 "$helper"
    wait_until 5 gone "$helper"
    say warn 7
    wait_line 5 'log.syslog: lines are lost: /dev/log: Connection refused'
    wait_until 5 eval '[ "$(json log.syslog.lost)" -eq 7 ]'
    [ "$(count_lines 'lines are lost')" -eq 1 ]
    rm -f got
    listener
    say warn 1
    wait_until 5 got_lines 'line 1' 1
    wait_line 5 'log.syslog: works again, 7 lines were lost'
    bounded ./svr.sh close
}

@test "B8 a daemon that stalls: the loop does not wait, the loss is counted" {
    own_dev
    listener stalled
    talking_hooks
    within=in_dev run_server
    say warn 6000
    wait_line 5 'log.syslog: lines are lost: .*the queue is full'
    [ "$(json log.syslog.lost)" -gt 1000 ]
    [ "$(json stale 2>/dev/null || echo no)" = no ]
    touch read
    wait_line 10 'log.syslog: works again, [0-9]* lines were lost'
    lost=$(json log.syslog.lost)
    wait_until 10 eval 'got_lines ">> line" $((6000 - lost))'
    [ "$(grep -c '>> line' got)" -eq $((6000 - lost)) ]
    bounded ./svr.sh close
}

@test "a stalled daemon does not keep the server from closing; the rest is counted as lost" {
    own_dev
    listener stalled
    talking_hooks
    within=in_dev run_server
    say warn 500
    run bounded ./svr.sh close
    [ "$status" -eq 0 ]
    [ "$(exit_status)" -eq 0 ]
    has_line 'log.syslog: lines are lost: '
}
