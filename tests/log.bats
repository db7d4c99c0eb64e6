#!/usr/bin/env bats
# Logs: acceptance B1, B2, B5, B6, B7, formats, levels, rotation.

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

@test "B1 the default console line has level, name, pid, file, line and message" {
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

@test "B2 console INFO, file WARN: three lines on the console, two in the file" {
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

@test "B7 the value of a secret appears in no log and no status" {
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
    format='%(levelname)s|%(name)s|%(process)d|%(filename)s|%(lineno)d|%(asctime)s|%(msecs)d|'
    set_key log.console.format "\"$format%(funcName)s|%(thread)d|100%%|%(message)s\""
    log_hooks
    run_server
    line="ERROR\|demo\|$server\|my_server.c\|[0-9]+\|[0-9-]{10} [0-9:,]{12}\|[0-9]+\|run\|[0-9]+\|100%\|an err line"
    wait_until 5 grep -Eq "^$line$" log.txt
    bounded ./svr.sh close
    set_key log.console.format '"%(colour)s %(message)s"'
    run bounded ./svr.sh run
    [ "$status" -eq 78 ]
    [[ $output == *'log.console.format: unknown placeholder "%(colour)s"'* ]]
}

@test "a child of fork logs its own process number, as text and as JSON" {
    set_key log.file_log.format json
    hooks <<'END'
#include <sys/wait.h>
static int run(void) {
    pid_t child = fork();
    if (child == 0) {
        svr_err("child");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    svr_err("parent of %d", (int)child);
    return 100000;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 'parent of'
    child=$(sed -n 's/.*>> parent of //p' log.txt)
    grep -q "demo($child)> .* child$" log.txt
    grep -q "demo($server)> .* parent of $child$" log.txt
    grep -q "\"process\": $child, .*\"child\"" log/demo.log
    grep -q "\"process\": $server, .*\"parent of $child\"" log/demo.log
    bounded ./svr.sh close
}

@test "a character that needs escaping is escaped anywhere in a message" {
    set_key log.console.format '"%(message)s"'
    set_key log.syslog false # what its own thread says of /dev/log may stand anywhere
    hooks <<'END'
static int run(void) {
    static const char *const odd[] = {"\n", "\x7f", "\x1f", "\xff", "\xc3\xa9", "\xc2\x85"};
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789~ ";
    for (int kind = 0; kind < 6; kind++)
        for (int at = 0; at <= 34; at++)
            svr_info("%.*s%s%s", at, plain, odd[kind], at % 2 ? plain + at : "");
    svr_info("end");
    return 100000;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 '^end$'
    python3 - <<'END'
odd = [b"\\n", b"\\x7f", b"\\x1f", b"\\xff", "\u00e9".encode(), b"\\xc2\\x85"]
plain = b"abcdefghijklmnopqrstuvwxyz0123456789~ "
wanted = [plain[:at] + kind + (plain[at:] if at % 2 else b"") for kind in odd for at in range(35)]
lines = open("log.txt", "rb").read().split(b"\n")
assert lines[lines.index(b"end") - len(wanted):lines.index(b"end")] == wanted, lines
END
    bounded ./svr.sh close
}

@test "too long a line is cut and marked; errno survives a log call" {
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

@test "a full disk: the server keeps running, counts lost lines, and logs when it is over" {
    [ -e /dev/full ] || skip "no /dev/full"
    set_key log.file_log '"/dev/full"'
    log_hooks
    run_server
    wait_line 5 'log.file_log: lines are lost: No space left'
    wait_until 5 eval '[ "$(json log.file_log.lost)" -gt 3 ]'
    [ "$(count_lines 'log.file_log: lines are lost')" -eq 1 ]
    set_key log.file_log '"log/demo.log"'
    bounded ./svr.sh reload
    wait_line 5 'log.file_log: works again, [0-9]* lines were lost'
    bounded ./svr.sh close
}

@test "a console whose reader stopped does not stop the server" {
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

# old_file AGE: a log file whose last line is AGE old (touch -d's words).
old_file() {
    mkdir -p log
    echo "an old line" >log/demo.log
    touch -d "$1" log/demo.log
}

@test "B5 the log of a past day gets its date in the name; keep removes the oldest" {
    set_key log.file_log.keep 2
    log_hooks
    old_file '2 days ago'
    day=$(date -d '2 days ago' +%Y-%m-%d)
    for old in 2020-01-01 2020-01-03 2020-01-02; do echo "$old" >log/demo.log.$old; done
    echo mine >log/demo.log.notes
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    [ "$(cat "log/demo.log.$day")" = "an old line" ]
    [ "$(grep -c 'an old line' log/demo.log)" -eq 0 ]
    run ls log
    [[ $output == *"demo.log.2020-01-03"* ]]
    [[ $output != *"demo.log.2020-01-01"* ]]
    [[ $output != *"demo.log.2020-01-02"* ]]
    [[ $output == *"demo.log.notes"* ]]
    bounded ./svr.sh close
}

@test "rotation by hour and minute; an existing file is not overwritten" {
    set_key log.file_log.rotate M
    log_hooks
    old_file '3 minutes ago'
    name=log/demo.log.$(date -d '3 minutes ago' +%Y-%m-%d-%H-%M)
    echo precious >"$name"
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    bounded ./svr.sh close
    [ "$(cat "$name")" = precious ]
    [ "$(cat "$name.1")" = "an old line" ]
    set_key log.file_log.rotate H
    old_file '2 hours ago'
    name=log/demo.log.$(date -d '2 hours ago' +%Y-%m-%d-%H)
    rm server.pid status.txt
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    [ "$(cat "$name")" = "an old line" ]
    bounded ./svr.sh close
}

@test "B6 a log file that is renamed or removed is recreated without a reload" {
    log_hooks
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    mv log/demo.log log/demo.old
    wait_until 5 grep -qs 'an err line' log/demo.log
    rm log/demo.log
    wait_until 5 grep -qs 'an err line' log/demo.log
    [ "$(json log.file_log.lost)" = 0 ]
    bounded ./svr.sh close
}

@test "if the folder disappears, lines are counted as lost; logging resumes when it is back" {
    mkdir away
    set_key log.file_log '"away/demo.log"'
    set_key log.syslog false
    log_hooks
    run_server
    wait_until 5 grep -q 'an err line' away/demo.log
    mv away gone
    wait_line 5 'log.file_log: lines are lost: No such file or directory'
    mkdir away
    wait_line 5 'log.file_log: works again, [1-9][0-9]* lines were lost'
    wait_until 5 grep -q 'an err line' away/demo.log
    bounded ./svr.sh close
}

@test "logrotate works with the file in service/" {
    command -v logrotate >/dev/null || skip "no logrotate"
    set_key log.file_log.rotate '""'
    log_hooks
    run_server
    wait_until 5 grep -q 'an err line' log/demo.log
    sed "s|@FOLDER@|$PWD|" service/logrotate >run/logrotate.conf
    logrotate -f -s run/logrotate.state run/logrotate.conf
    grep -q 'an err line' log/demo.log.1
    wait_until 5 grep -qs 'an err line' log/demo.log
    [ "$(json generation)" -eq 1 ] # a rotation is no reload
    bounded ./svr.sh close
}

@test "the format word json: each line is one JSON object, whatever the message" {
    set_key log.console.format json
    hooks <<'END'
static int run(void) {
    char longer[9000];
    memset(longer, '"', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    svr_info("quote \" back \\ tab \t newline \n bell \a end");
    svr_info("bad \xff\xc3( good \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 surrogate \xed\xa0\x80 end");
    svr_info("%s", longer);
    svr_err("last");
    return 10000;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 '"message": "last"'
    bounded ./svr.sh close
    python3 - "$server" <<'END'
import json, sys
raw = open("log.txt", "rb").read().split(b"\n")[:-1]
assert max(map(len, raw)) < 4096
lines = [json.loads(line.decode("utf-8", "strict")) for line in raw]
texts = [line["message"] for line in lines]
assert 'quote " back \\ tab \t newline \n bell \a end' in texts
assert any(t.startswith("bad \ufffd\ufffd( good \u00e9 \u20ac \U0001f600 surrogate \ufffd")
           and t.endswith(" end") for t in texts)
assert any(t.startswith('"""""') and len(t) > 500 for t in texts)
last = lines[texts.index("last")]
assert last["level"] == "ERROR" and last["name"] == "demo" and last["process"] == int(sys.argv[1])
assert last["file"] == "my_server.c" and last["line"] > 0 and last["function"] == "run"
assert last["thread"] > 0 and len(last["time"]) == 23
END
}

@test "if the console is the journal, each line begins with its priority" {
    log_hooks
    : >log.txt
    JOURNAL_STREAM=$(stat -c %d:%i log.txt) run_server
    wait_line 5 'an err line'
    grep -q '^<6><INFO: .* an info line' log.txt
    grep -q '^<4><WARNING: .* a warn line' log.txt
    grep -q '^<3><ERROR: .* an err line' log.txt
    bounded ./svr.sh close
}

@test "a JOURNAL_STREAM that names another file is ignored" {
    log_hooks
    JOURNAL_STREAM=8:1 run_server
    wait_line 5 'an err line'
    [ "$(grep -c '^<[0-9]><' log.txt)" -eq 0 ]
    bounded ./svr.sh close
}

@test "WARNING means WARN; a level that is off writes no line" {
    set_key log.console.level WARNING
    log_hooks
    run_server
    wait_line 5 'an err line'
    has_line 'a warn line'
    [ "$(count_lines 'an info line')" -eq 0 ]
    bounded ./svr.sh close
}

@test "lines of many threads are never torn" {
    hooks <<'END'
#include <pthread.h>
static void *talk(void *arg) {
    char text[600];
    memset(text, *(char *)arg, sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 500; i++) svr_info("%s", text);
    return NULL;
}
static int run(void) {
    static char names[] = "abcd";
    pthread_t threads[4];
    svr_pin();
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, talk, &names[i]);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    svr_info("all said");
    return 100000;
}
SVR_HANDLER(.run = run);
END
    set_key log.file_log.level INFO
    build
    run_server
    wait_line 10 'all said'
    bounded ./svr.sh close
    for file in log.txt log/demo.log; do
        [ "$(grep -Ec '>> (a{599}|b{599}|c{599}|d{599})$' $file)" -eq 2000 ]
    done
}

@test "a log file behind a link is rotated in its own folder, and the link stays" {
    mkdir -p log elsewhere
    echo old >elsewhere/app.log
    touch -d '2024-02-29 12:00' elsewhere/app.log
    ln -s ../elsewhere/app.log log/demo.log
    set_key log.file_log.level INFO
    counting_hooks
    build
    run_server
    wait_until 5 test -e elsewhere/app.log.2024-02-29
    [ -L log/demo.log ]
    wait_until 5 grep -q 'turn 3' elsewhere/app.log
    bounded ./svr.sh close
}

@test "a pipe, a terminal and anything reached through /dev or /proc is never renamed" {
    mkfifo pipe
    set_key log.file_log.rotate M
    set_key log.file_log.rotate_size 1
    set_key log.file_log.level INFO
    counting_hooks
    build
    for file in pipe /dev/stdout /proc/self/fd/1; do
        rm -f server.pid status.txt log.txt lines.txt
        set_key log.file_log "\"$file\""
        cat pipe >lines.txt 3>&- &
        exec 4<>pipe
        run_server
        wait_line 5 'turn 25$' # more than a second
        bounded ./svr.sh close
        exec 4>&-
        [ "$(exit_status)" -eq 0 ]
        [ -p pipe ]
        [ "$(ls | grep -cE '^(out.txt|pipe)\.')" -eq 0 ]
        ls /dev | grep -E '^stdout\.' && return 1
        true
    done
    grep -q 'turn 25' out.txt
}

@test "a link of another user in log/ is never followed" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    mkdir -p log
    echo precious >precious
    ln -s "$PWD/precious" log/demo.log
    chown -h daemon log/demo.log
    run bounded ./svr.sh run
    [ "$status" -eq 78 ]
    [[ $output == *"svr_conf:"*": log.file_log: log/demo.log: Operation not permitted"* ]]
    [ "$(cat precious)" = precious ]
}

@test "rotate_size begins a new file when the log has that size; old files are numbered" {
    set_key log.file_log.level INFO
    set_key log.file_log.rotate '""'
    set_key log.file_log.rotate_size 2000
    set_key log.file_log.keep 2
    hooks <<'END'
static int run(void) { for (int i = 0; i < 9; i++) svr_info("line of some length %d", i); return 200; }
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_until 20 eval '[ "$(ls log | grep -cE "^demo.log.2[0-9-]+(\.[0-9]+)?$")" -eq 2 ]'
    wait_until 20 eval 'ls log | grep -qE "^demo.log.2[0-9-]+\.[2-9]$"'
    [ "$(ls log | grep -cE '^demo.log.2')" -le 3 ]
    bounded ./svr.sh close
}

@test "the console file of start is bounded, and one old file is kept" {
    set_key log.file_log.rotate_size 3000
    hooks <<'END'
static int run(void) { for (int i = 0; i < 30; i++) svr_info("line of some length %d", i); return 300; }
SVR_HANDLER(.run = run);
END
    build
    bounded ./svr.sh start
    server=$(cat run/demo.pid)
    wait_until 20 test -s log/demo.console.1
    first=$(stat -c %i log/demo.console.1)
    wait_until 20 eval '[ "$(stat -c %i log/demo.console.1)" != "$first" ]'
    [ "$(ls log | grep -c console)" -eq 2 ]
    for fd in 1 2; do
        [ "$(readlink "/proc/$server/fd/$fd")" = "$PWD/log/demo.console" ]
    done
    bounded ./svr.sh close
}
