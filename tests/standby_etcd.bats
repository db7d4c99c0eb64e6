#!/usr/bin/env bats
# The part standby-etcd: a master among three servers, chosen by etcd.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    echo '#include <curl/curl.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || skip "no libcurl4-openssl-dev"
    make_base --with none,standby-etcd
}

@test "without endpoints the part does nothing; the rule about the times is checked" {
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

@test "without etcd it waits, logs that once, and closes at once" {
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

# an_etcd OPTION…: a member of its own, at $endpoint.
an_etcd() {
    command -v etcd >/dev/null && command -v etcdctl >/dev/null || skip "no etcd"
    endpoint=${scheme:-http}://127.0.0.1:$(free_port)
    etcd --data-dir etcd.data --listen-client-urls "$endpoint" --advertise-client-urls "$endpoint" \
        --listen-peer-urls "http://127.0.0.1:$(free_port)" "$@" 3>&- >etcd.log 2>&1 &
    helpers+=("$!")
    export ETCDCTL_API=3
    wait_until 10 ctl endpoint health >/dev/null 2>&1
    set_key standby_etcd.endpoints "\"$endpoint\""
}

ctl() {
    etcdctl --endpoints "$endpoint" --command-timeout 5s "${ctl_options[@]}" "$@"
}

@test "after a clean close a slave is master soon, however long loop_wait is" {
    ctl_options=()
    an_etcd
    set_key standby_etcd.ttl 3600
    set_key standby_etcd.loop_wait 1000.0
    build
    cp -a "$P" ../second
    run_server
    wait_line 10 'standby-etcd: master, token'
    cd ../second
    bounded ./svr.sh start
    wait_until 10 eval '[ "$(json state)" = standby ]'
    cd "$P"
    bounded ./svr.sh close
    cd ../second
    wait_until 4 eval '[ "$(json state)" = running ]' # a thousand seconds else
    bounded ./svr.sh close
    cd "$P"
}

@test "TLS with a private CA and a client certificate, a user with a password: each wrong one is logged" {
    command -v openssl >/dev/null || skip "no openssl"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca 2>/dev/null
    printf 'subjectAltName=IP:127.0.0.1\n' >names
    for who in etcd ours; do
        # etcd wants no common name here
        openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /O=$who 2>/dev/null
        openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
            -out $who.pem -days 2 -extfile names 2>/dev/null
    done
    scheme=https
    ctl_options=(--cacert ca.pem --cert ours.pem --key ours.key)
    an_etcd --cert-file etcd.pem --key-file etcd.key --client-cert-auth --trusted-ca-file ca.pem
    ctl user add root --new-user-password=secret1
    ctl user grant-role root root 2>/dev/null || { ctl role add root && ctl user grant-role root root; }
    ctl user add tiny --new-user-password='pass"word\ü'
    ctl role add tiny
    ctl role grant-permission tiny readwrite --prefix=true /tiny/
    ctl user grant-role tiny tiny
    ctl auth enable
    # logs_reason LINE: the server waits, and logs the reason.
    logs_reason() {
        rm -f log.txt
        run_server
        wait_line 10 "standby-etcd: etcd does not answer: $endpoint: .*$1"
        [ "$(json state)" = standby ]
        run ! grep -q ü log.txt
        bounded ./svr.sh close
    }
    logs_reason '[Cc]ertificate'
    set_key standby_etcd.ca '"ca.pem"'
    logs_reason '.' # our certificate is wanted; libcurl's words depend on which side closes first
    set_key standby_etcd.certificate '"ours.pem"'
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == *"standby_etcd.certificate: needs standby_etcd.private_key"* ]]
    set_key standby_etcd.private_key '"nowhere.key"'
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: standby_etcd.private_key: nowhere.key: No such file or directory" ]]
    set_key standby_etcd.private_key '"ours.key"'
    set_key standby_etcd.user '"tiny"'
    set_key standby_etcd.password '"wrong"'
    logs_reason 'authentication failed'
    # shellcheck disable=SC1003
    set_key standby_etcd.password '"pass\\"word\\\\ü"'
    rm -f log.txt
    run_server
    wait_line 10 'standby-etcd: master, token'
    # a token that is no longer valid is renewed
    set_key standby_etcd.loop_wait 0.2
    bounded ./svr.sh close
    rm -f log.txt
    run_server
    wait_line 10 'standby-etcd: master, token'
    ctl --user root:secret1 user add another --new-user-password=x # revision of auth grows: old tokens end
    before=$(json standby-etcd.token)
    wait_until 5 eval 'ctl --user root:secret1 get /tiny/master | grep -q "pid $server"'
    [ "$(json standby-etcd.token)" = "$before" ]
    [ "$(count_lines 'begins again')" -eq 0 ]
    [ "$(count_lines 'etcd does not answer')" -eq 0 ]
    bounded ./svr.sh close
    run ! grep -q ü log.txt
}

@test "three servers, three members: closed, killed, stopped, cut off; etcd's leader and all of etcd stopped" {
    command -v etcd >/dev/null && command -v etcdctl >/dev/null || skip "no etcd"
    timeout -k 1 600 "$TINY_SRC/tests/fail-over" "$TINY_NEW" >table.txt 2>&1 || { cat table.txt; return 1; }
    sed 's/^/# /' table.txt >&3
}

@test "a model of the protocol: never two masters, in any order of events; without the kernel's timer there are" {
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
