#!/usr/bin/env bats
# tiny-new: contract §2, nasty names, all or nothing.

bats_require_minimum_version 1.5.0

setup() {
    unset MAKEFLAGS MFLAGS MAKELEVEL
    cd "$BATS_TEST_TMPDIR" || return 1
}

new() {
    timeout -k 1 60 "$TINY_NEW" "$@"
}

# refuses STATUS ARG…: one line says why, and nothing is left behind.
refuses() {
    local wanted=$1 before
    shift
    before=$(find . -print | sort)
    run new "$@"
    [ "$status" -eq "$wanted" ] || { echo "$* -> $status: $output"; return 1; }
    [ "$wanted" -eq 2 ] || [ "$(wc -l <<<"$output")" -eq 1 ] || { echo "$output"; return 1; }
    [ "$(find . -print | sort)" = "$before" ] || { find .; return 1; }
}

@test "it makes a project and prints the next steps" {
    run new myproj
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "myproj: made from worker, "*" files, parts: "* ]]
    parts="inherited json kept listen metrics notify probation reaper report restart rollback rotate symbols"
    [[ ${lines[0]} == *"parts: $parts" ]]
    [ "${lines[2]}" = "  cd myproj" ]
    [ "${lines[3]}" = "  make && ./svr.sh start" ]
    [ "${lines[4]}" = "  ./svr.sh status" ]
    run new -q other
    [ "$output" = "" ]
}

@test "the tree is that of tests/tree.golden" {
    new -q golden
    (cd golden && find . -type f -o -type l | LC_ALL=C sort) >listing
    diff -u "$TINY_SRC/tests/tree.golden" listing
}

@test "two runs with the same arguments make the same bytes" {
    mkdir a b
    new -q a/same
    new -q b/same
    diff -r a/same b/same
}

@test "runtime and parts are byte for byte Tiny's" {
    new -q --with all copies
    for file in "$TINY_SRC"/runtime/*; do
        cmp "$file" "copies/runtime/${file##*/}"
    done
    for file in "$TINY_SRC"/parts/*.[ch]; do
        cmp "$file" "copies/parts/${file##*/}"
    done
    (cd copies && sha256sum --quiet -c .tiny/manifest)
}

@test "the manifest lists each of Tiny's files, sorted by name" {
    "$TINY_NEW" -q myproj
    cd myproj
    [ "$(cut -c 67- .tiny/manifest)" = "$(find runtime parts service svr.sh -type f | LC_ALL=C sort)" ]
    sha256sum --quiet -c .tiny/manifest
}

@test "refused names: one line, nothing executed, nothing left" {
    for name in int while _Bool handler define, 'a,b' '$(rm)' '`touch x`' 'a"b' "a'b" \
        $'a\nb' "m4_syscmd(id)" 'Upper' '1st' '-x' 'a.b' 'ä' \
        "$(printf 'a%.0s' {1..41})" "$(printf 'a%.0s' {1..300})"; do
        refuses 1 -- "$name"
        refuses 1 --name "$name" -- fine
    done
    for name in . .. ./ ../ / ''; do
        refuses 1 "$name"
    done
}

@test "words that only look dangerous are accepted as names" {
    for name in define conf test run svr all check main build obj runtime parts debug svr-sh index; do
        new -q "$name"
        make -s -C "$name" >/dev/null
        timeout 60 "$name/svr.sh" start >/dev/null
        timeout 60 "$name/svr.sh" close >/dev/null
    done
}

@test "an existing file or folder is refused; an empty folder is not" {
    echo x >file
    refuses 1 file
    ln -s nowhere dangling
    refuses 1 dangling
    mkdir full
    touch full/x
    refuses 1 full
    mkdir empty
    new -q empty
    [ -x empty/svr.sh ]
    refuses 1 absent/below
    mkdir real
    ln -s real link
    refuses 1 link
}

@test "a parent folder that cannot be written is refused" {
    mkdir closed
    chmod 500 closed
    # Root may write anywhere, unless it gives that right away.
    new() {
        [ "$(id -u)" -ne 0 ] || set -- setpriv --bounding-set=-dac_override "$TINY_NEW" "$@"
        [ "$(id -u)" -eq 0 ] || set -- "$TINY_NEW" "$@"
        timeout -k 1 60 "$@"
    }
    refuses 1 closed/myproj
}

@test "a full disk: refused, nothing left behind" {
    mkdir -p small
    unshare -rm true 2>/dev/null || [ "$(id -u)" -eq 0 ] || skip "no namespace for a small disk"
    run unshare -rm sh -c '
        mount -t tmpfs -o size=64k tmpfs small || exit 77
        "$TINY_NEW" small/myproj 2>&1
        echo "status $?"
        ls -A small'
    [ "$status" -ne 77 ] || skip "no small disk to be had"
    [[ ${lines[0]} == "tiny-new: "*"No space left"* ]]
    [ "${lines[1]}" = "status 1" ]
    [ "${#lines[@]}" -eq 2 ]
}

