#!/usr/bin/env bats
# tiny-new --update: a project grows old well (contract §8).

bats_require_minimum_version 1.5.0

# new: tiny-new as it is; newer: one whose files differ.
setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir newer
    cp -R "$TINY_SRC/runtime" "$TINY_SRC/parts" "$TINY_SRC/templates" newer
    sed -i '1i /* a newer one */' newer/runtime/loop.c
    sed -i 's/^usage() {/# a newer one\n&/' newer/templates/common/svr.sh
    echo '/* new: a file that came later */' >newer/runtime/later.h
    rm newer/runtime/trace.h newer/runtime/trace.c # so it will not build: not the point
    sed -i '/trace/d' newer/runtime/part.h
    new -q old
}

teardown() {
    [ ! -x old/svr.sh ] || SVR_BUILD=0 timeout 20 old/svr.sh close >/dev/null 2>&1 || true
}

new() {
    timeout -k 1 60 "$TINY_NEW" "$@"
}

newer() {
    TINY_DATADIR=$PWD/newer timeout -k 1 60 "$TINY_NEW" "$@"
}

# What the owner has, in one line a file.
owners() {
    (cd old && find . \( -path ./runtime -o -path ./parts -o -path ./service -o -path ./.tiny -o -name svr.sh \) \
        -prune -o -type f -exec cksum {} + | sort -k 3)
}

@test "Tiny's files are replaced, the owner's unchanged; changes are listed; a second update changes nothing" {
    echo '// mine' >>old/my_util.c
    echo 'my.key = 1' >>old/svr_conf
    before=$(owners)
    parts="inherited json kept listen metrics notify probation reaper report restart rollback rotate symbols"
    run newer --update old
    [ "$status" -eq 0 ]
    [ "$output" = "  changed  runtime/loop.c
  new      runtime/later.h
  changed  svr.sh
  removed  runtime/trace.c
  removed  runtime/trace.h
old: is at $(new --version | sed -n '1s/.* //p'), parts: $parts" ] ||
        [ "$(sort <<<"$output")" = "$(printf '%s\n' '  changed  runtime/loop.c' '  new      runtime/later.h' \
            '  changed  svr.sh' '  removed  runtime/trace.c' '  removed  runtime/trace.h' "${lines[-1]}" | sort)" ]
    [ "$(owners)" = "$before" ]
    [ "$(head -n 1 old/runtime/loop.c)" = '/* a newer one */' ]
    [ -x old/svr.sh ]
    [ ! -e old/runtime/trace.c ]
    (cd old && sha256sum --quiet -c .tiny/manifest)
    run newer --update old
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 1 ]
    run find old/.tiny -name 'next*'
    [ "$output" = "" ]
}

@test "a file that the owner edited stays, with the new one beside it, exit 1; added files stay" {
    echo '/* mine */' >>old/runtime/loop.c
    echo '/* mine too */' >>old/runtime/clock.c
    echo '/* my part */' >old/parts/mine.c
    run newer --update old
    [ "$status" -eq 1 ]
    [[ $output == *"  edited   runtime/loop.c: kept; the new one is runtime/loop.c.new"* ]]
    [[ $output == *"  edited   runtime/clock.c: kept"* ]]
    [[ $output == *"tiny-new: old: files that you edited were kept; compare each with the FILE.new beside it"* ]]
    tail -n 1 old/runtime/loop.c | grep -qx '/\* mine \*/'
    cmp old/runtime/loop.c.new newer/runtime/loop.c
    cmp old/runtime/clock.c.new newer/runtime/clock.c
    [ "$(cat old/parts/mine.c)" = '/* my part */' ]
    [ -e old/runtime/later.h ] # the rest came
    # it stays edited the next time
    run newer --update old
    [ "$status" -eq 1 ]
    [[ $output == *"edited   runtime/loop.c"* ]]
    # and is well again once it is Tiny's
    mv old/runtime/loop.c.new old/runtime/loop.c
    mv old/runtime/clock.c.new old/runtime/clock.c
    newer --update old
}

