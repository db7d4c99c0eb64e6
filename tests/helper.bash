# The tests' vocabulary. A test works in $P, a copy of a project that was made
# and built once for its file; its name is `demo`.

SLACK=${SLACK:-5} # a machine may stall: limits are this many times longer

# Runs a command with a bound on its life; bats would wait without a limit.
bounded() {
    timeout -k 1 "$((12 * SLACK))" "$@"
}

# wait_until SECONDS COMMAND…: tries it until it succeeds.
wait_until() {
    local tries=$(($1 * SLACK * 20))
    shift
    for ((; tries > 0; tries--)); do
        if "$@"; then return 0; fi
        sleep 0.05 # wait_until polls
    done
    echo "waited in vain: $*" >&2
    return 1
}

# Our own builds take a warning for an error; a user's do not.
export WARNINGS=${WARNINGS:--Wall -Wextra -Wpedantic -Werror}

make_base() {
    : "${TINY_NEW:?}"
    mkdir "$BATS_FILE_TMPDIR/base"
    "$TINY_NEW" -q "$@" "$BATS_FILE_TMPDIR/base/demo"
    env -u MAKEFLAGS -u MFLAGS make -s -C "$BATS_FILE_TMPDIR/base/demo"
}

setup_file() {
    make_base
}

setup() {
    setup_project
}

setup_project() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    P=$BATS_TEST_TMPDIR/demo
    cp -a "$BATS_FILE_TMPDIR/base/demo" "$P"
    cd "$P" || return 1
    started=()
    helpers=()
}

teardown() {
    end_all
}

# Ends what the test started: its helpers, and servers that run in its folder.
end_all() {
    local pid
    [ "${#helpers[@]}" -eq 0 ] || kill -9 "${helpers[@]}" 2>/dev/null || true
    [ -z "${P:-}" ] || started+=("$(cat "$P/run/demo.pid" 2>/dev/null)")
    for pid in "${started[@]}"; do
        # Only what runs in this test's folder is ours.
        case $(readlink "/proc/$pid/cwd" 2>/dev/null) in
        "$BATS_TEST_TMPDIR"*) kill -9 "$pid" 2>/dev/null ;;
        esac
    done
    return 0
}

# Sets a key of svr_conf.
set_key() {
    if grep -q "^$1 =" svr_conf; then
        sed -i "s#^$1 = .*#$1 = $2#" svr_conf
    else
        printf '%s = %s\n' "$1" "$2" >>svr_conf
    fi
}

# hooks: takes the hooks from stdin as my_server.c; `state` is declared by it.
hooks() {
    {
        printf '#define _GNU_SOURCE\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
        printf '#include <unistd.h>\n#include "svr.h"\n#include "svr_conf.h"\n'
        cat
    } >my_server.c
    sed -i 's/^SOURCES = .*/SOURCES = my_server.c/' Makefile
    sed -i 's|^CFLAGS = .*|CFLAGS = -O1 -g -Werror=int-conversion|' Makefile
}

# build: makes what the hooks need; the log of a failure is shown.
build() {
    make -s >make.log 2>&1 || { cat make.log >&2; return 1; }
}

# A server that counts its turns in the state and says so.
counting_hooks() {
    hooks <<END
struct state { long turns; };
static int on_start(void) { svr_info("on_start"); return 0; }
static int on_reload(void) { svr_info("on_reload"); return 0; }
static int on_close(void) { svr_info("on_close"); return 0; }
static int run(void) {
    struct state *state = svr_state();
    svr_info("${1:-turn} %ld", ++state->turns);
    return 50;
}
SVR_HANDLER(.on_start = on_start, .on_reload = on_reload, .on_close = on_close,
            .run = run, .state_size = sizeof(struct state), .state_version = 1);
END
}

