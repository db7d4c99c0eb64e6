#!/usr/bin/env bats
# make install: what is installed, its rights, and paths that need
# care. The service's user is `daemon`, which every Debian has.

bats_require_minimum_version 1.5.0
load helper

need_root() {
    [ "$(id -u)" -eq 0 ] || skip "only root installs for another user"
}

# The folder of the install, which other users can reach.
setup() {
    setup_project
    opt=$BATS_TEST_TMPDIR/opt/demo
    chmod a+rx "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
}

install_to() {
    make -s install prefix="$1" user="${2:-daemon}" >install.txt 2>&1 ||
        { cat install.txt; return 1; }
}

# What the service's user can write, except run/ and log/.
writable() {
    setpriv --reuid=daemon --regid=daemon --clear-groups \
        find "$opt" \( -path "$opt/run" -o -path "$opt/log" \) -prune \
        -o ! -type l -writable -print
}

@test "a svr_conf with a secret can be read only by the service's user" {
    need_root
    chmod 600 svr_conf
    install_to "$opt"
    [ "$(stat -c '%a %U %G' "$opt/svr_conf")" = "640 root daemon" ]
    # the owner's own stays; the new one beside it has the same mode
    echo '# mine' >>"$opt/svr_conf"
    install_to "$opt"
    tail -n 1 "$opt/svr_conf" | grep -qx '# mine'
    [ "$(stat -c '%a %U %G' "$opt/svr_conf.new")" = "640 root daemon" ]
    setpriv --reuid=daemon --regid=daemon --clear-groups cat "$opt/svr_conf" >/dev/null
    run setpriv --reuid=nobody --regid=nogroup --clear-groups cat "$opt/svr_conf.new"
    [ "$status" -ne 0 ]
}

@test "svr_conf is never readable to more people than its source" {
    need_root
    install_to "$opt"
    [ "$(stat -c %a "$opt/svr_conf")" = 644 ]
    chmod 640 svr_conf # the same content, now private
    install_to "$opt"
    [ "$(stat -c '%a %U %G' "$opt/svr_conf")" = "640 root daemon" ]
    chmod 600 svr_conf
    install_to "$opt.root" root
    [ "$(stat -c '%a %U %G' "$opt.root/svr_conf")" = "600 root root" ]
    make -s install DESTDIR="$BATS_TEST_TMPDIR/stage" prefix=/opt/demo user=daemon
    [ "$(stat -c %a "$BATS_TEST_TMPDIR/stage/opt/demo/svr_conf")" = 600 ]
}

@test "the files of DATA keep their mode, without set-user-ID" {
    printf '#!/bin/sh\necho hi\n' >job.sh
    chmod 4750 job.sh
    echo a >list.txt
    chmod 604 list.txt
    sed -i 's/^DATA =.*/DATA = job.sh list.txt/' Makefile
    install_to "$opt" "$(id -un)"
    [ "$(stat -c %a "$opt/job.sh")" = 750 ]
    [ "$(stat -c %a "$opt/list.txt")" = 604 ]
}

@test "nothing outside run/ and log/ can be written by the service's user" {
    need_root
    umask 000
    install_to "$opt"
    [ -x "$opt/svr.sh" ]
    [ "$(stat -c %U "$opt/run" "$opt/log" | tr '\n' ' ')" = "daemon daemon " ]
    run writable
    [ "$output" = "" ]
}

@test "root takes over a folder that belonged to the service's user" {
    need_root
    mkdir -p "$opt/build" "$opt/service/runit" "$BATS_TEST_TMPDIR/precious"
    echo 'rm -rf /' >"$opt/svr.sh"
    echo 'rm -rf /' >"$opt/service/runit/run"
    ln -s "$BATS_TEST_TMPDIR/precious" "$opt/service/s6"
    ln -s "$BATS_TEST_TMPDIR/precious" "$opt/log"
    ln -s "$BATS_TEST_TMPDIR/precious/target" "$opt/service/logrotate.tmp"
    ln -s "$BATS_TEST_TMPDIR/precious/target" "$opt/build/demo"
    chown -hR daemon "$opt"
    install_to "$opt"
    run writable
    [ "$output" = "" ]
    [ -z "$(ls -A "$BATS_TEST_TMPDIR/precious")" ]
    [ "$(stat -c %U "$BATS_TEST_TMPDIR/precious")" = root ]
    cmp svr.sh "$opt/svr.sh"
    cmp service/runit/run "$opt/service/runit/run"
}

@test "root's own link stays: log/ on another disk" {
    need_root
    mkdir -p "$opt" "$BATS_TEST_TMPDIR/disk"
    ln -s "$BATS_TEST_TMPDIR/disk" "$opt/log"
    install_to "$opt"
    [ -L "$opt/log" ]
    [ "$(stat -c %U "$BATS_TEST_TMPDIR/disk")" = daemon ]
}

@test "service/ gets the owner's own files too, but nothing that a supervisor left" {
    mkdir -p service/runit/supervise service/mine
    echo x >service/runit/supervise/status
    echo x >service/mine/notes
    install_to "$opt" "$(id -un)"
    [ -e "$opt/service/mine/notes" ]
    [ ! -e "$opt/service/runit/supervise" ]
    [ -x "$opt/service/as-owner" ]
}