@test "--dry-run prints the same and changes nothing" {
    echo '/* mine */' >>old/runtime/clock.c
    before=$(find old -type f -exec cksum {} + | sort -k 3)
    run newer --update --dry-run old
    [ "$status" -eq 1 ]
    [[ $output == *"changed  runtime/loop.c"* ]]
    [[ $output == *"edited   runtime/clock.c"* ]]
    [ "$(find old -type f -exec cksum {} + | sort -k 3)" = "$before" ]
}

@test "--with adds parts; the project builds, runs and reloads with them, its svr_conf untouched" {
    cp old/svr_conf svr_conf.before
    new --update --with task,checkpoint old
    cmp old/svr_conf svr_conf.before
    [ -e old/parts/task.c ] && [ -e old/parts/child.c ] && [ -e old/parts/store.h ] && [ -e old/parts/notify.c ]
    cd old
    make -s >/dev/null
    timeout 60 ./svr.sh start
    timeout 60 ./svr.sh status --json | grep -q '"checkpoint": '
    echo 'task.most = 2' >>svr_conf
    timeout 60 ./svr.sh reload
    timeout 60 ./svr.sh close
    cd ..
    run new --update old # the parts stay
    [ "$status" -eq 0 ]
    [[ $output == *"parts: checkpoint child inherited json kept listen metrics"*" task" ]]
}

@test "a running server is not disturbed, and a restart puts the new version in force" {
    cd old
    make -s >/dev/null
    timeout 60 ./svr.sh start
    pid=$(cat run/old.pid)
    cd ..
    mkdir better
    cp -R "$TINY_SRC/runtime" "$TINY_SRC/parts" "$TINY_SRC/templates" better
    sed -i 's/svr_info("svr_conf: %s = %s"/svr_info("changed %s = %s"/' better/runtime/reload.c
    TINY_DATADIR=$PWD/better new --update old
    cd old
    timeout 60 ./svr.sh status >/dev/null
    timeout 60 ./svr.sh restart
    [ "$(cat run/old.pid)" = "$pid" ]
    grep -q 'changed svr.name' log/old.console
    timeout 60 ./svr.sh close
}

@test "not a project, no such folder, a full disk: one line, nothing changed" {
    mkdir plain
    for folder in plain nowhere; do
        run new --update $folder
        [ "$status" -eq 1 ]
        [ "${#lines[@]}" -eq 1 ]
        [[ $output == "tiny-new: $folder: not a project that tiny-new made: "* ]]
    done
    run new --update --template tcp old
    [ "$status" -eq 2 ]
    run new --update
    [ "$status" -eq 2 ]
    unshare -rm true 2>/dev/null || [ "$(id -u)" -eq 0 ] || skip "no namespace for a small disk"
    mkdir small
    export -f newer
    run unshare -rm bash -c '
        mount -t tmpfs -o size=900k tmpfs small || exit 77
        cp -a old small/old || exit 77
        cat /dev/zero >small/fill 2>/dev/null
        before=$(find small/old -type f -exec cksum {} + | sort -k 3)
        newer --update small/old 2>&1
        echo "status $?"
        [ "$(find small/old -type f -exec cksum {} + | sort -k 3)" = "$before" ] && echo same'
    [ "$status" -ne 77 ] || skip "no small disk to be had"
    [[ $output == *"No space left"*"status 1"*same ]]
}

@test "killed at any moment: the files are the old or the new ones, and the next update completes it" {
    before=$(cksum <old/runtime/loop.c)
    after=$(cksum <newer/runtime/loop.c)
    for delay in 0.005 0.02 0.05 0.1 0.2 0.3 0.4 0.5 0.6 0.8; do
        TINY_DATADIR=$PWD/newer timeout -s KILL "$delay" "$TINY_NEW" -q --update old || true
        now=$(cksum <old/runtime/loop.c)
        if [ "$now" = "$before" ]; then
            [ -e old/runtime/trace.c ] && [ ! -e old/runtime/later.h ]
        else
            [ "$now" = "$after" ] && [ ! -e old/runtime/trace.c ] && [ -e old/runtime/later.h ]
        fi
    done
    newer -q --update old
    (cd old && sha256sum --quiet -c .tiny/manifest)
    run find old -name 'next*'
    [ "$output" = "" ]
}

