#!/bin/sh
# svr.sh: controls the server __NAME__. Works from anywhere, through links too.
set -eu

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
  status                what runs, since when, and how it goes;
                        --json and --metrics (OpenMetrics) for machines
  check                 would this code and configuration be accepted?
END
    exit 2
}

say() {
    printf '%s: %s\n' "$name" "$1" >&2
}

# A source is newer than what is built.
stale() {
    [ -n "$(find . -path ./build -prune -o -name '*.[ch]' \
        -newer build/handler.so -print 2>/dev/null | head -n 1)" ]
}

# Builds, one caller at a time; not for others than the folder's owner, and not
# where there is nothing to build with.
build() {
    if [ "${SVR_BUILD:-1}" = 0 ]; then
        reason='SVR_BUILD=0'
    elif [ "$(id -u)" != "$(stat -c %u .)" ]; then
        reason="you do not own this folder"
    elif [ ! -e Makefile ] || ! command -v make >/dev/null ||
        ! make -s compiler >/dev/null 2>&1; then
        reason='no compiler or no Makefile here'
    else
        # A mistake in svr_conf: the server says which, and remembers it.
        "$server" --derive >/dev/null 2>&1 || "$server" reload || exit $?
        mkdir -p run
        (
            command -v flock >/dev/null && flock 9
            make -s all 9>&- >&2
        ) 9>run/build.lock || {
            say 'rejected: does not compile; the running code goes on'
            exit 1
        }
        return
    fi
    if stale; then
        say "not built ($reason), though a source is newer than build/handler.so"
    fi
}

need_server() {
    [ -x "$server" ] || {
        say 'not built yet: run make'
        exit "$1"
    }
}

running() {
    [ -x "$server" ] && "$server" running
}

command=${1:-}
[ $# -le 2 ] || usage
[ $# -le 1 ] || [ "$command" = status ] || usage
case $command in
start | run)
    need_server 1
    exec "$server" "$command"
    ;;
reload)
    running || {
        say 'not running'
        exit 3
    }
    build
    exec "$server" reload
    ;;
close | status)
    [ $# -le 1 ] || [ "$2" = --json ] || [ "$2" = --metrics ] || usage
    running || {
        say 'not running'
        exit 3
    }
    exec "$server" "$@"
    ;;
check)
    need_server 1
    exec "$server" check
    ;;
*) usage ;;
esac
