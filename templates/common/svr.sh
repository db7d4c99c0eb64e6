#!/bin/sh
# svr.sh: controls the server __NAME__. Works from anywhere, through links too.
set -eu
unset MAKEFLAGS MFLAGS GNUMAKEFLAGS MAKEFILES MAKELEVEL # they are another make's

name=__NAME__
self=$(readlink -f -- "$0")
cd -- "$(dirname -- "$self")"
server=build/$name
# Who runs was perhaps built otherwise than what lies in build/ now: the program
# that was started stays here, to talk to it.
started=run/server
client=$server
[ ! -x $started ] || client=$started

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
        "$client" --derive >/dev/null 2>&1 || "$client" "$command" || exit $?
        mkdir -p run
        (
            command -v flock >/dev/null && flock 9
            make -s all 9>&- >&2
        ) 9>run/build.lock || {
            say 'rejected: does not compile; the running code keeps running'
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

remember() {
    mkdir -p run 2>/dev/null && ln -f "$server" $started 2>/dev/null ||
        rm -f $started 2>/dev/null || true
}

running() {
    [ -x "$client" ] && "$client" running
}

command=${1:-}
[ $# -le 2 ] || usage
[ $# -le 1 ] || [ "$command" = status ] || usage
case $command in
start | run)
    need_server 1
    running || remember
    exec "$server" "$command"
    ;;
restart)
    running || {
        say 'not running, starting it'
        need_server 1
        remember
        exec "$server" start
    }
    build
    "$client" restart || exit 1
    remember
    ;;
reload | rollback)
    running || {
        say 'not running'
        exit 3
    }
    [ "$command" = rollback ] || build
    exec "$client" "$command"
    ;;
close | status)
    [ $# -le 1 ] || [ "$2" = --json ] || [ "$2" = --metrics ] || usage
    running || {
        say 'not running'
        exit 3
    }
    exec "$client" "$@"
    ;;
check)
    need_server 1
    exec "$server" check
    ;;
*) usage ;;
esac
