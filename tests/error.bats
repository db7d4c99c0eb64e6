#!/usr/bin/env bats
# Failures: acceptance E4 and E5.

load helper

@test "E4 a failing run and an on_except that closes: 254, reason, place, backtrace" {
    hooks <<'END'
static int deep(void) { return svr_fail("the disk is %s", "gone"); }
static int run(void) { return deep(); }
static int on_except(const struct svr_error *error) {
    svr_info("seen: %s|%s|%s|%d|%s|%s", error->where, error->message, error->file,
             error->line > 0, error->function, error->backtrace);
    return SVR_CLOSE;
}
SVR_HANDLER(.run = run, .on_except = on_except);
END
    sed -i 's/^CFLAGS = .*/CFLAGS = -O0 -g/' Makefile
    build
    run_server
    [ "$(exit_status)" -eq 254 ]
    has_line 'run: the disk is gone (my_server.c:[0-9]*), backtrace: deep+0x[0-9a-f]* < run+0x'
    has_line 'seen: run|the disk is gone|my_server.c|1|deep|deep+0x[0-9a-f]* < run+0x'
    has_line 'close: delay = 10, exit_code = 254'
}

@test "E4 a failing run and an on_except that continues: at most ten lines a second, and close works" {
    hooks <<'END'
static int run(void) { return svr_fail("always"); }
static int on_except(const struct svr_error *error) { (void)error; return SVR_GO_ON; }
SVR_HANDLER(.run = run, .on_except = on_except);
END
    build
    run_server
    wait_line 10 'run: always .* times more'
    begin=$(date +%s%N)
    before=$(count_lines 'run: always')
    wait_until 10 eval '[ "$(count_lines "run: always")" -ge $((before + 2)) ]'
    passed=$((($(date +%s%N) - begin) / 1000000))
    [ $((($(count_lines 'run: always') - before) * 100)) -le $((passed + 1000)) ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "E5 on_except failing itself, from run and from a timer: 255" {
    for from in run timer; do
        rm -f status.txt server.pid
        hooks <<END
static int on_except(const struct svr_error *error) { (void)error; return svr_fail("worse"); }
static int bad(void *arg) { (void)arg; return svr_fail("broken"); }
static int on_start(void) {
    return "$from"[0] == 't' ? svr_add_timer("bad", bad, NULL, (struct svr_when){.every = 0.1}) : 0;
}
static int run(void) { return "$from"[0] == 'r' ? svr_fail("broken") : 1000; }
SVR_HANDLER(.on_start = on_start, .run = run, .on_except = on_except,
            .callbacks = SVR_CALLBACKS(SVR_CALL(bad)));
END
        set_key svr.timer.min_span 0.1
        build
        run_server
        [ "$(exit_status)" -eq 255 ]
        has_line 'broken (my_server.c:'
    done
}

@test "a watch, timer or post that keeps failing is called less often, down to once a second; then normally again" {
    hooks <<'END'
#include <sys/socket.h>
static int pair[2];
static int good(void) { return access("good", F_OK) == 0; }
static int ready(void *arg) {
    char byte;
    (void)arg;
    svr_debug("ready");
    if (!good()) return svr_fail("watch");
    return read(pair[0], &byte, 1) == 1 ? 0 : svr_fail("read");
}
static int tick(void *arg) { (void)arg; svr_debug("tick"); return good() ? 0 : svr_fail("timer"); }
static int post(void *arg) {
    svr_debug("posted");
    if (good()) return 0;
    svr_post(post, arg);
    return svr_fail("post");
}
static int other(void *arg) {
    static int calls;
    (void)arg;
    if (++calls == 1000) svr_info("other continues");
    return 0;
}
static int on_start(void) {
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || write(pair[1], "x", 1) != 1) return svr_fail("pair");
    svr_watch(pair[0], SVR_READ, ready, NULL);
    svr_watch(pair[1], SVR_WRITE, other, NULL); /* a watch beside it does not wait */
    svr_add_timer("tick", tick, NULL, (struct svr_when){.every = 0.005});
    return svr_post(post, NULL);
}
SVR_HANDLER(.on_start = on_start,
            .callbacks = SVR_CALLBACKS(SVR_CALL(ready), SVR_CALL(tick), SVR_CALL(post), SVR_CALL(other)));
END
    set_key svr.timer.min_span 0.001
    set_key log.console.level DEBUG
    build
    run_server
    wait_line 5 'post: post'
    # 10, 20, … 640 ms, then 1 s: the eighth is 1.27 s after the first
    begin=$(date +%s%N)
    for what in ready tick posted; do
        wait_until 5 eval '[ "$(count_lines ">> $what$")" -ge 9 ]'
    done
    for what in ready tick posted; do
        n=$(count_lines ">> $what$")
        ms=$((($(date +%s%N) - begin) / 1000000))
        [ "$n" -le $((9 + ms / 900 + 1)) ]
    done
    has_line '>> other continues$'
    touch good
    before=$(count_lines '>> tick$')
    wait_until 5 eval '[ "$(count_lines ">> tick$")" -gt $((before + 100)) ]' # the period again
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "SVR_FAILED after a refused timer or watch passes on its reason" {
    hooks <<'END'
static int never(void *arg) { (void)arg; return 0; }
static int run(void) {
    static int turn;
    switch (turn++) {
    case 0: return svr_add_timer("no", never, NULL, (struct svr_when){.every = 1});
    case 1: return svr_watch(0, SVR_READ, never, NULL);
    case 2: return svr_remove_timer("gone");
    case 3: return svr_unwatch(77);
    }
    return 1000;
}
SVR_HANDLER(.run = run);
END
    build
    run_server
    wait_line 5 'run: timer no refused: its function is not among'
    wait_line 5 'run: watch of descriptor 0 refused: its function is not among'
    wait_line 5 'run: there is no timer gone to remove'
    wait_line 5 'run: descriptor 77 is not watched'
    bounded ./svr.sh close
}

@test "a log call keeps the caller's reason, even when a rotation fails in it" {
    hooks <<'END'
#include <unistd.h>
static int run(void) {
    svr_fail("the first reason");
    usleep(1100000); /* the log file is looked after once a second */
    svr_info("logged in between");
    return SVR_FAILED;
}
SVR_HANDLER(.run = run);
END
    long=$(printf '%0250d' 0) # with a period behind it, no file name any more
    set_key log.file_log "\"log/$long\""
    set_key log.file_log.level INFO
    set_key log.file_log.rotate_size 100
    build
    run_server
    wait_line 10 'keeps its name: File name too long'
    wait_line 10 'run: the first reason'
    bounded ./svr.sh close
    has_line 'logged in between'
    [ "$(count_lines 'run: ')" = "$(count_lines 'run: the first reason')" ]
}
