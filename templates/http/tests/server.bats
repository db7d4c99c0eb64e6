#!/usr/bin/env bats
# Tests of this very server, in a copy of its folder; yours to extend.

teardown() {
    SVR_BUILD=0 timeout 20 ./svr.sh close || true
}

# The body of the page $1, in the connection 9.
ask() {
    local line length=0
    printf 'GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n' "$1" >&9
    while read -r -t 20 line <&9 && [ "$line" != $'\r' ]; do
        [[ $line != Content-Length:* ]] || length=${line//[^0-9]/}
    done
    read -r -t 20 -N "$length" line <&9
    printf '%s' "$line"
}

setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R build svr.sh svr_conf "$copy"
    cd "$copy"
    port=$((20000 + RANDOM % 10000))
    sed -i "s/^http.listen = .*/http.listen = \"127.0.0.1:$port\"/" svr_conf
}

@test "the counter continues over a reload, in one connection" {
    timeout 20 ./svr.sh start
    exec 9<>"/dev/tcp/127.0.0.1/$port"
    [ "$(ask /)" = 1 ]
    [ "$(ask /healthz)" = ok ]
    run timeout 20 ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2"* ]]
    [ "$(ask /)" = 2 ]
    [[ $(ask /metrics) == *$'\nsvr_generation 2\n'* ]]
    [[ $(ask /nothing) == 'no such page' ]]
    exec 9>&-
    timeout 20 ./svr.sh close
}
