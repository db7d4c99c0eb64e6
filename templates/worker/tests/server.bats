#!/usr/bin/env bats
# Tests of this very server, in a copy of its folder; yours to extend.

setup() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir "$copy"
    cp -R build svr.sh svr_conf README.md "$copy"
    cd "$copy"
}

teardown() {
    SVR_BUILD=0 timeout 20 ./svr.sh close || true
}

# Tries a command until it succeeds, for 10 seconds.
eventually() {
    for _ in $(seq 100); do
        if "$@"; then
            return 0
        fi
        sleep 0.1
    done
    return 1
}

@test "it starts, works, reloads and closes" {
    timeout 20 ./svr.sh start
    eventually test -s log/__NAME__.out
    run timeout 20 ./svr.sh reload
    [ "$status" -eq 0 ]
    [[ $output == *"reloaded: generation 2"* ]]
    run timeout 20 ./svr.sh status
    [[ $output == *"__NAME__: running"* ]]
    timeout 20 ./svr.sh close
    run timeout 20 ./svr.sh status
    [ "$status" -eq 3 ]
}

@test "a bad configuration is refused, and the old one stays in force" {
    timeout 20 ./svr.sh start
    sed -i 's/^other.x = .*/other.x = many/' svr_conf
    run timeout 20 ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"svr_conf:"*"other.x: needs an integer"* ]]
    timeout 20 ./svr.sh status
}