# paths: an install under each name; the unit and the file for logrotate are good.
@test "any prefix: spaces, %, &, quotes, backslashes, dollars" {
    for name in plain 'my app' 'a&b' '100%' "it's" 'quo"te' 'back\slash' 'end\' \
        'a$$b' 'a|b' 'star*[x]' 'cur{ly}' 'ümlaut'; do
        folder=$BATS_TEST_TMPDIR/opt/${name/\$\$/\$}
        install_to "$BATS_TEST_TMPDIR/opt/$name" "$(id -un)"
        unit=$folder/service/demo.service
        run ! grep -n '@[A-Z]*@' "$unit" "$folder/service/logrotate"
        if command -v systemd-analyze >/dev/null; then
            run systemd-analyze verify "$unit"
            [ "$status" -eq 0 ]
            [ "$output" = "" ] || { echo "$name: $output"; return 1; }
        fi
        if command -v logrotate >/dev/null; then
            echo line >"$folder/log/demo.log"
            run logrotate -d -f -s state "$folder/service/logrotate"
            [[ $output != *error* ]]
            [[ $output == *"considering log $folder/log/demo.log"* ]]
        fi
        set_key log.syslog false
        (cd "$folder" && bounded ./svr.sh start && bounded ./svr.sh close)
    done
}

@test "a path that needs no escaping is written unchanged" {
    for name in plain 'a&b' 'a+b,c=d@e:f' 'ümlaut'; do
        folder=$BATS_TEST_TMPDIR/opt/$name
        install_to "$folder" "$(id -un)"
        grep -Fqx "WorkingDirectory=$folder" "$folder/service/demo.service"
        grep -Fqx "ExecStart=$folder/svr.sh run" "$folder/service/demo.service"
        grep -Fqx "ReadWritePaths=-$folder/run -$folder/log" "$folder/service/demo.service"
        grep -Fqx "\"$folder/log/demo.log\" {" "$folder/service/logrotate"
    done
    install_to "$BATS_TEST_TMPDIR/opt/my app" "$(id -un)"
    unit="$BATS_TEST_TMPDIR/opt/my app/service/demo.service"
    grep -Fqx "ExecStart=\"$BATS_TEST_TMPDIR/opt/my app/svr.sh\" run" "$unit"
}

@test "a prefix in the current folder is written as an absolute path" {
    install_to there "$(id -un)"
    grep -Fqx "WorkingDirectory=$PWD/there" there/service/demo.service
}

@test "root rotates the log as the service's user, and no new code is put in force" {
    need_root
    command -v logrotate >/dev/null || skip "no logrotate"
    set_key log.file_log.level INFO
    set_key log.file_log.rotate '""'
    set_key log.syslog false
    install_to "$opt"
    grep -qx '    su daemon daemon' "$opt/service/logrotate"
    setpriv --reuid=daemon --regid=daemon --clear-groups "$opt/svr.sh" start
    started+=("$(cat "$opt/run/demo.pid")")
    before=$(cd "$opt" && json build_id)
    echo 'int more(void); int more(void) { return 2; }' >>my_util.c
    build
    install_to "$opt"
    logrotate -f -s "$BATS_TEST_TMPDIR/state" "$opt/service/logrotate"
    [ -s "$opt/log/demo.log.1" ]
    [ "$(stat -c %U "$opt/log/demo.log")" = daemon ]
    [ "$(cd "$opt" && json build_id)" = "$before" ]
    [ "$(cd "$opt" && json generation)" = 1 ]
    bounded "$opt/svr.sh" reload
    wait_until 5 grep -q 'reloaded: generation 2' "$opt/log/demo.log"
    bounded "$opt/svr.sh" close
}

# commands HEADING: the commands of a chapter of the operator's guide, for this install.
commands() {
    awk -v heading="## $1" '/^## /{ inside = $0 == heading } inside && sub(/^    /, "")' \
        "$TINY_SRC/docs/operating.md" | sed "s|/opt/myproj|$opt|g; s|user=myproj|user=daemon|; s|make |make -s |g"
}

@test "docs/operating.md: an installed version is saved and restored under a running server" {
    need_root
    install_to "$opt"
    setpriv --reuid=daemon --regid=daemon --clear-groups "$opt/svr.sh" start
    started+=("$(cat "$opt/run/demo.pid")")
    before=$(cd "$opt" && json build_id)
    sed -i 's/letters >= x/letters > x/' my_util.c
    commands 'Upgrade and rollback' >guide
    [ "$(wc -l <guide)" -eq 11 ]
    head -n 6 guide >upgrade
    bounded sh -eu upgrade
    [ "$(cd "$opt" && json build_id)" != "$before" ]
    # once more: what the first upgrade kept is replaced
    before=$(cd "$opt" && json build_id)
    sed -i 's/letters > x/letters > x + 1/' my_util.c
    bounded sh -eu upgrade
    [ "$(cd "$opt" && json build_id)" != "$before" ]
    tail -n 5 guide >back
    bounded sh -eu back
    [ "$(cd "$opt" && json build_id)" = "$before" ]
    [ "$(cd "$opt" && json generation)" = 4 ]
    bounded "$opt/svr.sh" restart
    [ "$(cd "$opt" && json build_id)" = "$before" ]
    run writable
    [ "$output" = "" ]
    bounded "$opt/svr.sh" close
}
