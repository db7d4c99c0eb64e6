#!/usr/bin/env bats
# Tests of this very server, in a copy of its folder; yours to extend.

teardown() {
    SVR_BUILD=0 timeout 20 ./svr.sh close || true
}

# The answers to the commands of $1, one on a line, as a person types them.
ask() {
    exec 9<>"/dev/tcp/127.0.0.1/$port"
    printf '%s\nQUIT\n' "$1" >&9
    timeout 20 cat <&9 | tr -d '\r'
    exec 9>&-
}

setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R build svr.sh svr_conf "$copy"
    cd "$copy"
    port=$((20000 + RANDOM % 10000))
    sed -i "s/^resp.listen = .*/resp.listen = \"127.0.0.1:$port\"/" svr_conf
}

@test "the store answers, and outlives a reload" {
    timeout 20 ./svr.sh start
    run ask $'SET color blue\nGET color\nINCR n\nDBSIZE'
    [ "$output" = $'+OK\n$4\nblue\n:1\n:2\n+OK' ]
    run timeout 20 ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2"* ]]
    run ask $'GET color\nDEL color color\nGET color\nTTL n'
    [ "$output" = $'$4\nblue\n:1\n$-1\n:-1\n+OK' ]
    run ask 'WHAT is this'
    [[ $output == "-ERR unknown command 'WHAT'"* ]]
    timeout 20 ./svr.sh close
}
