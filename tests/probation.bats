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

# again: the server is started again, with an empty log.
again() {
    wait_until 10 test -s status.txt
    rm -f server.pid status.txt
    run_server
}

# good_is FILE: the code kept as good is this file's.
good_is() {
    cmp -s "$1" "run/kept.$(sed 's/good \([0-9]*\) .*/\1/' run/kept).so"
}

fell_back='the last good code runs'

@test "C15 new code crashes: under supervise the next start runs the last good code, and logs that once" {
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
    [[ $output == "rejected: "*"has not changed since"*"generation 1 keeps running" ]]
    kill -9 "$second"
    wait_until 5 eval '[ "$(count_lines "$fell_back")" -eq 2 ]'
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    started+=("$(cat run/demo.pid)")
    # until it changes
    version newest
    applied
    wait_line 5 'newest [0-9]'
    last=$(cat run/demo.pid)
    started+=("$last")
    svc -dx service/supervise
    wait_until 10 gone "$last"
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

@test "a bad configuration alone goes back too, and is accepted again once corrected" {
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

@test "a clean close does not count as a crash; code that passed its trial is good; 0 = off" {
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
    wait_until 10 good_is build/handler.so
    kill -9 "$server"
    again
    wait_line 5 'newer 2$'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    set_key svr.reload.probation 0
    version newest
    applied
    wait_until 10 good_is build/handler.so
    kill -9 "$server"
    again
    wait_line 5 'newest 2$'
    [ "$(count_lines "$fell_back")" -eq 0 ]
    bounded ./svr.sh close
}

@test "rollback restores the previous code and configuration, and keeps the state" {
    run bounded ./svr.sh rollback
    [ "$status" -eq 3 ]
    version old 'svr_info("x %d", (int)svr_conf()->other_x);'
    build
    run_server
    wait_line 5 'old 1$'
    wait_until 5 good_is build/handler.so
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

@test "rollback from code that passed its trial; an explicit reload takes what make built" {
    set_key svr.reload.probation 1
    version old
    build
    run_server
    wait_line 5 'old 1$'
    version new
    applied
    wait_until 10 good_is build/handler.so
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

@test "a refused rollback has no later effect: the next reload takes what make built" {
    version old
    build
    run_server
    wait_line 5 'old 1$'
    # a state of version 2, from which the old code has no way back
    version new
    sed -i 's/\.state_version = 1/.state_version = 2, .migrate = migrate/
s/^SVR_HANDLER/static int migrate(int from, const void *old, void *state) {\
    memcpy(state, old, sizeof(struct state));\
    return from - 1;\
}\
&/' my_server.c
    applied
    run bounded ./svr.sh rollback
    [ "$status" -eq 1 ]
    [[ $output == "rejected: state: version 2 "*"without migrate; generation 2 keeps running" ]]
    sed -i 's/"new /"newest /' my_server.c
    applied
    wait_line 5 'newest [0-9]'
    bounded ./svr.sh close
}

@test "a rollback requested while a reload is pending ends on the last good code" {
    set_key svr.reload.probation 1
    version first
    build
    run_server
    wait_line 5 'first 1$'
    version second 'while (access("hold", F_OK) == 0) usleep(1000);'
    applied
    wait_until 10 good_is build/handler.so
    touch hold
    version third
    build
    SVR_BUILD=0 ./svr.sh reload >reload.txt 3>&- &
    wait_until 10 test -e run/handler.3.so # the candidate waits for the loop
    ./svr.sh rollback >rollback.txt 3>&- &
    asked=$!
    wait_until 10 eval 'ls -l /proc/$asked/fd 2>/dev/null | grep -q socket'
    # the request has come: the one after it is answered
    bounded ./svr.sh status >/dev/null
    rm hold
    wait "$asked"
    wait_until 5 eval '[ "$(last_turn second)" -gt "$(last_turn third || echo 0)" ]'
    grep -q '^reloaded: generation 4' rollback.txt
    bounded ./svr.sh close
}

@test "kill -9 at each rename of a kept pair: code never gets another generation's configuration" {
    command -v strace >/dev/null || skip "no strace"
    set_key svr.reload.probation 0
    # each version has a key of its own, and refuses every other configuration
    pair() {
        grep -v '^my.only' svr_conf >conf.new
        echo "my.only$1 = $1" >>conf.new
        mv conf.new svr_conf
        version "code$1" "if (svr_conf()->my_only$1 != $1) svr_err(\"MIXED\");"
        build
    }
    pair 1
    build
    killed=0
    for ((nth = 1; nth < 30; nth++)); do
        rm -rf run log.txt server.pid status.txt
        pair 1
        run_server
        wait_line 5 'code1 1$'
        strace -f -qq -o trace.txt -p "$server" -e trace=renameat,linkat,unlinkat \
            -e "inject=renameat,linkat,unlinkat:signal=KILL:when=$nth" 3>&- 2>strace.txt &
        helpers+=("$!")
        wait_until 5 traced
        pair 2
        SVR_BUILD=0 bounded ./svr.sh reload >/dev/null 2>&1 || true
        wait_until 5 eval 'gone "$server" || has_line "code2 "'
        if alive "$server"; then
            kill -9 "$server" 2>/dev/null || true
            wait_until 5 test -s status.txt
            break
        fi
        wait_until 5 test -s status.txt
        killed=$((killed + 1))
        again
        wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
        run bounded ./svr.sh rollback
        [[ $output == "reloaded: "* || $output == *"no other good generation"* ]] || {
            echo "nth $nth: $output"
            return 1
        }
        run ! has_line MIXED
        kill -9 "$server"
        wait_until 10 test -s status.txt
    done
    echo "# killed at $killed calls" >&3
    [ "$killed" -ge 4 ]
}
