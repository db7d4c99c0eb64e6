#!/usr/bin/env bats
# Tests of this very server, in a copy of its folder; yours to extend.

teardown() {
    SVR_BUILD=0 timeout 20 ./svr.sh close || true
}

# The answers to the lines of $1, each on a line.
ask() {
    exec 9<>"/dev/tcp/127.0.0.1/$port"
    printf '%s\nQUIT\n' "$1" >&9
    timeout 20 cat <&9
    exec 9>&-
}

setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R build svr.sh svr_conf "$copy"
    cd "$copy"
    port=$((20000 + RANDOM % 10000))
    sed -i "s/^tcp.listen = .*/tcp.listen = \"127.0.0.1:$port\"/" svr_conf
}

@test "the store answers, and outlives a reload" {
    timeout 20 ./svr.sh start
    run ask $'SET color deep  blue\nGET color\nCOUNT'
    [ "$output" = $'OK\ndeep  blue\n1' ]
    run timeout 20 ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2"* ]]
    run ask $'GET color\nDEL color\nDEL color\nGET color'
    [ "$output" = $'deep  blue\n1\n0\nNIL' ]
    run ask 'WHAT is this'
    [[ $output == "ERR "* ]]
    timeout 20 ./svr.sh close
}
