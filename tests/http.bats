#!/usr/bin/env bats
# The template http: its pages, its connections over reloads and restarts.

load helper

setup_file() {
    echo '#include <microhttpd.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 ||
        skip "no libmicrohttpd-dev"
    make_base --template http
}

# serve: a server on a free port.
serve() {
    port=$(free_port)
    set_key http.listen "\"127.0.0.1:$port\""
    set_key log.syslog false
    build
    run_server
    wait_line 5 'listening on'
}

# talk: a Python script with `connect()` and `get(connection, path)`.
talk() {
    {
        cat <<END
import http.client, socket, subprocess, sys, threading, time
def connect():
    c = http.client.HTTPConnection("127.0.0.1", $port, timeout=60)
    c.connect()
    return c
def get(c, path, method="GET", body=None):
    c.request(method, path, body)
    answer = c.getresponse()
    text = answer.read().decode()
    assert not answer.will_close, (path, method)
    return answer.status, text
def svr(*words): return subprocess.run(["./svr.sh", *words], stdout=subprocess.PIPE, timeout=100).returncode
END
        cat
    } >talk.py
    timeout 300 python3 talk.py
}

@test "its own tests pass in a new project" {
    run env -u MAKELEVEL make -s check
    [ "$status" -eq 0 ]
    [[ $output != *"# skip"* ]]
}

@test "pages and methods, and many requests on one connection" {
    serve
    talk <<'END'
c = connect()
local = c.sock
assert get(c, "/") == (200, "1\n")
assert get(c, "/") == (200, "2\n")
assert get(c, "/healthz") == (200, "ok\n")
assert get(c, "/nothing")[0] == 404
assert get(c, "/", "POST", "x" * 100000)[0] == 405
c.request("PUT", "/", "abc")
answer = c.getresponse()
answer.read()
assert answer.getheader("Allow") == "GET, HEAD"
c.request("HEAD", "/healthz")
answer = c.getresponse()
assert (answer.status, answer.read(), answer.getheader("Content-Length")) == (200, b"", "3")
assert get(c, "/") == (200, "3\n")
assert c.sock is local
# Two requests in one packet: two answers, in their order.
s = socket.create_connection(("127.0.0.1", c.port), timeout=60)
s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
text = b""
while part := s.recv(4096): text += part
assert text.count(b"HTTP/1.1 200") == 2 and text.index(b"\r\n4\n") < text.index(b"\r\nok\n"), text
# What is no HTTP harms nobody.
s = socket.create_connection(("127.0.0.1", c.port), timeout=60)
s.sendall(b"\0\1\2 nonsense\r\n\r\n")
assert get(c, "/") == (200, "5\n")
END
}

@test "promtool accepts /metrics, which includes the template's own figure" {
    command -v promtool >/dev/null || skip "no promtool"
    serve
    talk <<'END' >page
c = connect()
get(c, "/")
print(get(c, "/metrics")[1], end="")
END
    grep -qx 'visits_total 1' page
    grep -q '^svr_up 1' page
    promtool check metrics <page
}

@test "slow, silent and late connections are closed; clients beyond the limit wait" {
    set_key http.idle 1.0
    set_key http.max_clients 3
    serve
    talk <<'END'
s = socket.create_connection(("127.0.0.1", port := connect().port), timeout=60)
s.sendall(b"GET / HT")
begin = time.monotonic()
while s.recv(4096): pass
assert 0.5 < time.monotonic() - begin < 30
full = [connect() for i in range(3)]
for c in full: assert get(c, "/healthz")[0] == 200
late = connect()
assert get(late, "/healthz")[0] == 200 # as soon as one of the three is idle
END
}

@test "a full server stays full over a reload; with more room the waiting client is served" {
    set_key http.idle 600.0
    set_key http.max_clients 2
    serve
    talk <<'END'
import json
def clients():
    return json.loads(subprocess.check_output(["./svr.sh", "status", "--json"]))["httpd"]["clients"]
full = [connect() for i in range(2)]
for c in full: assert get(c, "/healthz")[0] == 200
late = connect()
late.request("GET", "/healthz")
open("my_util.c", "a").write("/* another */\n")
for i in range(3):
    assert svr("reload") == 0
    for c in full: assert get(c, "/healthz")[0] == 200
    assert clients() == 2
conf = open("svr_conf").read()
open("svr_conf", "w").write(conf.replace("http.max_clients = 2", "http.max_clients = 3"))
assert svr("reload") == 0
answer = late.getresponse()
assert answer.status == 200 and answer.read() == b"ok\n"
assert clients() == 3
END
}

