#!/usr/bin/env bats
# The part standby: two servers on one machine, one of which works.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,standby,restart,notify,checkpoint
}

# Hooks that write each call to a file that both servers share.
pair() {
    hooks <<'END'
#include <fcntl.h>
#include <time.h>
struct state { long turns; };
static int tell(const char *what) {
    struct timespec now;
    int fd = open("../shared.txt", O_WRONLY | O_CREAT | O_APPEND, 0644);
    clock_gettime(CLOCK_MONOTONIC, &now);
    dprintf(fd, "%s %d %ld.%03ld\n", what, (int)getpid(), (long)now.tv_sec, now.tv_nsec / 1000000);
    return close(fd);
}
static int tick(void *arg) { (void)arg; return 0; }
static int on_start(void) {
    svr_add_timer("tick", tick, NULL, (struct svr_when){.every = 1});
    return access("bad", F_OK) == 0 ? svr_fail("bad") : tell("on_start");
}
static int on_reload(void) { return tell("on_reload"); }
static int on_close(void) { return tell("on_close"); }
static int run(void) { if (access("hang", F_OK) == 0) for (;;) pause(); return tell("run"), 20; }
SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .on_close = on_close, .run = run,
    .state_size = sizeof(struct state), .state_version = 1, .callbacks = SVR_CALLBACKS(SVR_CALL(tick)));
END
    set_key standby.lock "\"$BATS_TEST_TMPDIR/pair.lock\""
    set_key log.syslog false
    build
    cp -a "$P" "$BATS_TEST_TMPDIR/other"
    other=$BATS_TEST_TMPDIR/other
    run_server
    master=$server
    wait_until 5 grep -qs "^run $master" ../shared.txt
    cd "$other"
    run_server
    slave=$server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = standby ]'
    cd "$P"
}

# of FOLDER KEY: a value of its status.
of() {
    (cd "$1" && json "$2")
}

calls_of() {
    grep -c "^$1 $2 " ../shared.txt || true
}

teardown() {
    started+=("$(cat "$BATS_TEST_TMPDIR/other/run/demo.pid" 2>/dev/null)")
    end_all
}

@test "the slave is ready and quiet: state, role, reload, check; its close calls no hook" {
    pair
    wait_until 5 eval '[ "$(of "$other" state 2>/dev/null)" = standby ]'
    [ "$(of "$other" role)" = slave ]
    [ "$(of . role)" = master ]
    [ "$(of . state)" = running ]
    [[ $(of "$other" timers) == '['*']' ]]
    run ! grep -q tick <<<"$(of "$other" timers)"
    run bounded "$other/svr.sh" start
    [ "$status" -eq 1 ]
    SVR_BUILD=0 run bounded "$other/svr.sh" reload
    [ "$status" -eq 0 ]
    [[ $output == "reloaded: generation 2, "* ]]
    bounded "$other/svr.sh" check
    SVR_BUILD=0 run bounded "$other/svr.sh" restart
    [ "$status" -eq 0 ]
    [ "$(of "$other" state)" = standby ]
    run bounded "$other/svr.sh" close
    [ "$status" -eq 0 ]
    run grep -c " $slave " ../shared.txt
    [ "$output" = 0 ]
    [ "$(of . state)" = running ]
}

@test "start returns 0 in standby, and systemd is notified" {
    pair
    bounded "$other/svr.sh" close
    python3 - "$other" <<'END' 3>&- &
import socket, os, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("notify.socket"); s.settimeout(60)
open("notify.txt", "wb").write(s.recv(4096))
END
    helpers+=("$!")
    wait_until 5 test -S "$other/notify.socket"
    NOTIFY_SOCKET=notify.socket run bounded "$other/svr.sh" start
    [ "$status" -eq 0 ]
    wait_until 5 grep -qs READY=1 "$other/notify.txt"
}

@test "after a close, kill -9 or hang of the master the slave takes over within a second; not after a restart" {
    pair
    for way in close kill hang restart; do
        wait_until 5 eval '[ "$(of "$other" state 2>/dev/null)" = standby ]'
        # both folders know their places: the master in `.`
        slave=$(cat "$other/run/demo.pid")
        before=$(calls_of on_start "$slave")
        case $way in
        close) bounded ./svr.sh close ;;
        kill) kill -9 "$(cat run/demo.pid)" ;;
        hang)
            set_key svr.timer.run_status_check_time_span 1
            set_key svr.close.force_close_delay 0.5
            SVR_BUILD=0 bounded ./svr.sh reload
            touch hang
            wait_until 20 eval '[ -s status.txt ]'
            [ "$(cat status.txt)" = 253 ]
            rm hang
            ;;
        restart)
            SVR_BUILD=0 bounded ./svr.sh restart
            [ "$(of . role)" = master ]
            [ "$(of . state)" = running ]
            [ "$(of "$other" state)" = standby ]
            break
            ;;
        esac
        wait_until 5 eval '[ "$(calls_of on_start "$slave")" -gt "$before" ]'
        last=$(grep -v " $slave " ../shared.txt | tail -n 1 | cut -d' ' -f3)
        first=$(grep "^on_start $slave " ../shared.txt | tail -n 1 | cut -d' ' -f3)
        [ "$way" != kill ] ||
            echo "# after kill -9: $(awk "BEGIN { print $first - $last }") s from the last run to on_start" >&3
        [ "$(of "$other" role)" = master ]
        [ "$(of "$other" state)" = running ]
        # the two change places
        new=$other other=$PWD
        rm -f status.txt server.pid
        run_server
        cd "$new"
    done
    # nobody worked while another one did
    awk '$1 == "on_start" { if (!($2 in begun)) begun[$2] = 1; master = $2 }
         $1 == "run" && $2 != master { print "two masters:", $0; bad = 1 }
         END { exit bad }' ../shared.txt
}

@test "a stopped master is still the master; a failing on_start at the takeover is reported, status 1" {
    pair
    wait_until 5 eval '[ "$(of "$other" state 2>/dev/null)" = standby ]'
    kill -STOP "$master"
    for _ in 1 2 3 4 5; do
        [ "$(of "$other" state)" = standby ]
    done
    kill -CONT "$master"
    n=$(calls_of run "$master")
    wait_until 5 eval '[ "$(calls_of run "$master")" -gt "$n" ]'
    touch "$other/bad"
    bounded ./svr.sh close
    cd "$other"
    [ "$(exit_status)" -eq 1 ]
    has_line 'start failed: on_start: bad'
    run ! grep -q "on_close $slave" ../shared.txt
}

@test "a lock that cannot be opened: no start, with the reason" {
    set_key standby.lock '"/nonexistent/lock"'
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"standby.lock: /nonexistent/lock: No such file or directory"* ]]
}
