#!/usr/bin/env bats
# The part standby-etcd: a master among three servers, chosen by etcd.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    echo '#include <curl/curl.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libcurl4-openssl-dev"
    make_base --with none,standby-etcd
}

@test "without endpoints it is as if it were not there; the rule of the times is held" {
    run_server
    wait_until 5 eval '[ "$(json state 2>/dev/null)" = running ]'
    run ! json role
    bounded ./svr.sh close
    set_key standby_etcd.ttl 12
    set_key standby_etcd.loop_wait 5.0
    set_key standby_etcd.retry_timeout 4.0
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == "rejected: svr_conf:"*": standby_etcd.ttl: is below loop_wait + 2 * retry_timeout" ]]
    set_key standby_etcd.ttl 13
    bounded ./svr.sh check
}

@test "no etcd: it waits, says so once, and closes at once" {
    set_key standby_etcd.endpoints '"http://127.0.0.1:9"'
    set_key standby_etcd.loop_wait 0.1
    run_server
    wait_line 5 'standby-etcd: etcd does not answer'
    [ "$(json state)" = standby ]
    [ "$(json role)" = slave ]
    [ "$(json standby-etcd.token)" -eq 0 ]
    [ "$(count_lines 'does not answer')" -eq 1 ]
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "three servers, three members: closed, killed, stopped, cut off, etcd's leader and all of etcd away" {
    command -v etcd >/dev/null && command -v etcdctl >/dev/null || skip "no etcd"
    timeout -k 1 600 "$TINY_SRC/tests/fail-over" "$TINY_NEW" >table.txt 2>&1 || { cat table.txt; return 1; }
    sed 's/^/# /' table.txt >&3
}

@test "a model of the protocol: never two at work, in any order of events; without the kernel's timer there would be" {
    command -v spin >/dev/null || skip "no spin"
    cd "$BATS_TEST_TMPDIR"
    spin -a "$TINY_SRC/tests/standby.pml"
    "${CC:-cc}" -O2 -w -DSAFETY -o pan pan.c
    run timeout -k 1 300 ./pan -m100000
    echo "$output"
    [[ $output == *"errors: 0"* ]]
    [[ $output != *"max search depth too small"* ]]
    spin -DNO_TIMER -a "$TINY_SRC/tests/standby.pml"
    "${CC:-cc}" -O2 -w -DSAFETY -o pan pan.c
    run timeout -k 1 300 ./pan -m100000
    [[ $output == *"assertion violated"*"errors: 1"* ]]
}
