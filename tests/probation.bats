#!/usr/bin/env bats
# New code on trial: acceptance C15, and going back by hand.

bats_require_minimum_version 1.5.0
load helper

# version NAME [BODY]: code that says its name, in a state that counts.
version() {
    hooks <<END
#include <signal.h>
struct state { long turns; };
static int run(void) {
    struct state *state = svr_state();
    svr_info("$1 %ld", ++state->turns);
    ${2:-}
    return 50;
}
SVR_HANDLER(.run = run, .state_size = sizeof(struct state), .state_version = 1);
END
}

# applied: a reload that is taken.
applied() {
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

# again: the server is started anew, its log from the beginning.
again() {
    wait_until 10 test -s status.txt
    rm -f server.pid status.txt
    run_server
}

fell_back='the last good code (run/good.so) runs'

@test "C15 new code that crashes: under supervise the next start runs the last good code, and says so once" {
    command -v supervise >/dev/null || skip "no daemontools"
    set_key log.syslog false
    version old
    build
    (exec supervise service/supervise >log.txt 2>&1 3>&-) &
    helpers+=("$!")
    wait_line 5 'old 3'
    first=$(cat run/demo.pid)
    started+=("$first")
    version new 'if (state->turns > 3) raise(SIGSEGV);'
    bounded ./svr.sh reload || true # it may die before the verdict
    wait_line 10 "$fell_back"
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    second=$(cat run/demo.pid)
    started+=("$second")
    [ "$second" != "$first" ]
    wait_line 5 'old 3'
    [ "$(count_lines "$fell_back")" -eq 1 ]
    [[ $(json last_error) == *"$fell_back"* ]]
    # not tried again: not by a reload, not by the next start
    SVR_BUILD=0 run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == "rejected: "*"did not change since"*"generation 1 keeps running" ]]
    kill -9 "$second"
    wait_until 5 eval '[ "$(count_lines "$fell_back")" -eq 2 ]'
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    started+=("$(cat run/demo.pid)")
    # until it changes
    version newest
    applied
    wait_line 5 'newest [0-9]'
    svc -dx service/supervise
    wait_until 10 gone "$(cat run/demo.pid)"
}

@test "any end without a clean close counts: kill -9, exit, a hang" {
    set_key svr.timer.run_status_check_time_span 1
    for way in 'kill(getpid(), SIGKILL);' '_exit(0);' 'for (;;) sleep(1);'; do
        rm -rf run server.pid status.txt
        version old
        build
        run_server
        wait_line 5 'old 1$'
        version new "if (state->turns > 1) { $way }"
        bounded ./svr.sh reload || true
        again
        wait_line 5 "$fell_back"
        wait_line 5 'old 2'
        bounded ./svr.sh close
        wait_until 5 test -s status.txt
    done
}

@test "the configuration alone may be at fault; it is good again once it was mended" {
    echo 'my.crash = false' >>svr_conf
    version old 'if (svr_conf()->my_crash) abort();'
    build
    run_server
    wait_line 5 'old 1$'
    set_key my.crash true
    SVR_BUILD=0 bounded ./svr.sh reload || true
    again
    wait_line 5 "$fell_back"
    wait_line 5 'old 2'
    [ "$(grep '^my.crash' svr_conf)" = 'my.crash = true' ]
    bounded ./svr.sh close
    set_key my.crash false
    again
    wait_line 5 'old 2'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    bounded ./svr.sh close
}

@test "a clean close is no crash; what stood its trial is good; 0 = off" {
    set_key svr.reload.probation 1
    version old
    build
    run_server
    wait_line 5 'old 1$'
    version new
    applied
    bounded ./svr.sh close
    again
    wait_line 5 'new 2$'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    version newer
    applied
    wait_until 10 cmp -s build/handler.so run/good.so
    kill -9 "$server"
    again
    wait_line 5 'newer 2$'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    set_key svr.reload.probation 0
    version newest
    applied
    wait_until 10 cmp -s build/handler.so run/good.so
    kill -9 "$server"
    again
    wait_line 5 'newest 2$'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    bounded ./svr.sh close
}

@test "rollback: code and configuration of before, the state goes on" {
    run bounded ./svr.sh rollback
    [ "$status" -eq 3 ]
    version old 'svr_info("x %d", (int)svr_conf()->other_x);'
    build
    run_server
    wait_line 5 'old 1$'
    wait_until 5 cmp -s build/handler.so run/good.so
    run bounded ./svr.sh rollback
    [ "$status" -eq 1 ]
    [[ $output == "rejected: no other good generation is known" ]]
    version new
    set_key other.x 6
    applied
    wait_line 5 'new [0-9]'
    run bounded ./svr.sh rollback
    [ "$status" -eq 0 ]
    [[ $output == "reloaded: generation 3, 1 key changed (other.x), "* ]]
    wait_until 5 eval '[ "$(last_turn old)" -gt "$(last_turn new)" ]'
    [ "$(grep -o 'x [0-9]*$' log.txt | tail -n 1)" = 'x 5' ]
    [ "$(cat run/demo.pid)" = "$server" ]
    # a start after it stays with what was gone back to
    kill -9 "$server"
    again
    wait_line 5 'old 2'
    has_line "$fell_back"
    bounded ./svr.sh close
}

@test "rollback from what stood its trial; an explicit reload takes what make left" {
    set_key svr.reload.probation 1
    version old
    build
    run_server
    wait_line 5 'old 1$'
    version new
    applied
    wait_until 10 cmp -s build/handler.so run/good.so
    bounded ./svr.sh rollback
    wait_until 5 eval '[ "$(last_turn old)" -gt "$(last_turn new)" ]'
    applied
    wait_until 5 eval '[ "$(last_turn new)" -gt "$(last_turn old)" ]'
    # on trial again; a rollback that is refused leaves all as it is
    bounded ./svr.sh rollback
    wait_until 5 eval '[ "$(last_turn old)" -gt "$(last_turn new)" ]'
    run bounded ./svr.sh rollback
    [ "$status" -eq 1 ]
    bounded ./svr.sh close
}
