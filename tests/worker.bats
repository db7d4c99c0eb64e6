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

@test "lines without an end, with more than 4095 bytes, an input that was replaced" {
    printf 'one two\nlast' >in
    set_key in '"in"'
    sed -i 's/^my.pause_ms = [0-9]*/my.pause_ms = 1/; s/^other.x = [0-9]*/other.x = 1/' svr_conf
    build
    run_server
    finished 1
    printf ' word\n' >>in
    finished 2
    [ "$(tail -n 1 log/demo.out)" = "2	last word" ]
    printf '%05000d\n' 0 >>in # in two pieces
    finished 4
    echo new >in
    finished 5
    bounded ./svr.sh close
}
