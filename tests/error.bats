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

@test "E4 one that goes on: at most ten lines a second, and close works" {
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
