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
  start                 in the background; returns when on_start has ended
  run                   in the foreground, for supervisors and containers
  reload                build, then swap code, configuration and log sinks
  close                 close safely and wait for the end
  restart               build, then become the new server: same process,
                        listening sockets kept
  rollback              back to the last good code and configuration
  status                what runs, since when, and its figures;
                        --json and --metrics (Prometheus) for machines
  check                 would this code and configuration be accepted?
  logs [-f] [-n N]      the last N lines (10) of console and file log;
                        -f follows them
  dev                   run, and build and reload at each save, until ctrl+C
  top                   the status, live, until ctrl+C
END
    exit 2
}

say() {
    printf '%s: %s\n' "$name" "$*" >&2
}

# Reports a source that is newer than what was built.
report_stale() {
    # a make that fails leaves it with this time; so may what installs it
    if [ -e Makefile ] && [ "$(stat -c %Y build/handler.so 2>/dev/null)" = 0 ]; then
        say "the last make did not end well, build/handler.so is older: ${1:-run make}"
        return
    fi
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
        # A mistake in svr_conf: the server reports it, and remembers it. It does
        # not know a new key; what is wrong with that is the parser's word.
        reason=$("$server" --derive 2>&1 >/dev/null) || {
            verdict=$("$server" "$command" 2>&1) && result=0 || result=$?
            case $verdict in
            *"unknown key"*) [ -z "$reason" ] || say "$reason" ;;
            esac
            printf '%s\n' "$verdict"
            [ "$result" -eq 0 ] || exit "$result"
        }
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

# Prints the last $1 lines of the log files; $2 not empty: follows them.
show_logs() {
    lines=$1 follow=$2
    file=$(sed -n 's/^log\.file_log *= *"\([^"]*\)".*/\1/p; t
        s/^log\.file_log *= *\([^ "#]*\).*/\1/p' svr_conf)
    set --
    for file in "log/$name.console" "${file:-log/$name.log}"; do
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
    if [ $# -eq 0 ]; then
        say "no log yet: neither log/$name.console nor the file of log.file_log"
        exit 1
    fi
    exec tail -v -n "$lines" ${follow:+-F} -- "$@"
}

# What a save changes: names, times and sizes of all that is built from.
saved() {
    find . \( -path ./build -o -path ./run -o -path ./log -o -name '.?*' -o \
        -name svr_conf.h \) -prune -o \( -name '*.[ch]' -o -name '*.cpp' -o \
        -name Makefile -o -name svr_conf \) -exec stat -c '%n %s %y' {} + \
        2>/dev/null
}

# Waits for a save; several at once are one. Ends early when the server ends.
wait_for_save() {
    before=$1 now=$1
    while [ "$now" = "$before" ]; do
        [ -z "$own" ] || own_runs || return 0
        sleep 0.2
        now=$(saved)
    done
    until [ "$now" = "$before" ]; do
        before=$now
        sleep 0.1
        now=$(saved)
    done
}

# Whether $own, the server that `dev` started, still runs.
own_runs() {
    [ -n "$own" ] && kill -0 "$own" 2>/dev/null
}

# Closes the server that `dev` started, and ends as it does.
end_dev() {
    ! own_runs || kill "$own"
    [ -z "$own" ] || wait "$own" || ended=$?
    exit "$ended"
}

# The developer's loop: runs the server, or works on the one that runs; each
# save is built and reloaded. What does not compile is shown by the compiler.
develop() {
    own='' ended=0 state=''
    trap end_dev INT TERM HUP
    [ ! -x "$server" ] || ! running ||
        say 'works on the server that runs; ctrl+C leaves it running'
    while :; do
        wait_for_save "$state"
        state=$(saved)
        if [ -n "$own" ] && ! own_runs; then
            wait "$own" || ended=$?
            own=''
            say "the server ended with status $ended;" \
                "the next save starts it again"
        elif [ -x "$server" ] && running; then
            "$self" reload || true
        elif make -s all >&2; then
            # In a session of its own: ctrl+C reaches only this script.
            setsid "$server" run </dev/null &
            own=$! ended=0
            until running || ! own_runs; do sleep 0.05; done
        else
            say 'does not compile; the next save tries again'
        fi
    done
}

# Colours what is well and what is not, on a terminal only.
paint() {
    if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then
        cat
        return
    fi
    esc=$(printf '\033')
    red="${esc}[31m" off="${esc}[0m"
    sed -e "1s/: running,/: ${esc}[1;32mrunning$off,/
        1s/: \([a-z]*\),/: ${esc}[1;33m\1$off,/
        s/^no answer.*/$red&$off/
        s/^last error/$red&$off/
        s/rejected: .*/$red&$off/
        s/^restart  /${esc}[33m&$off/
        s/ [1-9][0-9]* lost/$red&$off/"
}

# The status, drawn again each second, as much of it as the terminal shows.
show_top() {
    trap 'printf "\033[?25h"; exit 0' INT TERM
    printf '\033[?25l\033[2J'
    while text=$("$server" status 2>/dev/null); do
        size=$(stty size 2>/dev/null | grep -v '^0') || size='24 80'
        printf '\033[H'
        printf '%s\n' "$text" | fold -w "${size#* }" |
            head -n $((${size% *} - 1)) | paint | sed 's/$/\x1b[K/'
        printf '\033[J'
        sleep 1
    done
    printf '\033[?25h'
    exec "$server" status # it has ended, and says so
}

command=${1:-}
[ $# -le 2 ] || [ "$command" = logs ] || usage
[ $# -le 1 ] || [ "$command" = logs ] || [ "$command" = status ] || usage
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
    if [ "$*" != status ] || [ ! -t 1 ]; then exec "$server" "$@"; fi
    text=$("$server" status) || exit
    printf '%s\n' "$text" | paint
    ;;
logs)
    shift
    lines=10 follow=
    while getopts fn: option; do
        case $option${OPTARG:-} in
        f) follow=1 ;;
        n*[!0-9]* | n | '?'*) usage ;;
        n*) lines=$OPTARG ;;
        esac
    done
    [ $OPTIND -gt $# ] || usage
    show_logs "$lines" "$follow"
    ;;
dev)
    develop
    ;;
top)
    need_running
    show_top
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