@test "new code answers on an old connection, with the counter; so it does after a migration" {
    serve
    talk <<'END'
import re
c = connect()
local = c.sock
assert get(c, "/") == (200, "1\n")
text = open("my_util.c").read()
open("my_util.c", "w").write(text.replace('"ok\\n"', '"fine\\n"'))
assert svr("reload") == 0
assert get(c, "/healthz") == (200, "fine\n")
assert get(c, "/") == (200, "2\n")
code = open("my_server.c").read()
code = code.replace("int64_t visits, requests;", "int64_t requests, reads, visits;", 1)
code = code.replace("SVR_HANDLER(", """struct state_1 {
    int64_t visits, requests;
};
static int
migrate(int version, const void *old, void *state) {
    const struct state_1 *from = old;
    struct state *to = state;
    if (version != 1)
        return SVR_FAILED;
    to->visits = from->visits * 100, to->requests = from->requests;
    return SVR_OK;
}
SVR_HANDLER(.migrate = migrate, """).replace(".state_version = 1", ".state_version = 2")
open("my_server.c", "w").write(code)
assert svr("reload") == 0
assert get(c, "/") == (200, "201\n")
assert get(connect(), "/") == (200, "202\n")
assert c.sock is local
END
}

@test "a restart refuses no client; a close answers the requests already sent" {
    serve
    talk <<'END'
done, failed, answered = threading.Event(), [], [0]
def ask():
    while not done.is_set():
        try:
            c = connect() # never refused
        except OSError as e:
            failed.append(repr(e))
            return
        try:
            assert get(c, "/healthz") == (200, "ok\n")
            answered[0] += 1
        except (http.client.HTTPException, OSError): # cut by the restart
            pass
        c.close()
clients = [threading.Thread(target=ask) for i in range(4)]
for client in clients: client.start()
for i in range(3):
    before = answered[0]
    assert svr("restart") == 0
    while answered[0] < before + 20 and not failed: time.sleep(0.01)
done.set()
for client in clients: client.join()
assert not failed, failed
END
    [ "$(count_lines 'listening on')" -eq 4 ]
    talk <<'END'
c = connect()
c.request("GET", "/healthz") # asked, not yet read
assert svr("close") == 0
assert c.getresponse().read() == b"ok\n"
END
    [ "$(exit_status)" = 0 ]
}

@test "a reload may change http.listen, and connections stay; an address in use rejects it" {
    serve
    export first=$port
    port=$(free_port)
    set_key http.listen "\"127.0.0.1:$port\""
    talk <<'END'
import os
c = http.client.HTTPConnection("127.0.0.1", int(os.environ["first"]), timeout=60)
assert get(c, "/") == (200, "1\n")
assert svr("reload") == 0
assert get(c, "/") == (200, "2\n")
assert get(connect(), "/") == (200, "3\n")
try:
    socket.create_connection(("127.0.0.1", int(os.environ["first"])))
    assert False, "it listens at the old address"
except ConnectionRefusedError:
    pass
taken = socket.socket()
taken.bind(("127.0.0.1", 0))
taken.listen()
conf = open("svr_conf").read()
open("svr_conf", "w").write(conf.replace(f":{c and connect().port}", f":{taken.getsockname()[1]}"))
assert svr("reload") == 1
open("svr_conf", "w").write(conf)
assert get(c, "/") == (200, "4\n")
assert get(connect(), "/") == (200, "5\n")
END
    has_line 'rejected: on_reload: listen on 127.0.0.1:.*Address already in use'
    bounded ./svr.sh close
}

@test "a HEAD is not counted as a visit; a body of 3 MB and too large a head are answered at once" {
    serve
    talk <<'END'
c = connect()
assert get(c, "/") == (200, "1\n")
c.request("HEAD", "/")
answer = c.getresponse()
assert (answer.status, answer.read(), answer.getheader("Content-Length")) == (200, b"", "2")
assert get(c, "/") == (200, "2\n")
begin = time.monotonic()
for i in range(5):
    assert get(c, "/", "POST", b"x" * 3000000)[0] == 405
s = socket.create_connection(("127.0.0.1", c.port), timeout=60)
s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20000)
text = b""
try:
    while part := s.recv(4096): text += part
except ConnectionResetError: pass
assert text == b"" or text.split()[1] in (b"413", b"431"), text
# Each of the six would take many seconds, when only a timer moved it.
assert time.monotonic() - begin < 20, time.monotonic() - begin
assert get(c, "/healthz") == (200, "ok\n")
END
}

@test "an ambiguous request is answered with 400, and its connection is closed" {
    serve
    talk <<'END'
port = connect().port
def raw(text):
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    s.sendall(text)
    answer = b""
    try:
        while part := s.recv(4096): answer += part
    except ConnectionResetError: pass
    return answer
for text in (
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\0/x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 30\r\n\r\nabc"
    b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
):
    answer = raw(text)
    assert answer.startswith(b"HTTP/1.1 400 "), (text, answer)
    assert answer.count(b"HTTP/1.1 ") == 1, (text, answer)
# This one libmicrohttpd finds itself, and 0.9.75 sends the head of its answer twice.
assert raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n").startswith(b"HTTP/1.1 400 ")
assert raw(b"GET /?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").endswith(b"\n1\n")
END
}

