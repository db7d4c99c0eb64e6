#!/bin/sh
# svr.sh: controls the server __NAME__. Works from any folder, through links too.
set -eu
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES MAKELEVEL # they are another make's

name=__NAME__
self=$(readlink -f -- "$0")
cd -- "$(dirname -- "$self")"
server=build/$name

usage() {
    cat >&2 <<END
usage: ./svr.sh COMMAND
  start                 in the background; returns when on_start is through
  run                   in the foreground, for supervisors and containers
  reload                build, then swap code, configuration and log sinks
  close                 close safely and wait for the end
  restart               build, then become the new server: same process,
                        listening sockets kept
  rollback              back to the last good code and configuration
  status                what runs, since when, and how it goes;
                        --json and --metrics (Prometheus) for machines
  check                 would this code and configuration be accepted?
END
    exit 2
}

say() {
    printf '%s: %s\n' "$name" "$1" >&2
}

# Reports a source that is newer than what was built.
report_stale() {
    newer=$(find . \( -path ./build -o -path ./run -o -path ./log -o \
        -path ./tests -o -name '.?*' -o -name svr_conf.h \) -prune -o \
        \( -name '*.[ch]' -o -name '*.cpp' \) -newer build/handler.so -print \
        2>/dev/null | head -n 1)
    [ -z "$newer" ] || say "built before ${newer#./} changed: ${1:-run make}"
}

# Builds; only for the folder's owner, and only where there is a compiler. make
# itself lets one caller build at a time.
build() {
    if [ "${SVR_BUILD:-1}" = 0 ]; then
        reason='SVR_BUILD=0'
    elif [ "$(id -u)" != "$(stat -c %u .)" ]; then
        reason="you do not own this folder"
    elif [ ! -e Makefile ] || ! command -v make >/dev/null ||
        ! make -s compiler >/dev/null 2>&1; then
        reason='no compiler or no Makefile here'
    else
        # A mistake in svr_conf: the server reports it, and remembers it.
        "$server" --derive >/dev/null 2>&1 || "$server" "$command" || exit $?
        make -s all >&2 || {
            say 'rejected: does not compile; the running code keeps running'
            exit 1
        }
        return
    fi
    report_stale "not built ($reason)"
}

# The server's program must be one, or sh would run it as a script.
need_server() {
    if [ ! -x "$server" ] ||
        [ "$(head -c 4 -- "$server")" != "$(printf '\177ELF')" ]; then
        say "no program $server: run make"
        exit 1
    fi
}

# Reports whether a server runs. A program that cannot be run does not know.
running() {
    need_server
    result=0
    answer=$("$server" running) || result=$?
    case "$result $answer" in
    '0 running') return 0 ;;
    '3 not running') return 1 ;;
    '1 ') exit 1 ;;
    *)
        say "$server cannot be run (exit status $result): run make"
        exit 1
        ;;
    esac
}

need_running() {
    running || {
        say 'not running'
        exit 3
    }
}

command=${1:-}
[ $# -le 2 ] || usage
[ $# -le 1 ] || [ "$command" = status ] || usage
case $command in
start | run)
    running || true
    report_stale
    exec "$server" "$command"
    ;;
restart)
    if running; then
        build
        report_stale
        exec "$server" restart
    fi
    say 'not running, starting it'
    report_stale
    exec "$server" start
    ;;
reload)
    need_running
    build
    exec "$server" reload
    ;;
rollback)
    need_running
    exec "$server" rollback
    ;;
close | status)
    [ $# -le 1 ] || [ "$2" = --json ] || [ "$2" = --metrics ] || usage
    need_running
    exec "$server" "$@"
    ;;
check)
    need_server
    report_stale
    exec "$server" check
    ;;
'') usage ;;
*)
    say "unknown command \"$command\""
    usage
    ;;
esac
