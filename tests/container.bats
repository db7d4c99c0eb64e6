#!/usr/bin/env bats
# As the first process of a container: signals, orphans, the Containerfile's
# words. There is no engine here, so a namespace of processes stands for one.

bats_require_minimum_version 1.5.0
load helper

# first: the server as process 1 of a namespace of its own; $1 … go before.
first() {
    local map=()
    [ "$(id -u)" -eq 0 ] || map=(-r)
    unshare "${map[@]}" -p -m -f --mount-proc true 2>/dev/null || skip "no pid namespaces here"
    (exec unshare "${map[@]}" -p -m -f --mount-proc --kill-child ./svr.sh run >out.txt 2>log.txt 3>&-) &
    outer=$!
    helpers+=("$outer")
    wait_until 5 eval 'pgrep -P "$outer" >/dev/null'
    inner=$(pgrep -P "$outer")
    enter=(nsenter -t "$inner" -m -p)
    [ "$(id -u)" -eq 0 ] || enter=(nsenter -t "$inner" -U --preserve-credentials -m -p)
}

inside() {
    bounded "${enter[@]}" -- sh -c 'cd "$1" && shift && exec "$@"' - "$P" "$@"
}

zombies() {
    pgrep -P "$inner" -r Z | wc -l
}

@test "process 1: status, reload, restart, close by TERM; orphans are reaped" {
    counting_hooks
    build
    first
    wait_until 5 has_line 'demo(1)> .*turn 2'
    [ "$(inside cat run/demo.pid)" = 1 ]
    # it leaves children behind: process 1 gets them
    inside sh -c 'for i in 1 2 3; do (sleep 0.01 &) ; done'
    wait_until 5 eval '[ "$(inside ./svr.sh status --json | grep -o "reaped\": [0-9]*" | grep -o "[0-9]*")" -ge 3 ]'
    [ "$(zombies)" -eq 0 ]
    run inside env SVR_BUILD=0 ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == "reloaded: generation 2, "* ]]
    run inside env SVR_BUILD=0 ./svr.sh restart
    [ "$status" -eq 0 ]
    [[ $output == *"started, pid 1" ]]
    kill -TERM "$inner" # as `docker stop` does
    wait_until 10 gone "$outer"
    has_line 'signal 15'
    has_line '>> on_close'
}

@test "children that the hooks wait for are left to them" {
    hooks <<'END'
#include <sys/wait.h>
static int turns;
static int run(void) {
    static pid_t pid;
    int status = 0;
    if (!pid && (pid = fork()) == 0) _exit(7);
    if (access("wait", F_OK) < 0) return 50; /* it has ended long ago */
    if (waitpid(pid, &status, 0) == pid) svr_info("child %d: turn %d", WEXITSTATUS(status), ++turns);
    return pid = 0, 2000;
}
SVR_HANDLER(.run = run);
END
    build
    first
    wait_until 5 eval '[ "$(zombies)" -eq 1 ]'
    touch wait
    wait_until 5 has_line 'child 7: turn 1'
    kill -TERM "$inner"
    wait_until 10 gone "$outer"
}

@test "the Containerfile: each of its commands works here, except the images" {
    file=service/Containerfile
    # the same steps, in a folder in place of /src and /opt
    grep -q '^FROM debian:.* AS build$' $file
    grep -qx 'COPY --from=build /opt/demo /opt/demo' $file
    grep -qx 'USER demo' $file
    grep -qx 'WORKDIR /opt/demo' $file
    step=$(sed -n 's|^RUN \(make -C /src .*\)|\1|p' $file)
    [ -n "$step" ]
    mkdir "$BATS_TEST_TMPDIR/container"
    cp -a . "$BATS_TEST_TMPDIR/container/src"
    (cd "$BATS_TEST_TMPDIR/container" && sh -ec "${step//\/src/src} DESTDIR=$PWD") >/dev/null
    cd "$BATS_TEST_TMPDIR/container/opt/demo"
    eval "words=($(sed -n 's/^ENTRYPOINT \[\(.*\)\]/\1/p' "$P/$file" | tr -d ,))"
    eval "probe=($(sed -n 's/^HEALTHCHECK .*CMD \[\(.*\)\]/\1/p' "$P/$file" | tr -d ,))"
    [ "${words[*]}" = './svr.sh run' ]
    set_key log.syslog false
    run bounded "${probe[@]}"
    [ "$status" -eq 3 ]
    (SVR_BUILD=0 exec "${words[@]}" >/dev/null 2>&1 3>&-) &
    helpers+=("$!")
    wait_until 5 eval 'bounded "${probe[@]}" >/dev/null 2>&1'
    bounded ./svr.sh close
    # the packages it installs are Debian's
    for package in gcc libc6-dev make libc6; do
        grep -qw "$package" "$P/$file"
    done
    "$TINY_NEW" -q -t http web
    [ "$(grep -c 'libmicrohttpd-dev' web/service/Containerfile)" -eq 2 ]
}
