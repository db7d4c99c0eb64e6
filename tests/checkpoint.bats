#!/usr/bin/env bats
# The part checkpoint: the state over starts, whatever happens to a save.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --with none,checkpoint,restart,probation,rollback
}

# A server whose state counts; `twice` holds twice the count, so that half a
# state would show.
counter() {
    hooks <<END
#include "checkpoint.h"
struct state { long turns, twice; ${2:-} };
static int on_start(void) {
    const struct state *state = svr_state();
    if (state->twice != 2 * state->turns) return svr_fail("half a state: %ld %ld", state->turns, state->twice);
    svr_info("begins at %ld", state->turns);
    return 0;
}
static int run(void) {
    struct state *state = svr_state();
    state->turns++, state->twice += 2;
    svr_info("turn %ld", state->turns);
    if (access("save", F_OK) == 0) {
        unlink("save");
        if (svr_checkpoint_save() == 0) svr_info("saved %ld", state->turns);
    }
    return 30;
}
${3:-}
SVR_HANDLER(.on_start = on_start, .run = run, .state_size = sizeof(struct state), .state_version = ${1:-1}, ${4:-});
END
    build
}

start_again() {
    wait_until 10 test -s status.txt
    cat log.txt >>all.txt
    rm -f server.pid status.txt
    run_server
}

saved() {
    touch save
    wait_until 5 eval '[ ! -e save ]'
    wait_until 5 has_line 'saved [0-9]'
    grep -o 'saved [0-9]*' log.txt | tail -n 1 | grep -o '[0-9]*'
}

begins_at() {
    wait_until 5 has_line 'begins at' || { tail -n 5 log.txt >&2; return 1; }
    grep -o 'begins at [0-9]*' log.txt | tail -n 1 | grep -o '[0-9]*'
}