# Runs the server in the foreground of nobody: its pid in $server, its console
# in `log.txt`, its exit status in `status.txt`.
run_server() {
    if [ -n "${waiter:-}" ] && gone "$server"; then
        wait_until 10 gone "$waiter" # it writes the status of the one before
        rm -f status.txt
    fi
    rm -f server.pid # of the one before
    (
        exec 3>&-
        ${within:-} ./svr.sh run >out.txt 2>log.txt &
        echo $! >server.pid
        ended=0
        wait $! || ended=$?
        echo "$ended" >status.txt
    ) 3>&- >/dev/null 2>&1 &
    waiter=$!
    wait_until 2 test -s server.pid
    server=$(cat server.pid)
    started+=("$server")
    # It holds its lock, or has ended.
    [ ! -x build/demo ] ||
        wait_until 20 eval '[ -s status.txt ] || ./build/demo running >/dev/null 2>&1 || [ $? -ne 3 ]' || true
}

# The exit status of run_server's server, once it has ended.
exit_status() {
    wait_until "${1:-10}" test -s status.txt || return 1
    cat status.txt
}

has_line() {
    grep -q -- "$1" log.txt
}

count_lines() {
    grep -c -- "$1" log.txt || true
}

# wait_line SECONDS PATTERN
wait_line() {
    wait_until "$1" has_line "$2" || { tail -n 15 log.txt >&2; return 1; }
}

# The turn that was logged last.
last_turn() {
    grep -o "${1:-turn} [0-9]*" log.txt | tail -n 1 | grep -o '[0-9]*'
}

# traced: strace has reached every thread of $server, or has ended it at once.
traced() {
    gone "$server" || ! grep -q 'TracerPid:.0$' "/proc/$server/task/"*/status
}

gone() {
    local state
    state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
    [ -z "$state" ] ||
        { [ "$state" = Z ] && [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)" -le 1 ]; }
}

alive() {
    ! gone "$1"
}

json() {
    bounded ./svr.sh status --json | python3 -c "
import json, sys
value = json.load(sys.stdin)
for key in '$1'.split('.'):
    value = value[key]
print(value)"
}

# reload, and what must come of it.
reload() {
    run bounded ./svr.sh reload
}

# shellcheck disable=SC2154 # bats sets status and output
applied() {
    reload
    [ "$status" -eq 0 ] || { echo "$output"; cat log.txt; return 1; }
}

# shellcheck disable=SC2154
rejected() {
    reload
    [ "$status" -eq 1 ] || { echo "$output"; return 1; }
}

# own_dev: a mount namespace with a /dev of its own, held by $dev; `in_dev`
# runs a command there, in the present folder.
own_dev() {
    local map=()
    [ "$(id -u)" -eq 0 ] || map=(-r)
    unshare "${map[@]}" -m true 2>/dev/null || skip "no mount namespaces here"
    mkdir -p "$BATS_TEST_TMPDIR/dev"
    unshare "${map[@]}" -m sh -c '
        mount -t tmpfs tmpfs "$1" || exit 1
        for file in null zero full urandom tty; do
            touch "$1/$file"
            mount --bind "/dev/$file" "$1/$file" || exit 1
        done
        ln -s /proc/self/fd "$1/fd"
        mount --move "$1" /dev
        echo ready >"$2"
        exec sleep 1000' - "$BATS_TEST_TMPDIR/dev" dev.ready 3>&- >/dev/null 2>&1 &
    dev=$!
    helpers+=("$dev")
    wait_until 2 test -s dev.ready
}

# The command that enters it, for a program that follows.
enter_dev() {
    enter=(nsenter -t "$dev")
    [ "$(id -u)" -eq 0 ] || enter+=(-U --preserve-credentials)
    enter+=(-m -- sh -c 'cd "$1" && shift && exec "$@"' - "$PWD")
}

in_dev() {
    local enter
    enter_dev
    "${enter[@]}" "$@"
}

# start_in_dev COMMAND…: in the background; its pid in $helper, ended with the test.
start_in_dev() {
    local enter
    enter_dev
    (exec "${enter[@]}" "$@" 3>&- >/dev/null 2>&1) &
    helper=$!
    helpers+=("$helper")
}

# free_port: prints a port of 127.0.0.1 that is free; $net enters a namespace.
free_port() {
    ${net:-} python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ask LINE: the answer of the line server at $port.
# shellcheck disable=SC2154 # the port is the test's
ask() {
    ${net:-} python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline().strip())' "$port" "$1"
}