@test "bodies up to the limit, routes, JSON" {
    set_key http.max_body 100000
    serve
    talk <<'END'
import json
c = connect()
assert get(c, "/echo", "POST", "x" * 100000) == (200, "x" * 100000)
assert get(c, "/echo", "POST", "") == (200, "")
assert get(c, "/echo", "POST", "a\0b") == (200, "a\0b")
assert get(c, "/echo", "POST", "x" * 100001) == (413, "the body is too large\n")
def pieces():
    for i in range(200): yield b"y" * 1000
c.request("POST", "/echo", pieces(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
answer = c.getresponse(); answer.read()
assert answer.status == 413
two = iter([b"a" * 50000, b"b" * 50000])
c.request("POST", "/echo", two, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
answer = c.getresponse()
assert answer.status == 200 and answer.read() == b"a" * 50000 + b"b" * 50000
c.request("GET", "/echo")
answer = c.getresponse()
assert (answer.status, answer.getheader("Allow"), answer.read()) == (405, "POST", b"only POST\n")
assert get(c, "/nothing", "POST", "x")[0] == 404
c.request("GET", "/visits.json")
answer = c.getresponse()
assert answer.getheader("Content-Type") == "application/json"
assert json.loads(answer.read()) == {"page": "/visits.json", "visits": 0}
conf = open("svr_conf").read()
open("svr_conf", "w").write(conf.replace("http.max_body = 100000", "http.max_body = 0"))
assert svr("reload") == 0
assert get(c, "/echo", "POST", "x")[0] == 413
END
    bounded ./svr.sh close
}

@test "HTTPS with curl: renewal under load, old connections stay, a bad key pair rejects the reload" {
    command -v curl >/dev/null && command -v openssl >/dev/null || skip "no curl or openssl"
    for name in one two; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $name.key -out $name.pem \
            -subj "/CN=$name" -addext "subjectAltName=IP:127.0.0.1" -days 9 2>/dev/null
    done
    cp one.pem now.pem
    cp one.key now.key
    set_key http.certificate '"now.pem"'
    set_key http.key '"now.key"'
    serve
    [ "$(curl -sS --cacert one.pem "https://127.0.0.1:$port/healthz")" = ok ]
    talk <<'END'
import ssl, os
def tls(name):
    context = ssl.create_default_context(cafile=name + ".pem")
    c = http.client.HTTPSConnection("127.0.0.1", connect().port, timeout=60, context=context)
    c.connect()
    return c
old = tls("one")
assert get(old, "/") == (200, "1\n")
bad, stop = [], threading.Event()
def work():
    try:
        c = tls("one")
        while not stop.is_set(): assert get(c, "/echo", "POST", "x" * 50000) == (200, "x" * 50000)
    except Exception as error: bad.append(repr(error))
threads = [threading.Thread(target=work) for _ in range(3)]
for t in threads: t.start()
conf = open("svr_conf").read()
open("svr_conf", "w").write(conf.replace('http.key = "now.key"', 'http.key = ""'))
assert svr("reload") == 1
open("svr_conf", "w").write(conf)
os.rename("two.key", "now.key")  # half of it
assert svr("reload") == 1
assert get(tls("one"), "/") == (200, "2\n")
os.system("cp two.pem now.pem")
assert svr("reload") == 0
assert get(tls("two"), "/") == (200, "3\n")
assert get(old, "/") == (200, "4\n")
stop.set()
for t in threads: t.join()
assert not bad, bad
END
    has_line 'rejected: on_reload: .*the certificate and its key do not match'
    has_line 'rejected: on_reload: svr_http_tls: the certificate now.pem needs a key'
    bounded ./svr.sh close
    [ "$(exit_status)" -eq 0 ]
}

@test "a close under load truncates no answer; requests during it get \"Connection: close\"" {
    serve
    talk <<'END'
cut, started, said = [], [0], []
def work():
    c = connect()
    while True:
        try: c.request("POST", "/echo", "x" * 20000)
        except OSError: return
        started[0] += 1
        try:
            answer = c.getresponse()
            body = answer.read()
        except http.client.RemoteDisconnected: return  # before a byte of it
        except (ConnectionResetError, BrokenPipeError): return
        except Exception as error: cut.append(repr(error)); return
        if body != b"x" * 20000: cut.append(len(body))
        if answer.getheader("Connection") == "close": said.append(1); return
threads = [threading.Thread(target=work) for _ in range(8)]
for t in threads: t.start()
while started[0] < 200: time.sleep(0.01)
assert svr("close") == 0
for t in threads: t.join()
assert not cut and len(said) == 8, (cut, said)
END
}

@test "a client that sends a request too slowly is closed; one that sends many requests is not" {
    set_key http.idle 1.0
    serve
    talk <<'END'
good = connect()
drip = socket.create_connection(("127.0.0.1", good.port), timeout=60)
drip.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
drip.settimeout(0.2)
begin = time.monotonic()
while time.monotonic() - begin < 60:
    assert get(good, "/healthz") == (200, "ok\n")
    try:
        drip.sendall(b"a")
        if drip.recv(4096) == b"": break
    except socket.timeout: pass
    except OSError: break
took = time.monotonic() - begin
assert 0.9 < took < 30, took
assert get(good, "/healthz") == (200, "ok\n")
END
}