@test "the state survives a close and a restart; after kill -9 it is that of the last save" {
    counter
    run_server
    [ "$(begins_at)" -eq 0 ]
    wait_line 5 'turn 5$'
    bounded ./svr.sh close
    last=$(last_turn)
    start_again
    [ "$(begins_at)" -eq "$last" ]
    bounded ./svr.sh restart
    wait_until 5 eval '[ "$(count_lines "begins at")" -eq 2 ]'
    [ "$(begins_at)" -ge "$last" ]
    at=$(saved)
    [ "$(json checkpoint.saved)" -ge 1 ]
    kill -9 "$server"
    start_again
    [ "$(begins_at)" -eq "$at" ]
    # on schedule
    set_key checkpoint.every 0.1
    set_key svr.timer.min_span 0.05
    SVR_BUILD=0 bounded ./svr.sh reload
    before=$(json checkpoint.saved)
    wait_until 5 eval '[ "$(json checkpoint.saved)" -gt $((before + 2)) ]'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "kill -9 at every system call of a save: the next start has the old or the new state, never a mixture" {
    command -v strace >/dev/null || skip "no strace"
    counter
    run_server
    wait_line 5 'turn 3$'
    saved
    bounded ./svr.sh close
    old=$(last_turn)
    killed=
    for call in openat write fsync linkat unlinkat renameat; do
        for ((nth = 1; nth < 9; nth++)); do
            rm -f save # of a server that was killed before it saw it
            start_again
            base=$(begins_at)
            [ "$base" -ge "$old" ] || { echo "$call $nth: $base after $old"; return 1; }
            old=$(saved) # so that there is a newest and one before
            strace -f -qq -o trace.txt -p "$server" -e "inject=$call:signal=KILL:when=$nth" 3>&- 2>strace.txt &
            helpers+=("$!")
            # a log line's write may end it at once
            wait_until 5 traced
            touch save
            wait_until 5 eval '[ -s status.txt ] || [ "$(count_lines "saved [0-9]")" -eq 2 ]'
            [ "$(count_lines 'saved [0-9]')" -eq 1 ] || break # there is no nth
            killed+="$call $nth, "
        done
        kill -9 "$server" 2>/dev/null || true # it has ended after the last one
    done
    echo "# killed at: $killed" >&3
    for call in openat write fsync linkat unlinkat renameat; do
        [[ $killed == *"$call 1, "* ]]
    done
    start_again
    [ "$(begins_at)" -ge "$old" ]
    bounded ./svr.sh close
}

@test "a truncated or corrupted file: the previous one is used, and that is logged; if both are bad: no start" {
    counter
    run_server
    wait_line 5 'turn 2$'
    first=$(saved)
    wait_until 5 eval '[ "$(last_turn)" -gt "$first" ]'
    rm -f log.copy
    touch save
    wait_until 5 eval '[ "$(count_lines "saved [0-9]")" -eq 2 ]'
    kill -9 "$server"
    wait_until 10 test -s status.txt
    cp run/state newest
    cp run/state.1 before
    size=$(stat -c %s newest)
    for ((at = 0; at < size; at += at < 40 ? 3 : 17)); do
        for harm in cut flip; do
            cp newest run/state
            cp before run/state.1
            if [ "$harm" = cut ]; then
                truncate -s "$at" run/state
            else
                python3 -c "
import sys
data = bytearray(open('run/state', 'rb').read()); data[$at] ^= 1 << ($at % 8); open('run/state', 'wb').write(data)"
            fi
            start_again
            [ "$(begins_at)" -eq "$first" ] || { echo "$harm at $at"; return 1; }
            has_line 'run/state is damaged (now .damaged); the previous one is used'
            kill -9 "$server"
            wait_until 10 test -s status.txt
        done
    done
    : >run/state
    : >run/state.1
    start_again
    [ "$(exit_status)" -eq 1 ]
    has_line 'start failed: checkpoint run/state: .*damaged, and there is no good older one; move it away'
    [ -e run/state ]
    # the newest is missing: between two renames
    rm run/state
    cp before run/state.1
    start_again
    [ "$(begins_at)" -eq "$first" ]
    bounded ./svr.sh close
}

@test "a full disk is logged, the last good checkpoint stays, and the server keeps running" {
    own_dev
    counter
    mkdir small
    in_dev mount -t tmpfs -o size=16k tmpfs small
    set_key checkpoint.file '"small/state"'
    start_in_dev sh -c './svr.sh run >out.txt 2>log.txt; echo $? >status.txt'
    wait_line 5 'turn 2$'
    server=$(cat run/demo.pid)
    started+=("$server")
    saved
    in_dev cp build/demo small/fill || true # until the disk is full
    touch save
    wait_line 5 'checkpoint: not saved: small/state: No space left on device'
    [ "$(json checkpoint.failed)" -ge 1 ]
    in_dev rm small/fill
    touch save
    wait_until 5 eval '[ "$(count_lines "saved [0-9]")" -ge 2 ]'
    bounded ./svr.sh close
}

@test "a checkpoint that cannot be read now does not count as damaged: the start fails, and nothing is moved" {
    command -v strace >/dev/null || skip "no strace"
    counter
    run_server
    wait_line 5 'turn 2$'
    saved
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    ls -i run/state run/state.1 >before
    for fault in openat:error=EMFILE openat:error=EIO read:error=EIO; do
        run timeout -k 1 60 strace -f -qq -o trace.txt -P state -P "$PWD/run/state" \
            -e "inject=$fault:when=1" build/demo run
        grep -q INJECTED trace.txt || { echo "$fault: nothing was injected"; return 1; }
        [ "$status" -eq 1 ] || { echo "$fault: $status $output"; return 1; }
        [[ $output == *"start failed: checkpoint run/state: run/state cannot be read: "* ]]
        [[ $output == *"; start again when that is over"* ]]
        ls -i run/state run/state.1 | diff before -
    done
    start_again
    [ "$(begins_at)" -ge 2 ]
    bounded ./svr.sh close
}

@test "a checkpoint behind a symbolic link is written where the link leads, and the link stays" {
    counter
    mkdir -p elsewhere run
    ln -s ../elsewhere/state run/state
    run_server
    wait_line 5 'turn 2$'
    saved
    saved
    bounded ./svr.sh close
    [ -L run/state ]
    [ -s elsewhere/state ]
    [ -s elsewhere/state.1 ]
    last=$(last_turn)
    start_again
    [ "$(begins_at)" -eq "$last" ]
    bounded ./svr.sh close
}

@test "if the last checkpoint cannot be written, the server ends with 1, and close prints the reason" {
    counter
    run_server
    wait_line 5 'turn 2$'
    mkdir run/state.new
    run bounded ./svr.sh close
    [ "$status" -eq 1 ]
    [[ $output == "closed: exit code 1: the state of the close was not saved"* ]]
    [ "$(exit_status)" -eq 1 ]
}

@test "an older state is migrated; a newer one and another server's are refused and not changed" {
    counter
    run_server
    wait_line 5 'turn 3$'
    bounded ./svr.sh close
    old=$(last_turn)
    counter 2 'long more[100];'
    start_again
    [ "$(exit_status)" -eq 1 ]
    has_line 'its version 1 of 16 bytes needs migrate'
    migrate='static int migrate(int from, const void *old, void *new) {
    memcpy(new, old, 2 * sizeof(long)); ((struct state *)new)->more[9] = from; return 0; }'
    counter 2 'long more[100];' "$migrate" '.migrate = migrate'
    start_again
    [ "$(begins_at)" -eq "$old" ]
    bounded ./svr.sh close
    sum=$(cksum <run/state)
    counter 1
    start_again
    [ "$(exit_status)" -eq 1 ]
    has_line "its version 2 is newer than the code's 1; move it away to start without it"
    [ "$(cksum <run/state)" = "$sum" ]
    "$TINY_NEW" -q --with none,checkpoint other
    make -s -C other >/dev/null
    mkdir -p other/run
    cp run/state other/run/state
    run bounded other/svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"it belongs to the server demo"* ]]
    cmp run/state other/run/state
}