@test "if killed at any moment it leaves no DIR; if ended by TERM, nothing at all" {
    for delay in 0.001 0.002 0.004 0.006 0.008 0.010 0.015 0.020; do
        timeout -s KILL "$delay" "$TINY_NEW" -q killed || true
        [ ! -e killed ] || { [ -e killed/.tiny/manifest ] && rm -rf killed; }
        find . -maxdepth 1 -name '.killed.tiny-*' -exec rm -rf {} +
        timeout -s TERM "$delay" "$TINY_NEW" -q ended 2>/dev/null || true
        [ ! -e ended ] || { [ -e ended/.tiny/manifest ] && rm -rf ended; }
    done
    run find . -name '.ended.tiny-*'
    [ "$output" = "" ]
}

@test "wrong usage: status 2, and a pointer to --help" {
    refuses 2
    refuses 2 one two
    refuses 2 --nonsense x
    refuses 2 -n
    [[ $output == *"--help"* ]]
}

@test "unknown templates and parts are refused" {
    refuses 1 --template opera x
    refuses 1 --with notify,opera x
    [[ $output == *'"opera"'* ]]
    new -q --with none bare
    [ "$(cd bare/parts && echo *)" = table.c ]
    make -s -C bare >/dev/null
}

@test "help, version and list" {
    run new --help
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == "Usage: tiny-new [OPTION]... DIR" ]]
    run new --version
    [ "$status" -eq 0 ]
    [[ ${lines[0]} =~ ^tiny-new\ \(Tiny\)\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
    run new --list
    [ "$status" -eq 0 ]
    [[ $output == *worker*reads*metrics*figures*notify*reports* ]]
}

@test "--dry-run lists the files that would be made, and makes none" {
    new --dry-run plan >planned
    [ ! -e plan ]
    new -q plan
    diff <(sort planned) <(find plan -type f | sort)
}

@test "--git makes a repository with a first commit" {
    command -v git >/dev/null || skip "no git"
    export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@localhost GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@localhost
    new -q --git repo
    run git -C repo status --porcelain
    [ "$output" = "" ]
    [ "$(git -C repo rev-list --count HEAD)" -eq 1 ]
}

@test "it finds its files in the build tree, in TINY_DATADIR and in a moved installation" {
    mkdir -p moved/bin moved/share/tiny
    cp "$TINY_NEW" moved/bin/tiny-new
    cp -R "$TINY_SRC/runtime" "$TINY_SRC/parts" "$TINY_SRC/templates" moved/share/tiny
    moved/bin/tiny-new -q here
    [ -x here/svr.sh ]
    TINY_DATADIR=$TINY_SRC new -q there
    TINY_DATADIR=/nowhere run new elsewhere
    [ "$status" -eq 1 ]
    [[ $output == *TINY_DATADIR* ]]
}

@test "tiny-new derives the same svr_conf.h as make" {
    new -q derived
    cp derived/svr_conf.h before
    touch derived/svr_conf
    make -s -C derived
    cmp before derived/svr_conf.h
}

@test "an empty current folder is filled in place, and gives the project its name" {
    mkdir here
    cd here
    inode=$(stat -c %i .)
    run new .
    [ "$status" -eq 0 ]
    [[ ${lines[0]} == ".: made from worker, "* ]]
    [ "$(stat -c %i .)" = "$inode" ]
    [ "$(cat .tiny/arguments)" = "$(cd .. && new -q --name here other && cat other/.tiny/arguments)" ]
    diff -r . ../other
    refuses 1 .
    cd ..
    mkdir full
    cd full
    touch mine
    refuses 1 --name demo .
    rm mine
    # by its whole path it is the same folder
    inode=$(stat -c %i .)
    new -q "$PWD"
    [ "$(stat -c %i .)" = "$inode" ]
    [ -x svr.sh ]
}

@test "a mount point is filled, or left empty" {
    unshare -rm true 2>/dev/null || [ "$(id -u)" -eq 0 ] || skip "no namespace to mount in"
    mkdir mounted
    run unshare -rm sh -c '
        mount -t tmpfs -o size=4m tmpfs mounted || exit 77
        "$TINY_NEW" -q --name demo mounted && ls mounted/svr.sh && ls -A mounted | grep tiny-
        umount mounted && mount -t tmpfs -o size=100k tmpfs mounted || exit 77
        "$TINY_NEW" -q --name demo mounted 2>&1
        echo "status $?"
        ls -A mounted
        mkdir mounted/point && mount --bind mounted/point mounted/point # the same device
        "$TINY_NEW" --dry-run --name demo mounted/point | tail -n 1'
    [ "$status" -ne 77 ] || skip "no small disk to be had"
    [ "${lines[0]}" = mounted/svr.sh ]
    [[ ${lines[1]} == "tiny-new: "*"No space left"* ]]
    [ "${lines[2]}" = "status 1" ]
    [ "${lines[3]}" = "mounted/point/.tiny/manifest" ]
    [ "${#lines[@]}" -eq 4 ]
}

@test "a failure at any move into a folder leaves it empty" {
    command -v strace >/dev/null || skip "no strace"
    mkdir here
    cd here
    for ((i = 1; ; i++)); do
        run timeout 60 strace -f -qq -o ../trace -e trace=renameat2 \
            -e inject=renameat2:error=EIO:when="$i" "$TINY_NEW" -q .
        [ "$status" -ne 0 ] || break
        [ "$output" = "tiny-new: .: Input/output error" ]
        [ "$(ls -A)" = "" ]
    done
    [ "$i" -gt 8 ]
}

@test "in a set-group-ID folder the project inherits the bit and the group" {
    mkdir team
    chmod 2775 team
    [ "$(id -u)" -ne 0 ] || chgrp 1 team
    umask 027
    new -q team/demo
    mkdir team/demo/runtime/byhand
    for folder in team/demo team/demo/runtime team/demo/.tiny team/demo/runtime/byhand; do
        [ "$(stat -c '%A %G' $folder)" = "drwxr-s--- $(stat -c %G team)" ]
    done
    mkdir -m 2711 own
    new -q own
    [ "$(stat -c %A own)" = drwx--s--x ] # the mode that an empty folder had
}

@test "--git makes a separate repository, whatever the GIT_ variables, except author and committer" {
    git init -q outer
    cd outer
    git -c user.name=n -c user.email=a@b commit -q --allow-empty -m one
    before=$(git rev-parse HEAD)
    export GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=Carl GIT_COMMITTER_EMAIL=c@d
    GIT_DIR=$PWD/.git GIT_WORK_TREE=$PWD GIT_INDEX_FILE=$PWD/.git/other new -q --git demo
    [ "$(git rev-parse HEAD)" = "$before" ]
    [ ! -e .git/other ]
    [ "$(git -C demo log --format='%an %cn')" = "Ann Carl" ]
    [ "$(git -C demo rev-parse --show-toplevel)" = "$PWD/demo" ]
    [ "$(git -C demo status --porcelain)" = "" ]
}

@test "--with adds to the default parts, none,PART takes only that, --without removes what no other part needs" {
    parts() { sed 's/.*--with=//' "$1/.tiny/arguments"; }
    usual=listen,metrics,notify,probation,reaper,report,restart,rollback,rotate,symbols
    new -q --with task a
    [ "$(parts a)" = "child,inherited,json,kept,$usual,task" ]
    new -q --with none,task b
    [ "$(parts b)" = child,task ]
    new -q --without notify,rotate,restart c
    [ "$(parts c)" = inherited,json,kept,listen,metrics,probation,reaper,report,rollback,symbols ]
    new -q --without probation,kept d # rollback needs kept
    [ "$(parts d)" = inherited,json,kept,listen,metrics,notify,reaper,report,restart,rollback,rotate,symbols ]
    new -q --template tcp --without listen,lines e
    [[ ,$(parts e), == *,lines,listen,* ]]
    new -q --with all --without standby-etcd f
    [[ $(parts f) == *,standby,* && $(parts f) != *standby-etcd* ]]
    refuses 1 --without opera x
    [[ $output == *'there is no part "opera" (see --list)' ]]
    refuses 1 --without none x
    run new --list
    [[ $output == *"Parts:"*"  rotate "*"Parts that are added when others need them:"*"  child "*"  kept "* ]]
    new -q a/below
    refuses 2 --update --without rotate a
}

@test "two builds from the same source in two folders give the same bytes" {
    for folder in one two-with-a-longer-name; do
        mkdir "$folder"
        (
            cd "$TINY_SRC"
            tar cf - --exclude=build --exclude=.git --exclude='*.cache' .
        ) | tar xf - -C "$folder"
        (
            cd "$folder"
            [ -e Makefile.in ] || autoreconf -i
            mkdir b
            cd b
            ../configure CFLAGS=-O2
            make tiny-new
        ) >"$folder.log" 2>&1 || { tail "$folder.log"; return 1; }
    done
    cmp one/b/tiny-new two-with-a-longer-name/b/tiny-new
}
