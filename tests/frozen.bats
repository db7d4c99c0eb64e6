#!/usr/bin/env bats
# Versions: projects that earlier versions made grow old well, and what a version
# promised stays (docs/versions.md).

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    :
}

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$BATS_TEST_TMPDIR" || return 1
    started=() helpers=()
}

teardown() {
    [ -z "${P:-}" ] || [ ! -x "$P/svr.sh" ] || SVR_BUILD=0 timeout 20 "$P/svr.sh" close >/dev/null 2>&1 || true
}

# thaw VERSION NAME: that version's project NAME, built and started; its pid in $pid.
thaw() {
    P=$BATS_TEST_TMPDIR/$2
    name=$2
    cd "$BATS_TEST_TMPDIR" && rm -rf "$P"
    tar xzf "$TINY_SRC/tests/frozen/$1/$2.tar.gz"
    cd "$P"
    set_key log.syslog false
    if grep -qE '^(tcp|resp)\.listen' svr_conf; then
        sed -i 's/^\([a-z]*\.listen\) = .*/\1 = "run\/clients"/' svr_conf
    fi
    quiet_make
    bounded ./svr.sh start
    pid=$(cat "run/$2.pid")
    wait_until 10 eval '[ "$(turns)" -gt 1 ]'
}

# quiet_make: make, without a warning.
quiet_make() {
    run make -s
    [ "$status" -eq 0 ] && ! grep -qi warning <<<"$output" || { echo "$output"; return 1; }
}

turns() {
    bounded ./svr.sh status --json | grep -o '"turns": [0-9]*' | grep -o '[0-9]*'
}

update() {
    bounded "$TINY_NEW" -q --update "$P"
}

owners() {
    cksum svr_conf Makefile my_* tests/*
}

# members: the names in the status as JSON and as metrics.
members() {
    bounded ./svr.sh status --json | grep -oE '"[a-z_]+":' | sort -u
    bounded ./svr.sh status --metrics 2>/dev/null | sed -n 's/^# TYPE \([a-z_]*\).*/\1/p' | sort -u
}

# worked: the lines that the worker has worked on, in its last summary.
worked() {
    grep -o '<SUMMARY> lines [0-9]*' log/worker.console | tail -n 1 | grep -o '[0-9]*'
}

# grows VERSION NAME: updated, built and restarted while its server runs.
grows() {
    thaw "$1" "$2"
    had=$(sed 's/.*--with=//; s/handed/inherited/' .tiny/arguments) # its name now
    before=$(owners)
    members >members.before
    update
    [ "$(owners)" = "$before" ]
    for part in ${had//,/ }; do
        [ -e "parts/$part.c" ]
    done
    quiet_make
    # svr.sh of the new version controls the server of the old one.
    bounded ./svr.sh status | grep -q "running, pid $pid,"
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"already running"* ]]
    # A reload applies, or is refused because the code is for the new runtime.
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ] || {
        [ "$status" -eq 1 ]
        [[ $output == *"rejected: handler.so: built for another runtime"*": restart the server; generation 1 "* ]]
    }
    [ "$(turns)" -gt 0 ]
    console=log/$2.console
    grew=$(wc -l <"$console")
    [ "$2" != worker ] || : >README.md # its input: what is counted below comes from the checkpoint
    bounded ./svr.sh restart
    [ "$(cat "run/$2.pid")" = "$pid" ]
    version=$("$TINY_NEW" --version | sed -n '1s/.* //p')
    bounded ./svr.sh status --json | grep -q "\"version\": \"$version\""
    if [ "$2" = worker ]; then
        kept=$(worked)
        [ "$kept" -gt 0 ]
    fi
    # The owner's edit is in force after a reload.
    echo 'int svr_frozen_edit = 1;' >>my_util.c
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2, 0 keys changed"* ]]
    wait_until 10 eval '[ "$(turns)" -gt 1 ]'
    members >members.after
    [ "$1" = 0.1.0 ] || [ "$(LC_ALL=C comm -23 <(LC_ALL=C sort members.before) <(LC_ALL=C sort members.after))" = "" ]
    bounded ./svr.sh close
    [ "$2" != worker ] || [ "$(worked)" -eq "$kept" ] # its checkpoint was read
    run bounded ./svr.sh status
    [ "$status" -eq 3 ]
    # A warning is logged for what a test did, and for nothing else.
    run bash -c 'tail -n "+$1" "$2" | grep -E "WARNING|ERROR" | grep -v "writable static data\|keeps no copy"' - \
        "$((grew + 1))" "$console"
    [ "$output" = "" ] || { echo "$output"; return 1; }
}

