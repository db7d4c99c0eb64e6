#!/usr/bin/env bats
# As the first process of a container: signals, orphans; the image that buildah makes.
# Namespaces stand for an engine.

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

@test "children that hooks wait for are not reaped" {
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

# containers COMMAND…: buildah with a store of its own, and without runc.
containers() {
    BUILDAH_ISOLATION=chroot timeout -k 1 600 buildah --storage-driver vfs \
        --root "$BATS_TEST_TMPDIR/store" --runroot "$BATS_TEST_TMPDIR/run" "$@"
}

# base_image: a Debian under the name that the Containerfile begins with.
base_image() {
    local root=$BATS_TEST_TMPDIR/debian
    if ! timeout 300 debootstrap --variant=minbase bookworm "$root" >"$BATS_TEST_TMPDIR/debootstrap.log" 2>&1; then
        tail -n 3 "$BATS_TEST_TMPDIR/debootstrap.log" >&2
        [ -z "${CI:-}" ] || return 1 # CI always has a Debian
        skip "debootstrap failed"
    fi
    # The published image has no caches of apt either.
    printf 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";\n' >"$root/etc/apt/apt.conf.d/image"
    printf 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n' >>"$root/etc/apt/apt.conf.d/image"
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    mkdir "$BATS_TEST_TMPDIR/image"
    tar -C "$root" -cf "$BATS_TEST_TMPDIR/image/debian.tar" .
    rm -rf "$root"
    printf 'FROM scratch\nADD debian.tar /\n' >"$BATS_TEST_TMPDIR/image/Containerfile"
    containers bud -q -t localhost/debian:12-slim "$BATS_TEST_TMPDIR/image" >/dev/null
    rm -r "$BATS_TEST_TMPDIR/image"
}

# start_image FOLDER: what the image runs, as its user, as process 1, with a network
# and a /dev of its own, where no syslog daemon is.
start_image() {
    local user words
    containers inspect --type image localhost/web >image.json
    read -r user words < <(python3 -c '
import json
config = json.load(open("image.json"))["OCIv1"]["config"]
print(config["User"], *config["Entrypoint"])')
    [ "$user" = 65532:65532 ]
    [ "$words" = './svr.sh run' ]
    # shellcheck disable=SC2016 # the inner shell expands
    (exec unshare -p -m -n -f --kill-child sh -c '
        ip link set lo up
        mount -t proc proc "$1/proc"
        mount -t tmpfs tmpfs "$1/dev"
        for file in null zero full random urandom tty; do
            touch "$1/dev/$file"
            mount --bind "/dev/$file" "$1/dev/$file"
        done
        exec chroot --userspec="$2" --groups= "$1" env -i SVR_BUILD=0 PATH="$PATH" sh -c "cd /opt/web && exec $3"' \
        - "$1" "$user" "$words" >out.txt 2>log.txt 3>&-) &
    outer=$!
    helpers+=("$outer")
    wait_until 5 eval 'pgrep -P "$outer" >/dev/null'
    inner=$(pgrep -P "$outer")
}

# in_image COMMAND…: in what start_image started, as its user.
in_image() {
    bounded nsenter -t "$inner" -m -p -n --root --wd=/proc/"$inner"/cwd -S 65532 -G 65532 \
        env -i SVR_BUILD=0 PATH="$PATH" "$@"
}

@test "an image is built from the Containerfile; it runs as a numeric user, without warnings and -dev packages" {
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    command -v buildah >/dev/null || skip "no buildah"
    command -v debootstrap >/dev/null || skip "no debootstrap"
    unshare -p -m -n -f true 2>/dev/null || skip "no namespaces here"
    base_image
    cd "$BATS_TEST_TMPDIR"
    "$TINY_NEW" -q -t http --with tls,checkpoint,layout web
    cd web
    make -s        # for another machine: it must not reach the image
    echo mine >run.txt
    mkdir -p run && echo mine >run/mine
    containers bud --pull-never --format docker -q -t localhost/web -f service/Containerfile . >build.log 2>&1 ||
        { tail -n 20 build.log; return 1; }
    container=$(containers from --pull-never localhost/web)
    root=$(containers mount "$container")
    # What is in it.
    [ -x "$root/opt/web/build/web" ]
    [ ! -e "$root/opt/web/run/mine" ] && [ ! -e "$root/opt/web/my_util.c" ]
    chroot "$root" dpkg-query -W -f '${Package}\n' >packages
    for package in libmicrohttpd12 libssl3 libdw1; do
        grep -qx $package packages
    done
    run grep -E -- '-dev$|^gcc-[0-9]+$|^make$' packages
    [ "$output" = "" ]
    [ ! -e "$root/usr/bin/gcc" ]
    [ -z "$(find "$root/opt/web" -path "$root/opt/web/run" -prune -o -path "$root/opt/web/log" -prune -o \
        -uid 65532 -print)" ]
    size=$(du -sm "$root" | cut -f 1)
    echo "# the image has $size MB" >&3
    [ "$size" -lt 250 ]
    # What it does.
    start_image "$root"
    probe=$(sed -n 's/^HEALTHCHECK .*CMD \[\(.*\)\]/\1/p' service/Containerfile | tr -d '",')
    [ "$probe" = './svr.sh status' ]
    wait_until 10 eval 'in_image $probe >/dev/null 2>&1' || { cat out.txt log.txt; return 1; }
    [ "$(in_image id -u)" = 65532 ]
    address=$(sed -n 's/^http.listen = "\([^"]*\)".*/\1/p' svr_conf)
    bounded nsenter -t "$inner" -n curl -fsS "http://$address/" >/dev/null
    in_image ./svr.sh reload >reload.txt
    grep -q '^reloaded: generation 2' reload.txt
    kill -TERM "$inner" # as `docker stop` does
    wait_until 10 gone "$outer"
    wait "$outer" # its exit status
    cat out.txt log.txt reload.txt >all.txt
    grep -q 'signal 15' all.txt
    run grep -E 'WARNING|ERROR|warning|/dev/log' all.txt
    [ "$output" = "" ] || { echo "$output"; return 1; }
    containers umount "$container" >/dev/null
    containers rm "$container" >/dev/null
}

@test "the Containerfile: each of its commands works here, except the images" {
    file=service/Containerfile
    # the same steps, in a folder in place of /src and /opt
    grep -q '^FROM debian:.* AS build$' $file
    grep -qx 'COPY --from=build /opt/demo /opt/demo' $file
    grep -qx 'USER 65532:65532' $file
    grep -qx 'WORKDIR /opt/demo' $file
    [ "$(sed -n 's|^RUN \(make -C /src .*\)|\1|p' $file | wc -l)" -eq 1 ]
    # the build's lines, each with its continuation, except apt-get's
    sed -n '/^COPY \. /,/^FROM/p' $file | sed -e ':a' -e '/\\$/{N;s/\\\n//;ta' -e '}' |
        sed -n 's/^RUN //p' >steps
    [ "$(wc -l <steps)" -eq 3 ]
    mkdir "$BATS_TEST_TMPDIR/container"
    cp -a . "$BATS_TEST_TMPDIR/container/src"
    [ "$(id -u)" -eq 0 ] || sed -i 's/chgrp 65532/true/; s/chown 65532:65532/true/' steps
    folder=$BATS_TEST_TMPDIR/container
    sed -i -e "s|/src|$folder/src|g; s|/opt/demo|$folder/opt/demo|g; s|>/packages|>$folder/packages|" steps
    while read -r step; do
        sh -ec "$step" >/dev/null
    done <steps
    grep -qx libc6 "$folder/packages"
    cd "$folder/opt/demo"
    [ "$(grep '^log.syslog =' svr_conf)" = 'log.syslog = false' ]
    eval "words=($(sed -n 's/^ENTRYPOINT \[\(.*\)\]/\1/p' "$P/$file" | tr -d ,))"
    eval "probe=($(sed -n 's/^HEALTHCHECK .*CMD \[\(.*\)\]/\1/p' "$P/$file" | tr -d ,))"
    [ "${words[*]}" = './svr.sh run' ]
    run bounded "${probe[@]}"
    [ "$status" -eq 3 ]
    [ "$(id -u)" -ne 0 ] || chown 0:0 run log # root starts no other user's server
    (SVR_BUILD=0 exec "${words[@]}" >/dev/null 2>&1 3>&-) &
    helpers+=("$!")
    wait_until 5 eval 'bounded "${probe[@]}" >/dev/null 2>&1'
    bounded ./svr.sh close
    for package in gcc libc6-dev make; do
        grep -qw "$package" "$P/$file"
    done
    "$TINY_NEW" -q -t http web
    [ "$(grep -c 'libmicrohttpd-dev' web/service/Containerfile)" -eq 1 ]
}
