#!/usr/bin/env bats
# The main job on a real text, and what an owner does with the folder.

load helper

@test "the worker works through a real text; a reload keeps its place" {
    text=/usr/share/common-licenses/GPL-3
    [ -r "$text" ] || text=$TINY_SRC/LICENSE
    set_key in "\"$text\""
    set_key my.pause_ms 1000 # slow until the reload
    bounded ./svr.sh start
    wait_until 5 test -s log/demo.out
    set_key my.pause_ms 5
    sed -i 's|%d\\t%s|%d words: %s|' my_util.c
    bounded ./svr.sh reload
    wait_until 20 eval '[ "$(wc -l <log/demo.out)" -eq "$(wc -l <"$text")" ]'
    grep -q ' words: ' log/demo.out
    # every line once, in order, whichever code it met
    diff <(sed 's/^[0-9]*\(\t\| words: \)//' log/demo.out) "$text"
    bounded ./svr.sh close
    grep -q "<SUMMARY> lines $(wc -l <"$text")\\b" log/demo.console
}

@test "the project's own tests pass, and exit with 77 without bats" {
    run timeout 120 make check
    echo "$output"
    [ "$status" -eq 0 ]
    [[ $output == *"ok 1 "* ]]
    mkdir bin
    for tool in make cat cksum cut nproc sh bash gcc cc echo mkdir printf; do
        ln -s "$(command -v "$tool")" "bin/$tool" || true
    done
    PATH=$P/bin run /usr/bin/timeout 60 /usr/bin/make check
    [[ $output == *"bats is not installed"* ]]
    [[ $output == *"Error 77"* ]]
}

@test "make install lays out a folder that runs without sources" {
    make -s install prefix="$BATS_TEST_TMPDIR/there" >/dev/null
    cd "$BATS_TEST_TMPDIR/there"
    [ ! -e my_server.c ]
    [ ! -e Makefile ]
    grep -q "WorkingDirectory=$BATS_TEST_TMPDIR/there" service/demo.service
    bounded ./svr.sh start
    started+=("$(cat run/demo.pid)")
    bounded ./svr.sh reload
    bounded ./svr.sh close
    # again: what the owner changed there stays
    sed -i 's/^other.x = .*/other.x = 9/' svr_conf
    make -s -C "$P" install prefix="$PWD" >/dev/null
    grep -q '^other.x = 9' svr_conf
    [ -e svr_conf.new ]
    make -s -C "$P" install DESTDIR="$BATS_TEST_TMPDIR/stage" prefix=/opt/demo >/dev/null
    grep -q 'WorkingDirectory=/opt/demo' "$BATS_TEST_TMPDIR/stage/opt/demo/service/demo.service"
}

@test "make debug: server and handler have sanitizers, also after a reload" {
    make -s debug >make.log 2>&1 || { cat make.log; return 1; }
    run_server
    wait_until 10 test -s log/demo.out
    sed -i 's|%d\\t%s|%d words: %s|' my_util.c
    run bounded ./svr.sh reload
    echo "$output"
    [ "$status" -eq 0 ]
    echo 'one more line' >>README.md
    wait_until 10 grep -q ' words: one more line' log/demo.out
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
    run grep -c -e AddressSanitizer -e 'runtime error' -e LeakSanitizer log.txt
    [ "$output" = 0 ] || { cat log.txt; return 1; }
    make -s release
    run bash -c 'nm -D build/demo | grep -c __asan'
    [ "$output" = 0 ]
}

@test "a new key is a field after make, with its comment" {
    printf '# How many: */ it is\nmy.count = 3 # at most\n' >>svr_conf
    make -s
    grep -q '/\* How many: \* / it is \*/' svr_conf.h
    grep -q 'int64_t my_count; /\* at most \*/' svr_conf.h
    for line in 'int = 3' 'my.count = 1' 'my_count = 1' 'svr.nonsense = 1' 'notify.nonsense = 1'; do
        cp svr_conf good
        echo "$line" >>svr_conf
        run make -s
        [ "$status" -ne 0 ]
        [[ $output == *"svr_conf:$(wc -l <svr_conf): ${line%% *}: "* ]]
        mv good svr_conf
    done
    make -s
}