@test "a worker of 0.1.0 is updated, built, restarted and reloaded; its checkpoint is read" {
    grows 0.1.0 worker
}

@test "a tcp server of 0.1.0 is updated, built, restarted and reloaded" {
    grows 0.1.0 tcp
}

@test "a worker of the last days of 0.1.0 is updated, built, restarted and reloaded; its checkpoint is read" {
    grows 0.1.0-late worker
}

@test "a resp server of the last days of 0.1.0 is updated, built, restarted and reloaded" {
    grows 0.1.0-late resp
}

@test "the new svr.sh closes the server of an earlier version" {
    for frozen in "$TINY_SRC"/tests/frozen/*/worker.tar.gz; do
        version=$(basename "$(dirname "$frozen")")
        thaw "$version" worker
        update
        quiet_make
        run bounded ./svr.sh close
        [ "$status" -eq 0 ]
        wait_until 10 gone "$pid"
    done
}

@test "each frozen project is updated by a test" {
    for frozen in "$TINY_SRC"/tests/frozen/*/*.tar.gz; do
        version=$(basename "$(dirname "$frozen")")
        grep -qx "    grows $version $(basename "$frozen" .tar.gz)" "$BATS_TEST_FILENAME" ||
            { echo "$frozen: write a test that calls grows"; return 1; }
    done
}

@test "nothing that the last version promised is gone: declarations, keys, status, metrics, statuses, commands" {
    "$TINY_SRC/scripts/interface" >now
    [ "$(wc -l <"$TINY_SRC/tests/interface")" -gt 400 ]
    LC_ALL=C sort -c "$TINY_SRC/tests/interface"
    run env LC_ALL=C comm -23 "$TINY_SRC/tests/interface" now
    [ "$output" = "" ] || { echo "promised, and gone (docs/versions.md): $output"; return 1; }
}

@test "the recorded metrics are those of a running server" {
    bounded "$TINY_NEW" -q --with metrics,stats,checkpoint,task,work,map,mail worker
    P=$BATS_TEST_TMPDIR/worker
    cd "$P"
    set_key log.syslog false
    quiet_make
    bounded ./svr.sh start
    bounded ./svr.sh status --metrics | sed -n 's/^# TYPE \([a-z_]*\).*/metric: \1/p' | LC_ALL=C sort >shown
    [ "$(wc -l <shown)" -gt 25 ]
    LC_ALL=C comm -23 shown <("$TINY_SRC/scripts/interface") >unknown
    [ ! -s unknown ] || { cat unknown; return 1; }
    bounded ./svr.sh close
}

@test "scripts/next-version saves this version's projects and interface, and writes the next number everywhere" {
    mkdir tree
    tar -C "$TINY_SRC" --exclude=./build --exclude=./.git -cf - . | tar -C tree -xf -
    chmod -R u+w tree
    cd tree
    version=$("$TINY_NEW" --version | sed -n '1s/.* //p')
    export TINY_NEW
    run scripts/next-version 0.0.1
    [ "$status" -eq 1 ]
    [ "$output" = "next-version: 0.0.1 does not come after $version" ]
    run scripts/next-version 99.0.0
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
    grep -q '^AC_INIT(\[Tiny\], \[99.0.0\]' configure.ac
    grep -qx '#define STATUS_VERSION "99.0.0"' runtime/status.h
    [ "$(sed -n '/^## /{p;q}' CHANGELOG.md)" = '## 99.0.0, not released' ]
    dpkg-parsechangelog -S Version 2>/dev/null | grep -qx 99.0.0-1
    scripts/interface | cmp - tests/interface
    for template in worker resp; do
        tar xzf "tests/frozen/$version/$template.tar.gz"
        [ "$(cat "$template/.tiny/version")" = "$version" ]
        (cd "$template" && sha256sum --quiet -c .tiny/manifest)
    done
}
