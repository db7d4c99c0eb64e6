#!/usr/bin/env bats
# Close: acceptance D1 to D7.

load helper

closing_hooks() {
    hooks <<END
static int on_close(void) { svr_info("on_close"); ${1:-} return 0; }
static int get_summary(char *text, size_t size) {
    ${2:-} snprintf(text, size, "all is well"); return 0;
}
static int run(void) { static int n; if (n++ == 0) svr_info("run"); ${3:-} return 20; }
SVR_HANDLER(.on_close = on_close, .get_summary = get_summary, .run = run);
END
    build
}

@test "D1 SIGTERM and SIGINT: the lines of the close in order, once each, status 0" {
    closing_hooks '' '' 'if (n == 1) printf("buffered");'
    for signal in 15 2; do
        rm -f status.txt server.pid
        run_server
        wait_line 5 '>> run$'
        kill "-$signal" "$server"
        [ "$(exit_status)" -eq 0 ]
        run grep -A 9 "signal $signal" log.txt
        [[ ${lines[0]} == *">> signal $signal" ]]
        [[ ${lines[1]} == *">> close: delay = 10, exit_code = 0" ]]
        [[ ${lines[2]} == *">> <SUMMARY> all is well"* ]]
        [[ ${lines[3]} == *">> on_close" ]]
        [ "${#lines[@]}" -eq 4 ]
        [ ! -e run/demo.pid ]
        [ "$(cat out.txt)" = buffered ]
    done
}

@test "D2 a second close during a close: on_close runs once, one line reports it" {
    closing_hooks 'for (int i = 0; i < 300 && access("go", F_OK) < 0; i++) usleep(10000);'
    run_server
    wait_line 5 '>> run$'
    kill -TERM "$server"
    wait_line 5 '>> on_close$'
    kill -TERM "$server"
    wait_line 5 'closing already'
    touch go
    [ "$(exit_status)" -eq 0 ]
    [ "$(count_lines '>> on_close$')" -eq 1 ]
    [ "$(count_lines 'closing already')" -eq 1 ]
}

@test "D3 on_close never returns: forced after the delay, 252" {
    closing_hooks 'for (;;) pause();'
    set_key svr.close.force_close_delay 3
    run_server
    wait_line 5 '>> run$'
    begin=$(date +%s%N)
    run bounded ./svr.sh close
    [ "$status" -eq 1 ]
    [[ $output == *"by force"* ]]
    [ $(($(date +%s%N) - begin)) -ge 2900000000 ]
    [ "$(exit_status)" -eq 252 ]
    has_line 'close: forced after 3 s'
    [ ! -e run/demo.pid ]
}

@test "D4 run in an endless loop, or in a call that does not return: 252" {
    for stuck in 'for (volatile long i = 0;; i++) ;' 'for (;;) sleep(1000);'; do
        rm -f status.txt server.pid
        closing_hooks '' '' "$stuck"
        set_key svr.close.force_close_delay 0.5
        run_server
        wait_line 5 '>> run$'
        kill -TERM "$server"
        [ "$(exit_status)" -eq 252 ]
    done
}

@test "D5 a failing get_summary or on_close does not prevent the close" {
    closing_hooks 'return svr_fail("no close today");' 'return svr_fail("no figures");'
    run_server
    wait_line 5 '>> run$'
    kill -TERM "$server"
    [ "$(exit_status)" -eq 0 ]
    has_line 'get_summary: no figures'
    has_line 'on_close: no close today'
    has_line '<SUMMARY>'
}

@test "D6 svr_close(7) in run: status 7; a code beyond 125 is refused" {
    closing_hooks '' '' 'if (svr_close(126) == -1) svr_close(7);'
    run_server
    [ "$(exit_status)" -eq 7 ]
    has_line 'exit_code = 7'
    has_line '>> on_close$'
}

@test "D7 when svr.sh close returns 0, the process is gone" {
    for _ in 1 2 3 4 5; do
        bounded ./svr.sh start
        pid=$(cat run/demo.pid)
        bounded ./svr.sh close
        gone "$pid"
    done
}

@test "a signal in on_start: it ends, then the server closes safely" {
    hooks <<'END'
static int on_start(void) {
    svr_info("on_start begins");
    for (int i = 0; i < 1000 && access("go", F_OK) < 0; i++) usleep(10000);
    svr_info("on_start ends");
    return 0;
}
static int on_close(void) { svr_info("on_close"); return 0; }
SVR_HANDLER(.on_start = on_start, .on_close = on_close);
END
    build
    run_server
    wait_line 5 'on_start begins'
    kill -TERM "$server"
    wait_line 5 'signal 15'
    touch go
    [ "$(exit_status)" -eq 0 ]
    has_line 'on_start ends'
    has_line '>> on_close$'
}

@test "close ends a server that was killed: not running, and start works" {
    bounded ./svr.sh start
    pid=$(cat run/demo.pid)
    kill -9 "$pid"
    wait_until 5 gone "$pid"
    run bounded ./svr.sh close
    [ "$status" -eq 3 ]
    bounded ./svr.sh start
    bounded ./svr.sh close
}