@test "while new code with another state is on trial, nothing is saved that the last good code cannot read" {
    set_key checkpoint.every 0.1
    set_key svr.timer.min_span 0.05
    counter
    run_server
    wait_until 5 eval '[ "$(json checkpoint.saved 2>/dev/null)" -ge 2 ]'
    migrate='static int migrate(int from, const void *old, void *new) {
    (void)from; memcpy(new, old, 2 * sizeof(long)); return 0; }'
    counter 2 'long more;' "$migrate" '.migrate = migrate'
    bounded ./svr.sh reload
    turn=$(last_turn)
    wait_until 5 eval '[ "$(last_turn)" -gt $((turn + 10)) ]' # thrice checkpoint.every
    kill -9 "$server"
    start_again
    wait_line 5 'the last good code runs'
    [ "$(begins_at)" -gt 0 ]
    [ "$(begins_at)" -le "$((turn + 1))" ]
    bounded ./svr.sh close
}

@test "save and load: the data of tcp and http survive a restart and a start" {
    rm -rf "$P"
    "$TINY_NEW" -q --template tcp --with none,checkpoint,restart "$P"
    cd "$P"
    set_key tcp.listen '"run/kv"'
    set_key log.syslog false
    make -s >/dev/null
    run_server
    wait_line 5 'listening on'
    say() {
        python3 -c "
import socket
s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect('run/kv'); s.sendall(b'''$1
QUIT
'''); print(s.makefile().read(), end='')"
    }
    [ "$(say $'SET k  \nSET k a  b \nSET other x\nDEL other\nSET last z')" = $'OK\nOK\nOK\n1\nOK' ]
    bounded ./svr.sh restart
    [ "$(say $'GET k\nGET other\nCOUNT')" = $'a  b \nNIL\n2' ]
    bounded ./svr.sh close
    start_again
    wait_line 5 'listening on'
    [ "$(say $'COUNT\nGET last')" = $'2\nz' ]
    bounded ./svr.sh close
    echo '#include <microhttpd.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || return 0
    rm -rf "$P"
    "$TINY_NEW" -q --template http --with none,checkpoint "$P"
    cd "$P"
    port=$(free_port)
    set_key http.listen "\"127.0.0.1:$port\""
    make -s >/dev/null
    for visit in 1 2 3; do
        bounded ./svr.sh start >/dev/null
        run python3 -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:$port/').read().decode())"
        [ "${lines[0]}" = "$visit" ]
        bounded ./svr.sh close
    done
}
