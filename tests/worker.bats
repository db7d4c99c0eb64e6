#!/usr/bin/env bats
# The template worker: what it reads is worked on once.

load helper

@test "its own tests pass in a new project" {
    run env -u MAKELEVEL make -s check
    [ "$status" -eq 0 ]
    [[ $output != *"# skip"* ]]
}

# finished N: the output has N lines, and the worker rests.
finished() {
    wait_until 5 eval '[ -e log/demo.out ] && [ "$(wc -l <log/demo.out)" -ge '"$1"' ]'
    local turns
    turns=$(json turns)
    wait_until 5 eval '[ "$(json turns)" -ge '$((turns + 3))' ]'
    [ "$(wc -l <log/demo.out)" -eq "$1" ]
}

@test "an input with a path of 300 bytes is read once; one that grows is continued; a longer path is refused" {
    part=$(printf 'd%.0s' {1..150})
    mkdir -p "$part/$part"
    seq 50 >"$part/$part/in"
    set_key in "\"$part/$part/in\""
    sed -i 's/^my.pause_ms = [0-9]*/my.pause_ms = 1/' svr_conf
    build
    run_server
    finished 50
    seq 7 >>"$part/$part/in"
    finished 57
    cp "$part/$part/in" other
    set_key in '"other"'
    bounded ./svr.sh reload
    finished 114
    set_key in "\"$(printf 'd%.0s' {1..4096})\""
    SVR_BUILD=0 bounded ./svr.sh reload
    wait_line 5 'run: in: .*File name too long'
    set_key in '"other"' # the same file: nothing is new
    bounded ./svr.sh reload
    finished 114
    bounded ./svr.sh close
}

@test "lines without an end, with more than 4095 bytes, an output that cannot be written" {
    printf 'one two\nlast' >in
    set_key in '"in"'
    sed -i 's/^my.pause_ms = [0-9]*/my.pause_ms = 1/; s/^other.x = [0-9]*/other.x = 4/' svr_conf
    build
    run_server
    finished 2
    printf ' word\n' >>in # in two pieces, as it came
    finished 3
    [ "$(cat log/demo.out)" = $'0\tone two\n1\tlast\n1\t word' ]
    printf '%05000d\n' 0 >>in # in two pieces
    finished 5
    set_key out '"nowhere/out"'
    bounded ./svr.sh reload
    echo '  four words  here' >>in
    wait_line 5 'run: out: No such file or directory: nowhere/out'
    set_key out '"log/demo.out"'
    bounded ./svr.sh reload
    finished 6 # the line was not lost
    [ "$(tail -n 1 log/demo.out)" = "3	  four words  here" ]
    bounded ./svr.sh close
    has_line '<SUMMARY> lines 6\b'
    has_line '6 lines so far$'
}

@test "a state of version 0 becomes one of version 1" {
    seq 3 >in
    set_key in '"in"'
    sed -i 's/^my.pause_ms = [0-9]*/my.pause_ms = 1/' svr_conf
    cp my_server.c one.c
    sed -i '/long long lines;/d; s/state->lines++;//; s/%lld/%ld/; s/state->lines/state->offset/
        s/offsetof(struct state, lines)/sizeof(struct state)/; s/state_version = 1/state_version = 0/' my_server.c
    build
    run_server
    finished 3
    cp one.c my_server.c
    bounded ./svr.sh reload
    seq 2 >>in
    finished 5 # the place in the text was kept
    bounded ./svr.sh close
    has_line '<SUMMARY> lines 2\b'
}

@test "at most 90 code lines of my_*" {
    command -v cloc >/dev/null || skip "no cloc"
    [ "$(cloc --quiet --csv my_server.c my_util.c my_util.h | awk -F, 'END { print $5 }')" -le 90 ]
}
