#!/usr/bin/env bats
# The part tls: servers and clients by OpenSSL's and Python's own.

bats_require_minimum_version 1.5.0
load helper

setup_file() {
    make_base --template resp --with tls
}

# certify NAME [SUBJECT [DAYS]]: NAME.pem and NAME.key, signed by ca.pem.
certify() {
    [ -s ca.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key \
        -out ca.pem -subj "/CN=our ca" -days 100 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -out "$1.csr" \
        -subj "/CN=${2:-$1}" 2>/dev/null
    printf 'subjectAltName=DNS:%s,IP:127.0.0.1' "${2:-$1}" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "${3:-90}" -extfile "$1.ext" \
        -out "$1.pem" 2>/dev/null
}

setup() {
    setup_project
    command -v openssl >/dev/null || skip "no openssl"
    port=$(free_port)
    set_key resp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    certify one
    set_key tls.certificate '"one.pem"'
    set_key tls.key '"one.key"'
}

serve() {
    build
    run_server
    wait_line 5 'listening on'
}

# s_client OPTIONS…: asks PING by openssl's own client.
s_client() {
    printf 'PING\r\nQUIT\r\n' | timeout 60 openssl s_client -connect "127.0.0.1:$port" -CAfile ca.pem \
        -verify_return_error -quiet "$@" 2>s_client.err || true
}

# asks OPTIONS…: whether it was answered.
asks() {
    [[ $(s_client "$@") == *+PONG* ]]
}

# talk: a Python script with `connect(certificate)`, whose `ask` sends a line.
talk() {
    {
        cat <<END
import os, socket, ssl, subprocess, sys, time
class Client:
    def __init__(self, own=None, name="one"):
        context = ssl.create_default_context(cafile="ca.pem")
        if own: context.load_cert_chain(own + ".pem", own + ".key")
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", $port), timeout=60),
                                          server_hostname=name)
        self.file = self.socket.makefile("rb")
    def ask(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        return self.file.readline().decode().strip()
    def name(self): return dict(x[0] for x in self.socket.getpeercert()["subject"])["commonName"]
connect = Client
def reload(): return subprocess.run(["./svr.sh", "reload"], stdout=subprocess.PIPE, timeout=100).returncode
def log(): return open("log.txt").read()
def until(test):
    end = time.time() + 60
    while not test(): assert time.time() < end; time.sleep(0.02)
END
        cat
    } >talk.py
    timeout 300 python3 talk.py
}

@test "each version of TLS, and the oldest allowed one" {
    serve
    asks -tls1_2
    asks -tls1_3
    run ! asks -tls1_1
    for value in 1.3 '"1.3"'; do
        set_key tls.minimum "$value"
        run bounded ./svr.sh reload
        [ "$status" -eq 0 ]
        run ! asks -tls1_2
        asks -tls1_3
    done
    set_key tls.minimum 1.1
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *'tls.minimum: unknown version "1.1"'* ]]
    # no TLS is spoken to it
    printf 'PING\r\n' | timeout 60 python3 -c "
import socket, sys
s = socket.create_connection(('127.0.0.1', $port), 60); s.sendall(b'PING\r\n')
data = s.recv(100); assert b'PONG' not in data, data"
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "client certificates, good and bad" {
    set_key tls.client_ca '"ca.pem"'
    serve
    certify client
    asks -cert client.pem -key client.key
    run ! asks
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout false.key -out false.pem \
        -subj "/CN=client" 2>/dev/null
    run ! asks -cert false.pem -key false.key
    asks -tls1_2 -cert client.pem -key client.key
    [ "$(json tls.failed)" -ge 2 ]
    # certificates of clients are asked for, or not, from a reload on
    set_key tls.client_ca '""'
    bounded ./svr.sh reload
    asks
    bounded ./svr.sh close
}

@test "renewal under the same path: open connections stay, new ones get the new certificate" {
    serve
    certify two
    talk <<'END'
some = [connect() for _ in range(10)]
for c in some: assert c.ask("PING") == "+PONG" and c.name() == "one"
os.rename("two.pem", "one.pem"); os.rename("two.key", "one.key")
assert connect().name() == "one"
assert reload() == 0
c = connect(name="two")
assert c.ask("PING") == "+PONG" and c.name() == "two"
for c in some: assert c.ask("SET k " + "v" * 1000) == "+OK"
for c in some: assert c.ask("PING") == "+PONG"
END
    bounded ./svr.sh close
}

