#!/usr/bin/env bats
# The developer's and the operator's eyes: svr.sh logs, dev and top.

bats_require_minimum_version 1.5.0
load helper

@test "logs: the last lines of console and file log, each under its name" {
    set_key log.file_log.level DEBUG
    set_key log.syslog false
    rm -rf log
    run bounded ./svr.sh logs
    [ "$status" -eq 1 ]
    [[ $output == "demo: no log yet: "* ]]
    mkdir -p log
    for i in $(seq 1 30); do echo "line $i"; done >log/demo.log
    run bounded ./svr.sh logs
    [ "$status" -eq 0 ]
    [ "$output" = "==> log/demo.log <==
$(seq -f 'line %g' 21 30)" ]
    echo console >log/demo.console
    run bounded ./svr.sh logs -n 2
    [ "$output" = "==> log/demo.console <==
console

==> log/demo.log <==
line 29
line 30" ]
    mv log/demo.log "log/my own.log"
    for path in '"log/my own.log" # "here"' '"log/my own.log"'; do
        sed -i "s@^log.file_log = .*@log.file_log = $path@" svr_conf
        run bounded ./svr.sh logs -n 1
        [[ $output == *"==> log/my own.log <=="*"line 30" ]]
    done
    for bad in '-x' '-n' '-n x' 'more' '-n 1 more'; do
        # shellcheck disable=SC2086 # words
        run bounded ./svr.sh logs $bad
        [ "$status" -eq 2 ]
    done
}

@test "logs -f follows the log across a rotation" {
    mkdir -p log
    echo one >log/demo.log
    timeout 100 ./svr.sh logs -f >followed 2>/dev/null 3>&- &
    helpers+=("$!")
    wait_until 5 grep -q one followed
    mv log/demo.log log/demo.log.1
    echo two >log/demo.log
    wait_until 10 grep -q two followed
    pkill -P "${helpers[0]}" || true
}

# develop: `dev` in the background, its output in dev.txt, its pid in $dev.
develop() {
    rm -f dev.txt
    # Where the suite runs in the background, SIGINT is ignored, which sh cannot change.
    (exec env --default-signal=INT ./svr.sh dev >dev.txt 2>&1 3>&-) &
    dev=$!
    helpers+=("$dev")
}

says() {
    grep -q -- "$1" dev.txt
}

@test "dev builds and reloads at each save, and closes at ctrl+C; code that does not compile changes nothing" {
    counting_hooks first
    set_key log.syslog false
    rm -rf build
    develop
    wait_until 20 says 'first 3'
    counting_hooks second
    wait_until 20 says 'reloaded: generation 2'
    wait_until 20 says 'second'
    echo garbage >>my_server.c
    wait_until 20 says 'my_server.c:.*error: '
    wait_until 20 says 'does not compile; the running code keeps running'
    counting_hooks third
    wait_until 20 says 'third'
    set_key svr.timer.min_span 0
    wait_until 20 says 'rejected: svr_conf:.*min_span'
    set_key svr.timer.min_span 0.5
    wait_until 20 says '1 key changed (svr.timer.min_span)'
    kill -INT "$dev"
    wait_until 20 gone "$dev"
    says 'close: delay'
    run bounded ./svr.sh status
    [ "$status" -eq 3 ]
}

@test "dev: the next save starts a server that ended; several saves at once cause one reload" {
    hooks <<'END'
static int run(void) { svr_close(7); return 1000; }
SVR_HANDLER(.run = run);
END
    set_key log.syslog false
    develop
    wait_until 20 says 'the server ended with status 7; the next save starts it again'
    counting_hooks again
    wait_until 20 says 'again 2'
    python3 -c '
for i in range(20):
    open("my_server.c", "a").write("/* %d */\n" % i)
    open("svr_conf", "a").write("# %d\n" % i)'
    wait_until 20 says 'reloaded: generation 2'
    counting_hooks final
    wait_until 20 says 'final 2'
    # A stalled machine may see them in two or three parts, never one by one.
    [ "$(grep -c "^reloaded: generation" dev.txt)" -le 5 ]
    kill -TERM "$dev"
    wait_until 20 gone "$dev"
}

@test "dev beside a running server reports that, reloads that server, and leaves it running" {
    counting_hooks first
    set_key log.syslog false
    build
    run_server
    wait_line 5 'first 2'
    develop
    wait_until 10 says 'works on the server that runs'
    counting_hooks second
    wait_line 20 'second'
    kill -INT "$dev"
    wait_until 20 gone "$dev"
    alive "$server"
    bounded ./svr.sh close
}

@test "top redraws the status; without a server it exits with 3" {
    run bounded ./svr.sh top
    [ "$status" -eq 3 ]
    counting_hooks
    build
    run_server
    wait_line 5 'turn 2'
    command -v tmux >/dev/null || skip "no tmux"
    command -v script >/dev/null || skip "no script"
    tmux -S "$P/tmux" new-session -d -x 100 -y 40 ./svr.sh top 3>&-
    shown() { tmux -S "$P/tmux" capture-pane -p | grep -q "$1"; }
    wait_until 10 shown 'generation.*1'
    bounded ./svr.sh reload
    wait_until 10 shown 'generation.*2'
    # another size: long lines are folded, and the first one is still the first
    tmux -S "$P/tmux" resize-window -x 40 -y 6
    small() { tmux -S "$P/tmux" capture-pane -p | head -n 1 | grep -q '^demo: running, pid' &&
        shown '^generation.*2, build'; }
    wait_until 10 small
    tmux -S "$P/tmux" send-keys C-c
    wait_until 10 eval '! tmux -S "$P/tmux" list-sessions 2>/dev/null'
    # a server that ends: once, what it is now
    (bounded script -qefc './svr.sh top' /dev/null >top.txt || echo "exit $?" >>top.txt) 3>&- &
    wait_until 10 grep -q '^generation.* 2, build' top.txt
    bounded ./svr.sh close
    wait_until 10 grep -q '^exit' top.txt
    [ "$(grep -c 'not running' top.txt)" -eq 1 ]
    grep -qx 'exit 3' top.txt
}

@test "status on a terminal is in colour, unless NO_COLOR is set; into a pipe it is plain" {
    command -v script >/dev/null || skip "no script"
    bounded ./svr.sh start
    plain=$(bounded ./svr.sh status)
    [[ $plain != *$'\033'* ]]
    run bounded script -qec './svr.sh status' /dev/null
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "demo: "$'\033[1;32mrunning\033[0m'", pid "* ]]
    NO_COLOR=1 run bounded script -qec './svr.sh status' /dev/null
    [[ $output != *$'\033'* ]]
    bounded ./svr.sh close
    run bounded script -qec './svr.sh status' /dev/null
    [ "$status" -eq 3 ]
}

@test "a server under valgrind reloads, and valgrind finds no error" {
    command -v valgrind >/dev/null || skip "no valgrind"
    counting_hooks
    build
    valgrind -q --log-file=valgrind.txt --error-exitcode=99 --keep-debuginfo=yes \
        build/demo run >out.txt 2>log.txt 3>&- &
    server=$!
    helpers+=("$server")
    wait_line 20 'turn 2'
    counting_hooks new
    bounded ./svr.sh reload
    wait_line 20 'new [0-9]'
    bounded ./svr.sh close
    ended=0
    wait "$server" || ended=$?
    [ "$ended" -eq 0 ]
    [ ! -s valgrind.txt ] || { cat valgrind.txt; return 1; }
}