@test "the owner's additions in Tiny's folders stay: links, odd names, empty folders" {
    ln -s ../../shared.c old/parts/shared.c
    echo mine >"old/service/note "
    echo mine >"old/parts/a
b"
    mkdir old/service/empty.d
    rm old/runtime/loop.c
    ln -s ../../loop.c old/runtime/loop.c
    cp newer/runtime/loop.c loop.c
    run newer --update old
    [ "$status" -eq 1 ]
    [[ $output == *"edited   runtime/loop.c: kept; the new one is runtime/loop.c.new"* ]]
    [ "$(readlink old/parts/shared.c)" = ../../shared.c ]
    [ "$(readlink old/runtime/loop.c)" = ../../loop.c ]
    [ "$(cat "old/service/note ")" = mine ]
    [ "$(cat "old/parts/a
b")" = mine ]
    [ -d old/service/empty.d ]
    cmp loop.c newer/runtime/loop.c
}

@test "an edited file that Tiny no longer has becomes FILE.orig; if that name is in use, nothing changes" {
    echo '/* mine */' >>old/runtime/trace.c
    echo old >old/runtime/trace.c.orig
    before=$(find old -type f -exec cksum {} + | sort -k 3)
    run newer --update old
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "tiny-new: old/runtime/trace.c.orig: is in the way; move it; nothing changed" ]
    [ "$(find old -type f -exec cksum {} + | sort -k 3)" = "$before" ]
    rm old/runtime/trace.c.orig
    run newer --update old
    [ "$status" -eq 0 ]
    [[ $output == *"  edited   runtime/trace.c: no longer part of Tiny; yours is runtime/trace.c.orig"* ]]
    [ ! -e old/runtime/trace.c ]
    tail -n 1 old/runtime/trace.c.orig | grep -qx '/\* mine \*/'
    rm -r old/parts
    ln -s .. old/parts
    run new --update old
    [ "$status" -eq 1 ]
    [ "$output" = "tiny-new: old/parts: is not a folder; nothing changed" ]
}

@test "killed at each rename: all files are old, or the next update completes it" {
    command -v strace >/dev/null || skip "no strace"
    cp -a old base
    for ((i = 1; ; i++)); do
        rm -rf old
        cp -a base old
        status=0
        TINY_DATADIR=$PWD/newer timeout 60 strace -f -qq -o trace -e trace=rename,renameat,renameat2 \
            -e inject=rename,renameat,renameat2:signal=KILL:when="$i" \
            "$TINY_NEW" -q --update --with task old || status=$?
        [ "$status" -ne 0 ] || break
        if [ -e old/.tiny/journal ]; then
            run newer --update --dry-run old
            [ "$status" -eq 1 ]
            [ "$output" = "tiny-new: old: an update was interrupted; run it without --dry-run to complete it" ]
        else
            [ "$(head -n 1 old/runtime/loop.c)" != '/* a newer one */' ]
            (cd old && sha256sum --quiet -c .tiny/manifest)
        fi
        had=$([ ! -e old/.tiny/journal ] || echo journal)
        run newer --update old
        [ "$status" -eq 0 ]
        [ -z "$had" ] || [ "${lines[0]}" = "  completed an interrupted update" ]
        [ -z "$had" ] || [ -e old/parts/task.c ]
        [ "$(head -n 1 old/runtime/loop.c)" = '/* a newer one */' ]
        (cd old && sha256sum --quiet -c .tiny/manifest)
        [ ! -e old/.tiny/journal ] && [ ! -e old/.tiny/next ]
    done
    [ "$i" -gt 8 ] # as many as it has
}