@test "a key that does not match, a missing file, or one without a certificate rejects the reload" {
    serve
    certify two
    cp two.key one.key
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"tls.key: one.key: key values mismatch; generation 1 keeps running"* ]]
    asks
    set_key tls.key '"nowhere.key"'
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"tls.key: nowhere.key: No such file or directory"* ]]
    set_key tls.key '""'
    run bounded ./svr.sh check
    [ "$status" -eq 1 ]
    [[ $output == *"tls.key: tls.certificate needs a key"* ]]
    set_key tls.certificate '"svr_conf"'
    run bounded ./svr.sh reload
    [ "$status" -eq 1 ]
    [[ $output == *"tls.certificate: svr_conf: no start line"* ]]
    asks
    set_key tls.certificate '""'
    run bounded ./svr.sh reload
    [ "$status" -eq 0 ]
    [ "$(printf 'PING\r\nQUIT\r\n' | timeout 20 nc -q 5 127.0.0.1 "$port" 2>/dev/null || true)" != "" ] ||
        ! command -v nc >/dev/null
    set_key tls.certificate '"nowhere.pem"'
    bounded ./svr.sh close
    run bounded ./svr.sh start
    [ "$status" -eq 1 ]
    [[ $output == *"start failed: svr_conf:"*": tls.certificate: nowhere.pem: No such file"* ]]
}

@test "a certificate that expires soon or has expired is logged at the start and at a reload" {
    certify one one 10
    serve
    wait_line 5 'WARNING.*tls.certificate expires on 20..-..-.., in \(9\|10\) days: renew it'
    certify one one 90
    bounded ./svr.sh reload
    [ "$(count_lines 'tls.certificate expires')" -eq 1 ]
    [ "$(json tls.expires)" -gt "$(date +%s)" ]
    bounded ./svr.sh close
}

@test "a stalled handshake has a time limit, and delays no other client" {
    set_key resp.idle 0.5
    serve
    talk <<END
slow = [socket.create_connection(("127.0.0.1", $port), timeout=60) for _ in range(20)]
for s in slow[:10]: s.sendall(b"\x16\x03\x01\x02\x00")
assert connect().ask("PING") == "+PONG"
for s in slow: assert s.recv(100) in (b"",) or s.recv(100) == b""
END
    bounded ./svr.sh close
}

