#!/usr/bin/env bats
# Logs: acceptance B1, B2, B6, B7, formats and levels.

load helper

log_hooks() {
    hooks <<'END'
static int run(void) {
    svr_debug("a debug line");
    svr_info("an info line");
    svr_warn("a warn line");
    svr_err("an err line");
    return 100;
}
SVR_HANDLER(.run = run);
END
    build
}

@test "B1 the default console line has level, name, pid, file, line, message" {
    log_hooks
    line=$(grep -n 'an err line' my_server.c | cut -d: -f1)
    run_server
    wait_line 5 'an err line'
    for level in INFO WARNING ERROR; do
        grep -Eq "^<$level: demo\($server\)> \[my_server.c: [0-9]+\] >> a" log.txt
    done
    grep -q "^<ERROR: demo($server)> \[my_server.c: $line\] >> an err line$" log.txt
    run grep -c 'a debug line' log.txt
    [ "$output" = 0 ]
    bounded ./svr.sh close
}

@test "B2 console INFO, file WARN: three lines there, two here" {
    log_hooks
    run_server
    wait_line 5 'an err line'
    wait_until 5 grep -q 'an err line' log/demo.log
    run grep -c -e 'an info line' log/demo.log
    [ "$output" = 0 ]
    grep -Eq '^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8},[0-9]{3} <WARNING: demo' log/demo.log
    grep -q 'an info line' log.txt
    grep -q 'a warn line' log.txt
    bounded ./svr.sh close
}

@test "B6 a log file renamed from outside: after a reload, a new one" {
    log_hooks
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    mv log/demo.log log/demo.old
    bounded ./svr.sh reload
    wait_until 5 grep -q 'an err line' log/demo.log
    bounded ./svr.sh close
}

@test "B7 the value of a secret stands in no log and no status" {
    set_key my.db.password '"sesame-4711"'
    counting_hooks
    build
    run_server
    wait_line 5 'turn 1'
    bounded ./svr.sh status --json >json.txt
    set_key my.db.password '"sesame-4712"'
    bounded ./svr.sh reload >verdict.txt
    bounded ./svr.sh close
    grep -q 'my.db.password = \*\*\*' log.txt
    grep -q 'my.db.password' verdict.txt
    run grep -r sesame log.txt json.txt verdict.txt log
    [ "$status" -eq 1 ]
}

@test "every placeholder has its value; an unknown one is refused" {
    set_key log.console.format '"%(levelname)s|%(name)s|%(process)d|%(filename)s|%(lineno)d|%(asctime)s|%(msecs)d|%(funcName)s|%(thread)d|100%%|%(message)s"'
    log_hooks
    run_server
    wait_until 5 grep -Eq "^ERROR\|demo\|$server\|my_server.c\|[0-9]+\|[0-9-]{10} [0-9:,]{12}\|[0-9]+\|run\|$server\|100%\|an err line$" log.txt
    bounded ./svr.sh close
    set_key log.console.format '"%(colour)s %(message)s"'
    run bounded ./svr.sh run
    [ "$status" -eq 78 ]
    [[ $output == *'log.console.format: unknown placeholder "%(colour)s"'* ]]
}

@test "a line too long is cut and says so; errno survives a log call" {
    hooks <<'END'
#include <errno.h>
static int run(void) {
    static char text[9000];
    memset(text, 'x', sizeof text - 1);
    errno = 42;
    svr_info("%s", text);
    if (errno == 42)
        svr_info("errno is kept");
    return 100000;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 'errno is kept'
    [ "$(grep xxx log.txt | wc -c)" -le 4096 ]
    grep -q 'xxx\.\.\.$' log.txt
    bounded ./svr.sh close
}

@test "a full disk: the server lives, counts, and tells when it is over" {
    [ -e /dev/full ] || skip "no /dev/full"
    set_key log.file_log '"/dev/full"'
    log_hooks
    run_server
    wait_line 5 'log.file_log: lines are lost: No space left'
    wait_until 5 eval '[ "$(json log.file_log.lost)" -gt 3 ]'
    [ "$(count_lines 'lines are lost')" -eq 1 ]
    set_key log.file_log '"log/demo.log"'
    bounded ./svr.sh reload
    wait_line 5 'log.file_log: works again, [0-9]* lines were lost'
    bounded ./svr.sh close
}

@test "a console that nobody reads does not stop the server" {
    log_hooks
    mkfifo console
    sleep 600 <>console 3>&- &
    holder=$!
    ./svr.sh run 2>console >/dev/null 3>&- &
    started+=($!)
    wait_until 10 eval '[ "$(json log.console.lost)" -gt 0 ] 2>/dev/null'
    before=$(json turns)
    wait_until 10 eval '[ "$(json turns)" -gt "$before" ]'
    bounded ./svr.sh close
    kill "$holder"
}