@test "a failing step is reported, and the next update completes it" {
    command -v strace >/dev/null || skip "no strace"
    cp -a old base
    for ((i = 2; ; i++)); do
        rm -rf old
        cp -a base old
        run env TINY_DATADIR="$PWD/newer" timeout 60 strace -f -qq -o trace -e trace=rename,renameat,renameat2 \
            -e inject=rename,renameat,renameat2:error=EIO:when="$i+" "$TINY_NEW" -q --update old
        [ "$status" -ne 0 ] || break
        if [ -e old/.tiny/journal ]; then
            [[ $output == "tiny-new: old: "*": Input/output error; the update is not complete: run it again" ]]
            [ -e old/.tiny/next ]
        else
            [[ $output == "tiny-new: old: Input/output error; nothing changed" ]]
        fi
        # the journal is enough to complete it: the same Tiny is not needed
        new -q --update old
        newer -q --update old
        [ "$(head -n 1 old/runtime/loop.c)" = '/* a newer one */' ]
        (cd old && sha256sum --quiet -c .tiny/manifest)
        [ ! -e old/.tiny/journal ] && [ ! -e old/.tiny/next ]
    done
    [ "$i" -gt 6 ]
}

@test "a file or a journal that cannot be read now: refused, nothing changed" {
    command -v strace >/dev/null || skip "no strace"
    everything() { (cd old && find . -type f -exec cksum {} + | sort -k 3); }
    before=$(everything)
    export TINY_DATADIR=$PWD/newer
    fails() { # CALL PATH
        timeout -k 1 60 strace -f -qq -o trace -P "$2" -e trace="$1" -e inject="$1":error=EIO \
            "$TINY_NEW" -q --update old
    }
    run fails openat runtime/trace.c
    [ "$status" -eq 1 ]
    [ "$output" = "tiny-new: old/runtime/trace.c: cannot be read; nothing changed" ]
    for path in runtime/conf.c runtime/trace.c; do
        run fails newfstatat $path
        [ "$status" -eq 1 ]
        [ "$output" = "tiny-new: old/$path: Input/output error; nothing changed" ]
    done
    run fails faccessat2 .tiny/journal
    [ "$status" -eq 1 ]
    [ "$output" = "tiny-new: old: .tiny/journal: Input/output error; the update is not complete: run it again" ]
    [ "$(everything)" = "$before" ]
    echo '// mine' >>old/runtime/trace.c
    before=$(everything)
    run fails faccessat2 runtime/trace.c.orig
    [ "$status" -eq 1 ]
    [ "$output" = "tiny-new: old/runtime/trace.c.orig: Input/output error; nothing changed" ]
    [ "$(everything)" = "$before" ]
}

@test "while one update runs, another one is refused" {
    flock old/.tiny sleep 100 3>&- &
    holder=$!
    for ((i = 0; i < 600; i++)); do
        flock -n old/.tiny true || break
        sleep 0.05 # polls for the lock
    done
    run new --update old
    pkill -P "$holder" || true
    [ "$status" -eq 1 ]
    [ "$output" = "tiny-new: old: another update of it is running" ]
}

# without FUNCTION: tiny-new without the memory that this function needs.
without() {
    printf 'int %s(void); int %s(void) { return 12; }\n' "$1" "$1" | "${CC:-cc}" -shared -fPIC -o without.so -xc -
    export LD_PRELOAD=$PWD/without.so
}

@test "no memory to start sha256sum or m4: nothing changes, even if the current folder is the project" {
    ! ldd "$TINY_NEW" | grep -q libasan || skip "built with sanitizers"
    find old -type f -exec cksum {} + | sort >before
    for function in addfchdir_np adddup2 addopen; do
        (
            without posix_spawn_file_actions_$function
            cd old
            TINY_DATADIR=$BATS_TEST_TMPDIR/newer run "$TINY_NEW" -q --update .
            [ "$status" -eq 1 ]
            [ "${#lines[@]}" -eq 1 ]
            [[ $output == "tiny-new: "* ]]
        )
        find old -type f -exec cksum {} + | sort | cmp - before
        (
            without posix_spawn_file_actions_$function
            run "$TINY_NEW" -q made
            [ "$status" -eq 1 ]
            [ "${#lines[@]}" -eq 1 ]
            [[ $output == "tiny-new: "* ]]
        )
        [ ! -e made ]
    done
}
