#!/usr/bin/env bats
# tiny-new --update: a project grows old well (contract §8).

bats_require_minimum_version 1.5.0

# new: tiny-new as it is; newer: one whose files differ.
setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$BATS_TEST_TMPDIR" || return 1
    mkdir newer
    cp -R "$TINY_SRC/runtime" "$TINY_SRC/parts" "$TINY_SRC/templates" newer
    mkdir newer/generator
    cp "$TINY_SRC/generator/update.sh" newer/generator
    sed -i '1i /* a newer one */' newer/runtime/loop.c
    sed -i 's/^usage() {/# a newer one\n&/' newer/templates/common/svr.sh
    echo '/* new: a file that came later */' >newer/runtime/later.h
    rm newer/runtime/trace.h newer/runtime/trace.c # so it will not build: not the point
    sed -i '/trace/d' newer/runtime/object.h
    new -q old
}

new() {
    timeout -k 1 60 "$TINY_NEW" "$@"
}

newer() {
    TINY_DATADIR=$PWD/newer timeout -k 1 60 "$TINY_NEW" "$@"
}

# What the owner has, in one line a file.
owners() {
    (cd old && find . \( -path ./runtime -o -path ./parts -o -path ./service -o -path ./.tiny -o -name svr.sh \) -prune -o -type f -exec cksum {} + | sort -k 3)
}

@test "Tiny's files are new, the owner's are as they were; it is told what changed; twice is once" {
    echo '// mine' >>old/my_util.c
    echo 'my.key = 1' >>old/svr_conf
    before=$(owners)
    run newer --update old
    [ "$status" -eq 0 ]
    [ "$output" = "  changed  runtime/loop.c
  new      runtime/later.h
  changed  svr.sh
  removed  runtime/trace.c
  removed  runtime/trace.h
old: is at $(new --version | sed -n '1s/.* //p'), parts: handed listen metrics notify probation reaper report restart rollback rotate" ] ||
        [ "$(sort <<<"$output")" = "$(printf '%s\n' '  changed  runtime/loop.c' '  new      runtime/later.h' '  changed  svr.sh' '  removed  runtime/trace.c' '  removed  runtime/trace.h' "${lines[-1]}" | sort)" ]
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

@test "what the owner edited stays, the new one beside it, exit 1; what he added stays" {
    echo '/* mine */' >>old/runtime/loop.c
    echo '/* mine too */' >>old/runtime/clock.c
    echo '/* my part */' >old/parts/mine.c
    run newer --update old
    [ "$status" -eq 1 ]
    [[ $output == *"  edited   runtime/loop.c: stays, the new one is runtime/loop.c.new"* ]]
    [[ $output == *"  edited   runtime/clock.c: stays"* ]]
    [[ $output == *"tiny-new: old: what you edited stays; compare it with the FILE.new beside it"* ]]
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

@test "--dry-run says the same and changes nothing" {
    echo '/* mine */' >>old/runtime/clock.c
    before=$(find old -type f -exec cksum {} + | sort -k 3)
    run newer --update --dry-run old
    [ "$status" -eq 1 ]
    [[ $output == *"changed  runtime/loop.c"*"edited   runtime/clock.c"* || $output == *"edited   runtime/clock.c"*"changed  runtime/loop.c"* ]]
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
    [[ $output == *"parts: checkpoint child handed kept listen metrics"*" task" ]]
}

@test "a server that runs is not disturbed, and a restart brings what is new" {
    cd old
    make -s >/dev/null
    timeout 60 ./svr.sh start
    pid=$(cat run/old.pid)
    cd ..
    mkdir better
    cp -R "$TINY_SRC/runtime" "$TINY_SRC/parts" "$TINY_SRC/templates" better
    mkdir better/generator
    cp "$TINY_SRC/generator/update.sh" better/generator
    sed -i 's/svr_info("svr_conf: %s = %s"/svr_info("anew %s = %s"/' better/runtime/world.c
    TINY_DATADIR=$PWD/better new --update old
    cd old
    timeout 60 ./svr.sh status >/dev/null
    timeout 60 ./svr.sh restart
    [ "$(cat run/old.pid)" = "$pid" ]
    grep -q 'anew svr.name' log/old.console
    timeout 60 ./svr.sh close
}

@test "not a project, no such folder, a full or closed disk: one line, nothing changed" {
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

@test "killed at any moment: the old files or the new ones, and an update after it makes it whole" {
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