@test "large answers and many requests over TLS, during reloads with renewals" {
    serve
    talk <<'END'
import threading
value = "v" * 1000000
assert connect().ask("SET big " + value) == "+OK"
bad, stop, count = [], False, [0]
def work():
    try:
        c = connect()
        while not stop:
            assert c.ask("GET big") == "$1000000"
            assert c.file.read(1000002) == value.encode() + b"\r\n"
            count[0] += 1
            if count[0] % 7 == 0: c = connect()
    except Exception as error: bad.append(repr(error))
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for i in range(10): assert reload() == 0
until(lambda: count[0] > 50 or bad)
stop = True
for t in threads: t.join()
assert not bad, bad
END
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "as a client: the server's certificate and name are verified" {
    rm -rf "$P"
    "$TINY_NEW" -q --with none,tls,restart,task "$P"
    cd "$P"
    certify one
    set_key tls.server_ca '"ca.pem"'
    hooks <<END
#include "stream.h"
static int frame(void *arg) { return svr_stream_line(arg); }
static int message(void *arg) {
    struct svr_message *m = arg;
    svr_info("%s got %.*s", (char *)m->stream->user, (int)m->size - 1, m->data);
    return 0;
}
static int closed(void *arg) {
    struct svr_message *m = arg;
    svr_info("%s closed: %s", (char *)m->stream->user, m->reason);
    return 0;
}
static int on_start(void) {
    const char *names[] = {"one", "127.0.0.1", "other"};
    for (int i = 0; i < 3; i++) {
        struct svr_stream *s = svr_stream_connect("127.0.0.1:$port", (struct svr_protocol){
            .frame = frame, .message = message, .closed = closed, .name = names[i]}, (void *)names[i]);
        if (!s) return SVR_FAILED;
        svr_stream_print(s, "hello from %s\n", names[i]);
    }
    return 0;
}
SVR_HANDLER(.on_start = on_start, .callbacks = SVR_CALLBACKS(SVR_CALL(frame), SVR_CALL(message), SVR_CALL(closed)));
END
    cat >echo.py <<END
import socket, ssl, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("one.pem", "one.key")
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", $port)); s.listen()
open("ready", "w").write("x")
def serve(c):
    try:
        c = context.wrap_socket(c, server_side=True)
        while True:
            data = c.recv(1000)
            if not data: break
            c.sendall(data)
    except OSError: pass
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
END
    timeout 300 python3 echo.py 3>&- &
    helpers+=("$!")
    wait_until 10 test -s ready
    build
    run_server
    wait_line 10 'one got hello from one'
    wait_line 10 '127.0.0.1 got hello from 127.0.0.1'
    wait_line 10 'other closed: TLS: hostname mismatch'
    run ! has_line 'other got'
    bounded ./svr.sh close
}

@test "docs/protocols.md, word for word: from nothing to an echo server with TLS" {
    command -v nc >/dev/null || skip "no nc"
    page=$TINY_SRC/docs/protocols.md
    cd "$BATS_TEST_TMPDIR"
    rm -rf demo
    tiny() { "$TINY_NEW" -q "$@"; }
    eval "$(grep -m 1 '^    tiny-new ' "$page" | sed 's/tiny-new/tiny/')"
    mv echo demo # the name that teardown knows
    cd demo
    P=$PWD
    sed -n '/^    #include <stdio.h>/,/^Three rules/p' "$page" | sed -n 's/^    //p; /^$/p' >my_server.c
    port=$(free_port)
    echo "echo.listen = \"127.0.0.1:$port\"" >>svr_conf
    eval "$(grep "^    sed -i 's/.SOURCES" "$page")"
    set_key log.syslog false
    make -s
    ./svr.sh start >/dev/null
    ask() { printf '5:hello,'; }
    [ "$(ask | timeout 20 nc -N 127.0.0.1 "$port")" = 5:hello, ]
    [ "$(printf 'x' | timeout 20 nc -N 127.0.0.1 "$port")" = "" ]
    eval "$(sed -n '/^    openssl req/,/^$/p' "$page")" 2>/dev/null
    while IFS= read -r line; do
        set_key "${line%% =*}" "${line#* = }"
    done < <(sed -n 's/^    \(tls.* =\)/\1/p' "$page")
    bounded ./svr.sh reload
    [ "$(grep -c '^    tls\.' "$page")" -eq 2 ]
    # The page sleeps a second; here the pipe stays open until the answer is there.
    (ask; wait_until 20 grep -q hello answer) | timeout 60 openssl s_client -quiet -no_ign_eof \
        -connect "127.0.0.1:$port" -CAfile echo.pem -verify_return_error >answer 2>/dev/null || true
    [ "$(cat answer)" = 5:hello, ]
    bounded ./svr.sh close
}

@test "the part lines uses TLS with the same keys; unix sockets stay plain" {
    rm -rf "$P"
    "$TINY_NEW" -q --template tcp --with tls "$P"
    cd "$P"
    certify one
    set_key tls.certificate '"one.pem"'
    set_key tls.key '"one.key"'
    set_key tcp.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    serve
    talk <<'END'
c = connect()
assert c.ask("SET k v") == "OK" and c.ask("GET k") == "v"
conf = open("svr_conf").read().split("\n")
open("svr_conf", "w").write("\n".join('tcp.listen = "run/s"' if l.startswith("tcp.listen") else l for l in conf))
assert reload() == 0
assert c.ask("GET k") == "v"
s = socket.socket(socket.AF_UNIX); s.connect("run/s"); s.sendall(b"GET k\n"); assert s.recv(9) == b"v\n"
END
    bounded ./svr.sh close
}
